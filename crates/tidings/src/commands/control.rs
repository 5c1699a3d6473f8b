//! `tidings control`: the role that manages the registry.

use tidings_control::dispatchers::DispatcherClient;
use tidings_control::logs::LogClient;
use tidings_control::peers::Peer;
use tidings_control::system::About;
use tidings_service::serve;

use crate::config::ConfigArgs;
use crate::health::Watched;
use crate::start::Process;

/// Run the control service (manages tenants, keys and endpoints, and serves the REST API and the console).
///
/// Example:
///   tidings control --database-url postgres://tidings@db/tidings
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Without the log service it still manages everything.
const NEEDS: &[&[&str]] = &[&["registry_loaded"], &["secrets"], &["database"]];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut process = Process::begin_role("control", &args.config, NEEDS).await?;
    let dialects = process.config.load_dialects()?;
    let sealer = process.config.secrets.sealer()?;
    let Some(store) = process.postgres(sealer.clone()).await? else {
        return Ok(());
    };
    let (cache, access) = process.registry(store.clone(), &process.config.internal.token);
    process.watch_registry(Watched {
        registry: store.clone(),
        cache: cache.clone(),
        sealer: sealer.clone(),
        dialects: dialects.clone(),
    });
    process.watch_log()?;
    let (logs, dispatchers) = (&process.config.log_client, &process.config.dispatcher_client);
    let log_peers = Peer::all("log", "log_client.servers", &logs.servers, &logs.tls)?;
    let (servers, tls) = (&dispatchers.servers, &dispatchers.tls);
    let dispatcher_peers = Peer::all("dispatcher", "dispatcher_client.servers", servers, tls)?;
    let parts = tidings_control::Parts {
        about: About {
            peers: [log_peers, dispatcher_peers].concat(),
            ..process.about(&sealer, ("postgresql", "rabbitmq"))?
        },
        access: access.clone(),
        cache,
        store,
        dialects,
        destinations: process.config.destinations.rules(),
        retention: process.config.log.retention,
        dispatchers: DispatcherClient::new(dispatchers.replicas()?, &process.internal_token()?)?,
        logs: LogClient::new(logs.replicas()?, &process.internal_token()?)?,
        others: tidings_ingest::openapi(),
        shutdown: process.shutdown.clone(),
    };
    let control = tidings_control::build(&process.config.control, &process.config.notifier, parts)?;
    let mut routes = process.grpc_routes()?;
    routes
        .add_service(control.tenants)
        .add_service(control.audit)
        .add_service(control.endpoints)
        .add_service(control.event_types)
        .add_service(control.replays)
        .add_service(control.explanations)
        .add_service(control.erasures);
    let listener = serve::bind(&process.config.control.grpc_address).await?;
    process.serve_grpc("control-grpc", listener, routes.routes(), &access);
    let http_address = process.config.control.http_address.clone();
    let console = process.console(control.http.clone(), access, sealer)?;
    let router = control.http.merge(console.router);
    let visitors = console.visitors;
    process
        .serve_http("control-http", &http_address, router, move |headers| {
            visitors.payer(headers)
        })
        .await?;

    let notifier = tokio::spawn(control.notifier.run(process.health.clone(), process.shutdown.clone()));

    let stopped = process.until_stopped().await;
    notifier.await?;
    process.servers_ended().await?;
    process.end().await?;
    stopped
}
