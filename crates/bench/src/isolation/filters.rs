//! Publishes of a tenant alone, then beside those of another that have large lists in them, and whose hundred endpoints
//! have many filters each that look through all of a list.

use std::time::Duration;

use super::Bench;
use super::report::Findings;
use crate::load::{Load, Plan};
use crate::receiver::{Manner, Sink};

const ENDPOINTS: usize = 100;
const FILTERS: usize = 50;
const LIST: usize = 250 * 1024;
/// Events per second of the tenant with the filters.
const HEAVY_RATE: u32 = 5;
/// Events per second of the other.
const LIGHT_RATE: u32 = 500;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let (light, heavy) = (
        Sink::start(1, Manner::Answers).await?,
        Sink::start(ENDPOINTS, Manner::Answers).await?,
    );
    let publishing = Load::prepare(&bench.system, &light, bench.one("light")).await?;
    let alone = bench.alone(&publishing, LIGHT_RATE).await?;

    let plan = Plan {
        endpoints: ENDPOINTS,
        filters: FILTERS,
        ..Plan::one("heavy", LIST)
    };
    let filtering = Load::prepare(&bench.system, &heavy, plan).await?;
    eprintln!("beside {ENDPOINTS} endpoints with {FILTERS} filters each over {HEAVY_RATE} lists/s …");
    let (beside, ()) = tokio::try_join!(
        publishing.steady(LIGHT_RATE, Duration::ZERO, tokio::time::sleep(bench.duration)),
        filtering.publish_steadily(HEAVY_RATE, tokio::time::sleep(bench.duration)),
    )?;

    let mut findings = Findings::new();
    findings.latency("alone", LIGHT_RATE, &alone);
    findings.latency("beside heavy filters", LIGHT_RATE, &beside);
    findings.compare_publishing("beside heavy filters", &alone, &beside);
    Ok(findings)
}
