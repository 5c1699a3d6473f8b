//! Metrics of ingest.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};
use tidings_service::metrics::{SECONDS, before_reading, counter, counters, gauge, histogram, histograms};
use tidings_service::problem::{Kind, Problem};
use tokio::sync::Semaphore;

static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Events published, by outcome: accepted, duplicate, refused (for the publisher's own fault) or failed (for \
                ours); and by the code of the refusal or failure.";
    counters("tidings_events_total", help, &["outcome", "code"])
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

pub(crate) static EVALUATED_IN_TURN: LazyLock<IntCounter> = LazyLock::new(|| {
    let help =
        "Events whose content filters took long, or had to be compiled, and were asked on a thread of their own.";
    counter("tidings_filters_asked_in_turn_total", help)
});

pub(crate) static NOT_AS_DESCRIBED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Events whose payload is not as the schema of their type says, by outcome: warned, rejected.";
    counters("tidings_events_not_as_described_total", help, &["outcome"])
});

pub(crate) static PUBLISHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "First attempts given to the queue, by lane: live, or bulk beyond a tenant's share.";
    counters("tidings_first_attempts_queued_total", help, &["lane"])
});

static ACCEPTANCE: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help =
        "From an event's arrival to its acceptance, without the pause after it, seconds, by transport: grpc, http.";
    histograms(
        "tidings_event_acceptance_duration_seconds",
        help,
        &["transport"],
        &SECONDS,
    )
});

static PAUSES: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "Pauses before answers to publishers whose tenant's deliveries are late, seconds; answers without a pause are \
                not counted.";
    histogram("tidings_publish_pause_seconds", help, &SECONDS)
});

static MEMORY_USED: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "What payloads that are being accepted take, bytes.";
    gauge("tidings_ingest_room_used_bytes", help)
});
static MEMORY: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "What payloads that are being accepted may take at most (ingest.max_in_flight), bytes; who comes when it is full waits.";
    gauge("tidings_ingest_room_bytes", help)
});

/// Error codes of failures on our side, shown from the start.
const FAILURES: [&str; 4] = [
    "not_durable",
    "record_refused",
    "idempotency_unavailable",
    "filters_failed",
];

/// Transport of a publish, as a label.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

impl Transport {
    fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

pub(crate) fn accepted(transport: Transport, took: Duration) {
    EVENTS.with_label_values(&["accepted", ""]).inc();
    ACCEPTANCE
        .with_label_values(&[transport.as_str()])
        .observe(took.as_secs_f64());
}

/// A publisher is about to wait.
pub(crate) fn paused(pause: Duration) {
    PAUSES.observe(pause.as_secs_f64());
}

/// An event had been accepted before.
pub(crate) fn duplicate() {
    EVENTS.with_label_values(&["duplicate", ""]).inc();
}

/// Counts a refused or failed event, by its problem's code.
pub(crate) fn not_accepted(problem: &Problem) {
    let ours = matches!(problem.kind, Kind::Unavailable | Kind::Internal);
    let outcome = if ours { "failed" } else { "refused" };
    EVENTS.with_label_values(&[outcome, problem.code]).inc();
}

/// Shows how much room is taken as long as there is any.
pub(crate) fn watch_memory(permits: &Arc<Semaphore>, all: u32) {
    MEMORY.set(i64::from(all) * 1024);
    let permits = Arc::downgrade(permits);
    before_reading(move || {
        let Some(permits) = permits.upgrade() else { return false };
        let used = i64::from(all) - permits.available_permits() as i64;
        MEMORY_USED.set(used * 1024);
        true
    });
}

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
pub fn register() {
    for outcome in ["accepted", "duplicate"] {
        EVENTS.with_label_values(&[outcome, ""]);
    }
    for code in FAILURES {
        EVENTS.with_label_values(&["failed", code]);
    }
    for outcome in ["warned", "rejected"] {
        NOT_AS_DESCRIBED.with_label_values(&[outcome]);
    }
    for transport in [Transport::Grpc, Transport::Http] {
        ACCEPTANCE.with_label_values(&[transport.as_str()]);
    }
    for lane in ["live", "bulk"] {
        PUBLISHED.with_label_values(&[lane]);
    }
    LazyLock::force(&FILTERS_UNDECIDED);
    LazyLock::force(&EVALUATED_IN_TURN);
    LazyLock::force(&DELIVERIES_CREATED);
    LazyLock::force(&DELIVERIES_FILTERED);
    LazyLock::force(&PAUSES);
    LazyLock::force(&MEMORY_USED);
    LazyLock::force(&MEMORY);
    LazyLock::force(&LEFT_TO_SWEEPER);
    LazyLock::force(&ACCEPTED_SPILLED);
}
