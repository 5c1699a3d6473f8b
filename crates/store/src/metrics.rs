//! Metrics of stores and of the registry cache.

use std::sync::LazyLock;
use std::time::Duration;

use deadpool_postgres::{Pool, PoolError};
use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use tidings_service::metrics::{SECONDS, before_reading, counter, counters, gauge, gauges, histograms};

/// Rows of the registry that can't be read in full, by kind.
pub(crate) static UNREADABLE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauges(
        "tidings_registry_unreadable",
        "Rows of the registry that can't be read in full, by kind.",
        &["kind"],
    )
});

/// Every `kind` label of [`UNREADABLE`].
pub(crate) const KINDS: [&str; 4] = ["tenant", "key", "endpoint", "event_type"];

/// Rows beside the registry that were passed over because this version can't read them.
pub(crate) static PASSED_OVER: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_rows_passed_over_total",
        "Rows that were passed over because this version can't read them, by kind.",
        &["kind"],
    )
});

/// Memory used by cached endpoints, in bytes.
pub(crate) static BYTES: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_registry_endpoint_bytes",
        "What the endpoints in the registry's cache take in memory, about.",
    )
});

/// Endpoints by state; exported by every process that has the registry.
pub(crate) static ENDPOINTS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Endpoints in the registry's cache: active, failing (given up deliveries, and none succeeded since) or \
                disabled. Every process that has a cache reports all: max, not sum.";
    gauges("tidings_endpoints", help, &["state"])
});

pub(crate) static TENANTS: LazyLock<IntGauge> =
    LazyLock::new(|| gauge("tidings_tenants", "Tenants in the registry's cache."));

pub(crate) static SCHEMA_VERSION: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "The version of the database's schema when the process began.";
    gauge("tidings_schema_version", help)
});

pub(crate) static PARTITIONS_DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Partitions that were dropped because their day is older than anything is kept (PostgreSQL).";
    counter("tidings_ledger_partitions_dropped_total", help)
});

pub(crate) static ROWS_DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Rows that were removed because their day is older than anything is kept (SQLite).";
    counter("tidings_ledger_rows_dropped_total", help)
});

static POOL: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Connections to the database, by pool: most, open, idle.";
    gauges("tidings_database_connections", help, &["pool", "state"])
});
static WAITING: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help =
        "Who waits for a connection to the database, by pool. Above 0 for long means that the pool is too small.";
    gauges("tidings_database_waiting", help, &["pool"])
});
static WAIT: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "How long it took to get a connection to the database, seconds, by pool.";
    histograms("tidings_database_wait_seconds", help, &["pool"], &SECONDS)
});
static NOT_CONNECTED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Times that no connection to the database was to be had, by pool: none became free in time (timeout), or \
                the server does not take one (away).";
    counters("tidings_database_connections_failed_total", help, &["pool", "reason"])
});

/// Shows how much of a pool is taken, as long as it is there.
pub(crate) fn show_pool(name: &'static str, pool: &Pool) {
    for reason in ["timeout", "away"] {
        NOT_CONNECTED.with_label_values(&[name, reason]);
    }
    let pool = pool.weak();
    before_reading(move || {
        let Some(pool) = pool.upgrade() else { return false };
        let status = pool.status();
        let show = |state, count: usize| POOL.with_label_values(&[name, state]).set(count as i64);
        show("most", status.max_size);
        show("open", status.size);
        show("idle", status.available);
        WAITING.with_label_values(&[name]).set(status.waiting as i64);
        true
    });
}

/// Records the time that a caller waited for a pooled connection.
pub(crate) fn waited(pool: &str, took: Duration, failed: Option<&PoolError>) {
    WAIT.with_label_values(&[pool]).observe(took.as_secs_f64());
    if let Some(error) = failed {
        let reason = match error {
            PoolError::Timeout(_) => "timeout",
            _ => "away",
        };
        NOT_CONNECTED.with_label_values(&[pool, reason]).inc();
    }
}

/// Makes all metrics of this crate.
pub fn register() {
    for kind in KINDS {
        UNREADABLE.with_label_values(&[kind]);
    }
    PASSED_OVER.with_label_values(&["notice"]);
    for state in ["active", "failing", "disabled"] {
        ENDPOINTS.with_label_values(&[state]);
    }
    LazyLock::force(&BYTES);
    LazyLock::force(&TENANTS);
    LazyLock::force(&SCHEMA_VERSION);
    LazyLock::force(&PARTITIONS_DROPPED);
    LazyLock::force(&ROWS_DROPPED);
    LazyLock::force(&POOL);
    LazyLock::force(&WAITING);
    LazyLock::force(&WAIT);
    LazyLock::force(&NOT_CONNECTED);
}
