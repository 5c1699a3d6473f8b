#![doc = include_str!("../README.md")]

mod classify;
mod disable_gone;
mod in_flight;
mod limiter;
mod metrics;
mod opened;
mod places;
mod record;
mod render;
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

use crate::in_flight::InFlight;
use crate::limiter::EndpointLimiters;
use crate::opened::Opened;
use crate::places::Places;
use crate::send::Sender;
use crate::settle::Settler;
use crate::worker::Worker;

pub use crate::metrics::register as register_metrics;
pub use crate::send::{Proxy, ProxyConfigError, SenderError};

/// Configuration of attempts (`[dispatcher]`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listen address of the gRPC service.
    pub grpc_address: String,
    /// Maximum number of concurrent requests to one endpoint over all dispatchers, unless the endpoint sets its own.
    /// The limit is divided among the dispatchers, and each makes at least one.
    pub endpoint_concurrency: u32,
    /// After how many failures in a row an endpoint is only probed, one request at a time, until it answers again;
    /// 0 for never. Failures are missing answers, 5xx and 429.
    pub breaker_failures: u32,
    /// Prefetch of each `live` queue (a shard of first attempts): the unsettled deliveries that a dispatcher holds of
    /// it. An endpoint that takes longer than a second to respond may use a tenth of them, all such endpoints of a
    /// tenant together a half. The same shares apply to the other lanes.
    pub prefetch_live: u16,
    /// Prefetch of each `bulk` queue (first attempts beyond a tenant's share).
    pub prefetch_bulk: u16,
    /// Prefetch of each `retry` queue.
    pub prefetch_retry: u16,
    /// Maximum payload bytes of all requests in flight; one tenant may use half of it. Deliveries beyond it are
    /// deferred.
    pub max_in_flight: usize,
    /// Maximum bytes of a response that are read and recorded.
    pub max_response: usize,
    /// The age after which a first attempt is checked against the ledger before it is made, because the sweeper
    /// may have published it a second time. Keep it below the log's `grace`.
    #[serde(with = "humantime_serde")]
    pub check_after: Duration,
    /// Time that deliveries in flight have to finish after the process was told to stop.
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
            // Below the 20 s after which a publish of unknown outcome is repeated: from then on there may be two
            // messages.
            check_after: Duration::from_secs(15),
            // Longer than the usual deadline of a request, 30 s, so that those under way can end.
            grace: Duration::from_secs(35),
        }
    }
}

impl Config {
    /// Prefetch per queue of this kind.
    fn prefetch(&self, kind: LaneKind) -> u16 {
        match kind {
            LaneKind::Live => self.prefetch_live,
            LaneKind::Bulk => self.prefetch_bulk,
            LaneKind::Retry => self.prefetch_retry,
        }
    }
}

/// Destination policy: which hosts and addresses requests may go to (`[destinations]`).
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
    /// Allows `http://` for public hosts.
    pub allow_http: bool,
    /// Name servers used to resolve hosts, such as `["10.0.0.2:53"]`; the system's if empty.
    pub nameservers: Vec<SocketAddr>,
    /// Proxy for all requests: `http://user:password@host:port` (HTTP CONNECT) or `socks5://…`; none if empty.
    pub proxy: SecretText,
    /// Leaves name resolution, and so the decision about addresses, to the proxy.
    pub proxy_resolves: bool,
}

impl DestinationConfig {
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

/// Parts that a dispatcher is built from.
pub struct Dependencies {
    /// Authentication of gRPC callers.
    pub access: Access,
    /// Cached endpoints and tenants.
    pub cache: Arc<RegistryCache>,
    /// The same at its source, for what is not in the cache yet.
    pub registry: Arc<dyn Registry>,
    pub dialects: Dialects,
    pub destinations: Destinations,
    /// Outbound proxy for all requests.
    pub proxy: Option<Proxy>,
    /// Name servers used to resolve hosts; the system's if empty.
    pub nameservers: Vec<SocketAddr>,
    /// Source of deliveries and home of their waits.
    pub queue: Arc<dyn Queue>,
    /// Shards per lane.
    pub shards: u16,
    /// Writes attempts to the ledger.
    pub recorder: Recorder,
    /// Reads event content from the ledger.
    pub fetcher: Fetcher,
    pub health: Health,
}

/// A configured dispatcher, started by [`Dispatcher::run`].
pub struct Dispatcher {
    /// The gRPC service, to be served by the caller.
    pub grpc: DispatcherServiceServer<send_test::Service>,
    config: Config,
    queue: Arc<dyn Queue>,
    cache: Arc<RegistryCache>,
    worker: Arc<Worker>,
    health: Health,
}

/// Builds a dispatcher. Fails if the HTTP client can't be set up, for example without a usable resolver.
pub fn build(config: &Config, dependencies: Dependencies) -> Result<Dispatcher, SenderError> {
    metrics::register();
    let sender = Sender::new(
        dependencies.destinations,
        dependencies.proxy,
        &dependencies.nameservers,
        config.max_response,
    )?;
    let worker = Worker {
        cache: dependencies.cache.clone(),
        registry: dependencies.registry,
        dialects: dependencies.dialects,
        limiters: EndpointLimiters::new(
            config.endpoint_concurrency,
            // A tenant's slow endpoints get half of a queue's places, so a higher limit would be of no use
            // (docs/decisions/0025).
            u32::from(config.prefetch_live) / 2,
            config.breaker_failures,
        ),
        in_flight: InFlight::default(),
        opened: Opened::default(),
        places: Places::new(dependencies.shards, |kind| config.prefetch(kind), config.max_in_flight),
        sender,
        fetcher: dependencies.fetcher,
        settler: Settler {
            recorder: dependencies.recorder,
            queue: dependencies.queue.clone(),
            shards: dependencies.shards,
            stopping: CancellationToken::new(),
        },
        check_after: config.check_after,
    };
    let worker = Arc::new(worker);
    Ok(Dispatcher {
        grpc: DispatcherServiceServer::new(send_test::Service::new(worker.clone(), dependencies.access)),
        config: config.clone(),
        queue: dependencies.queue,
        cache: dependencies.cache,
        worker,
        health: dependencies.health,
    })
}

impl Dispatcher {
    /// Makes attempts until `shutdown` is cancelled, then lets deliveries in flight finish within the configured
    /// grace. Those still unfinished are cut off and redelivered later.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            // Until then every message would ask the registry for its endpoint.
            () = self.cache.loaded() => {}
            () = shutdown.cancelled() => return,
        }
        let (tasks, supervisor) = (TaskTracker::new(), Supervisor::new(self.health, shutdown.clone()));
        // Each lane has its own prefetch, so that no lane takes up another's slots.
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
                "deliveries were cut off at the end of the grace period; they will be redelivered"
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
            return Err("the queue stopped delivering messages");
        };
        let worker = worker.clone();
        // A task of its own, so that a hung endpoint holds up nobody behind it; the prefetch bounds how many there
        // are.
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
        // The most of any shard, because a dispatcher that is just connecting consumes only some.
        let count = depths.iter().map(|depth| depth.consumers).max().unwrap_or(1);
        metrics::DISPATCHERS.set(i64::from(count.max(1)));
        worker.limiters.set_dispatchers(count);
    }
}
