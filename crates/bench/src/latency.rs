//! Summaries of measured durations.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Milliseconds from the moment at which an event should have been sent.
#[derive(Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    p90: f64,
    pub(crate) p99: f64,
    p999: f64,
    max: f64,
}

impl Latency {
    /// Column titles of [`Latency::cells`].
    pub(crate) const HEADER: [&'static str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

    /// Summarises a histogram of microseconds.
    pub(crate) fn of(micros: &Histogram<u64>) -> Self {
        let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: micros.max() as f64 / 1_000.0,
        }
    }

    pub(crate) fn cells(&self) -> [String; 5] {
        [self.p50, self.p90, self.p99, self.p999, self.max].map(|ms| format!("{ms:.1}"))
    }
}
