//! Disabling an endpoint that says it is gone for good (410: Standard Webhooks, "Status codes").

use tidings_domain::{Endpoint, EndpointId, Timestamp};
use tidings_store::{Registry, StoreError};

use crate::metrics;

/// How often it is tried against others who change the endpoint at the same time.
const TRIES: usize = 3;

/// Disables the endpoint. If that can't be done now, the next 410 does it.
pub(crate) async fn disable(registry: &dyn Registry, endpoint: EndpointId) {
    match try_disable(registry, endpoint).await {
        Ok(true) => {
            metrics::DISABLED_AS_GONE.inc();
            tracing::warn!(%endpoint, "an endpoint answered 410 Gone: it is disabled, its deliveries are held");
        }
        Ok(false) => {}
        Err(error) => tracing::warn!(%endpoint, %error, "an endpoint answered 410 Gone and could not be disabled"),
    }
}

async fn try_disable(registry: &dyn Registry, id: EndpointId) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        let Some(known) = registry.endpoint(id).await?.filter(|endpoint| endpoint.enabled) else {
            return Ok(false);
        };
        let was = known.updated_at;
        let disabled = Endpoint {
            enabled: false,
            updated_at: Timestamp::now(),
            ..known
        };
        if registry.replace_endpoint(&disabled, was).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
