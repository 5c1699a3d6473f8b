//! Metrics of the notifier.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntCounterVec};
use tidings_service::metrics::{counter, counters};

pub(super) static MAILS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Mails to endpoints' contacts: sent, failed (and tried again), refused for good, given_up.";
    counters("tidings_mails_total", help, &["outcome"])
});

pub(super) static OPERATIONAL_EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Operational events recorded for operational endpoints, by type.";
    counters("tidings_operational_events_total", help, &["type"])
});

pub(super) static DISABLED_AS_FAILING: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Endpoints turned off because they failed too long.";
    counter("tidings_endpoints_disabled_as_failing_total", help)
});

/// Makes every series exist before the first of its kind happens.
pub fn register() {
    for outcome in ["sent", "failed", "refused", "given_up"] {
        MAILS.with_label_values(&[outcome]);
    }
    for kind in tidings_domain::NoticeKind::ALL {
        OPERATIONAL_EVENTS.with_label_values(&[kind.as_str()]);
    }
    DISABLED_AS_FAILING.get();
}
