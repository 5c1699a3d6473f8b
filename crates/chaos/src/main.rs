#![doc = include_str!("../README.md")]

mod crowd;
mod engines;
mod faults;
mod journal;
mod lives;
mod publisher;
mod receivers;
mod report;
mod revoke;
mod role;
mod rollout;
mod schedule;
mod system;
mod verdict;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::engines::Broker;
use crate::faults::{Fault, ON_CLUSTER, SHORT};
use crate::journal::Journal;
use crate::publisher::Publisher;
use crate::report::Run;
use crate::schedule::Schedule;
use crate::system::System;
use crate::verdict::Verdict;

/// Kill, cut, purge and freeze a whole system while events flow, and count what became of every accepted one.
#[derive(Debug, Parser)]
struct Options {
    /// Minutes during which faults are inflicted.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Instead: the most important faults, once each.
    #[arg(long)]
    short: bool,
    /// Attack a system on a cluster of three RabbitMQ nodes with the broker's defaults; without other faults, what only a
    /// cluster can suffer, once each.
    #[arg(long, conflicts_with = "short")]
    cluster: bool,
    /// Seed for drawing faults; random if left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Events published per second.
    #[arg(long, default_value_t = 300)]
    rate: u32,
    /// Only these faults (comma-separated), in this order.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// List the faults and exit.
    #[arg(long)]
    list: bool,
    /// Write the result to this file too, as Markdown.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Seconds for every delivery to end, once publishing has stopped and every fault has ended.
    #[arg(long, default_value_t = 120)]
    drain: u64,
    /// Leave PostgreSQL and RabbitMQ running when something is wrong, to look at them.
    #[arg(long)]
    keep: bool,
    /// The program under attack; the one beside this program if left out.
    #[arg(long, env = "TIDINGS_TEST_BINARY")]
    tidings: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for fault in Fault::ALL {
            println!("{:<24} {}", fault.name(), fault.description().trim());
        }
        return ExitCode::SUCCESS;
    }
    match attack(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the attack and returns `true` if the system passed. Every process it started has ended by then.
#[tokio::main]
async fn attack(options: Options) -> anyhow::Result<bool> {
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.run/chaos");
    fs::create_dir_all(&state)?;
    let state = state.canonicalize()?;
    let _alone = lock(&state.join("lock"))?;
    tokio::select! {
        passed = run(options, &state) => passed,
        interrupted = interrupted() => {
            interrupted?;
            bail!("interrupted")
        }
    }
}

async fn run(options: Options, state: &Path) -> anyhow::Result<bool> {
    let broker = if options.cluster { Broker::Cluster } else { Broker::Node };
    if let Some(fault) = options.faults.iter().find(|fault| !fault.fits(broker)) {
        let how = if options.cluster { "without" } else { "with" };
        bail!("{} is possible {how} --cluster only", fault.name());
    }
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("chaos: --seed {seed}, logs in {}", state.display());
    let tidings = program(options.tidings.clone())?;
    let journal = Arc::new(Journal::open());
    let mut system = System::start(&tidings, broker, state.join("logs"), seed, journal.clone()).await?;
    let outcome = inflict(&options, seed, &mut system, journal).await;
    let run = match outcome {
        Ok(run) => run,
        Err(error) => {
            eprintln!("{}", system.tails());
            if options.keep {
                system.keep_engines();
            }
            return Err(error);
        }
    };
    let (passed, text) = (run.passed(), run.markdown());
    if !passed {
        println!("{}", system.tails());
        if options.keep {
            system.keep_engines();
        }
    }
    // Comes last, so that the end of a longer output tells what is wrong.
    println!("\n{text}");
    if let Some(report) = &options.report {
        fs::write(report, &text).with_context(|| format!("{} can't be written", report.display()))?;
    }
    Ok(passed)
}

async fn inflict(options: &Options, seed: u64, system: &mut System, journal: Arc<Journal>) -> anyhow::Result<Run> {
    let (faults, lasting) = match (options.faults.is_empty(), options.short) {
        (false, _) => (options.faults.clone(), None),
        (true, true) => (SHORT.to_vec(), None),
        (true, false) if options.cluster => (ON_CLUSTER.to_vec(), None),
        (true, false) => (
            Fault::ALL
                .iter()
                .copied()
                .filter(|fault| fault.fits(Broker::Node))
                .collect(),
            Some(Duration::from_secs_f64(options.minutes * 60.0)),
        ),
    };
    let start = Instant::now();
    schedule::log(start.elapsed(), &format!("publishing {} events/s", options.rate));
    let publisher = Publisher::start(
        system.client.clone(),
        system.tenant.clone(),
        options.rate,
        journal.clone(),
    );
    let faults = Schedule::new(seed, faults).run(system, &journal, lasting).await?;
    schedule::log(start.elapsed(), "publishing ends");
    publisher.stop().await?;
    let published_for = start.elapsed();
    system.heal().await?;
    schedule::log(start.elapsed(), "waiting until everything has ended");
    let verdict = Verdict::reach(system, || journal.read(), Duration::from_secs(options.drain)).await?;
    Ok(Run {
        seed,
        rate: options.rate,
        published_for,
        refused: journal.standing().refused,
        faults,
        verdict,
        misdeeds: system.misdeeds(),
    })
}

/// Two at once would end each other's engines.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another run holds {}", path.display()),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn program(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("tidings"),
    };
    path.canonicalize().with_context(|| {
        format!(
            "no program at {}: build it with `cargo build --release -p tidings`",
            path.display()
        )
    })
}

async fn interrupted() -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminated.recv() => {}
    }
    eprintln!("chaos: interrupted; ending everything");
    Ok(())
}
