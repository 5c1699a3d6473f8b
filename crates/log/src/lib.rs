#![doc = include_str!("../README.md")]

mod backlog;
mod cancel;
mod convert;
mod drain;
mod erase;
mod filter;
mod gone;
mod grpc;
mod lag;
mod lanes;
mod metrics;
mod queues;
mod reads;
mod release;
mod replay;
mod republish;
mod rows;
mod standing;
mod sweep;
mod tail;
mod upkeep;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_auth::Access;
use tidings_proto::pb::attempt_log_service_server::AttemptLogServiceServer;
use tidings_proto::pb::queue_service_server::QueueServiceServer;
use tidings_queue::Queue;
use tidings_service::{Health, Supervisor};
use tidings_store::{Ledger, RegistryCache, Store};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::backlog::Backlog;
use crate::gone::{Drained, Forgetting};
use crate::lag::Lags;
use crate::republish::Republisher;
use crate::tail::{Tail, ToTell};
use crate::writer::{Committer, Writer};

pub use crate::metrics::register as register_metrics;

/// Configuration of log (`[log]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listen address of the gRPC service.
    pub grpc_address: String,
    /// Maximum concurrent commits.
    pub writers: usize,
    /// Time after its due time at which a delivery that the broker should have counts as lost and is published again.
    /// It must exceed an attempt of up to a minute; longer timeouts of dialects are added.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// Interval between looks for overdue deliveries.
    #[serde(with = "humantime_serde")]
    pub sweep_every: Duration,
    /// Maximum released deliveries of one endpoint that are on their way to it at once.
    pub release_window: usize,
    /// Number of day partitions created ahead.
    pub partitions_ahead: u32,
    /// Retention of events, deliveries and attempts, in whole days; forever if 0. Make it a day longer than any
    /// schedule. Tenants may keep less.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
    /// Retention of idempotency keys, at least 24 hours.
    #[serde(with = "humantime_serde")]
    pub idempotency_retention: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_address: "0.0.0.0:50052".into(),
            // What arrives during a commit is the next batch; more writers make smaller ones (docs/decisions/0035).
            writers: 1,
            grace: Duration::from_secs(75),
            sweep_every: Duration::from_millis(250),
            release_window: 2_000,
            partitions_ahead: 3,
            retention: Duration::from_secs(90 * 86_400),
            idempotency_retention: Duration::from_secs(48 * 3600),
        }
    }
}

/// Parts that log is built from.
pub struct Dependencies {
    /// Authentication of callers.
    pub access: Access,
    /// Cached endpoints and tenants.
    pub registry: Arc<RegistryCache>,
    pub store: Arc<dyn Store>,
    /// Source of spilled records, and destination of overdue deliveries.
    pub queue: Arc<dyn Queue>,
    /// Shards per lane.
    pub shards: u16,
    pub health: Health,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
}

/// Log, ready to serve and to run.
pub struct Log {
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
    health: Health,
    shutdown: CancellationToken,
}

/// Puts log together and starts its writers.
#[must_use]
pub fn build(config: &Config, dependencies: Dependencies) -> Log {
    metrics::register();
    let ledger: Arc<dyn Ledger> = dependencies.store.clone();
    let (tail, to_tell) = Tail::new();
    let backlog = Backlog::default();
    let committer = Committer {
        ledger: ledger.clone(),
        tail: tail.clone(),
        backlog: backlog.clone(),
        retention: config.retention,
    };
    let writer = Writer::start(committer, config.writers, &dependencies.health);
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
        access: dependencies.access.clone(),
        grace: config.grace,
        backlog: backlog.clone(),
        lags: Lags::default(),
        forgetting,
        reads: reads::Reads::new(),
        shutdown: dependencies.shutdown.clone(),
    };
    let queues = queues::Service::new(
        dependencies.queue.clone(),
        dependencies.store.clone(),
        dependencies.access,
    );
    Log {
        grpc: AttemptLogServiceServer::new(service).max_decoding_message_size(grpc::MAX_MESSAGE),
        queues: QueueServiceServer::new(queues),
        config: config.clone(),
        registry: dependencies.registry,
        republisher: Republisher {
            queue: dependencies.queue.clone(),
            ledger: dependencies.store.clone(),
            shards: dependencies.shards,
            grace: config.grace,
        },
        store: dependencies.store,
        queue: dependencies.queue,
        writer,
        tail,
        to_tell,
        backlog,
        drained,
        health: dependencies.health,
        shutdown: dependencies.shutdown,
    }
}

impl Log {
    /// Runs the tasks that keep the ledger true until the process is to stop. What they hold is finished first.
    pub async fn run(self) {
        let Self {
            config,
            registry,
            store,
            queue,
            writer,
            tail,
            to_tell,
            backlog,
            drained,
            republisher,
            shutdown,
            ..
        } = self;
        let ledger: Arc<dyn Ledger> = store.clone();
        let releaser = Arc::new(release::Releaser {
            ledger: ledger.clone(),
            registry: registry.clone(),
            source: store.clone(),
            republisher: republisher.clone(),
            grace: config.grace,
            max_window: config.release_window,
            backlog,
        });
        // Shared, so that a task that is started again after a panic goes on with the same receiver.
        let to_tell = Arc::new(Mutex::new(to_tell));
        let supervisor = Supervisor::new(self.health, shutdown.clone());
        supervisor.spawn("queue_watch", {
            let (queue, shutdown) = (queue.clone(), shutdown.clone());
            move || {
                let (queue, shutdown) = (queue.clone(), shutdown.clone());
                async move { queue.watch(shutdown).await }
            }
        });
        supervisor.spawn("tail", {
            let (store, shutdown) = (store.clone(), shutdown.clone());
            move || tail.clone().run(to_tell.clone(), store.clone(), shutdown.clone())
        });
        supervisor.spawn("standing_watch", {
            let (ledger, queue, shutdown) = (ledger.clone(), queue.clone(), shutdown.clone());
            move || standing::run(ledger.clone(), queue.clone(), shutdown.clone())
        });
        supervisor.spawn("drained_watch", {
            let (drained, queue, shutdown) = (drained.clone(), queue.clone(), shutdown.clone());
            move || drained.clone().watch(queue.clone(), shutdown.clone())
        });
        supervisor.spawn("drain", {
            let (grace, shutdown) = (config.grace, shutdown.clone());
            move || drain::run(queue.clone(), writer.clone(), drained.clone(), grace, shutdown.clone())
        });
        supervisor.spawn("cancellations", {
            let (ledger, shutdown) = (ledger.clone(), shutdown.clone());
            move || cancel::run(ledger.clone(), shutdown.clone())
        });
        supervisor.spawn("sweeper", {
            let (republisher, config, shutdown) = (republisher.clone(), config.clone(), shutdown.clone());
            move || sweep::run(ledger.clone(), republisher.clone(), config.clone(), shutdown.clone())
        });
        supervisor.spawn("releaser", {
            let shutdown = shutdown.clone();
            move || releaser.clone().run(shutdown.clone())
        });
        supervisor.spawn("replays", {
            let (store, shutdown) = (store.clone(), shutdown.clone());
            move || replay::run(store.clone(), republisher.clone(), shutdown.clone())
        });
        supervisor.spawn("erasures", {
            let (store, shutdown) = (store.clone(), shutdown.clone());
            move || erase::run(store.clone(), shutdown.clone())
        });
        supervisor.spawn("upkeep", move || {
            upkeep::run(store.clone(), registry.clone(), config.clone(), shutdown.clone())
        });
        supervisor.ended().await;
    }
}
