//! Client of the dispatchers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_domain::{EndpointId, Timestamp};
use tidings_proto::pb::dispatcher_service_client::DispatcherServiceClient;
use tidings_proto::{pb, timestamp_from};
use tidings_service::client::{ClientError, InternalChannel, channel, with_token};
use tidings_service::config::SecretText;
use tidings_service::problem::Problem;
use tidings_service::replicas::Replicas;
use tidings_service::tls::ClientTls;
use tonic::{Code, Status};

use crate::error::Error;
use crate::logs::AttemptInFull;
use crate::messages::records;

/// Limit for connecting to a dispatcher.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Limit for a test: longer than the longest timeout of an attempt, which dialects may set to 5 minutes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(310);
/// The largest answer, bytes: request and response with their headers.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Connection settings for dispatchers (`[dispatcher_client]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses of dispatchers. All addresses of each name are used in turn, and looked up again regularly.
    pub servers: Vec<String>,
    /// TLS settings for servers with `https://`.
    pub tls: ClientTls,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: vec!["http://127.0.0.1:50054".into()],
            tls: ClientTls::default(),
        }
    }
}

/// A client of the dispatchers. Cheap to clone; reconnects by itself.
#[derive(Clone)]
pub struct DispatcherClient(DispatcherServiceClient<InternalChannel>);

/// One dispatcher's present view of an endpoint; others may differ.
#[derive(Debug, Clone, Default)]
pub(crate) struct EndpointView {
    /// `true` if the circuit is not closed.
    pub(crate) is_open: bool,
    /// The time since which it is not closed.
    pub(crate) open_since: Option<Timestamp>,
    /// Failed attempts in a row.
    pub(crate) failures: u32,
    /// Requests in flight.
    pub(crate) under_way: u32,
    /// Current limit of requests in flight.
    pub(crate) window: u32,
}

impl Config {
    /// The configured servers. Nothing is connected yet.
    pub fn replicas(&self) -> Result<Replicas, ClientError> {
        channel("dispatcher_client.servers", &self.servers, &self.tls, CONNECT_TIMEOUT)
    }
}

impl DispatcherClient {
    /// A client of these replicas, with the token that roles share.
    pub fn new(replicas: Replicas, internal_token: &SecretText) -> Result<Self, ClientError> {
        let channel = with_token(replicas, internal_token)?;
        let client = DispatcherServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Ok(Self(client))
    }

    /// A dispatcher's present view of an endpoint; `None` if none answers soon.
    pub(crate) async fn describe(&self, endpoint: EndpointId) -> Option<EndpointView> {
        let mut client = self.0.clone();
        let question = pb::DescribeEndpointRequest {
            endpoint_id: endpoint.to_string(),
        };
        let answer = tokio::time::timeout(CONNECT_TIMEOUT, client.describe_endpoint(question)).await;
        Some(answer.ok()?.ok()?.into_inner().into())
    }

    /// Makes one attempt of an event of this type and with this payload; the dialect's sample where they are empty.
    pub(crate) async fn send_test(
        &self,
        endpoint: EndpointId,
        event_type: String,
        payload: Vec<u8>,
    ) -> Result<AttemptInFull, Error> {
        let mut client = self.0.clone();
        let request = pb::SendTestRequest {
            endpoint_id: endpoint.to_string(),
            event_type,
            payload,
        };
        let answer = tokio::time::timeout(DEADLINE, client.send_test(request)).await;
        let late = |_| Status::deadline_exceeded("the dispatcher did not answer in time");
        let sent = answer.map_err(late).flatten().map_err(unanswered)?;
        Ok(records::read_attempt_in_full(
            sent.into_inner().attempt.unwrap_or_default(),
        )?)
    }
}

/// The error to report for a failure: no dispatcher can be reached, unless one said something itself.
fn unanswered(status: Status) -> Error {
    match status.code() {
        Code::Unavailable | Code::Unknown if status.details().is_empty() => {
            tracing::warn!(%status, "no dispatcher can be reached for a test");
            let detail = "no dispatcher can be reached to send the test: try again in a moment";
            Problem::unavailable("dispatcher_unavailable", detail).into()
        }
        _ => status.into(),
    }
}

impl From<pb::DescribeEndpointResponse> for EndpointView {
    fn from(seen: pb::DescribeEndpointResponse) -> Self {
        Self {
            is_open: seen.circuit != "closed",
            open_since: seen.open_since.as_ref().and_then(timestamp_from),
            failures: seen.failures,
            under_way: seen.under_way,
            window: seen.window,
        }
    }
}
