//! A replay sends a tenant's deliveries again as fast as replays may, beside a healthy endpoint of another tenant.

use std::time::Duration;

use tidings_proto::pb;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Bench;
use super::report::Findings;
use crate::load::{Load, SteadyRun};
use crate::receiver::{Manner, Sink};

/// Events per second to the healthy endpoint.
const HEALTHY_RATE: u32 = 500;
/// Maximum number of deliveries per second that the replay makes.
const PER_SECOND: u32 = 10_000;
/// Limit for the first deliveries of one part of the backlog, and for the whole replay.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Events published before the next part waits for their arrival, so that they don't pile up.
const PART: u64 = 20_000;

/// Durations of a replay.
struct Replayed {
    matched: u64,
    /// Time until it was counted and on record.
    counting: Duration,
    /// Time until everything had arrived after that.
    took: Duration,
    arrived: u64,
    repeated: u64,
}

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let answering = Sink::start(1, Manner::Answers).await?;
    let healthy = Load::prepare(&bench.system, &answering, bench.one("healthy")).await?;
    let alone = bench.alone(&healthy, HEALTHY_RATE).await?;
    let (beside, replayed) = replay(bench, &healthy).await?;

    let mut findings = Findings::new();
    findings.latency("alone", HEALTHY_RATE, &alone);
    findings.latency("beside the replay", HEALTHY_RATE, &beside);
    findings.compare("beside the replay", &alone, &beside);
    findings.fact("replay: deliveries", replayed.matched as f64, "");
    findings.fact("replay: counted and begun after", replayed.counting.as_secs_f64(), "s");
    let per_second = replayed.arrived as f64 / replayed.took.as_secs_f64().max(0.001);
    findings.fact("replay: sent again", per_second, "per second");
    findings.fact("replay: sent more than once", replayed.repeated as f64, "");
    findings.delivered("replay", replayed.arrived, replayed.matched);
    Ok(findings)
}

/// Delivers a backlog's worth of events and sends all of them again.
async fn replay(bench: &Bench, healthy: &Load<'_>) -> anyhow::Result<(SteadyRun, Replayed)> {
    let sink = Sink::start(1, Manner::Answers).await?;
    let again = Load::prepare(&bench.system, &sink, bench.one("again")).await?;
    eprintln!("again: {} events are delivered …", bench.backlog);
    let mut published = 0;
    while published < bench.backlog {
        let part = PART.min(bench.backlog - published);
        again.flood(part).await?;
        published += part;
        anyhow::ensure!(sink.wait_for(published, PATIENCE).await, "the events did not arrive");
    }
    again.wait_until_recorded(published).await?;
    sink.take();

    eprintln!("again: they are sent again …");
    let over = CancellationToken::new();
    let replaying = async {
        let _over = over.clone().drop_guard();
        let begin = Instant::now();
        let replay: pb::Replay = again.replay(PER_SECOND).await?;
        let counting = begin.elapsed();
        sink.wait_for(replay.matched, PATIENCE).await;
        anyhow::Ok((replay.matched, counting, begin.elapsed() - counting))
    };
    let (beside, (matched, counting, took)) = tokio::try_join!(
        healthy.steady(HEALTHY_RATE, Duration::ZERO, over.cancelled()),
        replaying
    )?;
    let arrivals = sink.take();
    let repeated = arrivals.values().map(|arrival| u64::from(arrival.times) - 1).sum();
    let replayed = Replayed {
        matched,
        counting,
        took,
        arrived: arrivals.len() as u64,
        repeated,
    };
    Ok((beside, replayed))
}
