//! `tidings endpoint test`: a request outside of deliveries.

use tidings_domain::{EndpointId, EventType};
use tidings_proto::pb;

use crate::attempt::shown;
use crate::client::{Client, explain};
use crate::output::Format;
use crate::publish::read_payload;

/// Sends a sample event at once, even to a disabled endpoint, and prints request and response.
///
/// It is recorded as a test, never retried, and does not affect the endpoint's health. Exits with 1 if the endpoint
/// rejected it.
///
/// Examples:
///   tidings endpoint test ep_…
///   tidings endpoint test ep_… --type feedback.created
///   tidings endpoint test ep_… --type feedback.created --payload @fb.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The endpoint (ep_…).
    endpoint: EndpointId,
    /// The event type to send [default: a sample of the dialect, preferably one that the endpoint is subscribed to].
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// The content: a JSON text, @FILE, or - for standard input [default: the dialect's sample].
    #[arg(long, value_name = "JSON", requires = "event_type")]
    payload: Option<String>,
}

pub(super) async fn run(client: &Client, format: Format, args: Args) -> anyhow::Result<()> {
    let payload = args.payload.as_deref().map(read_payload).transpose()?;
    let request = pb::SendTestRequest {
        endpoint_id: args.endpoint.to_string(),
        event_type: args.event_type.map(|name| name.to_string()).unwrap_or_default(),
        payload: payload.unwrap_or_default(),
    };
    let answer = client.endpoints().send_test(request).await.map_err(explain)?;
    let attempt = answer.into_inner().attempt.unwrap_or_default();
    shown::one(format, &attempt)?;
    anyhow::ensure!(
        attempt.outcome == "succeeded",
        "the endpoint did not take the test: {}",
        attempt.error
    );
    Ok(())
}
