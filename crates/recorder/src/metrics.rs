//! Metrics of the recorder.

use std::sync::LazyLock;

use prometheus::IntCounter;
use tidings_service::metrics::counter;

pub(crate) static RECORDS_WRITTEN: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_records_written_total",
        "Records that the log service committed.",
    )
});

pub(crate) static RECORDS_SPILLED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_records_spilled_total",
        "Records that went to the records queue instead.",
    )
});

pub(crate) static LOG_FAILURES: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_log_call_failures_total",
        "Calls to the log service that failed.",
    )
});

/// Shows every metric from the start.
pub fn register() {
    LazyLock::force(&RECORDS_WRITTEN);
    LazyLock::force(&RECORDS_SPILLED);
    LazyLock::force(&LOG_FAILURES);
}
