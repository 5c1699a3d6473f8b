//! `tidings bench`: what a delivery costs and how long it takes, measured on real processes.
//!
//! The system under test runs as processes of its own: every role on RabbitMQ and PostgreSQL, or standalone on the
//! embedded default. This process is the publisher and the receiver, and is not counted. Two runs: a steady rate,
//! with latency measured from the moment at which each event *should* have been sent; and saturation, with CPU time
//! per delivery read from `/proc` for each group of processes.

mod cpu;
mod load;
mod receiver;
mod report;
mod system;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use self::cpu::Meter;
use self::load::Load;
use self::receiver::Sink;
use self::report::{Report, Saturated, Steady};
use self::system::System;
use crate::output::{self, Format, OutputArgs};

/// Measures this machine: CPU per delivery, deliveries per second, latency.
///
/// Without URLs it measures `tidings standalone` on the embedded default.
///
/// Examples:
///   tidings bench
///   tidings bench --database-url postgres://postgres@127.0.0.1/bench --amqp-url amqp://127.0.0.1/bench
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// PostgreSQL, an empty database.
    #[arg(long, value_name = "URL", requires = "amqp_url")]
    database_url: Option<String>,
    /// RabbitMQ, an empty virtual host.
    #[arg(long, value_name = "URL", requires = "database_url")]
    amqp_url: Option<String>,
    /// Events per second of the steady run.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// How long each run is measured, after a warm-up.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// The size of a payload, bytes.
    #[arg(long, default_value_t = 1_024)]
    payload: usize,
    /// To how many endpoints the events go, each event to one of them.
    #[arg(long, default_value_t = 1)]
    endpoints: usize,
    /// How many events may be accepted and not yet delivered while saturating.
    #[arg(long, default_value_t = 2_000)]
    outstanding: u64,
    /// How many events are published in one call while saturating.
    #[arg(long, default_value_t = 50)]
    batch: usize,
    /// A file to write the JSON report to, besides what is printed.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// How long a run goes on before it is measured.
const WARM_UP: Duration = Duration::from_secs(4);

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let engines = args.database_url.as_deref().zip(args.amqp_url.as_deref());
    let sink = Sink::start().await?;
    let system = System::start(engines)
        .await
        .context("the system under test did not start")?;
    let load = Load::prepare(&system, &sink, args.endpoints, args.payload).await?;
    let meter = Meter::new(system.groups()?);

    eprintln!("steady: {} events/s for {:?} …", args.rate, args.duration);
    let steady = load.steady(args.rate, WARM_UP, args.duration).await?;
    eprintln!("saturated: batches of {} for {:?} …", args.batch, args.duration);
    let saturated = load
        .saturate(args.batch, args.outstanding, WARM_UP, args.duration, &meter)
        .await?;
    let report = Report {
        engines: if engines.is_some() {
            "rabbitmq+postgresql"
        } else {
            "embedded"
        },
        payload_bytes: args.payload,
        endpoints: args.endpoints,
        steady: Steady::of(args.rate, &steady),
        saturated: Saturated::of(&saturated),
    };
    system.stop().await?;
    if let Some(path) = &args.report {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    match args.output.output {
        Format::Json => output::json(&report),
        Format::Text => report.print(),
    }
}
