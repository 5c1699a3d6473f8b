#![doc = include_str!("../README.md")]

mod accept;
mod evaluate;
mod fair_share;
mod fan_out;
mod filters;
mod flaw;
mod grpc;
mod http;
mod memory_budget;
mod metrics;
mod pace;
mod publish;
mod schemas;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_auth::Access;
use tidings_proto::pb::event_service_server::EventServiceServer;
use tidings_queue::Queue;
use tidings_recorder::Recorder;
use tidings_store::{Idempotency, RegistryCache};
use tokio_util::sync::CancellationToken;

pub use self::http::openapi;
use crate::accept::Acceptor;

pub use crate::metrics::register as register_metrics;

/// Configuration of ingest (`[ingest]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listen address of the gRPC service.
    pub grpc_address: String,
    /// Listen address of the HTTP service.
    pub http_address: String,
    /// Maximum size of a payload, bytes.
    pub max_payload: usize,
    /// Maximum number of events per batch.
    pub max_batch: usize,
    /// The largest request as a whole, bytes.
    pub max_request: usize,
    /// Maximum payload bytes in flight over all requests; further requests wait.
    pub max_in_flight: usize,
    /// Maximum events in flight per stream.
    pub stream_window: usize,
    /// Deliveries per second of one tenant that go to the `live` lane. Those beyond it go to `bulk`, which is worked
    /// on in parallel, so that nobody waits behind a tenant's flood.
    pub live_per_second: u32,
    /// Burst: deliveries of one tenant that may go to the `live` lane at once.
    pub live_burst: u32,
    /// Longest time that an answer waits while the tenant's deliveries are late; zero to never wait.
    #[serde(with = "humantime_serde")]
    pub longest_pause: Duration,
    /// Time after which a publish loses its claim on an idempotency key to another.
    #[serde(with = "humantime_serde")]
    pub idempotency_lease: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_address: "0.0.0.0:50051".into(),
            http_address: "0.0.0.0:8080".into(),
            max_payload: 256 * 1024,
            max_batch: 1_000,
            max_request: 16 * 1024 * 1024,
            max_in_flight: 64 * 1024 * 1024,
            stream_window: 1_024,
            live_per_second: 200,
            live_burst: 1_000,
            longest_pause: Duration::from_millis(500),
            idempotency_lease: Duration::from_secs(10),
        }
    }
}

/// Parts that ingest is built from.
pub struct Dependencies {
    /// Authentication of callers.
    pub access: Access,
    /// Cached tenants, endpoints and schemas.
    pub registry: Arc<RegistryCache>,
    /// Claims of idempotency keys.
    pub idempotency: Arc<dyn Idempotency>,
    /// Destination of deliveries.
    pub queue: Arc<dyn Queue>,
    /// Shards per lane.
    pub shards: u16,
    /// Writes records to the ledger.
    pub recorder: Recorder,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
}

/// The two faces of ingest, to be served wherever the process listens.
pub struct Ingest {
    pub grpc: EventServiceServer<grpc::Service>,
    /// `POST /api/v2/events` and `/api/v2/events/batch`.
    pub http: axum::Router,
}

/// Builds the services of ingest; the caller serves them.
#[must_use]
pub fn build(config: &Config, dependencies: Dependencies) -> Ingest {
    metrics::register();
    let (access, shutdown) = (dependencies.access.clone(), dependencies.shutdown.clone());
    let acceptor = Arc::new(Acceptor::new(config.clone(), dependencies));
    let service = grpc::Service::new(acceptor.clone(), access.clone(), shutdown);
    let grpc = EventServiceServer::new(service).max_decoding_message_size(config.max_request);
    Ingest {
        grpc,
        http: http::router(acceptor, access),
    }
}
