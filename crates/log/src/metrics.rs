//! What log counts.

use std::sync::LazyLock;

use prometheus::{Histogram, IntCounter};
use tidings_service::metrics::{SECONDS, counter, histogram};

pub(crate) static RECORDS_COMMITTED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_log_records_committed_total",
        "Records committed to the ledger.",
    )
});

pub(crate) static COMMIT_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "tidings_log_commit_seconds",
        "How long a commit of records takes.",
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

/// Shows every metric from the start.
pub(crate) static REPLAYED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("tidings_log_replayed_total", "Deliveries that replays made."));

pub(crate) static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_log_partitions_dropped_total",
        "Partitions that were dropped because their day is older than anything is kept; with SQLite, rows.",
    )
});

pub(crate) fn register() {
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
    LazyLock::force(&DROPPED);
}
