//! The backlog of a disabled endpoint is released, with and without a rate limit, beside a healthy endpoint.

use std::collections::VecDeque;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Bench;
use super::report::{Findings, Target};
use crate::load::{Load, Plan, SteadyRun};
use crate::receiver::{Manner, Sink, now};

/// Events per second to the healthy endpoint.
const HEALTHY_RATE: u32 = 500;
/// Requests per second and at once that the limited endpoint wants.
const LIMIT: (u32, u32) = (2_000, 200);
/// Limit for the delivery of a backlog.
const PATIENCE: Duration = Duration::from_secs(600);

/// The delivery of a backlog over time.
struct Drain {
    arrived: u64,
    per_second: f64,
    /// The most events within one second.
    busiest_second: u64,
}

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let answering = Sink::start(1, Manner::Answers).await?;
    let healthy = Load::prepare(&bench.system, &answering, bench.one("healthy")).await?;
    let alone = bench.alone(&healthy, HEALTHY_RATE).await?;
    let (beside, free) = drain(bench, &healthy, bench.one("held")).await?;
    let limited = Plan {
        rate_limit: Some(LIMIT),
        ..bench.one("limited")
    };
    let (beside_limited, limited) = drain(bench, &healthy, limited).await?;

    let mut findings = Findings::new();
    findings.latency("alone", HEALTHY_RATE, &alone);
    findings.latency("beside the backlog", HEALTHY_RATE, &beside);
    findings.latency("beside the limited one", HEALTHY_RATE, &beside_limited);
    findings.compare("beside the backlog", &alone, &beside);
    findings.compare("beside the limited one", &alone, &beside_limited);
    findings.fact("backlog", bench.backlog as f64, "deliveries");
    findings.fact("backlog: drained", free.per_second, "per second");
    findings.delivered("backlog", free.arrived, bench.backlog);
    findings.fact("limited: drained", limited.per_second, "per second");
    let allowed = Target::AtMost(f64::from(LIMIT.0 + LIMIT.1));
    findings.bound(
        "limited: in the busiest second",
        limited.busiest_second as f64,
        "",
        allowed,
    );
    findings.delivered("limited", limited.arrived, bench.backlog);
    Ok(findings)
}

/// Fills an endpoint's backlog and lets it go.
async fn drain(bench: &Bench, healthy: &Load<'_>, plan: Plan) -> anyhow::Result<(SteadyRun, Drain)> {
    let sink = Sink::start(1, Manner::Answers).await?;
    let held = Load::prepare(&bench.system, &sink, Plan { disabled: true, ..plan }).await?;
    eprintln!("{}: {} events wait for a disabled endpoint …", plan.name, bench.backlog);
    held.flood(bench.backlog).await?;
    anyhow::ensure!(sink.distinct() == 0, "a disabled endpoint gets requests");

    eprintln!("{}: it is enabled …", plan.name);
    let over = CancellationToken::new();
    let release = async {
        let _over = over.clone().drop_guard();
        held.enable().await?;
        let enabled = now();
        sink.wait_for(bench.backlog, PATIENCE).await;
        anyhow::Ok(enabled)
    };
    let (beside, enabled) = tokio::try_join!(healthy.steady(HEALTHY_RATE, Duration::ZERO, over.cancelled()), release)?;
    let mut times: Vec<u64> = sink.take().into_values().map(|arrival| arrival.first).collect();
    times.sort_unstable();
    let took = times.last().map_or(0, |last| last.saturating_sub(enabled));
    let drain = Drain {
        arrived: times.len() as u64,
        per_second: times.len() as f64 / (took as f64 / 1e9).max(0.001),
        busiest_second: busiest_second(&times),
    };
    Ok((beside, drain))
}

/// The most that lie within one second, of ascending times in nanoseconds.
fn busiest_second(times: &[u64]) -> u64 {
    let mut window = VecDeque::new();
    let mut most = 0;
    for time in times {
        window.push_back(time);
        while window.front().is_some_and(|first| *time - **first >= 1_000_000_000) {
            window.pop_front();
        }
        most = most.max(window.len());
    }
    most as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_is_any_second() {
        let ms = |times: &[u64]| times.iter().map(|ms| ms * 1_000_000).collect::<Vec<_>>();
        assert_eq!(busiest_second(&[]), 0);
        assert_eq!(busiest_second(&ms(&[0, 900, 1_100, 1_899, 2_100])), 3);
        assert_eq!(busiest_second(&ms(&[0, 1_000, 2_000])), 1);
    }
}
