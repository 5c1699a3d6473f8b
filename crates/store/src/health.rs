//! What a batch of records says of the endpoints' health.
//!
//! Need: people hear that an endpoint fails, once, whether it fails for good or by turns, and none is turned off for a
//! single delivery. Mechanism: the first delivery that is given up marks the endpoint and is told, the next success ends
//! that and is told. If it fails again within [`TELL_EVERY`], it stays marked until nothing was given up for [`CALM`], and
//! is told of only when nothing succeeded for so long, or when the day is over. Limit: whoever fails for the second time in
//! a day is told ten minutes late. `record/exhausted.sql` and `record/recover.sql` say the same to PostgreSQL.

use std::collections::HashMap;
use std::time::Duration;

use tidings_domain::{DeliveryState, EndpointId, FailureReason, Timestamp};

use crate::ledger::{Attempt, DeliveryMove, Record};

/// How often it is told that an endpoint fails which fails and answers by turns.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(24 * 3600);
/// After so long without failing such an endpoint works; after so long without an answer it does not.
pub(crate) const CALM: Duration = Duration::from_secs(600);
/// How exactly it is remembered when an endpoint last failed, or answered.
pub(crate) const REMEMBER_EVERY: Duration = Duration::from_secs(1);

/// How long after it began to fail, or last answered, an endpoint must have failed again to have failed for the whole of a
/// period.
pub(crate) fn late_in(period: Duration) -> Duration {
    period * 3 / 4
}

/// Attempts that ended deliveries, as far as they say something of the endpoint.
pub(crate) struct Signs<'a> {
    /// Those that gave up, in the order of their deliveries.
    pub(crate) exhausted: Vec<Exhausted<'a>>,
    /// Endpoints that took a delivery after everything else in the batch, and when; in the order of their ids.
    pub(crate) answered: Vec<(EndpointId, Timestamp)>,
}

pub(crate) struct Exhausted<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) after: &'a DeliveryMove,
    /// Whether its endpoint fails by it: not if the event could not be rendered, which is not the receiver's fault, and
    /// not if a later delivery of the batch succeeded.
    pub(crate) marks: bool,
}

/// Reads a batch. Tests say nothing.
pub(crate) fn signs(records: &[Record]) -> Signs<'_> {
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
    Signs { exhausted, answered }
}
