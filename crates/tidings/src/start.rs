//! The common start of every role: telemetry, the monitor, waiting for dependencies, stopping.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::HeaderMap;
use tidings_auth::Access;
use tidings_control::system::About;
use tidings_queue::Queue;
use tidings_queue::rabbit::Rabbit;
use tidings_queue::topology::Topology;
use tidings_recorder::{Fetcher, LogClient, Recorder};
use tidings_service::config::SecretText;
use tidings_service::health::{Component, Health};
use tidings_service::replicas::InProcess;
use tidings_service::serve::{Door, Payer};
use tidings_service::{Backoff, Problem, Supervisor, monitor, serve, shutdown, telemetry, trace};
use tidings_store::postgres::Postgres;
use tidings_store::seal::Sealer;
use tidings_store::{Registry, RegistryCache, Store, StoreError};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::config::{Config, ConfigArgs};
use crate::health::{self, Watched, watch_rows};

/// Interval between two writes of the keys' last uses.
const NOTE_USES_EVERY: Duration = Duration::from_secs(10);

/// The component that is up once everything is served.
const STARTUP: &str = "startup";

/// A process that is starting. Its monitor answers, and signals stop it, before it has anything else.
pub(crate) struct Process {
    pub(crate) config: Config,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    /// Tasks that every role runs beside its own.
    pub(crate) supervisor: Supervisor,
    /// Down until everything is served, because nothing listens before that.
    startup: Component,
    /// The limits that all requests pass; no caller is known to it yet.
    door: Door,
    servers: JoinSet<Result<(), serve::ServeError>>,
    /// Ends last, so that a stopping process still reports its health.
    monitor: Option<Monitor>,
    spans: Option<trace::Exporter>,
    /// The services of this process where its own clients call them; none if they are other processes'.
    pub(crate) in_process: Option<InProcess>,
}

struct Monitor {
    stop: CancellationToken,
    serving: JoinHandle<Result<(), serve::ServeError>>,
}

/// The dependencies that ingest, dispatcher and log have in common.
pub(crate) struct Backbone {
    pub(crate) dialects: tidings_dialect::Dialects,
    pub(crate) shards: u16,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) store: Arc<Postgres>,
    pub(crate) cache: Arc<RegistryCache>,
    pub(crate) access: Access,
}

impl Process {
    /// Reads the configuration, starts telemetry and listens for signals.
    pub(crate) fn begin(role: &str, args: &ConfigArgs) -> anyhow::Result<Self> {
        let config = args.load()?;
        let spans = trace::start(&config.tracing, role)?;
        telemetry::init(&config.telemetry, spans.as_ref())?;
        config.usable()?;
        tidings_service::process::describe(role);
        let health = Health::new();
        let shutdown = shutdown::on_signal(health.clone(), config.monitor.drain);
        Ok(Self {
            spans,
            ..Self::of(config, health, shutdown)?
        })
    }

    /// A process with this configuration that stops with `shutdown`.
    pub(crate) fn with(config: Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        Self::of(config, Health::new(), shutdown)
    }

    fn of(config: Config, health: Health, shutdown: CancellationToken) -> anyhow::Result<Self> {
        let door = Door::new(config.server.clone(), health.clone());
        let door = door.with_streams_of(tidings_proto::DESCRIPTORS)?;
        Ok(Self {
            config,
            startup: health.component(STARTUP),
            supervisor: Supervisor::new(health.clone(), shutdown.clone()),
            health,
            shutdown,
            door,
            servers: JoinSet::new(),
            monitor: None,
            spans: None,
            in_process: None,
        })
    }

    /// The same with the monitor served, as in every role. Of each group of `needs`, one component must be up.
    pub(crate) async fn begin_role(role: &str, args: &ConfigArgs, needs: &[&[&str]]) -> anyhow::Result<Self> {
        let mut process = Self::begin(role, args)?;
        process.require(needs);
        let address = process.config.monitor.address.clone();
        process.serve_monitor(&address).await?;
        Ok(process)
    }

