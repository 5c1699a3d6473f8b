//! How the ledger stands, for those who watch it.

use std::time::Duration;

/// How the ledger stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many deliveries are past the time at which they are to be swept; counted up to [`Standing::COUNTED`].
    pub overdue: u64,
    /// For how long the oldest of them is.
    pub overdue_for: Duration,
    /// For how many whole days after today there are partitions; nothing where there are none.
    pub partitions_ahead: Option<u32>,
    /// Replays that have not ended.
    pub replays: u64,
    /// Erasures that have not ended.
    pub erasures: u64,
}

impl Standing {
    /// How far overdue deliveries are counted.
    pub const COUNTED: u32 = 10_000;
}
