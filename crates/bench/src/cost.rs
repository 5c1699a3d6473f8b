//! The cost of a stretch of a run.

use std::time::Duration;

use tokio::time::Instant;

use crate::proc::Meter;
use crate::receiver::Sink;

/// Deliveries of a stretch of a run, and the CPU time that they took.
pub(crate) struct Cost {
    pub(crate) deliveries: u64,
    pub(crate) seconds: f64,
    /// CPU time of each group of processes.
    pub(crate) cpu: Vec<(&'static str, Duration)>,
}

impl Cost {
    /// Waits for a warm-up, and measures what follows it.
    pub(crate) async fn measure(
        meter: &Meter,
        sink: &Sink,
        warm_up: Duration,
        length: Duration,
    ) -> anyhow::Result<Self> {
        tokio::time::sleep(warm_up).await;
        let (cpu, requests, begin) = (meter.read()?, sink.requests(), Instant::now());
        tokio::time::sleep(length).await;
        let (cpu_after, requests_after, seconds) = (meter.read()?, sink.requests(), begin.elapsed().as_secs_f64());
        let cpu = cpu
            .iter()
            .zip(&cpu_after)
            .map(|((name, from), (_, to))| (*name, to.saturating_sub(*from)));
        Ok(Self {
            deliveries: requests_after - requests,
            seconds,
            cpu: cpu.collect(),
        })
    }
}
