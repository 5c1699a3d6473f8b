//! Disabling an endpoint that says it is gone for good (410: Standard Webhooks, "Status codes").

use tidings_domain::{DisabledReason, Endpoint, Timestamp};
use tidings_store::Registry;

use crate::metrics;

/// Disables the endpoint, unless requests go to another URL by now, which has not said so. If that can't be done now, the
/// next 410 does it.
pub(crate) async fn disable(registry: &dyn Registry, endpoint: &Endpoint) {
    let (id, now) = (endpoint.id, Timestamp::now());
    let disabled = registry
        .disable_endpoint(
            id,
            DisabledReason::Gone,
            "it answered 410 Gone",
            Some(&endpoint.url),
            now,
        )
        .await;
    match disabled {
        Ok(true) => {
            metrics::DISABLED_AS_GONE.inc();
            tracing::warn!(endpoint = %id, "an endpoint answered 410 Gone: it is disabled, its deliveries are held");
        }
        Ok(false) => {}
        Err(error) => tracing::warn!(endpoint = %id, %error, "an endpoint answered 410 Gone and could not be disabled"),
    }
}
