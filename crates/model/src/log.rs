//! Log: the sweeper, the releaser and the drain of spilled records.

use tidings_domain::Step;

use crate::actions::Cost;
use crate::ledger::{Record, Row, Standing, Sweep};
use crate::protocol::{Protocol, Rule};
use crate::state::{Content, Endpoint, State};

/// Step of log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `log/src/sweep.rs`, `run`, and `Ledger::sweep`: takes the delivery, which moves and hides it.
    Sweep,
    /// `sweep.rs`, `waits_in`: the same, but its lane has a backlog, so it is not published.
    PutOff,
    /// `log/src/release.rs`, `Releaser::serve`, and `Ledger::release_held`.
    Release,
    /// `Releaser::cancel` and `Ledger::cancel_held`.
    CancelHeld,
    /// `log/src/republish.rs`, `Republisher::publish`: confirmed, or refused because the broker is away; then the ledger
    /// keeps it.
    Publish(Step),
    /// The same, without an answer from the broker.
    PublishUnanswered {
        /// Step of the published message.
        step: Step,
        /// The message is in the lane nevertheless.
        landed: bool,
    },
    /// `log/src/drain.rs`, `write`.
    Drain(Record),
    /// The same, but its acknowledgement is lost.
    DrainUnacknowledged(Record),
    /// The process dies with what it took.
    Crash,
}

pub(crate) fn imaginable(protocol: &Protocol, state: &State, add: &mut dyn FnMut(Cost, Act)) {
    if !state.taken.is_empty() {
        add(Cost::Fault, Act::Crash);
    }
    for step in state.taken.kinds() {
        add(Cost::Free, Act::Publish(step));
        if !state.broker_away {
            add(Cost::Fault, Act::PublishUnanswered { step, landed: true });
            add(Cost::Fault, Act::PublishUnanswered { step, landed: false });
        }
    }
    if !state.broker_away {
        for record in state.records.kinds() {
            add(Cost::Free, Act::Drain(record));
            add(Cost::Fault, Act::DrainUnacknowledged(record));
        }
    }
    let Some(row) = state.ledger.row else { return };
    if row.standing == Standing::Held {
        match state.endpoint {
            Endpoint::Enabled if !state.broker_away => add(Cost::Free, Act::Release),
            Endpoint::Deleted => add(Cost::Free, Act::CancelHeld),
            _ => {}
        }
    }
    if state.broker_away {
        return;
    }
    match row.sweep {
        None => {}
        Some(Sweep::AfterGrace) if state.is_under_way() => {
            add(Cost::EarlySweep, Act::Sweep);
            if protocol.rule == Rule::OnlyAttempts {
                add(Cost::EarlySweep, Act::PutOff);
            }
        }
        Some(_) => add(Cost::Free, Act::Sweep),
    }
}

pub(crate) fn happen(act: Act, state: &mut State) {
    match act {
        Act::Sweep => take(state, |row| row.standing),
        Act::PutOff => {
            take(state, |row| row.standing);
            let step = state.ledger.row.map(|row| row.step);
            step.into_iter().for_each(|step| state.taken.take(&step));
        }
        Act::Release => take(state, |_| Standing::Pending),
        Act::CancelHeld => {
            state.ledger.row = state
                .ledger
                .row
                .map(|row| Row::resting(row.step.moved(), Standing::Cancelled));
        }
        Act::Publish(step) => {
            state.taken.take(&step);
            if state.broker_away {
                keep(state, step, Sweep::WhenDue);
            } else {
                state.publish(step, Content::Reference, false);
            }
        }
        Act::PublishUnanswered { step, landed } => {
            state.taken.take(&step);
            if landed {
                state.publish(step, Content::Reference, false);
            }
            keep(state, step, Sweep::Soon);
        }
        Act::Drain(record) => {
            state.ledger.write(&record);
            state.records.take(&record);
        }
        Act::DrainUnacknowledged(record) => state.ledger.write(&record),
        Act::Crash => state.taken.clear(),
    }
}

/// `Republisher::kept`: what the queue did not take, or may not have, is the ledger's.
fn keep(state: &mut State, step: Step, sweep: Sweep) {
    let kept = Row::open(step.moved(), Standing::Scheduled, sweep);
    state.ledger.write(&Record::Move(kept));
}

/// Moves the delivery, hides it for the grace and has it published.
fn take(state: &mut State, standing: impl FnOnce(Row) -> Standing) {
    let Some(row) = state.ledger.row else { return };
    if matches!(row.sweep, Some(Sweep::Soon | Sweep::AfterGrace)) {
        state.grow_old();
    }
    let step = row.step.moved();
    state.ledger.row = Some(Row::open(step, standing(row), Sweep::AfterGrace));
    state.taken.put(step);
}
