//! Metrics of the queue.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus::core::Collector as _;
use prometheus::{Counter, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use tidings_service::metrics::{counter, counters, float_counter, float_gauge, gauge, gauges, histogram};

use crate::{PublishError, Settle, Source, Trouble};

/// Confirms take a few milliseconds; an fsync more or less must show.
const CONFIRM_SECONDS: [f64; 15] = [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

static PUBLISHES: LazyLock<IntCounterVec> =
    LazyLock::new(|| counters("tidings_queue_publishes_total", "Publishes by outcome.", &["outcome"]));

static CONFIRM: LazyLock<Histogram> = LazyLock::new(|| {
    histogram(
        "tidings_queue_confirm_duration_seconds",
        "Time from a publish to its confirmation, seconds.",
        &CONFIRM_SECONDS,
    )
});

static CONSUMED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_queue_consumed_total",
        "Messages taken, by source.",
        &["source"],
    )
});

static REDELIVERED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_queue_redelivered_total",
        "Messages taken that were handed out before, by source.",
        &["source"],
    )
});

pub(crate) static ACKS_FAILED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "tidings_queue_acks_failed_total",
        "Messages that could not be settled and will come again.",
    )
});

pub(crate) static CONNECTIONS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauges(
        "tidings_queue_connections",
        "Connections that are up, by side.",
        &["side"],
    )
});

pub(crate) static RECONNECTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_queue_reconnects_total",
        "Connections that were lost, by side.",
        &["side"],
    )
});

pub(crate) static BLOCKED_SECONDS: LazyLock<Counter> = LazyLock::new(|| {
    float_counter(
        "tidings_queue_blocked_seconds_total",
        "How long the broker has blocked publishing, in all, seconds; counted when it ends.",
    )
});

pub(crate) static BLOCKED: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_queue_blocked",
        "1 while the broker blocks publishing because it is out of memory or disk.",
    )
});

static PARKED_SETTLED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_queue_parked_settled_total",
        "Messages set aside that an operator requeued or discarded.",
        &["outcome"],
    )
});

pub(crate) static CANARY_SECONDS: LazyLock<Gauge> = LazyLock::new(|| {
    float_gauge(
        "tidings_queue_canary_seconds",
        "How long the last message through the shortest delay queue took, seconds, where it is watched.",
    )
});

pub(crate) static CANARY_MISSING: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_queue_canary_missing",
        "1 while messages do not come back from the shortest delay queue, where it is watched.",
    )
});

pub(crate) static STUCK: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauges(
        "tidings_queue_stuck_messages",
        "Messages of a delay queue that have waited long enough and are not in their lane yet. About zero in health.",
        &["queue"],
    )
});

/// Current findings of the watch, read from its gauges.
pub(crate) fn trouble() -> Trouble {
    let stuck = STUCK.collect();
    let gauges = stuck.iter().flat_map(|family| family.get_metric());
    let found = gauges.filter_map(|gauge| {
        let queue = gauge.get_label().first()?.value().to_owned();
        // It was set from a whole number of messages.
        Some((queue, gauge.get_gauge().get_value() as u64)).filter(|(_, count)| *count > 0)
    });
    Trouble {
        canary_missing: CANARY_MISSING.get() > 0,
        stuck: found.collect(),
    }
}

pub(crate) static WATCHED: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_queue_watched",
        "1 while the management API answers; without it nothing is known of stuck messages, members and policies.",
    )
});

pub(crate) static TOO_FEW_MEMBERS: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_queue_too_few_members",
        "Queues with fewer than three members on a cluster of three nodes or more.",
    )
});

pub(crate) static POLICY_CONFLICTS: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_queue_policy_conflicts",
        "Queues whose arguments a policy of the broker overrides so that messages can be lost.",
    )
});

/// Shows every metric from the start.
pub fn register() {
    for outcome in OUTCOMES {
        PUBLISHES.with_label_values(&[outcome]);
    }
    for side in ["publishing", "consuming"] {
        CONNECTIONS.with_label_values(&[side]);
        RECONNECTS.with_label_values(&[side]);
    }
    for source in ["live", "bulk", "retry", "records"] {
        CONSUMED.with_label_values(&[source]);
        REDELIVERED.with_label_values(&[source]);
    }
    settled(Settle::Requeue, 0);
    settled(Settle::Discard, 0);
    LazyLock::force(&CONFIRM);
    LazyLock::force(&ACKS_FAILED);
    LazyLock::force(&BLOCKED_SECONDS);
    LazyLock::force(&BLOCKED);
    LazyLock::force(&CANARY_SECONDS);
    LazyLock::force(&CANARY_MISSING);
    LazyLock::force(&STUCK);
    LazyLock::force(&WATCHED);
    LazyLock::force(&TOO_FEW_MEMBERS);
    LazyLock::force(&POLICY_CONFLICTS);
}

/// Labels of publish outcomes.
const OUTCOMES: [&str; 6] = [
    "confirmed",
    "unavailable",
    "unroutable",
    "rejected",
    "unknown",
    "no_rung",
];

pub(crate) fn published(result: &Result<(), PublishError>, took: Duration) {
    let outcome = match result {
        Ok(()) => "confirmed",
        Err(PublishError::Unavailable(_)) => "unavailable",
        Err(PublishError::Unroutable(_)) => "unroutable",
        Err(PublishError::Rejected(_)) => "rejected",
        Err(PublishError::Unknown(_)) => "unknown",
        Err(PublishError::NoDelayQueue(_)) => "no_rung",
    };
    PUBLISHES.with_label_values(&[outcome]).inc();
    // A timeout's duration would say nothing of confirms.
    if result.is_ok() {
        CONFIRM.observe(took.as_secs_f64());
    }
}

pub(crate) fn settled(how: Settle, count: u64) {
    let how = match how {
        Settle::Requeue => "requeued",
        Settle::Discard => "discarded",
    };
    PARKED_SETTLED.with_label_values(&[how]).inc_by(count);
}

/// The counters of what is taken from one source.
#[derive(Clone)]
pub(crate) struct Taken {
    consumed: IntCounter,
    redelivered: IntCounter,
}

impl Taken {
    pub(crate) fn of(source: Source) -> Self {
        let label = match source {
            Source::Work(kind) => kind.as_str(),
            Source::Records => "records",
        };
        Self {
            consumed: CONSUMED.with_label_values(&[label]),
            redelivered: REDELIVERED.with_label_values(&[label]),
        }
    }

    pub(crate) fn count(&self, redelivered: bool) {
        self.consumed.inc();
        if redelivered {
            self.redelivered.inc();
        }
    }
}
