#![doc = include_str!("../README.md")]
#![allow(
    rustdoc::bare_urls,
    rustdoc::invalid_html_tags,
    reason = "the doc comments of commands are their help texts, read in a terminal"
)]

mod cost;
mod floor;
mod isolation;
mod latency;
mod load;
mod proc;
mod receiver;
mod speed;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde::Serialize;
use tidings_cli::output::{self, Format, OutputArgs};

use crate::system::{Program, System};

/// The allocator of the program under test, so that the publisher takes as little from the machine as it can.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures this machine: CPU per delivery, deliveries per second, latency.
///
/// Without URLs it measures `tidings standalone` on the embedded default.
///
/// Examples:
///   bench
///   bench --database-url postgres://postgres@127.0.0.1/bench --amqp-url amqp://127.0.0.1/bench
///   bench isolation hang
#[derive(Parser)]
#[command(name = "bench", verbatim_doc_comment, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    speed: speed::SpeedArgs,
}

#[derive(Subcommand)]
enum Other {
    Isolation(isolation::IsolationArgs),
    /// Measures the parts of a delivery: the least that one can cost here.
    Floor(floor::FloorArgs),
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
    /// The program under test; the one beside this program if left out.
    #[arg(long, env = "TIDINGS_TEST_BINARY", value_name = "FILE")]
    tidings: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Duration of a run before it is measured.
const WARM_UP: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    let args = Args::parse();
    tidings_service::process::raise_open_files();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")
        .and_then(|runtime| runtime.block_on(run(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    match args.other {
        Some(Other::Isolation(args)) => isolation::run(args).await,
        Some(Other::Floor(args)) => floor::run(args).await,
        None => speed::run(args.speed).await,
    }
}

/// Results that are printed for people, or as JSON.
trait Report: Serialize {
    fn print(&self) -> anyhow::Result<()>;
}

impl Setup {
    async fn start(&self) -> anyhow::Result<System> {
        let program = Program::find(self.tidings.as_deref())?;
        System::start(&program, self.engines())
            .await
            .context("the system under test did not start")
    }

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
