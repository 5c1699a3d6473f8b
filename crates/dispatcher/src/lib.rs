//! Dispatcher: makes attempts.
//!
//! Need: every delivery in a lane is sent, judged, recorded and either ended or sent on its way to the next attempt.
//! Mechanism: `worker` takes a message and walks it through one file per verb: look up, limit, render (the
//! dialect crate), send, classify, record, settle. Limit: a dispatcher keeps nothing; what it holds when
//! it dies comes again, and the ledger says what of it was already done.

mod classify;
mod gate;
mod gone;
mod hands;
mod metrics;
mod opened;
mod places;
mod record;
mod resolve;
mod send;
mod send_test;
mod settle;
mod span;
mod status;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tidings_auth::Access;
use tidings_dialect::Dialects;
use tidings_domain::destination::{Destinations, HostPattern};
use tidings_proto::pb::dispatcher_service_server::DispatcherServiceServer;
use tidings_queue::{LaneKind, Queue, Source};
use tidings_recorder::{Fetcher, Recorder};
use tidings_service::config::SecretText;
use tidings_service::{Health, Supervisor};
use tidings_store::{Registry, RegistryCache};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gate::Gates;
use crate::hands::Hands;
use crate::opened::Opened;
use crate::places::Places;
use crate::send::Sender;
use crate::settle::Settler;
use crate::worker::Worker;

pub use crate::metrics::register as register_metrics;
pub use crate::send::{Proxy, ProxyConfigError, SenderError};

/// How attempts are made (`[dispatcher]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the gRPC service listens.
    pub grpc_address: String,
    /// How many requests to one endpoint may be under way at once, from all dispatchers together, unless the endpoint says
    /// otherwise. Each dispatcher makes at least one.
    pub endpoint_concurrency: u32,
    /// After how many failures in a row an endpoint is only probed, one request at a time, until it answers again;
    /// 0 for never. Failures are missing answers, 5xx and 429.
    pub breaker_failures: u32,
    /// How many deliveries of one `live` queue (a shard of first attempts) may be in hand. Of an endpoint
    /// that usually takes longer than a second to answer, at most a tenth of them may be under way, of all such endpoints of
    /// a tenant half. The same goes for the other lanes.
    pub prefetch_live: u16,
    /// How many deliveries of one `bulk` queue (first attempts beyond a tenant's share) may be in hand.
    pub prefetch_bulk: u16,
    /// How many deliveries of one `retry` queue may be in hand.
    pub prefetch_retry: u16,
    /// How many bytes of payload the requests under way may have together; a tenant's at most half of that. What is
    /// beyond is put aside.
    pub max_in_flight: usize,
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
            grpc_address: "0.0.0.0:50054".into(),
            endpoint_concurrency: 32,
            breaker_failures: 10,
            prefetch_live: 200,
            prefetch_bulk: 100,
            prefetch_retry: 50,
            max_in_flight: 256 * 1024 * 1024,
            max_response: 64 * 1024,
            check_after: Duration::from_secs(15),
            grace: Duration::from_secs(35),
        }
    }
}

impl Config {
    /// How many deliveries of one queue of this kind may be in hand.
    fn prefetch(&self, kind: LaneKind) -> u16 {
        match kind {
            LaneKind::Live => self.prefetch_live,
            LaneKind::Bulk => self.prefetch_bulk,
            LaneKind::Retry => self.prefetch_retry,
        }
    }
}

/// Where requests may go (`[destinations]`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DestinationConfig {
    /// Networks that are allowed although they are not public, like `["10.1.0.0/16"]`.
    pub allowed_networks: Vec<IpNet>,
    /// Networks that are refused, whatever else allows them.
    pub denied_networks: Vec<IpNet>,
    /// The only hosts that are allowed, like `["hooks.example.com", "*.example.org"]`; all, if empty.
    pub allowed_hosts: Vec<HostPattern>,
    /// Hosts that are refused, whatever else allows them.
    pub denied_hosts: Vec<HostPattern>,
    /// Whether `http://` is allowed for public hosts.
    pub allow_http: bool,
    /// The name servers that are asked where a host is, like `["10.0.0.2:53"]`; empty for the system's.
    pub nameservers: Vec<SocketAddr>,
    /// What all requests go through: `http://user:password@host:port` (HTTP CONNECT) or `socks5://…`; none if empty.
    pub proxy: SecretText,
    /// Whether the proxy looks names up, and so decides alone which addresses are allowed.
    pub proxy_resolves: bool,
}

impl DestinationConfig {
    /// The rules.
    #[must_use]
    pub fn rules(&self) -> Destinations {
        Destinations {
            allowed_networks: self.allowed_networks.clone(),
            denied_networks: self.denied_networks.clone(),
            allowed_hosts: self.allowed_hosts.clone(),
            denied_hosts: self.denied_hosts.clone(),
            allow_http: self.allow_http,
        }
    }

    /// The proxy, if there is one.
    pub fn proxy(&self) -> Result<Option<Proxy>, ProxyConfigError> {
        Proxy::parse(self.proxy.reveal(), self.proxy_resolves)
    }
}

