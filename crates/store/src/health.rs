//! Changes of endpoints' health that follow from a batch of records.
//!
//! An endpoint is announced as failing once, whether it fails for good or on and off, and a single exhausted delivery
//! disables nothing. The first exhausted delivery marks the endpoint and is announced; the next success ends the mark
//! and is announced too. An endpoint that fails again within [`TELL_EVERY`] stays marked until no delivery was
//! exhausted for [`CALM`]. It is announced again only when nothing succeeded for that long, or when the day is over.
//! Therefore a second failure within a day is announced ten minutes late.
//!
//! `record.sql` implements the same rules for PostgreSQL.

use std::collections::HashMap;
use std::time::Duration;

use tidings_domain::{DeliveryState, EndpointId, FailureReason, Timestamp};

use crate::ledger::{Attempt, DeliveryMove, Record};

/// Shortest time between two announcements for an endpoint that fails on and off.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(24 * 3600);
/// After so long without failing such an endpoint works; after so long without an answer it does not.
pub(crate) const CALM: Duration = Duration::from_secs(600);
/// Resolution of the stored times of an endpoint's last failure and last success.
pub(crate) const REMEMBER_EVERY: Duration = Duration::from_secs(1);

/// The part of a period, counted from the first failure or the last success, after which another failure proves that
/// the endpoint failed throughout.
pub(crate) fn late_in(period: Duration) -> Duration {
    period * 3 / 4
}

/// Attempts that ended deliveries, as far as they say something of the endpoint.
pub(crate) struct HealthChanges<'a> {
    /// Those that gave up, in the order of their deliveries.
    pub(crate) exhausted: Vec<Exhausted<'a>>,
    /// Endpoints that took a delivery after everything else in the batch, and when; in the order of their ids.
    pub(crate) answered: Vec<(EndpointId, Timestamp)>,
}

pub(crate) struct Exhausted<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) after: &'a DeliveryMove,
    /// `true` if it marks the endpoint as failing: not for an event that could not be rendered, which is not the
    /// receiver's fault, and not if a later delivery of the batch succeeded.
    pub(crate) marks: bool,
}

/// Reads a batch. Tests say nothing.
pub(crate) fn changes(records: &[Record]) -> HealthChanges<'_> {
    let mut answered: HashMap<EndpointId, Timestamp> = HashMap::new();
    let mut exhausted = Vec::new();
    for record in records {
        let Record::Attempt(attempt) = record else { continue };
        let Some(after) = attempt.after.as_ref().filter(|_| !attempt.summary.test) else {
            continue;
        };
        match after.state {
            DeliveryState::Succeeded => {
                let last = answered.entry(after.endpoint).or_insert(after.at);
                *last = after.at.max(*last);
            }
            DeliveryState::Exhausted => exhausted.push(Exhausted {
                attempt,
                after,
                marks: attempt.summary.outcome.reason() != Some(FailureReason::Render),
            }),
            _ => {}
        }
    }
    for one in &mut exhausted {
        if let Some(at) = answered.get(&one.after.endpoint) {
            one.marks &= one.after.at > *at;
        }
    }
    for one in exhausted.iter().filter(|one| one.marks) {
        answered.remove(&one.after.endpoint);
    }
    exhausted.sort_unstable_by_key(|one| one.after.id);
    let mut answered: Vec<_> = answered.into_iter().collect();
    answered.sort_unstable();
    HealthChanges { exhausted, answered }
}
