//! Disabling an endpoint that says it is gone for good (410: Standard Webhooks, "Status codes").

use tidings_domain::{DisabledReason, EndpointId, Timestamp};
use tidings_store::Registry;

use crate::metrics;

/// Disables the endpoint. If that can't be done now, the next 410 does it.
pub(crate) async fn disable(registry: &dyn Registry, endpoint: EndpointId) {
    let disabled = registry
        .disable_endpoint(endpoint, DisabledReason::Gone, "it answered 410 Gone", Timestamp::now())
        .await;
    match disabled {
        Ok(true) => {
            metrics::DISABLED_AS_GONE.inc();
            tracing::warn!(%endpoint, "an endpoint answered 410 Gone: it is disabled, its deliveries are held");
        }
        Ok(false) => {}
        Err(error) => tracing::warn!(%endpoint, %error, "an endpoint answered 410 Gone and could not be disabled"),
    }
}
