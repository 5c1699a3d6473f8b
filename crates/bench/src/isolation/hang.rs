//! A healthy endpoint alone, then beside an endpoint of another tenant that takes requests and never answers. A run
//! beside one that answers shows how much of the difference comes from twice the load.

use std::time::Duration;

use super::Bench;
use super::report::Findings;
use crate::load::Load;
use crate::receiver::{Manner, Sink};

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let [answering, neighbour, silent] = [
        Sink::start(1, Manner::Answers).await?,
        Sink::start(1, Manner::Answers).await?,
        Sink::start(1, Manner::Hangs).await?,
    ];
    let healthy = Load::prepare(&bench.system, &answering, bench.one("healthy")).await?;
    let alone = bench.alone(&healthy, bench.rate).await?;

    let other = Load::prepare(&bench.system, &neighbour, bench.one("neighbour")).await?;
    eprintln!("beside one that answers, {} events/s each …", bench.rate);
    let (beside_healthy, _) = tokio::try_join!(
        healthy.steady(bench.rate, Duration::ZERO, tokio::time::sleep(bench.duration)),
        other.steady(bench.rate, Duration::ZERO, tokio::time::sleep(bench.duration)),
    )?;

    let hanging = Load::prepare(&bench.system, &silent, bench.one("hanging")).await?;
    eprintln!("beside one that hangs, {} events/s each …", bench.rate);
    let (beside, ()) = tokio::try_join!(
        healthy.steady(bench.rate, Duration::ZERO, tokio::time::sleep(bench.duration)),
        hanging.publish_steadily(bench.rate, tokio::time::sleep(bench.duration)),
    )?;

    let mut findings = Findings::new();
    findings.latency("alone", bench.rate, &alone);
    findings.latency("beside one that answers", bench.rate, &beside_healthy);
    findings.latency("beside one that hangs", bench.rate, &beside);
    findings.compare("hangs against alone", &alone, &beside);
    findings.compare("hangs against answers", &beside_healthy, &beside);
    findings.fact("requests to the one that hangs", silent.requests() as f64, "");
    Ok(findings)
}
