//! What a batch of records says of the endpoints' health.

use std::collections::HashMap;

use tidings_domain::{DeliveryState, EndpointId, FailureReason, Timestamp};

use crate::ledger::{Attempt, DeliveryMove, Record};

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
