//! Metrics of the default Prometheus registry.
//!
//! Each crate keeps its metrics as statics in a file of its own and makes them here:
//! `static SENT: LazyLock<IntCounter> = LazyLock::new(|| counter("tidings_sent_total", "What was sent."));`

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

/// Bucket bounds in seconds for what takes between half a millisecond and half a minute.
pub const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// A counter.
pub fn counter(name: &str, help: &str) -> IntCounter {
    registered(name, IntCounter::new(name, help))
}

/// Counters that differ in labels.
pub fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(name, IntCounterVec::new(Opts::new(name, help), labels))
}

/// A gauge of whole numbers.
pub fn gauge(name: &str, help: &str) -> IntGauge {
    registered(name, IntGauge::new(name, help))
}

/// Gauges of whole numbers that differ in labels.
pub fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(name, IntGaugeVec::new(Opts::new(name, help), labels))
}

/// A gauge of seconds or shares.
pub fn float_gauge(name: &str, help: &str) -> Gauge {
    registered(name, Gauge::new(name, help))
}

/// A histogram with these bucket bounds.
pub fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    registered(
        name,
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())),
    )
}

/// Histograms that differ in labels.
pub fn histograms(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    registered(
        name,
        HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels),
    )
}

fn registered<C: Collector + Clone + 'static>(name: &str, metric: prometheus::Result<C>) -> C {
    // Names, labels and buckets are constants in the code: the first use in any test shows a bad one.
    let metric = metric.unwrap_or_else(|error| panic!("metric {name}: {error}"));
    if let Err(error) = prometheus::register(Box::new(metric.clone())) {
        panic!("metric {name}: {error}");
    }
    metric
}
