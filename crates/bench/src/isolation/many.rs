//! Five hundred tenants with an endpoint each, of which fifty hang, against the healthy ones alone.

use std::time::Duration;

use super::Bench;
use super::report::Findings;
use crate::load::{Load, Plan};
use crate::receiver::{Manner, Sink};

const ENDPOINTS: usize = 500;
const HANGING: usize = 50;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let (answering, silent) = (
        Sink::start(ENDPOINTS - HANGING, Manner::Answers).await?,
        Sink::start(HANGING, Manner::Hangs).await?,
    );
    let hanging_rate = bench.rate * 2 * HANGING as u32 / ENDPOINTS as u32;
    let rate = bench.rate * 2 - hanging_rate;
    let plan = |name, endpoints| Plan {
        endpoints,
        own_tenants: true,
        ..bench.one(name)
    };
    let healthy = Load::prepare(&bench.system, &answering, plan("healthy", ENDPOINTS - HANGING)).await?;
    let alone = bench.alone(&healthy, rate).await?;

    let hanging = Load::prepare(&bench.system, &silent, plan("hanging", HANGING)).await?;
    eprintln!("beside {HANGING} that hang, to which {hanging_rate} events/s …");
    let (beside, ()) = tokio::try_join!(
        healthy.steady(rate, Duration::ZERO, tokio::time::sleep(bench.duration)),
        hanging.publish_steadily(hanging_rate, tokio::time::sleep(bench.duration)),
    )?;

    let mut findings = Findings::new();
    findings.latency("450 endpoints", rate, &alone);
    findings.latency("450 of 500, 50 hang", rate, &beside);
    findings.compare("450 of 500, 50 hang", &alone, &beside);
    findings.fact("requests to those that hang", silent.requests() as f64, "");
    Ok(findings)
}
