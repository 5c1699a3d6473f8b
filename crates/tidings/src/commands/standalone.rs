//! `tidings standalone`: every role in one process.

mod keys;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tidings_control::dispatchers::DispatcherClient;
use tidings_control::keys::bootstrap_key;
use tidings_control::logs::LogClient;
use tidings_domain::key::Token;
use tidings_domain::{Actor, ApiKey, AuditEntry, Timestamp};
use tidings_queue::Queue;
use tidings_queue::embedded::Embedded;
use tidings_queue::topology::Topology;
use tidings_service::config::SecretText;
use tidings_service::replicas::InProcess;
use tidings_service::{monitor, serve};
use tidings_store::registry::Of;
use tidings_store::seal::Sealer;
use tidings_store::sqlite::Sqlite;
use tidings_store::{RegistryCache, Store, postgres};
use tokio::task::JoinHandle;
use url::Url;

use self::keys::Keys;
use crate::config::ConfigArgs;
use crate::health::Watched;
use crate::start::{Process, topology};

/// Run all services in one process, on SQLite; with --database-url and --amqp-url on PostgreSQL and RabbitMQ.
///
/// The first start makes an operator's key and stores it in DATA_DIR/operator.key, where the other commands look for
/// it.
///
/// Example:
///   tidings standalone --allow-network 127.0.0.0/8
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Directory of the embedded database and the generated keys [default: tidings-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of all gRPC services [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDRESS")]
    grpc_address: Option<String>,
    /// Address of the REST API and the console [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    http_address: Option<String>,
    /// Address of metrics and health [default: 127.0.0.1:9464].
    #[arg(long, value_name = "ADDRESS")]
    monitor_address: Option<String>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut process = Process::begin("standalone", &args.config)?;
    let standalone = &mut process.config.standalone;
    standalone.data_dir = args.data_dir.unwrap_or(standalone.data_dir.clone());
    standalone.grpc_address = args.grpc_address.unwrap_or(standalone.grpc_address.clone());
    standalone.http_address = args.http_address.unwrap_or(standalone.http_address.clone());
    standalone.monitor_address = args.monitor_address.unwrap_or(standalone.monitor_address.clone());
    let engines = Engines::chosen(&args.config);
    let monitor = process.config.standalone.monitor_address.clone();
    process.serve_monitor(&monitor).await?;
    Running::start(process, engines).await?.until_stopped().await
}

/// The engines for data and messages.
#[derive(Clone, Copy)]
pub(crate) struct Engines {
    pub(crate) postgres: bool,
    pub(crate) rabbit: bool,
}

impl Engines {
    /// The engines that flags or environment name; otherwise the embedded ones.
    pub(crate) fn chosen(args: &ConfigArgs) -> Self {
        let named = |flag: &Option<String>, variable| flag.is_some() || std::env::var_os(variable).is_some();
        Self {
            postgres: named(&args.database_url, "TIDINGS_DATABASE__URL"),
            rabbit: named(&args.amqp_url, "TIDINGS_AMQP__URL"),
        }
    }

    /// Their names for operators: the database's, then the queue's.
    fn names(self) -> (&'static str, &'static str) {
        let name = |is_other, other| if is_other { other } else { "sqlite" };
        (name(self.postgres, "postgresql"), name(self.rabbit, "rabbitmq"))
    }

    /// The components that accepting and sending events needs: known callers, a durable place for events, and the keys
    /// of secrets unless lost keys were accepted.
    fn needs(self, accept_lost_keys: bool) -> Vec<&'static [&'static str]> {
        let mut needs: Vec<&'static [&'static str]> = vec![&["registry_loaded"]];
        if !accept_lost_keys {
            needs.push(&["secrets"]);
        }
        match (self.postgres, self.rabbit) {
            // The queue lies in the embedded database.
            (false, false) => needs.push(&["database"]),
            (_, true) => needs.push(&["database", "rabbitmq"]),
            (true, false) => {}
        }
        needs
    }
}

/// A whole system in this process.
pub(crate) struct Running {
    process: Process,
    queue: Arc<dyn Queue>,
    tasks: Vec<JoinHandle<()>>,
    /// The address of the gRPC services.
    pub(crate) grpc: SocketAddr,
    store: Arc<dyn Store>,
    registry: Arc<RegistryCache>,
}