    /// Declares the components that readiness depends on, besides that everything is served: of each group, one must be
    /// up.
    pub(crate) fn require(&self, needs: &[&[&str]]) {
        let startup: &[&[&str]] = &[&[STARTUP]];
        self.health.require(&[startup, needs].concat());
    }

    /// Serves the monitor until everything else has ended.
    pub(crate) async fn serve_monitor(&mut self, address: &str) -> anyhow::Result<()> {
        const GRACE: Duration = Duration::from_secs(1);
        let listener = serve::bind(address).await?;
        let (router, stop) = (monitor::router(self.health.clone()), CancellationToken::new());
        let serving = tokio::spawn(serve::http(
            "monitor",
            listener,
            router,
            // Probes and scrapes come from inside.
            self.door.without_tls(),
            stop.clone(),
            GRACE,
        ));
        self.monitor = Some(Monitor { stop, serving });
        Ok(())
    }

    /// Connects the engines and builds what ingest, dispatcher and log have in common; `None` if the process is stopped
    /// while it waits.
    pub(crate) async fn backbone(&self) -> anyhow::Result<Option<Backbone>> {
        let dialects = self.config.load_dialects()?;
        let topology = topology(&self.config, &dialects)?;
        self.config.amqp.check()?;
        let token = self.internal_token()?;
        let sealer = self.config.secrets.sealer()?;
        let shards = topology.shards();
        let queue = self.rabbit(topology);
        let Some(store) = self.postgres(sealer).await? else {
            queue.close(self.config.monitor.grace).await;
            return Ok(None);
        };
        let (cache, access) = self.registry(store.clone(), &token);
        Ok(Some(Backbone {
            dialects,
            shards,
            queue,
            store,
            cache,
            access,
        }))
    }

    /// Connects to PostgreSQL, waiting as long as it takes for the server, and for its schema to be migrated; `None` if
    /// the process is stopped before. A schema that waiting does not mend is an error.
    pub(crate) async fn postgres(&self, sealer: Sealer) -> anyhow::Result<Option<Arc<Postgres>>> {
        let health = self.health.component("database");
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let connect = async {
            loop {
                match Postgres::connect(&self.config.database, sealer.clone()).await {
                    Err(StoreError::Unavailable(reason)) => {
                        health.down(reason);
                        tokio::time::sleep(backoff.next()).await;
                    }
                    Err(StoreError::Unmigrated(reason)) => {
                        health.up();
                        self.health.component("schema").down(reason);
                        tokio::time::sleep(backoff.next()).await;
                    }
                    result => return result.context("the database can't be used"),
                }
            }
        };
        let Some(connected) = self.shutdown.run_until_cancelled(connect).await else {
            return Ok(None);
        };
        let store = Arc::new(connected?);
        health.up();
        self.health.component("schema").up();
        self.watch_database(store.clone(), health);
        Ok(Some(store))
    }

    /// Updates the component by pinging the database.
    pub(crate) fn watch_database(&self, store: Arc<dyn Store>, health: Component) {
        let shutdown = self.shutdown.clone();
        self.supervisor.spawn("database_watch", move || {
            watch_database(store.clone(), health.clone(), shutdown.clone())
        });
    }

    /// Starts to connect to RabbitMQ; the component is up once connected.
    pub(crate) fn rabbit(&self, topology: Topology) -> Arc<dyn Queue> {
        // Closed by the roles in their own order, so the queue must outlive the first request to stop.
        Rabbit::start(
            self.config.amqp.clone(),
            topology,
            self.health.component("rabbitmq"),
            CancellationToken::new(),
        )
    }

