//! Cost and latency: at rest, at steady rates, with events published one by one, with ten endpoints per event, and with
//! batches as fast as deliveries come out. CPU time is read from `/proc` for each group of processes.

mod report;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use self::report::{AtRest, SpeedReport, Stretch};
use crate::cost::Cost;
use crate::floor::Floor;
use crate::load::{Load, Plan};
use crate::proc::Meter;
use crate::receiver::{Manner, Sink};
use crate::system::System;
use crate::{Setup, WARM_UP};

/// Endpoints per event of [`Run::FanOut`].
const FAN_OUT: usize = 10;

#[derive(clap::Args)]
pub(crate) struct SpeedArgs {
    /// Kinds of load to measure; all of them if left out.
    #[arg(long, value_name = "RUN", value_delimiter = ',')]
    runs: Vec<Run>,
    /// Events per second of the steady runs.
    #[arg(long, value_name = "RATE", value_delimiter = ',', default_values_t = [100, 500, 2_000, 4_000])]
    rates: Vec<u32>,
    /// Duration of each measured run, after a warm-up.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Number of endpoints of the steady and the saturated runs; each event goes to one of them.
    #[arg(long, default_value_t = 1)]
    endpoints: usize,
    /// Number of requests in flight where events are published one by one.
    #[arg(long, default_value_t = 64)]
    in_flight: usize,
    /// Number of events that may be accepted and not yet delivered while saturating.
    #[arg(long, default_value_t = 2_000)]
    outstanding: u64,
    /// Number of events per call while saturating.
    #[arg(long, default_value_t = 50)]
    batch: usize,
    /// A report of `bench floor`, of the same hour, to put costs in proportion to.
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
    #[command(flatten)]
    setup: Setup,
}

/// A kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
enum Run {
    /// No event at all
    Idle,
    /// A steady rate over one gRPC stream, for each of `--rates`
    Steady,
    /// Events over HTTP one by one
    OneByOne,
    /// The same with ten endpoints per event
    FanOut,
    /// Batches over gRPC, as fast as deliveries come out
    Saturated,
}

pub(crate) async fn run(args: SpeedArgs) -> anyhow::Result<()> {
    let setup = &args.setup;
    let chosen: HashSet<Run> = match args.runs.is_empty() {
        true => Run::value_variants().iter().copied().collect(),
        false => args.runs.iter().copied().collect(),
    };
    let floor = args.floor.as_deref().map(Floor::read).transpose()?;
    let sink = Sink::start(1, Manner::Answers).await?;
    let system = setup.start().await?;
    let meter = Meter::new(system.groups()?);
    let mut report = SpeedReport {
        engines: setup.engines_name(),
        payload_bytes: setup.payload,
        endpoints: args.endpoints,
        at_rest: None,
        stretches: Vec::new(),
        floor: floor.map(|floor| floor.of(setup.engines().is_some())),
    };

    if chosen.contains(&Run::Idle) {
        eprintln!("idle for {:?} …", args.duration);
        let cost = Cost::measure(&meter, &sink, WARM_UP, args.duration).await?;
        report.at_rest = Some(AtRest::of(&cost, &system.memory()));
    }
    if chosen.contains(&Run::Steady) {
        let load = Load::prepare(&system, &sink, args.plan("steady")).await?;
        for rate in &args.rates {
            eprintln!("steady: {rate} events/s for {:?} …", args.duration);
            report
                .stretches
                .push(steady(&load, &sink, &meter, *rate, args.duration).await?);
        }
    }
    if chosen.contains(&Run::OneByOne) {
        report.stretches.push(args.one_by_one(&system, &sink, &meter, 1).await?);
    }
    if chosen.contains(&Run::FanOut) {
        report
            .stretches
            .push(args.one_by_one(&system, &sink, &meter, FAN_OUT).await?);
    }
    if chosen.contains(&Run::Saturated) {
        eprintln!("saturated: batches of {} for {:?} …", args.batch, args.duration);
        let load = Load::prepare(&system, &sink, args.plan("saturated")).await?;
        let cost = load
            .saturate(args.batch, args.outstanding, WARM_UP, args.duration, &meter)
            .await?;
        report.stretches.push(Stretch::saturated(args.batch, &cost));
    }
    system.stop().await?;
    setup.show(&report)
}

impl SpeedArgs {
    fn plan(&self, name: &'static str) -> Plan {
        Plan {
            endpoints: self.endpoints,
            ..Plan::one(name, self.setup.payload)
        }
    }

    async fn one_by_one(&self, system: &System, sink: &Sink, meter: &Meter, fan_out: usize) -> anyhow::Result<Stretch> {
        let (in_flight, duration) = (self.in_flight, self.duration);
        eprintln!("one by one: {in_flight} in flight, {fan_out} endpoints per event, for {duration:?} …");
        let name = if fan_out == 1 { "one_by_one" } else { "fan_out" };
        let plan = Plan {
            fan_out,
            ..Plan::one(name, self.setup.payload)
        };
        let load = Load::prepare(system, sink, plan).await?;
        let run = load.one_by_one(in_flight, WARM_UP, duration, meter).await?;
        Ok(Stretch::one_by_one(in_flight, fan_out, &run))
    }
}

async fn steady(load: &Load<'_>, sink: &Sink, meter: &Meter, rate: u32, length: Duration) -> anyhow::Result<Stretch> {
    let mut cost = None;
    let measured = async { cost = Some(Cost::measure(meter, sink, WARM_UP, length).await) };
    let run = load.steady(rate, WARM_UP, measured).await?;
    let cost = cost.unwrap_or_else(|| anyhow::bail!("the stream ended before its time"))?;
    Ok(Stretch::steady(rate, &run, &cost))
}
