//! Sending tests: dispatchers make the request, because only they may reach endpoints.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_domain::{EndpointId, Scope};
use tidings_proto::pb;
use tidings_proto::pb::dispatcher_service_client::DispatcherServiceClient;
use tidings_service::client::{ClientError, InternalChannel, channel, with_token};
use tidings_service::config::SecretText;
use tidings_service::problem::Problem;
use tidings_service::replicas::Replicas;
use tidings_service::tls::ClientTls;

use tonic::{Code, Status};

use crate::call::Call;
use crate::endpoints::Endpoints;

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
    pub(crate) async fn describe(&self, endpoint: EndpointId) -> Option<pb::DescribeEndpointResponse> {
        let mut client = self.0.clone();
        let question = pb::DescribeEndpointRequest {
            endpoint_id: endpoint.to_string(),
        };
        let answer = tokio::time::timeout(CONNECT_TIMEOUT, client.describe_endpoint(question)).await;
        Some(answer.ok()?.ok()?.into_inner())
    }

    async fn send_test(&self, request: pb::SendTestRequest) -> Result<pb::SendTestResponse, Status> {
        let mut client = self.0.clone();
        let answer = tokio::time::timeout(DEADLINE, client.send_test(request)).await;
        let late = |_| Status::deadline_exceeded("the dispatcher did not answer in time");
        Ok(answer.map_err(late)??.into_inner())
    }
}

/// Sends a sample event to one of the caller's endpoints.
pub(crate) async fn send(
    endpoints: &Endpoints,
    dispatchers: &DispatcherClient,
    call: &Call,
    endpoint: EndpointId,
    request: pb::SendTestRequest,
) -> Result<pb::SendTestResponse, Status> {
    call.require(Scope::Manage)?;
    endpoints.get(call, endpoint).await?;
    dispatchers
        .send_test(request)
        .await
        .map_err(|status| match status.code() {
            // No connection, and nothing that a dispatcher itself said.
            Code::Unavailable | Code::Unknown if status.details().is_empty() => {
                tracing::warn!(%status, "no dispatcher can be reached for a test");
                let detail = "no dispatcher can be reached to send the test: try again in a moment";
                Problem::unavailable("dispatcher_unavailable", detail).into()
            }
            _ => status,
        })
}
