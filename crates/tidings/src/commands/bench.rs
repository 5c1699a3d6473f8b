//! `tidings bench`: the cost and the latency of deliveries, and the isolation of endpoints, measured on real processes.
//!
//! The system under test runs as processes of its own: every role on RabbitMQ and PostgreSQL, or standalone on the
//! embedded default. This process is the publisher and the receiver, and is not counted.

mod isolation;
mod latency;
mod load;
mod proc;
mod receiver;
mod speed;
mod system;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use serde::Serialize;

use crate::output::{self, Format, OutputArgs};

/// Measures this machine: CPU per delivery, deliveries per second, latency.
///
/// Without URLs it measures `tidings standalone` on the embedded default.
///
/// Examples:
///   tidings bench
///   tidings bench --database-url postgres://postgres@127.0.0.1/bench --amqp-url amqp://127.0.0.1/bench
///   tidings bench isolation hang
#[derive(clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    speed: speed::SpeedArgs,
}

#[derive(Subcommand)]
enum Other {
    Isolation(isolation::IsolationArgs),
}

/// Parameters that every benchmark takes.
#[derive(clap::Args)]
struct Setup {
    /// PostgreSQL to measure with; the database must be empty.
    #[arg(long, value_name = "URL", requires = "amqp_url")]
    database_url: Option<String>,
    /// RabbitMQ to measure with; the virtual host must be empty.
    #[arg(long, value_name = "URL", requires = "database_url")]
    amqp_url: Option<String>,
    /// The size of a payload, bytes.
    #[arg(long, default_value_t = 1_024)]
    payload: usize,
    /// A file to write the JSON report to, besides what is printed.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Duration of a run before it is measured.
const WARM_UP: Duration = Duration::from_secs(4);

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    match args.other {
        Some(Other::Isolation(args)) => isolation::run(args).await,
        None => speed::run(args.speed).await,
    }
}

/// Results that are printed for people, or as JSON.
trait Report: Serialize {
    fn print(&self) -> anyhow::Result<()>;
}

impl Setup {
    fn engines(&self) -> Option<(&str, &str)> {
        self.database_url.as_deref().zip(self.amqp_url.as_deref())
    }

    fn engines_name(&self) -> &'static str {
        match self.engines() {
            Some(_) => "rabbitmq+postgresql",
            None => "embedded",
        }
    }

    fn show(&self, report: &impl Report) -> anyhow::Result<()> {
        if let Some(path) = &self.report {
            std::fs::write(path, serde_json::to_vec_pretty(report)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        match self.output.output {
            Format::Json => output::json(report),
            Format::Text => report.print(),
        }
    }
}
