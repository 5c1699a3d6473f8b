//! What ingest counts.

use std::sync::LazyLock;

use prometheus::{Histogram, IntCounter, IntCounterVec};
use tidings_service::metrics::{SECONDS, counter, counters, histogram};

pub(crate) static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Events published, by result: accepted, duplicate, or the code of the refusal.";
    counters("tidings_events_total", help, &["result"])
});

pub(crate) static DELIVERIES_CREATED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("tidings_deliveries_created_total", "Deliveries of accepted events."));

pub(crate) static PUBLISH_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "tidings_publish_seconds",
        "From an event's arrival to its acceptance, seconds.",
        &SECONDS,
    )
});

pub(crate) static LEFT_TO_SWEEPER: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Deliveries of accepted events that the queue did not confirm; the sweeper publishes them.";
    counter("tidings_deliveries_left_to_sweeper_total", help)
});

pub(crate) static ACCEPTED_SPILLED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_events_accepted_spilled_total",
        "Events accepted while the ledger was away.",
    )
});

/// Shows every metric from the start, so that nothing missing is taken for nothing wrong.
pub(crate) fn register() {
    for result in ["accepted", "duplicate"] {
        EVENTS.with_label_values(&[result]);
    }
    LazyLock::force(&DELIVERIES_CREATED);
    LazyLock::force(&PUBLISH_SECONDS);
    LazyLock::force(&LEFT_TO_SWEEPER);
    LazyLock::force(&ACCEPTED_SPILLED);
}
