//! The ledger: its rows, and the merging of records.

use tidings_domain::Step;

/// Committed state of the delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ledger {
    /// The event is on record; without it nobody gets the content.
    pub event: bool,
    pub row: Option<Row>,
    /// The requests that are recorded, one bit each.
    pub attempts: u16,
}

/// A row of `deliveries`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    pub step: Step,
    pub standing: Standing,
    /// Time at which the sweeper publishes it.
    pub sweep: Option<Sweep>,
}

/// `tidings_domain::DeliveryState` without times and reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// Accepted, or released.
    Pending,
    /// An attempt failed, or it was deferred.
    Scheduled,
    Held,
    Succeeded,
    Exhausted,
    Cancelled,
}

/// Value of the column `sweep_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sweep {
    /// The due time, since the queue surely does not have it.
    WhenDue,
    /// Some time later than `check_after`, since the queue may have it (`PublishError::republish_after`).
    Soon,
    /// After the grace, since the queue should have it.
    AfterGrace,
}

/// `proto/tidings/v1/log.proto`, `Record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Record {
    /// An event was accepted, and with it the delivery.
    Event(Row),
    /// Record of an attempt.
    Attempt { number: u8, after: Row },
    /// The delivery changed without a request.
    Move(Row),
}

impl Standing {
    /// Tells if the delivery has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Exhausted | Self::Cancelled)
    }
}

impl Row {
    /// Row of a delivery that has not ended.
    pub(crate) fn open(step: Step, standing: Standing, sweep: Sweep) -> Self {
        Self {
            step,
            standing,
            sweep: Some(sweep),
        }
    }

    /// A delivery that the sweeper leaves alone: held or ended.
    pub(crate) fn resting(step: Step, standing: Standing) -> Self {
        Self {
            step,
            standing,
            sweep: None,
        }
    }
}

impl Ledger {
    /// `store/src/postgres/record/deliveries.sql`, `sqlite/record.rs`.
    pub(crate) fn write(&mut self, record: &Record) {
        match *record {
            Record::Event(row) => {
                self.event = true;
                self.row.get_or_insert(row);
            }
            Record::Attempt { number, after } => {
                self.attempts |= 1 << number;
                self.row.get_or_insert(after);
                self.merge(after);
            }
            // A move makes no delivery.
            Record::Move(to) => self.merge(to),
        }
    }

    fn merge(&mut self, to: Row) {
        let Some(known) = &mut self.row else { return };
        if !known.standing.is_terminal() && (to.step > known.step || to.standing.is_terminal()) {
            *known = to;
        }
    }
}