impl Running {
    /// Starts every role in this process.
    pub(crate) async fn start(mut process: Process, engines: Engines) -> anyhow::Result<Self> {
        let data_dir = process.config.standalone.data_dir.clone();
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("cannot make the directory {}", data_dir.display()))?;
        let keys = Keys::find(&process.config, &data_dir)?;
        let dialects = process.config.load_dialects()?;
        let topology = topology(&process.config, &dialects)?;
        if engines.rabbit {
            process.config.amqp.check()?;
        }
        let shards = topology.shards();
        process.require(&engines.needs(process.config.standalone.accept_lost_keys));
        let (store, queue) = open(&process, engines, keys.sealer.clone(), topology, &data_dir).await?;
        keys.check(&*store, process.config.standalone.accept_lost_keys).await?;
        keep_first_operator_key(&*store, &data_dir).await?;

        let listener = serve::bind(&process.config.standalone.grpc_address).await?;
        let grpc = listener.local_addr()?;
        // The roles call each other as they do apart, but without connections.
        let token = SecretText::from(Token::generate().reveal().to_owned());
        process.config.internal.token = token.clone();
        let services = InProcess::default();
        process.in_process = Some(services.clone());

        let http_address = process.config.standalone.http_address.clone();
        let public_url = &mut process.config.control.public_url;
        *public_url = public_url
            .take()
            .or_else(|| Url::parse(&format!("http://{http_address}")).ok());

        let (registry, access) = process.registry(store.clone(), &token);
        process.watch_registry(Watched {
            registry: store.clone(),
            cache: registry.clone(),
            sealer: keys.sealer.clone(),
            dialects: dialects.clone(),
        });
        let (recorder, fetcher) = process.log_clients(queue.clone())?;
        let log = tidings_log::build(
            &process.config.log_for(&dialects),
            tidings_log::Dependencies {
                access: access.clone(),
                registry: registry.clone(),
                store: store.clone(),
                queue: queue.clone(),
                shards,
                health: process.health.clone(),
                shutdown: process.shutdown.clone(),
            },
        );
        let control = tidings_control::build(
            &process.config.control,
            &process.config.notifier,
            tidings_control::Parts {
                access: access.clone(),
                cache: registry.clone(),
                store: store.clone(),
                dialects: dialects.clone(),
                destinations: process.config.destinations.rules(),
                retention: process.config.log.retention,
                dispatchers: DispatcherClient::new(services.clone().into(), &token)?,
                about: process.about(&keys.sealer, engines.names())?,
                logs: LogClient::new(services.into(), &token)?,
                others: tidings_ingest::openapi(),
                shutdown: process.shutdown.clone(),
            },
        )?;
        let ingest = tidings_ingest::build(
            &process.config.ingest,
            tidings_ingest::Dependencies {
                access: access.clone(),
                registry: registry.clone(),
                idempotency: store.clone(),
                queue: queue.clone(),
                shards,
                recorder: recorder.clone(),
                shutdown: process.shutdown.clone(),
            },
        );
        let dispatcher = tidings_dispatcher::build(
            &process.config.dispatcher,
            tidings_dispatcher::Dependencies {
                access: access.clone(),
                cache: registry.clone(),
                registry: store.clone(),
                dialects,
                destinations: process.config.destinations.rules(),
                proxy: process.config.destinations.proxy()?,
                nameservers: process.config.destinations.nameservers.clone(),
                queue: queue.clone(),
                shards,
                recorder,
                fetcher,
                health: process.health.clone(),
            },
        )?;

