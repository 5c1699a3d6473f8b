//! A tenant's quick endpoint at a host that speaks HTTP/2, alone, then beside another tenant's slow one at the same host,
//! which could fill every connection: it takes ten requests at once on each.

use std::time::Duration;

use super::Bench;
use super::report::Findings;
use crate::load::Load;
use crate::receiver::Sink;

/// Concurrent requests that the host allows on a connection.
const STREAMS: u32 = 10;
/// Response time of the slow endpoint.
const SLOW: Duration = Duration::from_secs(5);
/// Events per second to each endpoint: the slow one's could fill fifty connections.
const RATE: u32 = 100;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let [quick, slow] = Sink::start_http2(STREAMS, [("/quick", Duration::ZERO), ("/slow", SLOW)]).await?;
    let quick_load = Load::prepare(&bench.system, &quick, bench.one("quick")).await?;
    let alone = bench.alone(&quick_load, RATE).await?;

    let slow_load = Load::prepare(&bench.system, &slow, bench.one("slow")).await?;
    eprintln!("beside one that takes {SLOW:?}, {RATE} events/s each …");
    let (beside, ()) = tokio::try_join!(
        quick_load.steady(RATE, Duration::ZERO, tokio::time::sleep(bench.duration)),
        slow_load.publish_steadily(RATE, tokio::time::sleep(bench.duration)),
    )?;

    let mut findings = Findings::new();
    findings.latency("alone", RATE, &alone);
    findings.latency("beside a slow one", RATE, &beside);
    findings.compare("beside a slow one", &alone, &beside);
    findings.fact("requests to the slow one", slow.requests() as f64, "");
    Ok(findings)
}
