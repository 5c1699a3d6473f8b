//! The connection to the log service.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_domain::EndpointId;
use tidings_proto::pb;
use tidings_proto::pb::attempt_log_service_client::AttemptLogServiceClient;
use tidings_service::config::SecretText;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

/// The largest message between roles, bytes.
pub const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// How ingest and dispatcher reach the log service (`[log_client]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the log service listens; several replicas are used in turn.
    pub servers: Vec<String>,
    /// How long a call may take before its records are spilled.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: vec!["http://127.0.0.1:50052".into()],
            deadline: Duration::from_secs(2),
        }
    }
}

/// A client of the log service's internal calls. Cheap to clone; reconnects by itself.
#[derive(Clone)]
pub struct LogClient {
    inner: AttemptLogServiceClient<InterceptedService<Channel, Token>>,
    deadline: Duration,
}

#[derive(Clone)]
struct Token(MetadataValue<Ascii>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Why a client can't be made from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No address at all.
    #[error("log_client.servers is empty: name at least one address like `http://log:50052`")]
    NoServers,
    /// Not an address.
    #[error("log_client.servers: `{0}` is not an address: write it like `http://log:50052`")]
    Address(String),
    /// A token that can't be a header.
    #[error("internal.token must be visible ASCII")]
    Token,
}

impl LogClient {
    /// A client for the configured servers. Nothing is connected yet.
    pub fn new(config: &Config, internal_token: &SecretText) -> Result<Self, ClientError> {
        let endpoints = config
            .servers
            .iter()
            .map(|server| {
                let endpoint =
                    Endpoint::from_shared(server.clone()).map_err(|_| ClientError::Address(server.clone()))?;
                Ok(endpoint
                    .connect_timeout(config.deadline)
                    .tcp_nodelay(true)
                    .http2_keep_alive_interval(Duration::from_secs(10))
                    .keep_alive_timeout(Duration::from_secs(5))
                    .initial_stream_window_size(4 * 1024 * 1024)
                    .initial_connection_window_size(8 * 1024 * 1024))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let channel = match endpoints.as_slice() {
            [] => return Err(ClientError::NoServers),
            [only] => only.connect_lazy(),
            _ => Channel::balance_list(endpoints.into_iter()),
        };
        let token = format!("Bearer {}", internal_token.reveal())
            .parse()
            .map_err(|_| ClientError::Token)?;
        let inner = AttemptLogServiceClient::with_interceptor(channel, Token(token))
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Ok(Self {
            inner,
            deadline: config.deadline,
        })
    }

    /// Writes records; `Ok` when they are committed, with the endpoints that have a backlog.
    pub(crate) async fn record(&self, records: Vec<pb::Record>) -> Result<HashSet<EndpointId>, Status> {
        let call = self.inner.clone();
        let answer = self
            .within_deadline(async move { { call }.record(pb::RecordRequest { records }).await })
            .await?;
        let endpoints = answer.into_inner().backlogged_endpoint_ids;
        let ids = endpoints.iter().filter_map(|id| Uuid::from_slice(id).ok());
        Ok(ids.map(EndpointId::from_uuid).collect())
    }

    /// Fetches deliveries with their content.
    pub(crate) async fn fetch(&self, ids: Vec<Vec<u8>>) -> Result<Vec<pb::FetchedDelivery>, Status> {
        let call = self.inner.clone();
        let request = pb::FetchDeliveriesRequest { delivery_ids: ids };
        let response = self
            .within_deadline(async move { { call }.fetch_deliveries(request).await })
            .await?;
        Ok(response.into_inner().deliveries)
    }

    async fn within_deadline<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        tokio::time::timeout(self.deadline, call).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!(
                "no answer within {:?}",
                self.deadline
            )))
        })
    }
}