    /// Starts to load the registry's cache, and authenticates callers by it.
    pub(crate) fn registry(&self, registry: Arc<dyn Registry>, token: &SecretText) -> (Arc<RegistryCache>, Access) {
        let health = self.health.component("registry");
        let cache = RegistryCache::start(registry, health, self.shutdown.clone());
        let noting = cache.clone();
        let shutdown = self.shutdown.clone();
        self.supervisor.spawn("key_uses", move || {
            let (noting, shutdown) = (noting.clone(), shutdown.clone());
            async move { noting.note_uses(NOTE_USES_EVERY, shutdown).await }
        });
        self.supervisor.spawn("registry_rows_watch", {
            let (cache, health, shutdown) = (cache.clone(), self.health.clone(), self.shutdown.clone());
            move || watch_rows(cache.clone(), health.clone(), shutdown.clone())
        });
        let access = Access::new(cache.clone(), Some(token.reveal()).filter(|token| !token.is_empty()));
        (cache, access)
    }

    /// Updates the health components for parts of the registry that this process can't work with; for roles that open
    /// secrets and render requests.
    pub(crate) fn watch_registry(&self, watched: Watched) {
        let (health, shutdown) = (self.health.clone(), self.shutdown.clone());
        self.supervisor.spawn("registry_watch", move || {
            health::watch(watched.clone(), health.clone(), shutdown.clone())
        });
    }

    /// The token that roles share, or an error if none is configured.
    pub(crate) fn internal_token(&self) -> anyhow::Result<SecretText> {
        let token = self.config.internal.token.clone();
        anyhow::ensure!(
            !token.is_empty(),
            "internal.token is empty: set the same random text for all roles (TIDINGS_INTERNAL__TOKEN)"
        );
        Ok(token)
    }

    /// Clients of the log service, for writing records and fetching content.
    pub(crate) fn log_clients(&self, queue: Arc<dyn Queue>) -> anyhow::Result<(Recorder, Fetcher)> {
        let client = self.log_client()?;
        let recorder = Recorder::start(client.clone(), queue, &self.health);
        Ok((recorder, Fetcher::start(client, &self.health)))
    }

    fn log_client(&self) -> anyhow::Result<LogClient> {
        let replicas = match &self.in_process {
            Some(services) => services.clone().into(),
            None => self.config.log_client.replicas()?,
        };
        Ok(LogClient::new(
            replicas,
            self.config.log_client.deadline,
            &self.internal_token()?,
        )?)
    }

    /// Updates the component `log` by the log service's own health.
    pub(crate) fn watch_log(&self) -> anyhow::Result<()> {
        let client = self.log_client()?;
        let (component, shutdown) = (self.health.component("log"), self.shutdown.clone());
        self.supervisor.spawn("log_watch", move || {
            client.clone().watch(component.clone(), shutdown.clone())
        });
        Ok(())
    }

    /// The description of this process for operators.
    pub(crate) fn about(&self, sealer: &Sealer, engines: (&'static str, &'static str)) -> anyhow::Result<About> {
        let (database, queue) = engines;
        Ok(About {
            health: self.health.clone(),
            version: env!("CARGO_PKG_VERSION"),
            database,
            queue,
            configuration: serde_json::to_value(&self.config)?,
            seal_keys: sealer.names().map(str::to_owned).collect(),
            peers: Vec::new(),
        })
    }

    /// The console's pages over the REST operations of this process.
    pub(crate) fn console(
        &self,
        rest: axum::Router,
        access: Access,
        sealer: Sealer,
    ) -> anyhow::Result<tidings_console::Pages> {
        let parts = tidings_console::Parts {
            rest,
            access,
            sealer,
            public_url: self.config.control.public_url.clone(),
        };
        Ok(tidings_console::pages(&self.config.console, parts)?)
    }

    /// Serves HTTP until the process stops and returns the bound address; `knows` tells callers from strangers, who get
    /// less room.
    pub(crate) async fn serve_http(
        &mut self,
        name: &'static str,
        address: &str,
        router: axum::Router,
        knows: impl Fn(&HeaderMap) -> Result<Payer, Problem> + Send + Sync + 'static,
    ) -> anyhow::Result<std::net::SocketAddr> {
        let listener = serve::bind(address).await?;
        let local = listener.local_addr()?;
        let door = self.door.knowing(knows);
        let (shutdown, grace) = (self.shutdown.clone(), self.config.monitor.grace);
        self.servers
            .spawn(serve::http(name, listener, router, door, shutdown, grace));
        Ok(local)
    }

