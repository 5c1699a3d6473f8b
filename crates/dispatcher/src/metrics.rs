//! What a dispatcher counts.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use tidings_domain::{Outcome, Schedule};
use tidings_service::metrics::{SECONDS, counter, counters, gauge, gauges, histogram, histograms};

use crate::settle::Deferral;

pub(crate) static DELIVERIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "States that deliveries were brought to: succeeded, scheduled, exhausted, cancelled.";
    counters("tidings_deliveries_total", help, &["state"])
});

static ATTEMPTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Attempts, by outcome and by the reason of a failure.";
    counters("tidings_attempts_total", help, &["outcome", "reason"])
});

static ATTEMPT_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "How long attempts take, seconds, by outcome.";
    histograms("tidings_attempt_seconds", help, &["outcome"], &SECONDS)
});

static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Attempts after the first, by the number of the attempt.";
    counters("tidings_retries_total", help, &["attempt"])
});

pub(crate) static FIRST_ATTEMPT_LAG: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "From an event's acceptance to the first attempt of its delivery, seconds.";
    histogram("tidings_first_attempt_lag_seconds", help, &SECONDS)
});

pub(crate) static TESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Sample events sent to try an endpoint out, by outcome.";
    counters("tidings_tests_total", help, &["outcome"])
});

pub(crate) static DEFERRALS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_deferrals_total",
        "Deliveries put aside without an attempt, in a rung or held, by reason.",
        &["reason"],
    )
});

pub(crate) static NO_PLACE: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_places_refused_total",
        "Deliveries put aside because a share was used up: an endpoint's or a tenant's of a lane's places, that of all \
         slow endpoints, or the memory for payloads.",
        &["share"],
    )
});

pub(crate) static DUPLICATES_DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Messages whose attempt the ledger already knew; nothing was sent for them.";
    counter("tidings_duplicates_dropped_total", help)
});

pub(crate) static LEFT_TO_SWEEPER: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Next attempts that the queue did not confirm; the sweeper publishes them.";
    counter("tidings_retries_left_to_sweeper_total", help)
});

pub(crate) static CIRCUITS_OPEN: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_circuits_open",
        "Endpoints that fail and are only probed, one request at a time.",
    )
});

pub(crate) static CIRCUITS_OPENED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_circuits_opened_total",
        "How often an endpoint's circuit was opened.",
    )
});

pub(crate) static DISABLED_AS_GONE: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_endpoints_disabled_as_gone_total",
        "Endpoints that answered 410 Gone and were disabled.",
    )
});

pub(crate) static FORGOTTEN: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_deliveries_forgotten_total",
        "Messages of deliveries of which nothing is on record any more: erased, too old, or never accepted.",
    )
});

pub(crate) static UNREADABLE: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_messages_unreadable_total",
        "Messages that can't be read and were parked.",
    )
});

pub(crate) static RECORDS_PARKED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_records_refused_total",
        "Records of attempts and deliveries that the log service refused and that were parked; their deliveries went on.",
    )
});

pub(crate) static QUEUE_DEPTH: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauges("tidings_queue_depth", "Messages that wait, by queue.", &["queue"]));

static IN_FLIGHT: LazyLock<IntGauge> =
    LazyLock::new(|| gauge("tidings_attempts_in_flight", "Requests that are under way."));

/// Shows every metric from the start, so that nothing missing is taken for nothing wrong. The depths of queues are shown
/// when they are first asked for, the retries up to the last of the default schedule.
pub(crate) fn register() {
    for state in ["succeeded", "scheduled", "exhausted", "cancelled"] {
        DELIVERIES.with_label_values(&[state]);
    }
    ATTEMPTS.with_label_values(&[Outcome::Succeeded.name(), ""]);
    for outcome in Outcome::NAMES {
        ATTEMPT_SECONDS.with_label_values(&[outcome]);
    }
    for attempt in 2..=Schedule::default().attempts() {
        RETRIES.with_label_values(&[&attempt.to_string()]);
    }
    for reason in Deferral::NAMES {
        DEFERRALS.with_label_values(&[reason]);
    }
    for share in ["endpoint", "tenant", "slow", "memory"] {
        NO_PLACE.with_label_values(&[share]);
    }
    LazyLock::force(&CIRCUITS_OPEN);
    LazyLock::force(&CIRCUITS_OPENED);
    LazyLock::force(&DISABLED_AS_GONE);
    LazyLock::force(&FIRST_ATTEMPT_LAG);
    LazyLock::force(&DUPLICATES_DROPPED);
    LazyLock::force(&LEFT_TO_SWEEPER);
    LazyLock::force(&FORGOTTEN);
    LazyLock::force(&UNREADABLE);
    LazyLock::force(&RECORDS_PARKED);
    LazyLock::force(&IN_FLIGHT);
}

/// Counts an attempt.
pub(crate) fn attempted(outcome: Outcome, number: u32, duration: Duration) {
    let reason = outcome.reason().map_or("", |reason| reason.as_str());
    ATTEMPTS.with_label_values(&[outcome.name(), reason]).inc();
    ATTEMPT_SECONDS
        .with_label_values(&[outcome.name()])
        .observe(duration.as_secs_f64());
    if number > 1 {
        RETRIES.with_label_values(&[&number.to_string()]).inc();
    }
}

/// One request under way, for as long as it lives.
pub(crate) struct InFlight;

impl InFlight {
    pub(crate) fn begin() -> Self {
        IN_FLIGHT.inc();
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        IN_FLIGHT.dec();
    }
}
