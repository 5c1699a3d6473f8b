//! Cost and latency. Two runs: a steady rate, with latency measured from the moment at which each event
//! *should* have been sent; and saturation, with CPU time per delivery read from `/proc` for each group of processes.

mod report;

use std::time::Duration;

use self::report::{Saturated, SpeedReport, Steady};
use crate::load::{Load, Plan};
use crate::proc::Meter;
use crate::receiver::{Manner, Sink};
use crate::{Setup, WARM_UP};

#[derive(clap::Args)]
pub(crate) struct SpeedArgs {
    /// Events per second of the steady run.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Duration of each measured run, after a warm-up.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Number of endpoints; each event goes to one of them.
    #[arg(long, default_value_t = 1)]
    endpoints: usize,
    /// Number of events that may be accepted and not yet delivered while saturating.
    #[arg(long, default_value_t = 2_000)]
    outstanding: u64,
    /// Number of events per call while saturating.
    #[arg(long, default_value_t = 50)]
    batch: usize,
    #[command(flatten)]
    setup: Setup,
}

pub(crate) async fn run(args: SpeedArgs) -> anyhow::Result<()> {
    let setup = &args.setup;
    let sink = Sink::start(1, Manner::Answers).await?;
    let system = setup.start().await?;
    let plan = Plan {
        endpoints: args.endpoints,
        ..Plan::one("bench", setup.payload)
    };
    let load = Load::prepare(&system, &sink, plan).await?;
    let meter = Meter::new(system.groups()?);

    eprintln!("steady: {} events/s for {:?} …", args.rate, args.duration);
    let end = tokio::time::sleep(WARM_UP + args.duration);
    let steady = load.steady(args.rate, WARM_UP, end).await?;
    eprintln!("saturated: batches of {} for {:?} …", args.batch, args.duration);
    let saturated = load
        .saturate(args.batch, args.outstanding, WARM_UP, args.duration, &meter)
        .await?;
    let report = SpeedReport {
        engines: setup.engines_name(),
        payload_bytes: setup.payload,
        endpoints: args.endpoints,
        steady: Steady::of(args.rate, &steady),
        saturated: Saturated::of(&saturated),
    };
    system.stop().await?;
    setup.show(&report)
}