    /// Serves gRPC on a listener until the process stops, and to clients in this process. Health and reflection are part
    /// of `routes`.
    pub(crate) fn serve_grpc(
        &mut self,
        name: &'static str,
        listener: tokio::net::TcpListener,
        routes: Routes,
        access: &Access,
    ) {
        let access = access.clone();
        let door = self.door.knowing(move |headers| access.payer(headers));
        if let Some(services) = &self.in_process {
            services.serve(routes.clone(), door.clone());
        }
        let (shutdown, grace) = (self.shutdown.clone(), self.config.monitor.grace);
        self.servers
            .spawn(serve::grpc(name, listener, routes, door, shutdown, grace));
    }

    /// Routes with health, which follows this process's, and reflection.
    pub(crate) fn grpc_routes(&self) -> anyhow::Result<tonic::service::RoutesBuilder> {
        let (routes, reporter) = serve::grpc_routes(tidings_proto::DESCRIPTORS)?;
        let (health, shutdown) = (self.health.clone(), self.shutdown.clone());
        self.supervisor.spawn("grpc_health", move || {
            serve::report_health(reporter.clone(), health.clone(), shutdown.clone())
        });
        Ok(routes)
    }

    /// Waits until no component is down, for a few seconds at most. An event accepted while the broker is unreachable
    /// is safe but waits for the sweeper, and at a start everything is unreachable for a moment.
    pub(crate) async fn ready_soon(&self) {
        const SOON: Duration = Duration::from_secs(5);
        let ready = tokio::time::timeout(SOON, self.health.wait_for_others(&self.startup));
        let _ = self.shutdown.run_until_cancelled(ready).await;
    }

    /// Reports that every service is served.
    pub(crate) fn started(&self) {
        self.startup.up();
    }

    /// Waits until a signal stops the process, or until something it serves fails, which stops it too.
    pub(crate) async fn until_stopped(&mut self) -> anyhow::Result<()> {
        self.started();
        let failed = tokio::select! {
            () = self.shutdown.cancelled() => None,
            // A process whose port is gone can't do its job: it ends, and whatever supervises it starts another.
            Some(ended) = self.servers.join_next() => Some(ended),
        };
        // Not ready first, so that balancers look elsewhere while calls under way end.
        self.health.stop();
        self.shutdown.cancel();
        match failed {
            None => Ok(()),
            Some(ended) => Ok(ended??),
        }
    }

    /// Waits for the servers to finish calls under way.
    pub(crate) async fn servers_ended(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.servers.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Ends the common tasks once the role has ended, and then the monitor.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.supervisor.ended().await;
        if let Some(spans) = self.spans {
            spans.end().await;
        }
        if let Some(monitor) = self.monitor {
            monitor.stop.cancel();
            monitor.serving.await??;
        }
        Ok(())
    }
}

/// The topology with a delay queue for every delay that dialects and configuration name.
pub(crate) fn topology(config: &Config, dialects: &tidings_dialect::Dialects) -> anyhow::Result<Topology> {
    let of_dialects = dialects
        .names()
        .filter_map(|name| dialects.get(name))
        .flat_map(|d| d.schedule().waits().to_vec());
    let configured = config.amqp.delays.iter().map(|delay| **delay);
    Ok(Topology::new(config.amqp.shards)?.with_delays(of_dialects.chain(configured).collect::<Vec<_>>())?)
}

async fn watch_database(store: Arc<dyn Store>, health: Component, shutdown: CancellationToken) {
    /// A database that takes longer to say that it is there is of no use.
    const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
    let mut timer = tokio::time::interval(Duration::from_secs(2));
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        let answered = tokio::time::timeout(ANSWERS_WITHIN, store.ping());
        match shutdown.run_until_cancelled(answered).await {
            None => return,
            Some(Ok(Ok(()))) => health.up(),
            Some(Ok(Err(error))) => health.down(error.to_string()),
            Some(Err(_)) => health.down(format!("the database did not answer within {ANSWERS_WITHIN:?}")),
        }
    }
}
