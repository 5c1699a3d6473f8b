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

pub(crate) static DELIVERIES_FILTERED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Deliveries of accepted events that content filters kept back.";
    counter("tidings_deliveries_filtered_total", help)
});

pub(crate) static FILTERS_UNDECIDED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Deliveries of accepted events that ended because content filters were stopped before they decided.";
    counter("tidings_filters_undecided_total", help)
});

pub(crate) static JUDGED_IN_TURN: LazyLock<IntCounter> = LazyLock::new(|| {
    let help =
        "Events whose content filters took long, or had to be compiled, and were asked on a thread of their own.";
    counter("tidings_filters_asked_in_turn_total", help)
});

pub(crate) static NOT_AS_DESCRIBED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Events whose payload is not as the schema of their type says, by what happened: warned, rejected.";
    counters("tidings_events_not_as_described_total", help, &["result"])
});

pub(crate) static PUBLISHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "First attempts given to the queue, by lane: live, or bulk beyond a tenant's share.";
    counters("tidings_first_attempts_queued_total", help, &["lane"])
});

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
    for result in ["warned", "rejected"] {
        NOT_AS_DESCRIBED.with_label_values(&[result]);
    }
    for lane in ["live", "bulk"] {
        PUBLISHED.with_label_values(&[lane]);
    }
    LazyLock::force(&FILTERS_UNDECIDED);
    LazyLock::force(&JUDGED_IN_TURN);
    LazyLock::force(&DELIVERIES_CREATED);
    LazyLock::force(&DELIVERIES_FILTERED);
    LazyLock::force(&PUBLISH_SECONDS);
    LazyLock::force(&LEFT_TO_SWEEPER);
    LazyLock::force(&ACCEPTED_SPILLED);
}
