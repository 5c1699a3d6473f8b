//! Disables an endpoint whose receiver is gone for good (410 Gone: Standard Webhooks, "Status codes").

use tidings_domain::{DisabledReason, Endpoint, Timestamp};
use tidings_store::Registry;

use crate::metrics;

/// Disables the endpoint, unless its URL has changed since: the new one has not answered 410. An error is only logged,
/// because the next 410 tries again.
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
            tracing::warn!(endpoint = %id, "disabled an endpoint that answered 410 Gone; its deliveries are held");
        }
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(endpoint = %id, %error, "could not disable an endpoint that answered 410 Gone; the next 410 tries again")
        }
    }
}
