//! A tenant that publishes a little, beside one that publishes as fast as possible.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Bench;
use super::report::Findings;
use crate::load::Load;
use crate::receiver::{Manner, Sink};

/// Events per second of the quiet tenant.
const QUIET_RATE: u32 = 50;
/// Limit for the delivery of a flood.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let (one, other) = (
        Sink::start(1, Manner::Answers).await?,
        Sink::start(1, Manner::Answers).await?,
    );
    let quiet = Load::prepare(&bench.system, &one, bench.one("quiet")).await?;
    let flooding = Load::prepare(&bench.system, &other, bench.one("flooding")).await?;
    let before = bench.alone(&quiet, QUIET_RATE).await?;

    eprintln!("beside a flood of {} events …", bench.flood);
    let over = CancellationToken::new();
    let flood = async {
        let _over = over.clone().drop_guard();
        let begin = Instant::now();
        flooding.flood(bench.flood).await?;
        let accepted = begin.elapsed();
        other.wait_for(bench.flood, PATIENCE).await;
        anyhow::Ok((accepted, begin.elapsed(), other.distinct()))
    };
    let (during, (accepted, delivered, arrived)) =
        tokio::try_join!(quiet.steady(QUIET_RATE, Duration::ZERO, over.cancelled()), flood)?;

    let mut findings = Findings::new();
    findings.latency("before", QUIET_RATE, &before);
    findings.latency("during", QUIET_RATE, &during);
    findings.compare("during", &before, &during);
    findings.fact("flood accepted within", accepted.as_secs_f64(), "s");
    findings.fact("flood delivered within", delivered.as_secs_f64(), "s");
    findings.delivered("flood", arrived, bench.flood);
    Ok(findings)
}
