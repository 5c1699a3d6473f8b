//! Attempts by outcome, over time.

use tidings_domain::{AttemptId, Timestamp};
use uuid::Uuid;

use super::query::AttemptQuery;

/// Attempts by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub succeeded: u64,
    /// Those that failed and are tried again.
    pub failed_retryable: u64,
    pub failed_final: u64,
}

impl Outcomes {
    /// Adds attempts with an outcome, by [`Outcome::name`](tidings_domain::Outcome::name).
    pub(crate) fn add(&mut self, outcome: &str, attempts: u64) {
        match outcome {
            "succeeded" => self.succeeded += attempts,
            "failed_retryable" => self.failed_retryable += attempts,
            _ => self.failed_final += attempts,
        }
    }
}

/// Attempts by outcome in spans of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// One for each span, oldest first.
    pub spans: Vec<Outcomes>,
    /// If time was over before all were counted: attempts begun before this are missing.
    pub counted_since: Option<Timestamp>,
}

impl Tally {
    /// Of what was counted down to this id, or to the end.
    pub(crate) fn new(spans: Vec<Outcomes>, reached: Option<Uuid>) -> Self {
        let begun = |id: AttemptId| {
            let millis = i64::try_from(id.unix_millis()).ok()?;
            Timestamp::from_millisecond(millis).ok()
        };
        Self {
            spans,
            counted_since: reached.map(AttemptId::from_uuid).and_then(begun),
        }
    }
}

impl AttemptQuery {
    /// The same attempts, but none from outside of these times.
    pub(crate) fn within(&self, bounds: &[Timestamp]) -> Self {
        Self {
            since: self.since.max(bounds.first().copied()),
            until: [self.until, bounds.last().copied()].into_iter().flatten().min(),
            ..self.clone()
        }
    }
}
