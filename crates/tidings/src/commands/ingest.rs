//! `tidings ingest`: the role that accepts events.

use tidings_service::{fallback, serve};

use crate::config::ConfigArgs;
use crate::start::Process;

/// Run the ingest service (accepts events over gRPC and HTTP).
///
/// Example:
///   tidings ingest --database-url postgres://tidings@db/tidings --amqp-url amqp://tidings@mq/tidings
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Whom it knows, and where events can be made durable: either is enough.
const NEEDS: &[&[&str]] = &[&["registry_loaded"], &["rabbitmq", "log"]];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut process = Process::begin_role("ingest", &args.config, NEEDS).await?;
    let Some(backbone) = process.backbone().await? else {
        return Ok(());
    };
    let (queue, access) = (backbone.queue, backbone.access);
    let (recorder, _) = process.log_clients(queue.clone())?;
    process.watch_log()?;
    let ingest = tidings_ingest::build(
        &process.config.ingest,
        tidings_ingest::Dependencies {
            access: access.clone(),
            registry: backbone.cache,
            idempotency: backbone.store,
            queue: queue.clone(),
            shards: backbone.shards,
            recorder,
            shutdown: process.shutdown.clone(),
        },
    );
    process.ready_soon().await;
    let mut routes = process.grpc_routes()?;
    routes.add_service(ingest.grpc);
    let listener = serve::bind(&process.config.ingest.grpc_address).await?;
    process.serve_grpc("ingest-grpc", listener, routes.routes(), &access);
    let address = process.config.ingest.http_address.clone();
    process
        .serve_http("ingest-http", &address, fallback::alone(ingest.http), move |headers| {
            access.payer(headers)
        })
        .await?;

    let stopped = process.until_stopped().await;
    process.servers_ended().await?;
    queue.close(process.config.monitor.grace).await;
    process.end().await?;
    stopped
}
