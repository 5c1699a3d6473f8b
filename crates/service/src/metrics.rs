//! Metrics of the default Prometheus registry.
//!
//! Each crate keeps its metrics as statics in a file of its own, makes them here and shows all of them from the start:
//! `static SENT: LazyLock<IntCounter> = LazyLock::new(|| counter("tidings_sent_total", "What was sent."));`
//! Every metric that was made is remembered, for the page that lists them (`docs/operations/metrics.md`).

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts,
};

/// Bucket bounds in seconds for what takes between half a millisecond and half a minute.
pub const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Bucket bounds in seconds for waits that an outage may make hours long.
pub const LONG_SECONDS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0,
];

/// The time of each periodic task's last success.
static LAST_SUCCESS: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "When a periodic task last did its work or saw that there is none, seconds since 1970. time() minus this is \
                how long it has been failing.";
    float_gauges("tidings_task_last_success_timestamp_seconds", help, &["task"])
});

/// A metric that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: Vec<String>,
    pub help: String,
}

static FAMILIES: Mutex<Vec<Family>> = Mutex::new(Vec::new());

/// Looks at something before metrics are read; `false` if it has gone.
type Look = Box<dyn Fn() -> bool + Send>;
static LOOKS: Mutex<Vec<Look>> = Mutex::new(Vec::new());

/// Every metric that was made so far, by name.
pub fn families() -> Vec<Family> {
    let mut families = lock(&FAMILIES).clone();
    families.sort_by(|one, other| one.name.cmp(&other.name));
    families
}

/// Has `look` set its gauges each time before metrics are read, until it says `false`: what it looks at has gone.
pub fn before_reading(look: impl Fn() -> bool + Send + 'static) {
    lock(&LOOKS).push(Box::new(look));
}

/// All metrics as they stand.
pub fn gather() -> Vec<MetricFamily> {
    lock(&LOOKS).retain(|look| look());
    prometheus::gather()
}

/// A periodic task did its work, or saw that there is none.
pub fn succeeded(task: &str) {
    let now = jiff::Timestamp::now().as_millisecond();
    LAST_SUCCESS.with_label_values(&[task]).set(now as f64 / 1e3);
}

/// Makes all metrics of this crate.
pub fn register() {
    LazyLock::force(&LAST_SUCCESS);
    LazyLock::force(&crate::health::COMPONENT_UP);
    LazyLock::force(&crate::health::READY);
    LazyLock::force(&crate::supervisor::RESTARTS);
    crate::auth::register();
    crate::serve::register();
    crate::telemetry::register();
    crate::trace::register();
    crate::process::register();
}

pub fn counter(name: &str, help: &str) -> IntCounter {
    made(name, "counter", &[], help, IntCounter::new(name, help))
}

/// A counter of seconds.
pub fn float_counter(name: &str, help: &str) -> Counter {
    made(name, "counter", &[], help, Counter::new(name, help))
}

/// Counters that differ in labels.
pub fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    made(
        name,
        "counter",
        labels,
        help,
        IntCounterVec::new(Opts::new(name, help), labels),
    )
}

pub fn gauge(name: &str, help: &str) -> IntGauge {
    made(name, "gauge", &[], help, IntGauge::new(name, help))
}

/// Gauges of whole numbers that differ in labels.
pub fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    made(
        name,
        "gauge",
        labels,
        help,
        IntGaugeVec::new(Opts::new(name, help), labels),
    )
}

/// A gauge of seconds or shares.
pub fn float_gauge(name: &str, help: &str) -> Gauge {
    made(name, "gauge", &[], help, Gauge::new(name, help))
}

/// Gauges of seconds or shares that differ in labels.
pub fn float_gauges(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    made(
        name,
        "gauge",
        labels,
        help,
        GaugeVec::new(Opts::new(name, help), labels),
    )
}

/// A histogram with these bucket bounds.
pub fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    made(name, "histogram", &[], help, Histogram::with_opts(options))
}

/// Histograms that differ in labels.
pub fn histograms(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    made(name, "histogram", labels, help, HistogramVec::new(options, labels))
}

fn made<C: Collector + Clone + 'static>(
    name: &str,
    kind: &'static str,
    labels: &[&str],
    help: &str,
    metric: prometheus::Result<C>,
) -> C {
    // Names, labels and buckets are constants in the code: the first use in any test shows a bad one.
    let metric = metric.unwrap_or_else(|error| panic!("metric {name}: {error}"));
    if let Err(error) = prometheus::register(Box::new(metric.clone())) {
        panic!("metric {name}: {error}");
    }
    lock(&FAMILIES).push(Family {
        name: name.to_owned(),
        kind,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        help: help.to_owned(),
    });
    metric
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn what_has_gone_is_not_looked_at_again() {
        let looks = Arc::new(AtomicU32::new(0));
        let counted = looks.clone();
        before_reading(move || counted.fetch_add(1, Ordering::SeqCst) < 1);
        for _ in 0..5 {
            gather();
        }
        assert_eq!(looks.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn every_metric_is_listed_and_names_its_unit() {
        register();
        let families = families();
        assert!(families.iter().any(|family| family.name == "tidings_component_up"));
        for family in families.iter().filter(|family| family.name.starts_with("tidings_")) {
            let name = &family.name;
            assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
            assert!(family.help.ends_with('.'), "{name}: {}", family.help);
            if family.kind == "histogram" {
                assert!(name.ends_with("_seconds") || name.ends_with("_events"), "{name}");
            }
        }
    }
}
