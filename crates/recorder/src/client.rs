//! Client of the log service, with load balancing over its replicas.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_domain::{EndpointId, TenantId};
use tidings_proto::pb;
use tidings_proto::pb::attempt_log_service_client::AttemptLogServiceClient;
use tidings_service::Component;
use tidings_service::client::{ClientError, InternalChannel, channel, with_token};
use tidings_service::config::SecretText;
use tidings_service::replicas::Replicas;
use tidings_service::tls::ClientTls;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

/// The largest message between roles, bytes.
pub const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// Interval of health checks of the log service.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Connection of ingest and dispatcher to the log service (`[log_client]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// URLs of the log service. All addresses of each name are used in turn, and resolved again at intervals.
    pub servers: Vec<String>,
    /// Timeout of a call, after which its records are spilled.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// TLS settings for `https://` URLs.
    pub tls: ClientTls,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            servers: vec!["http://127.0.0.1:50052".into()],
            // Publishers wait for this before their record is spilled.
            deadline: Duration::from_secs(2),
            tls: ClientTls::default(),
        }
    }
}

/// The system's state, as the log service reports it with each response to records.
pub(crate) struct Report {
    pub(crate) backlogged: HashSet<EndpointId>,
    pub(crate) lags: HashMap<TenantId, Duration>,
}

/// A client of the log service's internal calls. Cheap to clone; reconnects by itself.
#[derive(Clone)]
pub struct LogClient {
    inner: AttemptLogServiceClient<InternalChannel>,
    channel: InternalChannel,
    replicas: Replicas,
    deadline: Duration,
}

impl Config {
    /// The configured servers. Nothing is connected yet.
    pub fn replicas(&self) -> Result<Replicas, ClientError> {
        channel("log_client.servers", &self.servers, &self.tls, self.deadline)
    }
}

impl Report {
    /// Reads what it can: an id that is none is left out.
    fn read(response: pb::RecordResponse) -> Self {
        let endpoints = response.backlogged_endpoint_ids.iter();
        let endpoints = endpoints.filter_map(|id| Uuid::from_slice(id).ok());
        let lags = response.lags.iter().filter_map(|lag| {
            let tenant = Uuid::from_slice(&lag.tenant_id).ok()?;
            let micros = u64::try_from(lag.lag_us).ok()?;
            Some((TenantId::from_uuid(tenant), Duration::from_micros(micros)))
        });
        Self {
            backlogged: endpoints.map(EndpointId::from_uuid).collect(),
            lags: lags.collect(),
        }
    }
}

impl LogClient {
    /// A client of these replicas, with a limit for each call.
    pub fn new(replicas: Replicas, deadline: Duration, internal_token: &SecretText) -> Result<Self, ClientError> {
        let channel = with_token(replicas.clone(), internal_token)?;
        let inner = AttemptLogServiceClient::new(channel.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Ok(Self {
            inner,
            channel,
            replicas,
            deadline,
        })
    }

    /// Keeps the component true to whether the log service says that it can do its job, until `shutdown`.
    pub async fn watch(self, component: Component, shutdown: CancellationToken) {
        let mut timer = tokio::time::interval(LOOK_EVERY);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(timer.tick()).await.is_some() {
            match shutdown.run_until_cancelled(self.is_serving()).await {
                None => return,
                Some(Ok(())) => component.up(),
                Some(Err(status)) => component.down(status.message()),
            }
        }
    }

    /// Health of the service: `false` only if no replica can do its job. Replicas are checked in turn, so that one
    /// that restarts does not count.
    async fn is_serving(&self) -> Result<(), Status> {
        let mut said = Status::unavailable("the log service does not report that it is serving");
        // One more than there are, because other calls move the turn meanwhile.
        for _ in 0..=self.replicas.len() {
            let mut health = HealthClient::new(self.channel.clone());
            let asked = HealthCheckRequest::default();
            match self.within_deadline(async move { health.check(asked).await }).await {
                Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => return Ok(()),
                Ok(_) => said = Status::unavailable("the log service reports that it is not serving"),
                Err(status) => said = status,
            }
        }
        Err(said)
    }

    /// Writes records; `Ok` when they are committed.
    pub(crate) async fn record(&self, records: Vec<pb::Record>) -> Result<Report, Status> {
        let call = self.inner.clone();
        let answer = self
            .within_deadline(async move { { call }.record(pb::RecordRequest { records }).await })
            .await?;
        Ok(Report::read(answer.into_inner()))
    }

    pub(crate) async fn fetch(&self, request: pb::FetchDeliveriesRequest) -> Result<Vec<pb::FetchedDelivery>, Status> {
        let call = self.inner.clone();
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
