//! A healthy endpoint alone, then beside seventy endpoints of another tenant that answer well, each after 25 s: an event a
//! second for each of them would have 1,750 requests under way.

use std::time::Duration;

use super::Bench;
use super::report::Findings;
use crate::load::{Load, Plan};
use crate::receiver::{Manner, Sink};

const ENDPOINTS: usize = 70;
const ANSWER_AFTER: Duration = Duration::from_secs(25);
/// Time for the slow endpoints' concurrency limits to grow before the measurement beside them begins.
const OPENING: Duration = Duration::from_secs(120);
/// Events per second to the healthy endpoint.
const HEALTHY_RATE: u32 = 500;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let answering = Sink::start(1, Manner::Answers).await?;
    let slow = Sink::start(ENDPOINTS, Manner::AnswersAfter(ANSWER_AFTER)).await?;
    let healthy = Load::prepare(&bench.system, &answering, bench.one("healthy")).await?;
    let alone = bench.alone(&healthy, HEALTHY_RATE).await?;

    let plan = Plan {
        endpoints: ENDPOINTS,
        ..bench.one("slow")
    };
    let crowd = Load::prepare(&bench.system, &slow, plan).await?;
    let rate = ENDPOINTS as u32;
    eprintln!("beside {ENDPOINTS} that answer after {ANSWER_AFTER:?}, to which {rate} events/s …");
    let (beside, ()) = tokio::try_join!(
        healthy.steady(HEALTHY_RATE, OPENING, tokio::time::sleep(OPENING + bench.duration)),
        crowd.publish_steadily(rate, tokio::time::sleep(OPENING + bench.duration)),
    )?;

    let mut findings = Findings::new();
    findings.latency("alone", HEALTHY_RATE, &alone);
    findings.latency("beside slow ones", HEALTHY_RATE, &beside);
    findings.compare_crowded("beside slow ones", &alone, &beside);
    findings.fact("requests to slow ones", slow.requests() as f64, "");
    Ok(findings)
}