        let mut routes = process.grpc_routes()?;
        routes
            .add_service(ingest.grpc)
            .add_service(log.grpc.clone())
            .add_service(log.queues.clone())
            .add_service(control.tenants)
            .add_service(control.audit)
            .add_service(control.endpoints)
            .add_service(control.event_types)
            .add_service(control.replays)
            .add_service(control.explanations)
            .add_service(control.erasures)
            .add_service(dispatcher.grpc.clone());
        // Events accepted before the queue is connected would wait for the sweeper.
        process.ready_soon().await;
        process.serve_grpc("standalone-grpc", listener, routes.routes(), &access);
        let rest = ingest.http.merge(control.http);
        let console = process.console(rest.clone(), access, keys.sealer.clone())?;
        let monitor = monitor::public(process.health.clone());
        let router = rest.merge(console.router).merge(monitor);
        let visitors = console.visitors;
        process
            .serve_http("standalone-http", &http_address, router, move |headers| {
                visitors.payer(headers)
            })
            .await?;
        let tasks = vec![
            tokio::spawn(log.run()),
            tokio::spawn(dispatcher.run(process.shutdown.clone())),
            tokio::spawn(control.notifier.run(process.health.clone(), process.shutdown.clone())),
        ];
        process.started();
        Ok(Self {
            process,
            queue,
            tasks,
            grpc,
            store,
            registry,
        })
    }

    /// Waits until no component is down.
    pub(crate) async fn ready(&self) {
        self.process.health.wait_for_all().await;
    }

    /// An operator's key that works at once.
    pub(crate) async fn operator_key(&self) -> anyhow::Result<(ApiKey, Token)> {
        let (key, token, entry) = bootstrap_key();
        self.store.create_key(&key, &entry).await?;
        self.registry.refresh(Of::Operators).await?;
        Ok((key, token))
    }

    /// Deletes the key that [`Running::operator_key`] made.
    pub(crate) async fn revoke(&self, key: &ApiKey) -> anyhow::Result<()> {
        let entry = AuditEntry::new(Timestamp::now(), Actor::Bootstrap, "key.revoked", key.id);
        self.store.delete_key(key.id, &entry).await?;
        Ok(())
    }

    /// Runs until a signal asks it to stop, then ends what is under way.
    pub(crate) async fn until_stopped(mut self) -> anyhow::Result<()> {
        let stopped = self.process.until_stopped().await;
        for task in self.tasks {
            task.await?;
        }
        self.process.servers_ended().await?;
        self.queue.close(self.process.config.monitor.grace).await;
        self.process.end().await?;
        stopped
    }
}

/// Limit for a database that is not reachable, or that another process migrates.
const DATABASE_WITHIN: Duration = Duration::from_secs(600);

async fn open(
    process: &Process,
    engines: Engines,
    sealer: Sealer,
    topology: Topology,
    data_dir: &Path,
) -> anyhow::Result<(Arc<dyn Store>, Arc<dyn Queue>)> {
    let embedded = match engines {
        Engines {
            postgres: true,
            rabbit: true,
        } => None,
        _ => Some(Sqlite::open(&data_dir.join("tidings.db"), sealer.clone())?),
    };
    let store: Arc<dyn Store> = match &embedded {
        Some(sqlite) if !engines.postgres => {
            let store: Arc<dyn Store> = Arc::new(sqlite.clone());
            let health = process.health.component("database");
            process.watch_database(store.clone(), health);
            store
        }
        _ => {
            let migrated = postgres::migrate(&process.config.database, DATABASE_WITHIN);
            let migrated = process.shutdown.run_until_cancelled(migrated).await;
            migrated.context("stopped while waiting for the database")??;
            process
                .postgres(sealer)
                .await?
                .context("stopped while waiting for the database")?
        }
    };
    let queue: Arc<dyn Queue> = match embedded {
        Some(sqlite) if !engines.rabbit => Embedded::open(sqlite, topology, &process.health).await?,
        _ => process.rabbit(topology),
    };
    Ok((store, queue))
}

/// At the first start of all there is an operator's key to make and to keep where commands look for it.
async fn keep_first_operator_key(store: &dyn Store, data_dir: &Path) -> anyhow::Result<()> {
    let (key, token, entry) = bootstrap_key();
    if !store.create_first_operator_key(&key, &entry).await? {
        return Ok(());
    }
    let path = data_dir.join("operator.key");
    write_secret(&path, token.reveal())?;
    tracing::info!(file = %path.display(), "made an operator's key");
    Ok(())
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{text}")?;
    Ok(file.sync_all()?)
}
