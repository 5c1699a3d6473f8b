//! Sixteen concurrent searches that find nothing and are abandoned before the answer, again and again, beside a healthy
//! endpoint of another tenant.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Bench;
use super::report::{Findings, Target};
use crate::WARM_UP;
use crate::latency::Latency;
use crate::load::Load;
use crate::receiver::{Manner, Sink};

/// Events per second to the healthy endpoint.
const HEALTHY_RATE: u32 = 500;
/// Concurrent searches, and the time after which each is abandoned.
const SEARCHERS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(1);
/// Allowed slowdown of acceptance beside the searches.
const MAX_RATIO: f64 = 1.5;
/// Events published before the next part waits for their arrival, so that they don't pile up.
const PART: u64 = 20_000;
/// Limit for the arrival of a part.
const ARRIVED_WITHIN: Duration = Duration::from_secs(3_600);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let answering = Sink::start(1, Manner::Answers).await?;
    let healthy = Load::prepare(&bench.system, &answering, bench.one("healthy")).await?;
    let sink = Sink::start(1, Manner::Answers).await?;
    let searched = Load::prepare(&bench.system, &sink, bench.one("searched")).await?;
    eprintln!("searched: {} events are delivered …", bench.backlog);
    let mut published = 0;
    while published < bench.backlog {
        let part = PART.min(bench.backlog - published);
        searched.flood(part).await?;
        published += part;
        anyhow::ensure!(
            sink.wait_for(published, ARRIVED_WITHIN).await,
            "the events did not arrive"
        );
    }
    let alone = bench.alone(&healthy, HEALTHY_RATE).await?;

    eprintln!("beside {SEARCHERS} searches that are given up after {PATIENCE:?} each …");
    let (over, given_up) = (CancellationToken::new(), AtomicU64::new(0));
    let search = async || {
        while !over.is_cancelled() {
            match tokio::time::timeout(PATIENCE, searched.search_in_vain()).await {
                // One that is refused at once is not to become a loop without a pause.
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(_) => drop(given_up.fetch_add(1, Ordering::Relaxed)),
            }
        }
    };
    let searching = futures::future::join_all((0..SEARCHERS).map(|_| search()));
    let steady = async {
        let _over = over.clone().drop_guard();
        let end = tokio::time::sleep(WARM_UP + bench.duration);
        healthy.steady(HEALTHY_RATE, WARM_UP, end).await
    };
    let (beside, _) = tokio::join!(steady, searching);
    let beside = beside?;

    let mut findings = Findings::new();
    findings.latency("alone", HEALTHY_RATE, &alone);
    findings.latency("beside the searches", HEALTHY_RATE, &beside);
    let p99 = |run: &crate::load::SteadyRun| Latency::of(&run.acknowledged).p99;
    findings.fact("alone: accepted after, p99", p99(&alone), "ms");
    findings.fact("beside the searches: accepted after, p99", p99(&beside), "ms");
    let ratio = p99(&beside) / p99(&alone).max(0.001);
    let what = "beside the searches: accepted after, p99, times the other";
    findings.bound(what, ratio, "", Target::AtMost(MAX_RATIO));
    findings.fact("searches: given up", given_up.into_inner() as f64, "");
    Ok(findings)
}
