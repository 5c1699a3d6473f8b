//! Log: keeps and shows what became of events.
//!
//! Need: every event, delivery and attempt is on record and can be found (guarantees G2 and G4). Mechanism: a gRPC
//! service writes records in batches and answers questions; beside it run the tasks that keep the ledger true:
//! the drain of spilled records, the sweeper of overdue deliveries, the releaser of
//! held ones, the jobs that cancel, replay and erase, and upkeep. Limit: every replica may run every task; the database decides who gets a row.

mod backlog;
mod cancel;
mod convert;
mod drain;
mod erase;
mod filter;
mod gone;
mod grpc;
mod lanes;
mod metrics;
mod queues;
mod reads;
mod release;
mod replay;
mod republish;
mod rows;
mod sweep;
mod tail;
mod upkeep;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_proto::pb::attempt_log_service_server::AttemptLogServiceServer;
use tidings_proto::pb::queue_service_server::QueueServiceServer;
use tidings_queue::Queue;
use tidings_store::{Access, Ledger, RegistryCache, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backlog::Backlog;
use crate::gone::{Drained, Forgetting};
use crate::republish::Republisher;
use crate::tail::{Tail, ToTell};
use crate::writer::Writer;

/// How the ledger is kept (`[log]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the gRPC service listens.
    pub grpc_address: String,
    /// How many commits may be under way at once.
    pub writers: usize,
    /// How long after its due time a delivery that the broker keeps is taken for lost and published again. Longer than
    /// an attempt, of up to a minute; where a dialect allows more, that is added.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How often overdue deliveries are looked for.
    #[serde(with = "humantime_serde")]
    pub sweep_every: Duration,
    /// How many held deliveries of one endpoint may be on their way to it at once after their release.
    pub release_window: usize,
    /// How many day partitions are made ahead.
    pub partitions_ahead: u32,
    /// How long events, deliveries and attempts are kept, in whole days; for ever if 0. A day longer than any schedule.
    /// Tenants may keep less.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// How long idempotency keys are kept; at least 24 hours.
    #[serde(with = "humantime_serde")]
    pub idempotency_retention: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_address: "0.0.0.0:50052".into(),
            writers: 2,
            grace: Duration::from_secs(75),
            sweep_every: Duration::from_millis(250),
            release_window: 2_000,
            partitions_ahead: 3,
            retention: Duration::from_secs(90 * 86_400),
            idempotency_retention: Duration::from_secs(48 * 3600),
        }
    }
}

/// What log works with.
pub struct Parts {
    /// Who may do what.
    pub access: Access,
    /// Which endpoints there are.
    pub registry: Arc<RegistryCache>,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Where spilled records come from and overdue deliveries go.
    pub queue: Arc<dyn Queue>,
    /// How many shards the lanes have.
    pub shards: u16,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
}

/// Log, ready to serve and to run.
pub struct Log {
    /// The gRPC service.
    pub grpc: AttemptLogServiceServer<grpc::Service>,
    /// The queue as operators see it.
    pub queues: QueueServiceServer<queues::Service>,
    config: Config,
    registry: Arc<RegistryCache>,
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    writer: Writer,
    tail: Tail,
    to_tell: ToTell,
    backlog: Backlog,
    drained: Drained,
    republisher: Republisher,
    shutdown: CancellationToken,
}

/// Puts log together and starts its writers.
#[must_use]
pub fn build(config: &Config, parts: Parts) -> Log {
    metrics::register();
    let ledger: Arc<dyn Ledger> = parts.store.clone();
    let (tail, to_tell) = Tail::new();
    let backlog = Backlog::default();
    let writer = Writer::start(
        ledger.clone(),
        tail.clone(),
        backlog.clone(),
        config.retention,
        config.writers,
    );
    let drained = Drained::default();
    let forgetting = Forgetting {
        ledger: ledger.clone(),
        retention: config.retention,
        drained: drained.clone(),
    };
    let service = grpc::Service {
        ledger,
        writer: writer.clone(),
        tail: tail.clone(),
        access: parts.access.clone(),
        grace: config.grace,
        backlog: backlog.clone(),
        forgetting,
        reads: reads::Reads::new(),
        shutdown: parts.shutdown.clone(),
    };
    let queues = queues::Service::new(parts.queue.clone(), parts.access);
    Log {
        grpc: AttemptLogServiceServer::new(service).max_decoding_message_size(grpc::MAX_MESSAGE),
        queues: QueueServiceServer::new(queues),
        config: config.clone(),
        registry: parts.registry,
        republisher: Republisher {
            queue: parts.queue.clone(),
            ledger: parts.store.clone(),
            shards: parts.shards,
            grace: config.grace,
        },
        store: parts.store,
        queue: parts.queue,
        writer,
        tail,
        to_tell,
        backlog,
        drained,
        shutdown: parts.shutdown,
    }
}

impl Log {
    /// Runs the tasks that keep the ledger true until the process is to stop. What they hold is finished first.
    pub async fn run(self) {
        let shutdown = self.shutdown;
        let ledger: Arc<dyn Ledger> = self.store.clone();
        let tasks = TaskTracker::new();
        let (queue, until) = (self.queue.clone(), shutdown.clone());
        tasks.spawn(async move { queue.watch(until).await });
        tasks.spawn(self.tail.run(self.to_tell, self.store.clone(), shutdown.clone()));
        tasks.spawn(self.drained.clone().watch(self.queue.clone(), shutdown.clone()));
        tasks.spawn(drain::run(
            self.queue,
            self.writer,
            self.drained,
            self.config.grace,
            shutdown.clone(),
        ));
        tasks.spawn(sweep::run(
            ledger.clone(),
            self.republisher.clone(),
            self.config.clone(),
            shutdown.clone(),
        ));
        tasks.spawn(cancel::run(ledger.clone(), shutdown.clone()));
        let replayed_by = self.republisher.clone();
        let release = release::Releaser {
            ledger,
            registry: self.registry.clone(),
            republisher: self.republisher,
            grace: self.config.grace,
            max_window: self.config.release_window,
            backlog: self.backlog,
        };
        tasks.spawn(release.run(shutdown.clone()));
        tasks.spawn(replay::run(self.store.clone(), replayed_by, shutdown.clone()));
        tasks.spawn(erase::run(self.store.clone(), shutdown.clone()));
        tasks.spawn(upkeep::run(self.store, self.registry, self.config, shutdown));
        tasks.close();
        tasks.wait().await;
    }
}
