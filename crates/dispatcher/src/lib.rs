//! Dispatcher: makes attempts.
//!
//! Need: every delivery in a lane is sent, judged, recorded and either ended or sent on its way to the next attempt.
//! Mechanism: `worker` takes a message and walks it through one file per verb: look up, limit, render (the
//! dialect crate), send, classify, record, settle. Limit: a dispatcher keeps nothing; what it holds when
//! it dies comes again, and the ledger says what of it was already done.

mod classify;
mod limit;
mod metrics;
mod record;
mod resolve;
mod send;
mod settle;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tidings_dialect::Dialects;
use tidings_domain::destination::Destinations;
use tidings_queue::{LaneKind, Queue, Source};
use tidings_recorder::{Fetcher, Recorder};
use tidings_store::{Registry, RegistryCache};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limit::Limiter;
use crate::send::Sender;
use crate::settle::Settler;
use crate::worker::Worker;

pub use crate::send::SenderError;

/// How attempts are made (`[dispatcher]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many deliveries may be in hand at once.
    pub concurrency: usize,
    /// How many requests to one endpoint may be under way at once, unless the endpoint says otherwise.
    pub endpoint_concurrency: u32,
    /// How many unsettled messages one `live` queue hands out.
    pub prefetch_live: u16,
    /// How many unsettled messages one `retry` queue hands out.
    pub prefetch_retry: u16,
    /// How much of a response is read and kept, bytes.
    pub max_response: usize,
    /// The age after which a first attempt is checked against the ledger before it is made, because the sweeper
    /// may have published it a second time. Keep it below the log's `grace`.
    #[serde(with = "humantime_serde")]
    pub check_after: Duration,
    /// How long deliveries in hand may take to end when the process is asked to stop.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            concurrency: 2_048,
            endpoint_concurrency: 32,
            prefetch_live: 200,
            prefetch_retry: 50,
            max_response: 64 * 1024,
            check_after: Duration::from_secs(15),
            grace: Duration::from_secs(35),
        }
    }
}

/// Where requests may go (`[destinations]`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DestinationConfig {
    /// Networks that are allowed although they are not public, like `["10.1.0.0/16"]`.
    pub allowed_networks: Vec<IpNet>,
    /// Whether `http://` is allowed for public hosts.
    pub allow_http: bool,
}

impl DestinationConfig {
    /// The rules.
    #[must_use]
    pub fn rules(&self) -> Destinations {
        Destinations {
            allowed_networks: self.allowed_networks.clone(),
            allow_http: self.allow_http,
        }
    }
}

/// What a dispatcher works with.
pub struct Parts {
    /// Which endpoints there are.
    pub cache: Arc<RegistryCache>,
    /// The same at its source, for what is not in the cache yet.
    pub registry: Arc<dyn Registry>,
    /// How requests are written.
    pub dialects: Dialects,
    /// Where requests may go.
    pub destinations: Destinations,
    /// Where deliveries come from and wait.
    pub queue: Arc<dyn Queue>,
    /// How many shards the lanes have.
    pub shards: u16,
    /// Where attempts are recorded.
    pub recorder: Recorder,
    /// Where contents come from.
    pub fetcher: Fetcher,
}

/// A dispatcher, ready to run.
pub struct Dispatcher {
    config: Config,
    queue: Arc<dyn Queue>,
    cache: Arc<RegistryCache>,
    worker: Arc<Worker>,
}

/// Puts a dispatcher together.
pub fn build(config: &Config, parts: Parts) -> Result<Dispatcher, SenderError> {
    metrics::register();
    let sender = Sender::new(parts.destinations, config.max_response)?;
    let worker = Worker {
        cache: parts.cache.clone(),
        registry: parts.registry,
        dialects: parts.dialects,
        limiter: Limiter::new(config.endpoint_concurrency),
        sender,
        fetcher: parts.fetcher,
        settler: Settler {
            recorder: parts.recorder,
            queue: parts.queue.clone(),
            shards: parts.shards,
            stopping: CancellationToken::new(),
        },
        check_after: config.check_after,
    };
    Ok(Dispatcher {
        config: config.clone(),
        queue: parts.queue,
        cache: parts.cache,
        worker: Arc::new(worker),
    })
}

impl Dispatcher {
    /// Makes attempts until the token is cancelled; then ends what is in hand, within the grace. What is still
    /// under way after that is cut off and comes again after the next start.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = self.cache.loaded() => {}
            () = shutdown.cancelled() => return,
        }
        let tasks = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(self.config.concurrency));
        for (kind, prefetch) in [
            (LaneKind::Live, self.config.prefetch_live),
            (LaneKind::Retry, self.config.prefetch_retry),
        ] {
            let mut messages = self.queue.consume(Source::Work(kind), prefetch).await;
            let (worker, slots, shutdown) = (self.worker.clone(), slots.clone(), shutdown.clone());
            let work = tasks.clone();
            tasks.spawn(async move {
                loop {
                    let Ok(slot) = slots.clone().acquire_owned().await else {
                        return;
                    };
                    let incoming = tokio::select! {
                        () = shutdown.cancelled() => return,
                        incoming = messages.recv() => incoming,
                    };
                    let Some(incoming) = incoming else { return };
                    let worker = worker.clone();
                    work.spawn(async move {
                        worker.handle(incoming).await;
                        drop(slot);
                    });
                }
            });
        }
        tasks.spawn(report_depths(self.queue.clone(), shutdown.clone()));
        tasks.spawn(self.worker.clone().forget_idle(shutdown.clone()));
        shutdown.cancelled().await;
        self.worker.settler.stop_waiting(self.config.grace);
        tasks.close();
        if tokio::time::timeout(self.config.grace, tasks.wait()).await.is_err() {
            let cut_off = tasks.len();
            tracing::warn!(
                cut_off,
                "deliveries were cut off at the end of the grace; they will come again"
            );
        }
    }
}

async fn report_depths(queue: Arc<dyn Queue>, shutdown: CancellationToken) {
    let mut timer = tokio::time::interval(Duration::from_secs(15));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        if let Ok(depths) = queue.depths().await {
            for (name, depth) in depths {
                metrics::QUEUE_DEPTH
                    .with_label_values(&[&name])
                    .set(i64::try_from(depth).unwrap_or(i64::MAX));
            }
        }
    }
}
