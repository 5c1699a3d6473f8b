//! Sending tests: dispatchers make the request, because only they may reach endpoints.

use tidings_domain::{EndpointId, Scope};

use crate::call::Call;
use crate::dispatchers::DispatcherClient;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::logs::AttemptInFull;

/// Sends an event of this type and with this payload to one of the caller's endpoints; the dialect's sample where they
/// are empty.
pub(crate) async fn send(
    endpoints: &Endpoints,
    dispatchers: &DispatcherClient,
    call: &Call,
    endpoint: EndpointId,
    event_type: String,
    payload: Vec<u8>,
) -> Result<AttemptInFull, Error> {
    call.require(Scope::Manage)?;
    endpoints.get(call, endpoint).await?;
    dispatchers.send_test(endpoint, event_type, payload).await
}
