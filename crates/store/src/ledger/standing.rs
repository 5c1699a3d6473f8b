//! Figures of the ledger for metrics.

use std::time::Duration;

/// A snapshot of the ledger's backlog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Deliveries past the time at which they are to be swept, counted up to [`Standing::COUNTED`].
    pub overdue: u64,
    /// The time since the oldest of them was due.
    pub overdue_for: Duration,
    /// Whole days after today that have partitions; `None` where there are no partitions.
    pub partitions_ahead: Option<u32>,
    /// Replays that have not ended.
    pub replays: u64,
    /// Erasures that have not ended.
    pub erasures: u64,
}

impl Standing {
    /// The limit up to which overdue deliveries are counted.
    pub const COUNTED: u32 = 10_000;
}
