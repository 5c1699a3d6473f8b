//! Metrics of a dispatcher.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use tidings_domain::{DeliveryState, FailureReason, Outcome, Schedule, Timestamp};
use tidings_queue::{LaneKind, Message};
use tidings_service::metrics::{LONG_SECONDS, SECONDS, counter, counters, gauge, gauges, histogram, histograms};

use crate::settle::Deferral;

pub(crate) static DELIVERIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "States that deliveries were brought to: succeeded, scheduled, exhausted, cancelled.";
    counters("tidings_deliveries_total", help, &["state"])
});

static ATTEMPTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Attempts, by outcome, by the reason of a failure, and by the class of the status that came, 429 apart.";
    counters("tidings_attempts_total", help, &["outcome", "reason", "status"])
});

static ATTEMPT_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "How long attempts take, seconds, by outcome.";
    histograms("tidings_attempt_duration_seconds", help, &["outcome"], &SECONDS)
});

static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Attempts after the first, by the number of the attempt.";
    counters("tidings_retries_total", help, &["attempt"])
});

static FIRST_ATTEMPT_LAG: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "From an event's acceptance to the first attempt of its delivery, seconds, by lane. What goes to bulk is beyond \
                its tenant's share, and late by design.";
    histograms("tidings_first_attempt_lag_seconds", help, &["lane"], &LONG_SECONDS)
});

static RETRY_LAG: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "From when a later attempt was due to its beginning, seconds.";
    histogram("tidings_retry_lag_seconds", help, &LONG_SECONDS)
});

static DELIVERY_DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "From an event's acceptance to the end of its delivery by an attempt, seconds, by state.";
    histograms("tidings_delivery_duration_seconds", help, &["state"], &DELIVERY_SECONDS)
});

/// From a moment to the last attempt of the longest usual schedule.
const DELIVERY_SECONDS: [f64; 14] = [
    0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0, 86400.0, 259_200.0,
];

static TEST_SENDS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Sample events sent to try an endpoint out, by outcome.";
    counters("tidings_test_sends_total", help, &["outcome"])
});

pub(crate) static DEFERRALS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_deferrals_total",
        "Deliveries deferred without an attempt, in a delay queue or held, by reason.",
        &["reason"],
    )
});

pub(crate) static NO_PLACE: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_places_refused_total",
        "Deliveries deferred because a share was used up: an endpoint's or a tenant's of a lane's places, that of all \
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

pub(crate) static UNSETTLED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help =
        "Messages that a dispatcher has taken and not settled, by lane; the most are its prefetch times its queues.";
    gauges("tidings_messages_in_hand", help, &["lane"])
});

pub(crate) static PREFETCH: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "How many messages a dispatcher takes at most, by lane.";
    gauges("tidings_messages_in_hand_limit", help, &["lane"])
});

pub(crate) static DISPATCHERS: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "How many dispatchers this one shares rate limits and concurrency with, itself included.";
    gauge("tidings_dispatchers", help)
});

static IN_FLIGHT: LazyLock<IntGauge> =
    LazyLock::new(|| gauge("tidings_attempts_in_flight", "Requests that are under way."));

/// Shows every metric from the start, so that nothing missing is taken for nothing wrong; the retries up to the last of the
/// default schedule.
pub fn register() {
    for state in ["succeeded", "scheduled", "exhausted", "cancelled"] {
        DELIVERIES.with_label_values(&[state]);
    }
    ATTEMPTS.with_label_values(&[Outcome::Succeeded.name(), "", "2xx"]);
    for outcome in &Outcome::NAMES[1..] {
        for reason in FailureReason::ALL {
            let statuses: &[&str] = match reason {
                FailureReason::Status => &["3xx", "4xx", "429", "5xx"],
                _ => &[""],
            };
            for status in statuses {
                ATTEMPTS.with_label_values(&[outcome, reason.as_str(), status]);
            }
        }
    }
    for outcome in Outcome::NAMES {
        ATTEMPT_SECONDS.with_label_values(&[outcome]);
        TEST_SENDS.with_label_values(&[outcome]);
    }
    for lane in ["live", "bulk"] {
        FIRST_ATTEMPT_LAG.with_label_values(&[lane]);
    }
    for lane in LaneKind::ALL {
        UNSETTLED.with_label_values(&[lane.as_str()]);
        PREFETCH.with_label_values(&[lane.as_str()]);
    }
    for state in ["succeeded", "exhausted"] {
        DELIVERY_DURATION.with_label_values(&[state]);
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
    LazyLock::force(&RETRY_LAG);
    LazyLock::force(&DISPATCHERS);
    LazyLock::force(&DUPLICATES_DROPPED);
    LazyLock::force(&LEFT_TO_SWEEPER);
    LazyLock::force(&FORGOTTEN);
    LazyLock::force(&UNREADABLE);
    LazyLock::force(&RECORDS_PARKED);
    LazyLock::force(&IN_FLIGHT);
}

/// Counts an attempt, and the status that came, if one did.
pub(crate) fn attempted(outcome: Outcome, number: u32, status: Option<u16>, duration: Duration) {
    let reason = outcome.reason().map_or("", |reason| reason.as_str());
    ATTEMPTS
        .with_label_values(&[outcome.name(), reason, class(status)])
        .inc();
    ATTEMPT_SECONDS
        .with_label_values(&[outcome.name()])
        .observe(duration.as_secs_f64());
    if number > 1 {
        RETRIES.with_label_values(&[&number.to_string()]).inc();
    }
}

/// Counts a test of an endpoint.
pub(crate) fn tested(outcome: Outcome) {
    TEST_SENDS.with_label_values(&[outcome.name()]).inc();
}

/// Observes the delay of an attempt that is about to be sent: since its due time for a retry, since acceptance for a
/// first attempt.
pub(crate) fn begun(lane: LaneKind, message: &Message, accepted_at: Timestamp, now: Timestamp) {
    let since = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
    match message.due {
        Some(due) if message.step.attempt() > 1 => RETRY_LAG.observe(since(due).as_secs_f64()),
        _ if message.step.attempt() == 1 => FIRST_ATTEMPT_LAG
            .with_label_values(&[match lane {
                LaneKind::Bulk => "bulk",
                LaneKind::Live | LaneKind::Retry => "live",
            }])
            .observe(since(accepted_at).as_secs_f64()),
        _ => {}
    }
}

/// An attempt brought a delivery to this state.
pub(crate) fn reached(state: &DeliveryState, accepted_at: Timestamp) {
    DELIVERIES.with_label_values(&[state.name()]).inc();
    if matches!(state, DeliveryState::Succeeded | DeliveryState::Exhausted) {
        let took = Duration::try_from(Timestamp::now().duration_since(accepted_at)).unwrap_or_default();
        DELIVERY_DURATION
            .with_label_values(&[state.name()])
            .observe(took.as_secs_f64());
    }
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "",
        Some(429) => "429",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) => "other",
    }
}

/// Counts one unsettled message until it is dropped.
pub(crate) struct Unsettled(LaneKind);

impl Unsettled {
    pub(crate) fn begin(lane: LaneKind) -> Self {
        UNSETTLED.with_label_values(&[lane.as_str()]).inc();
        Self(lane)
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        UNSETTLED.with_label_values(&[self.0.as_str()]).dec();
    }
}

/// Counts one request in flight until it is dropped.
pub(crate) struct RequestInFlight;

impl RequestInFlight {
    pub(crate) fn begin() -> Self {
        IN_FLIGHT.inc();
        Self
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        IN_FLIGHT.dec();
    }
}
