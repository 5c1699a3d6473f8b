//! What stores count.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};
use tidings_service::metrics::{counters, gauge, gauges};

/// What of the registry can't be read in full, by kind.
pub(crate) static UNREADABLE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauges(
        "tidings_registry_unreadable",
        "Rows of the registry that can't be read in full, by kind.",
        &["kind"],
    )
});

/// Every label of [`UNREADABLE`].
pub(crate) const KINDS: [&str; 4] = ["tenant", "key", "endpoint", "event_type"];

/// Rows beside the registry that were passed over because this version can't read them.
pub(crate) static PASSED_OVER: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counters(
        "tidings_rows_passed_over_total",
        "Rows that were passed over because this version can't read them, by kind.",
        &["kind"],
    )
});

/// What endpoints take in memory.
pub(crate) static BYTES: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "tidings_registry_endpoint_bytes",
        "What the endpoints in the registry's cache take in memory, about.",
    )
});
