//! `tidings dispatcher`: the role that makes attempts.

use tidings_service::serve;

use crate::config::ConfigArgs;
use crate::health::Watched;
use crate::start::Process;

/// Run a dispatcher (delivers events to endpoints, with retries).
///
/// Example:
///   tidings dispatcher --database-url postgres://tidings@db/tidings --amqp-url amqp://tidings@mq/tidings
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// First attempts take no database, but the keys of all secrets.
const NEEDS: &[&[&str]] = &[&["registry_loaded"], &["secrets"], &["rabbitmq"]];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut process = Process::begin_role("dispatcher", &args.config, NEEDS).await?;
    let Some(backbone) = process.backbone().await? else {
        return Ok(());
    };
    let (queue, access) = (backbone.queue, backbone.access);
    process.watch_registry(Watched {
        registry: backbone.store.clone(),
        cache: backbone.cache.clone(),
        sealer: process.config.secrets.sealer()?,
        dialects: backbone.dialects.clone(),
    });
    let (recorder, fetcher) = process.log_clients(queue.clone())?;
    process.watch_log()?;
    let dispatcher = tidings_dispatcher::build(
        &process.config.dispatcher,
        tidings_dispatcher::Dependencies {
            access: access.clone(),
            cache: backbone.cache,
            registry: backbone.store,
            dialects: backbone.dialects,
            destinations: process.config.destinations.rules(),
            proxy: process.config.destinations.proxy()?,
            nameservers: process.config.destinations.nameservers.clone(),
            queue: queue.clone(),
            shards: backbone.shards,
            recorder,
            fetcher,
            health: process.health.clone(),
        },
    )?;
    let mut routes = process.grpc_routes()?;
    routes.add_service(dispatcher.grpc.clone());
    let listener = serve::bind(&process.config.dispatcher.grpc_address).await?;
    process.serve_grpc("dispatcher-grpc", listener, routes.routes(), &access);
    let work = tokio::spawn(dispatcher.run(process.shutdown.clone()));
    let stopped = process.until_stopped().await;
    work.await?;
    queue.close(process.config.monitor.grace).await;
    process.servers_ended().await?;
    process.end().await?;
    stopped
}
