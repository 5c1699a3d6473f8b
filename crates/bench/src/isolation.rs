//! `bench isolation`: effects on others of an endpoint that hangs, of a flood, a backlog, searches and a crash
//! (guarantees G1, G3 and G5).
//!
//! Each scenario runs on fresh processes. A stream to a healthy endpoint is measured alone and then beside the trouble,
//! and everything accepted must be delivered. Publisher, receivers and system share one machine, so a figure is
//! meaningful only beside the one it is compared with.

mod backlog;
mod filters;
mod flood;
mod hang;
mod http2;
mod kill;
mod many;
mod replay;
mod report;
mod search;
mod slow;

use std::time::Duration;

use clap::ValueEnum;

use self::report::IsolationReport;
use crate::load::{Load, Plan, SteadyRun};
use crate::proc::{Processors, load_average};
use crate::system::System;
use crate::{Setup, WARM_UP};

/// Measures how much one endpoint, tenant or crash affects the others.
///
/// Each scenario needs an empty database and virtual host of its own; `scripts/bench isolation` runs them all.
///
/// Examples:
///   bench isolation hang
///   bench isolation kill --duration 20s
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct IsolationArgs {
    scenario: Scenario,
    /// Events per second to the healthy endpoints [default: 2500; 5000 embedded].
    #[arg(long)]
    rate: Option<u32>,
    /// Duration of each measured run.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Number of events in a flood.
    #[arg(long, default_value_t = 100_000)]
    flood: u64,
    /// Number of deliveries held for a disabled endpoint, replayed, or searched.
    #[arg(long, default_value_t = 200_000)]
    backlog: u64,
    #[command(flatten)]
    setup: Setup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// One endpoint is healthy, another tenant's never answers.
    Hang,
    /// Of 500 endpoints, 50 never answer.
    Many,
    /// Two tenants at one HTTP/2 host that takes ten requests at once on a connection; one of them is slow.
    Http2,
    /// Seventy endpoints of a tenant answer well, each after 25 s.
    Slow,
    /// A tenant publishes large lists to a hundred endpoints with many heavy filters each.
    Filters,
    /// A tenant publishes as fast as it can, another a little.
    Flood,
    /// The backlog of a disabled endpoint is released.
    Backlog,
    /// The deliveries of a tenant's endpoint are replayed.
    Replay,
    /// Searches that find nothing are begun and abandoned, again and again.
    Search,
    /// Processes are killed under full load and started again.
    Kill,
}

/// Up to this a machine is at rest, percent busy.
const QUIET: f64 = 10.0;

/// Parameters and processes of a scenario.
struct Bench {
    system: System,
    rate: u32,
    duration: Duration,
    flood: u64,
    backlog: u64,
    payload: usize,
    /// The processes that hold what is accepted, each to be killed in turn.
    crashing: &'static [&'static str],
}

pub(crate) async fn run(args: IsolationArgs) -> anyhow::Result<()> {
    let setup = &args.setup;
    let embedded = setup.engines().is_none();
    let (load_before, busy_before) = (load_average(), busy_now().await);
    if let Some(busy) = busy_before.filter(|busy| *busy > QUIET) {
        eprintln!("others keep this machine {busy:.0} % busy: what is compared here will not be worth much");
    }
    let mut bench = Bench {
        system: setup.start().await?,
        rate: args.rate.unwrap_or(if embedded { 5_000 } else { 2_500 }),
        duration: args.duration,
        flood: args.flood,
        backlog: args.backlog,
        payload: setup.payload,
        crashing: if embedded {
            &["standalone"]
        } else {
            &["ingest", "dispatcher", "log"]
        },
    };
    let mut findings = match args.scenario {
        Scenario::Hang => hang::run(&bench).await,
        Scenario::Many => many::run(&bench).await,
        Scenario::Http2 => http2::run(&bench).await,
        Scenario::Slow => slow::run(&bench).await,
        Scenario::Filters => filters::run(&bench).await,
        Scenario::Flood => flood::run(&bench).await,
        Scenario::Backlog => backlog::run(&bench).await,
        Scenario::Replay => replay::run(&bench).await,
        Scenario::Search => search::run(&bench).await,
        Scenario::Kill => kill::run(&mut bench).await,
    }?;
    findings.memory(&bench.system.peak_memory());
    let report = IsolationReport {
        scenario: args
            .scenario
            .to_possible_value()
            .map_or_else(String::new, |v| v.get_name().to_owned()),
        engines: setup.engines_name(),
        payload_bytes: setup.payload,
        busy_before,
        load_before,
        load_after: load_average(),
        findings,
        metrics: bench.system.metrics(&report::TELLING_METRICS).await,
    };
    bench.system.kill().await?;
    setup.show(&report)
}

/// Present load of the machine by other things, percent.
async fn busy_now() -> Option<f64> {
    let before = Processors::now()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Some(Processors::now()?.busy_since(before))
}

impl Bench {
    /// A plan with one endpoint of one tenant.
    fn one(&self, name: &'static str) -> Plan {
        Plan::one(name, self.payload)
    }

    /// A load by itself, after a warm-up.
    async fn alone(&self, load: &Load<'_>, rate: u32) -> anyhow::Result<SteadyRun> {
        eprintln!("alone: {rate} events/s for {:?} …", self.duration);
        let end = tokio::time::sleep(WARM_UP + self.duration);
        load.steady(rate, WARM_UP, end).await
    }
}
