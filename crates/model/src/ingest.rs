//! Ingest: `ingest/src/accept.rs`.

use tidings_domain::Step;

use crate::actions::Cost;
use crate::ledger::{Record, Row, Standing, Sweep};
use crate::state::{Content, Endpoint, Publisher, State};

/// Progress of `Acceptor::make_durable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accepting {
    /// The record, made from what was known at that time.
    pub row: Row,
    /// Progress of the message to the lane.
    pub message: Publishing,
    /// The message's content; its age counts from the arrival of the event.
    pub content: Content,
    /// Result of recording, once known.
    pub durable: Option<bool>,
}

/// Progress of a message to the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Publishing {
    ToDo,
    /// Confirmed, or not wanted, or left to the sweeper.
    Done,
    /// Not confirmed: the ledger has to keep it.
    Failed(Sweep),
}

/// Step of ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `Acceptor::accept`; the second time with an idempotency key whose first holder died (`Acceptor::claim`).
    Begin,
    /// `Acceptor::publish`, confirmed.
    Publish,
    /// `Acceptor::publish` while the broker is away.
    CannotPublish,
    /// `Acceptor::publish`, without an answer from the broker.
    PublishUnanswered {
        /// The message is in the lane nevertheless.
        landed: bool,
    },
    /// `Recorder::record`.
    Record,
    /// `Recorder::record`: committed, but the answer is lost, so it is spilled as well (`Path::write`).
    RecordUnanswered,
    /// `Path::spill_one`: the spilled record is in the queue, but the answer is lost.
    SpillUnanswered,
    /// `Publisher::publish_one`, after the queue did not confirm.
    LeaveToLedger,
    /// The end of `Acceptor::make_durable`.
    Answer,
    /// The process dies.
    Crash,
}

pub(crate) fn imaginable(state: &State, add: &mut dyn FnMut(Cost, Act)) {
    let Some(accepting) = &state.ingest else {
        match state.publisher {
            Publisher::Waiting if state.endpoint != Endpoint::Deleted => add(Cost::Free, Act::Begin),
            Publisher::Unanswered if state.endpoint != Endpoint::Deleted => add(Cost::Retry, Act::Begin),
            _ => {}
        }
        return;
    };
    if accepting.message == Publishing::ToDo {
        if state.broker_away {
            add(Cost::Free, Act::CannotPublish);
        } else {
            add(Cost::Free, Act::Publish);
            add(Cost::Fault, Act::PublishUnanswered { landed: true });
            add(Cost::Fault, Act::PublishUnanswered { landed: false });
        }
    }
    match (accepting.durable, accepting.message) {
        (None, _) => {
            add(Cost::Free, Act::Record);
            if !state.log_away {
                add(Cost::Fault, Act::RecordUnanswered);
            } else if !state.broker_away {
                add(Cost::Fault, Act::SpillUnanswered);
            }
        }
        (Some(true), Publishing::Failed(_)) => add(Cost::Free, Act::LeaveToLedger),
        (Some(true), Publishing::Done) | (Some(false), Publishing::Done | Publishing::Failed(_)) => {
            add(Cost::Free, Act::Answer);
        }
        (Some(_), Publishing::ToDo) => {}
    }
    add(Cost::Fault, Act::Crash);
}

pub(crate) fn happen(act: Act, state: &mut State) {
    let Some(mut accepting) = state.ingest.take() else {
        state.publisher = Publisher::Waiting;
        state.ingest = Some(begin(state));
        return;
    };
    match act {
        Act::Begin => {}
        Act::Publish => {
            state.publish(Step::FIRST, accepting.content, false);
            accepting.message = Publishing::Done;
        }
        Act::CannotPublish => accepting.message = Publishing::Failed(Sweep::WhenDue),
        Act::PublishUnanswered { landed } => {
            if landed {
                state.publish(Step::FIRST, accepting.content, false);
            }
            accepting.message = Publishing::Failed(Sweep::Soon);
        }
        Act::Record => accepting.durable = Some(state.record(Record::Event(accepting.row))),
        Act::RecordUnanswered => {
            state.ledger.write(&Record::Event(accepting.row));
            accepting.durable = Some(!state.broker_away);
            if !state.broker_away {
                state.records.put(Record::Event(accepting.row));
            }
        }
        Act::SpillUnanswered => {
            state.records.put(Record::Event(accepting.row));
            accepting.durable = Some(false);
        }
        Act::LeaveToLedger => {
            if let Publishing::Failed(sweep) = accepting.message {
                // Should it fail, the delivery is swept after the grace.
                state.record(Record::Move(Row::open(Step::FIRST.moved(), Standing::Scheduled, sweep)));
            }
            accepting.message = Publishing::Done;
        }
        Act::Answer => {
            state.publisher = match accepting.durable {
                Some(true) => Publisher::Accepted,
                _ => Publisher::Refused,
            };
            return;
        }
        Act::Crash => {
            state.publisher = Publisher::Unanswered;
            return;
        }
    }
    state.ingest = Some(accepting);
}

fn begin(state: &State) -> Accepting {
    let to_publish = state.endpoint == Endpoint::Enabled && !state.broker_away;
    let row = match (state.endpoint, state.broker_away) {
        (Endpoint::Enabled, false) => Row::open(Step::FIRST, Standing::Pending, Sweep::AfterGrace),
        (Endpoint::Enabled, true) => Row::open(Step::FIRST, Standing::Scheduled, Sweep::WhenDue),
        _ => Row::resting(Step::FIRST, Standing::Held),
    };
    Accepting {
        row,
        message: if to_publish { Publishing::ToDo } else { Publishing::Done },
        content: Content::Fresh,
        durable: None,
    }
}
