//! Properties of every reachable state.

use stateright::Property;

use crate::dispatcher::{Answer, Phase};
use crate::ledger::{Record, Standing};
use crate::protocol::Protocol;
use crate::state::{Content, Publisher, State};

/// All that the protocol is to guarantee (DESIGN, chapter 2).
#[must_use]
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always("G1: what is accepted is durable", accepted_is_durable),
        Property::always("G2: somebody moves on what is open", open_is_moved_on),
        Property::always("G2: what has ended stays so", ended_stays_ended),
        Property::always("G2: where nothing can happen, all has ended", rest_is_the_end),
        Property::always("G3: a duplicate has a cause", duplicates_have_a_cause),
        Property::always(
            "G3: what may be a copy is asked about, and not sent if it is over",
            over_is_not_sent,
        ),
        Property::always(
            "G4: every request is recorded, or its dispatcher died",
            requests_are_recorded,
        ),
        Property::always(
            "no copy is dropped before its attempt is recorded",
            copies_are_not_dropped,
        ),
    ]
}

/// The event is in the ledger, or in the records queue on its way there.
#[must_use]
pub fn accepted_is_durable(_: &Protocol, state: &State) -> bool {
    let on_its_way = || state.records.iter().any(|record| matches!(record, Record::Event(_)));
    state.publisher != Publisher::Accepted || state.ledger.event || on_its_way()
}

/// An open delivery has a time to be swept, or is held and the releaser's.
#[must_use]
pub fn open_is_moved_on(_: &Protocol, state: &State) -> bool {
    state
        .ledger
        .row
        .is_none_or(|row| row.standing.is_terminal() || (row.standing == Standing::Held) != row.sweep.is_some())
}

/// The first terminal state is the last.
#[must_use]
pub fn ended_stays_ended(_: &Protocol, state: &State) -> bool {
    let now = state.ledger.row.map(|row| row.standing);
    state.seen.ended.is_none() || state.seen.ended == now
}

/// A state without free actions is an end: the delivery of a known event has ended, and no message is left of it.
/// With [`crate::paths::cycle`] this means that once faults stop, every delivery ends, in whatever order the rest
/// happens.
#[must_use]
pub fn rest_is_the_end(protocol: &Protocol, state: &State) -> bool {
    let known = state.ledger.event || state.publisher == Publisher::Accepted;
    let ended = || state.seen.ended.is_some() && !state.is_under_way();
    !known || !protocol.progress(state).is_empty() || ended()
}

/// An attempt is sent twice only after a fault, or, with several dispatchers, after a sweep of what was only slow.
#[must_use]
pub fn duplicates_have_a_cause(protocol: &Protocol, state: &State) -> bool {
    let budget = protocol.bounds.budget;
    let fault = state.left.faults < budget.faults;
    let early = state.left.early_sweeps < budget.early_sweeps && protocol.bounds.dispatchers > 1;
    fault || early || !is_duplicate(state)
}

/// Tells if an attempt was sent twice.
#[must_use]
pub fn is_duplicate(state: &State) -> bool {
    state.seen.sends.iter().any(|sends| *sends > 1)
}

/// Only the first delivery of a message that carries its event goes without a question, and the answer is heeded.
#[must_use]
pub fn over_is_not_sent(_: &Protocol, state: &State) -> bool {
    let mut in_hand = state.hands.iter().flatten();
    in_hand.all(|hand| match hand.phase {
        Phase::Cleared(Answer::NotAsked) => !hand.message.redelivered && hand.message.content != Content::Reference,
        Phase::Cleared(answer) => answer != Answer::Over,
        _ => true,
    })
}

/// Each request is in the ledger, in the records queue, in the hand that sent it, or was lost with that hand.
#[must_use]
pub fn requests_are_recorded(_: &Protocol, state: &State) -> bool {
    let number = |record: &Record| match record {
        Record::Attempt { number, .. } => 1 << number,
        _ => 0,
    };
    let spilled = state.records.iter().map(number);
    let in_hand = state.hands.iter().flatten().map(|hand| match &hand.phase {
        Phase::Recording { record, .. } => number(record),
        _ => 0,
    });
    let found = spilled.chain(in_hand).fold(state.ledger.attempts, |all, one| all | one);
    found | state.seen.unrecorded == (1u16 << state.seen.sent) - 1
}

/// Otherwise a backlog that is older than the grace is swept for ever, and nothing of it is sent.
#[must_use]
pub fn copies_are_not_dropped(_: &Protocol, state: &State) -> bool {
    state.seen.dropped == 0
}
