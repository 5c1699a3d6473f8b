//! `tidings log`: the role that stores the history.

use tidings_service::serve;

use crate::config::ConfigArgs;
use crate::start::Process;

/// Run the log service (stores the history of deliveries and serves it over gRPC).
///
/// Example:
///   tidings log --database-url postgres://tidings@db/tidings --amqp-url amqp://tidings@mq/tidings
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Without the broker it still keeps and shows what became of events.
const NEEDS: &[&[&str]] = &[&["registry_loaded"], &["database"], &["writer"]];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut process = Process::begin_role("log", &args.config, NEEDS).await?;
    let Some(backbone) = process.backbone().await? else {
        return Ok(());
    };
    let (queue, access) = (backbone.queue, backbone.access);
    let log = tidings_log::build(
        &process.config.log_for(&backbone.dialects),
        tidings_log::Dependencies {
            access: access.clone(),
            registry: backbone.cache,
            store: backbone.store,
            queue: queue.clone(),
            shards: backbone.shards,
            health: process.health.clone(),
            shutdown: process.shutdown.clone(),
        },
    );
    let mut routes = process.grpc_routes()?;
    routes.add_service(log.grpc.clone()).add_service(log.queues.clone());
    let listener = serve::bind(&process.config.log.grpc_address).await?;
    process.serve_grpc("log-grpc", listener, routes.routes(), &access);
    let tasks = tokio::spawn(log.run());

    let stopped = process.until_stopped().await;
    process.servers_ended().await?;
    tasks.await?;
    queue.close(process.config.monitor.grace).await;
    process.end().await?;
    stopped
}
