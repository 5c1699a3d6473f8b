//! Ingest: takes events in.
//!
//! Need: a product's services publish events and must know at once that they are safe. Mechanism: each event is
//! checked, matched with its tenant's endpoints and their filters, and then at the same time recorded and published as one
//! message per delivery; it is accepted when its record is durable. Limit: ingest keeps nothing itself; with both
//! the queue and the ledger away it refuses events.

mod accept;
mod filters;
mod flaw;
mod grpc;
mod http;
mod judge;
mod metrics;
mod publish;
mod room;
mod schemas;
mod share;
mod validate;
mod wanting;

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

/// How events are taken in (`[ingest]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the gRPC service listens.
    pub grpc_address: String,
    /// Where the HTTP service listens.
    pub http_address: String,
    /// The largest payload, bytes.
    pub max_payload: usize,
    /// The most events in one batch.
    pub max_batch: usize,
    /// The largest request as a whole, bytes.
    pub max_request: usize,
    /// How many bytes of payload may be under way at once, over all requests; what is beyond waits.
    pub max_in_flight: usize,
    /// How many events of one stream may be under way at once.
    pub stream_window: usize,
    /// How many deliveries per second of one tenant go to the `live` lane; what is beyond goes to `bulk`, which is
    /// worked on beside it, so that nobody waits behind a tenant's flood.
    pub live_per_second: u32,
    /// How many deliveries of one tenant go to the `live` lane at once, after a rest.
    pub live_burst: u32,
    /// How long a publish may hold its idempotency key before another takes it over.
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
            idempotency_lease: Duration::from_secs(10),
        }
    }
}

/// What ingest works with.
pub struct Parts {
    /// Who may do what.
    pub access: Access,
    /// Which endpoints there are.
    pub registry: Arc<RegistryCache>,
    /// Where idempotency keys are claimed.
    pub idempotency: Arc<dyn Idempotency>,
    /// Where deliveries go.
    pub queue: Arc<dyn Queue>,
    /// How many shards the lanes have.
    pub shards: u16,
    /// Where records go.
    pub recorder: Recorder,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
}

/// The two faces of ingest, to be served wherever the process listens.
pub struct Ingest {
    /// The gRPC service.
    pub grpc: EventServiceServer<grpc::Service>,
    /// `POST /api/v2/events` and `/api/v2/events/batch`.
    pub http: axum::Router,
}

/// Puts ingest together.
#[must_use]
pub fn build(config: &Config, parts: Parts) -> Ingest {
    metrics::register();
    let (access, shutdown) = (parts.access.clone(), parts.shutdown.clone());
    let acceptor = Arc::new(Acceptor::new(config.clone(), parts));
    let service = grpc::Service::new(acceptor.clone(), access.clone(), shutdown);
    let grpc = EventServiceServer::new(service).max_decoding_message_size(config.max_request);
    Ingest {
        grpc,
        http: http::router(acceptor, access),
    }
}