/// What a dispatcher works with.
pub struct Parts {
    /// Who may do what.
    pub access: Access,
    /// Which endpoints there are.
    pub cache: Arc<RegistryCache>,
    /// The same at its source, for what is not in the cache yet.
    pub registry: Arc<dyn Registry>,
    /// How requests are written.
    pub dialects: Dialects,
    /// Where requests may go.
    pub destinations: Destinations,
    /// What requests go through.
    pub proxy: Option<Proxy>,
    /// The name servers that are asked where hosts are; empty for the system's.
    pub nameservers: Vec<SocketAddr>,
    /// Where deliveries come from and wait.
    pub queue: Arc<dyn Queue>,
    /// How many shards the lanes have.
    pub shards: u16,
    /// Where attempts are recorded.
    pub recorder: Recorder,
    /// Where contents come from.
    pub fetcher: Fetcher,
    /// How the process is.
    pub health: Health,
}

/// A dispatcher, ready to run.
pub struct Dispatcher {
    /// The gRPC service.
    pub grpc: DispatcherServiceServer<send_test::Service>,
    config: Config,
    queue: Arc<dyn Queue>,
    cache: Arc<RegistryCache>,
    worker: Arc<Worker>,
    health: Health,
}

/// Puts a dispatcher together.
pub fn build(config: &Config, parts: Parts) -> Result<Dispatcher, SenderError> {
    metrics::register();
    let sender = Sender::new(parts.destinations, parts.proxy, &parts.nameservers, config.max_response)?;
    let worker = Worker {
        cache: parts.cache.clone(),
        registry: parts.registry,
        dialects: parts.dialects,
        gates: Gates::new(
            config.endpoint_concurrency,
            u32::from(config.prefetch_live) / 2,
            config.breaker_failures,
        ),
        hands: Hands::default(),
        opened: Opened::default(),
        places: Places::new(parts.shards, |kind| config.prefetch(kind), config.max_in_flight),
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
    let worker = Arc::new(worker);
    Ok(Dispatcher {
        grpc: DispatcherServiceServer::new(send_test::Service::new(worker.clone(), parts.access)),
        config: config.clone(),
        queue: parts.queue,
        cache: parts.cache,
        worker,
        health: parts.health,
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
        let (tasks, supervisor) = (TaskTracker::new(), Supervisor::new(self.health, shutdown.clone()));
        // Each lane has its own bound on what is in hand, so that no lane takes another's place.
        for kind in LaneKind::ALL {
            let task = match kind {
                LaneKind::Live => "consumer_live",
                LaneKind::Bulk => "consumer_bulk",
                LaneKind::Retry => "consumer_retry",
            };
            let prefetch = self.config.prefetch(kind);
            let limit = i64::from(prefetch) * i64::from(self.worker.settler.shards);
            metrics::PREFETCH.with_label_values(&[kind.as_str()]).set(limit);
            let (queue, worker, tasks, shutdown) =
                (self.queue.clone(), self.worker.clone(), tasks.clone(), shutdown.clone());
            supervisor.spawn(task, move || {
                consume(
                    queue.clone(),
                    kind,
                    prefetch,
                    worker.clone(),
                    tasks.clone(),
                    shutdown.clone(),
                )
            });
        }
        supervisor.spawn("dispatchers_watch", {
            let (queue, worker, shutdown) = (self.queue.clone(), self.worker.clone(), shutdown.clone());
            move || count_dispatchers(queue.clone(), worker.clone(), shutdown.clone())
        });
        supervisor.spawn("idle_gates", {
            let (worker, shutdown) = (self.worker.clone(), shutdown.clone());
            move || worker.clone().forget_idle(shutdown.clone())
        });
        shutdown.cancelled().await;
        self.worker.settler.stop_waiting(self.config.grace);
        let ended = async {
            supervisor.ended().await;
            tasks.close();
            tasks.wait().await;
        };
        if tokio::time::timeout(self.config.grace, ended).await.is_err() {
            let cut_off = tasks.len();
            tracing::warn!(
                cut_off,
                "deliveries were cut off at the end of the grace; they will come again"
            );
        }
    }
}

/// Hands the messages of a lane to the worker, each as a task of its own, until the process is to stop.
async fn consume(
    queue: Arc<dyn Queue>,
    kind: LaneKind,
    prefetch: u16,
    worker: Arc<Worker>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) -> Result<(), &'static str> {
    let mut messages = queue.consume(Source::Work(kind), prefetch).await;
    loop {
        let incoming = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            incoming = messages.recv() => incoming,
        };
        let Some(incoming) = incoming else {
            return Err("the queue hands out no more messages");
        };
        let worker = worker.clone();
        tasks.spawn(async move { worker.handle(incoming, kind).await });
    }
}

/// Learns how many dispatchers there are: each consumes every lane.
async fn count_dispatchers(queue: Arc<dyn Queue>, worker: Arc<Worker>, shutdown: CancellationToken) {
    let mut timer = tokio::time::interval(Duration::from_secs(15));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        let Ok(depths) = queue.depths_of(Source::Work(LaneKind::Live)).await else {
            continue;
        };
        let count = depths.iter().map(|depth| depth.consumers).max().unwrap_or(1);
        metrics::DISPATCHERS.set(i64::from(count.max(1)));
        worker.gates.set_dispatchers(count);
    }
}
