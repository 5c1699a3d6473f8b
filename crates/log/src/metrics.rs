//! Metrics of log.

use std::sync::LazyLock;

use prometheus::{Gauge, Histogram, IntCounter, IntGauge, IntGaugeVec};
use tidings_service::metrics::{SECONDS, counter, float_gauge, gauge, gauges, histogram};
use tidings_store::ledger::Standing;

pub(crate) static RECORDS_COMMITTED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_log_records_committed_total",
        "Records committed to the ledger.",
    )
});

pub(crate) static COMMIT_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "tidings_log_commit_duration_seconds",
        "How long a commit of records takes, seconds.",
        &SECONDS,
    )
});

pub(crate) static COMMITS_FAILED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("tidings_log_commits_failed_total", "Commits of records that failed."));

pub(crate) static DRAINED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_log_records_drained_total",
        "Spilled records written to the ledger.",
    )
});

pub(crate) static PARKED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_log_records_parked_total",
        "Spilled records that can't be read.",
    )
});

pub(crate) static SWEPT: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Deliveries that the queue should have had and that were published again. About zero in health.";
    counter("tidings_deliveries_swept_total", help)
});

pub(crate) static DUE: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Deliveries published when they were due because the ledger kept their wait and not the queue.";
    counter("tidings_deliveries_due_total", help)
});

pub(crate) static PUT_OFF: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Overdue deliveries that were not published again because their lane has a backlog.";
    counter("tidings_deliveries_put_off_total", help)
});

pub(crate) static RELEASED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_deliveries_released_total",
        "Held deliveries that were released.",
    )
});

pub(crate) static REPLAYED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("tidings_replay_deliveries_total", "Deliveries that replays made."));

pub(crate) static QUEUE_DEPTH: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Messages that wait, by queue; stage is lane (to be sent at once), rung (waits for its next attempt), \
                records (spilled) or aside (somebody has to look). Every log process reports all: max by (queue), not sum.";
    gauges("tidings_queue_depth", help, &["queue", "stage", "lane"])
});

pub(crate) static OVERDUE: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Deliveries that are past the time at which the sweeper takes them, counted up to 10,000. About zero in health.";
    gauge("tidings_overdue_deliveries", help)
});

pub(crate) static OVERDUE_OLDEST: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "For how long the oldest of them is, seconds.";
    float_gauge("tidings_overdue_oldest_seconds", help)
});

pub(crate) static RECORDS_WAIT: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "For how long there have been spilled records that wait to be written, seconds.";
    float_gauge("tidings_records_waiting_seconds", help)
});

pub(crate) static PARTITIONS_AHEAD: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Days after today that have partitions (PostgreSQL; -1 where there are none). Rows of a day without one go \
                to a default partition, which is slower to keep.";
    gauge("tidings_ledger_partitions_ahead", help)
});

static JOBS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Jobs that have not ended: replays, erasures.";
    gauges("tidings_jobs_open", help, &["kind"])
});

/// Sets the gauges of the ledger's state.
pub(crate) fn show(standing: &Standing) {
    OVERDUE.set(i64::try_from(standing.overdue).unwrap_or(i64::MAX));
    OVERDUE_OLDEST.set(standing.overdue_for.as_secs_f64());
    PARTITIONS_AHEAD.set(standing.partitions_ahead.map_or(-1, i64::from));
    for (kind, count) in [("replay", standing.replays), ("erasure", standing.erasures)] {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        JOBS.with_label_values(&[kind]).set(count);
    }
}

/// Shows every metric from the start.
pub fn register() {
    LazyLock::force(&RECORDS_COMMITTED);
    LazyLock::force(&COMMIT_SECONDS);
    LazyLock::force(&COMMITS_FAILED);
    LazyLock::force(&DRAINED);
    LazyLock::force(&PARKED);
    LazyLock::force(&SWEPT);
    LazyLock::force(&DUE);
    LazyLock::force(&PUT_OFF);
    LazyLock::force(&RELEASED);
    LazyLock::force(&REPLAYED);
    LazyLock::force(&QUEUE_DEPTH);
    LazyLock::force(&OVERDUE);
    LazyLock::force(&OVERDUE_OLDEST);
    LazyLock::force(&RECORDS_WAIT);
    LazyLock::force(&PARTITIONS_AHEAD);
    for kind in ["replay", "erasure"] {
        JOBS.with_label_values(&[kind]);
    }
}
