//! A dispatcher: `dispatcher/src/worker.rs` and `settle.rs`.
//!
//! A message is taken and checked against the ledger in one step. A later check would know more, so this is the worst
//! case; a second copy that waits for the first (`in_flight.rs`) is modelled as one that is taken later. Dropping a
//! message as done and acknowledging it are one step, since it would be dropped again.

use tidings_domain::Step;

use crate::actions::Cost;
use crate::ledger::{Record, Row, Standing, Sweep};
use crate::protocol::{Protocol, Rule};
use crate::state::{Content, Endpoint, Message, State, Waiting};

/// An unsettled message at a dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hand {
    pub message: Message,
    /// The broker still counts it as this dispatcher's; after a lost connection it redelivers the message to others
    /// as well.
    pub ours: bool,
    pub phase: Phase,
}

/// Progress of an unsettled message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It may be attempted, by what the ledger said.
    Cleared(Answer),
    /// Something happened; its record is not durable yet.
    Recording {
        record: Record,
        /// The message that is to be published to a delay queue afterwards.
        successor: Option<Step>,
    },
    /// The record is durable, the successor is not published yet.
    Publishing(Step),
    /// The successor was not confirmed, so the ledger has to keep it.
    Telling(Row),
    /// Only the acknowledgement is left.
    Settled,
}

/// Result of checking a delivery against the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The check was not needed.
    NotAsked,
    /// The ledger is unreachable.
    Away,
    /// It has no event of this delivery.
    Unknown,
    /// It has none, and none is on its way (`log/src/gone.rs`).
    Gone,
    /// The delivery is open and the attempt not recorded, but the delivery has moved.
    Moved,
    /// The delivery is open and as far as the message.
    Open,
    /// The attempt is recorded, or the delivery has ended.
    Over,
}

/// Step of a dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `Worker::handle`, `Worker::content`: takes a message and checks it; drops it if it is done.
    Take(Message),
    /// The same while the ledger is away or does not know the delivery: `Settler::deferred`.
    TakeAndDefer(Message),
    /// `Worker::attempt`.
    Send {
        success: bool,
        /// The wait that follows has a delay queue (`Settler::is_kept_by_queue`).
        has_delay_queue: bool,
    },
    /// `Obstacle::Hold`, `Obstacle::Cancel`: the endpoint takes nothing.
    HoldOrCancel,
    /// `Settler::deferred` after the endpoint's limiter throttled it (`EndpointLimiters::acquire`).
    Defer {
        /// The delivery goes to a delay queue; otherwise it is held.
        goes_round: bool,
    },
    /// `Settler::make_durable`; while nothing can take the record, the message stays unsettled.
    Record,
    /// The same: committed, but the answer is lost, so it is spilled as well.
    RecordUnanswered,
    /// The same: spilled, but the answer is lost, so it is tried again.
    SpillUnanswered,
    /// `Settler::publish_later`, confirmed or refused because the broker is away.
    Publish,
    /// The same, without an answer from the broker.
    PublishUnanswered {
        /// The message is in the delay queue nevertheless.
        landed: bool,
    },
    /// The end of `Settler::publish_later`: the ledger keeps the wait; if it can't be told, it is swept after the grace.
    Tell,
    /// The end of `Worker::handle`.
    Acknowledge,
    /// The connection to the broker is lost: the message is redelivered while it is worked on.
    LoseConnection,
    /// The process dies.
    Crash,
}

pub(crate) fn imaginable(which: usize, state: &State, add: &mut dyn FnMut(Cost, Act)) {
    let Some(hand) = &state.hands[which] else {
        // Dispatchers are alike: the first that is free takes it.
        let first_free = state.hands.iter().position(Option::is_none) == Some(which);
        if first_free && !state.broker_away {
            for waiting in state.messages.kinds().iter().filter(|waiting| !waiting.delayed) {
                let (cost, act) = taking(state, waiting.message);
                add(cost, act);
            }
        }
        return;
    };
    match hand.phase {
        Phase::Cleared(_) if state.endpoint == Endpoint::Enabled => {
            add(
                Cost::Free,
                Act::Send {
                    success: true,
                    has_delay_queue: false,
                },
            );
            add(
                Cost::Free,
                Act::Send {
                    success: false,
                    has_delay_queue: false,
                },
            );
            if !state.broker_away {
                add(
                    Cost::Free,
                    Act::Send {
                        success: false,
                        has_delay_queue: true,
                    },
                );
            }
            add(Cost::Deferral, Act::Defer { goes_round: false });
            if hand.message.step.moves() == 0 {
                add(Cost::Deferral, Act::Defer { goes_round: true });
            }
        }
        Phase::Cleared(_) => add(Cost::Free, Act::HoldOrCancel),
        Phase::Recording { .. } => {
            if !(state.log_away && state.broker_away) {
                add(Cost::Free, Act::Record);
            }
            if !state.log_away {
                add(Cost::Fault, Act::RecordUnanswered);
            } else if !state.broker_away {
                add(Cost::Fault, Act::SpillUnanswered);
            }
        }
        Phase::Publishing(_) => {
            add(Cost::Free, Act::Publish);
            if !state.broker_away {
                add(Cost::Fault, Act::PublishUnanswered { landed: true });
                add(Cost::Fault, Act::PublishUnanswered { landed: false });
            }
        }
        Phase::Telling(_) => add(Cost::Free, Act::Tell),
        Phase::Settled => add(Cost::Free, Act::Acknowledge),
    }
    if hand.ours {
        add(Cost::Fault, Act::LoseConnection);
    }
    add(Cost::Fault, Act::Crash);
}

pub(crate) fn happen(act: Act, which: usize, protocol: &Protocol, state: &mut State) {
    state.hands[which] = match act {
        Act::Take(message) | Act::TakeAndDefer(message) => {
            let waiting = Waiting {
                message,
                delayed: false,
            };
            state.messages.take(&waiting);
            let phase = match act {
                Act::TakeAndDefer(_) => Some(go_round(message, !state.broker_away)),
                _ => check(protocol.rule, state, message),
            };
            phase.map(|phase| Hand {
                message,
                ours: true,
                phase,
            })
        }
        _ => state.hands[which]
            .take()
            .and_then(|hand| proceed(act, hand, protocol, state)),
    };
}

/// Advances an unsettled message by one step; `None` once it is settled.
fn proceed(act: Act, mut hand: Hand, protocol: &Protocol, state: &mut State) -> Option<Hand> {
    hand.phase = match (act, hand.phase) {
        (
            Act::Send {
                success,
                has_delay_queue,
            },
            _,
        ) => send(hand.message.step, success, has_delay_queue, protocol, state),
        (Act::HoldOrCancel, _) => {
            let standing = if state.endpoint == Endpoint::Deleted {
                Standing::Cancelled
            } else {
                Standing::Held
            };
            rest(hand.message, standing)
        }
        (Act::Defer { goes_round: true }, _) => go_round(hand.message, !state.broker_away),
        (Act::Defer { goes_round: false }, _) => rest(hand.message, Standing::Held),
        (Act::Record, Phase::Recording { record, successor }) => {
            state.record(record);
            recorded(successor)
        }
        (Act::RecordUnanswered, Phase::Recording { record, successor }) => {
            state.ledger.write(&record);
            if state.broker_away {
                hand.phase
            } else {
                state.records.put(record);
                recorded(successor)
            }
        }
        (Act::SpillUnanswered, Phase::Recording { record, .. }) => {
            state.records.put(record);
            hand.phase
        }
        (Act::Publish, Phase::Publishing(step)) if state.broker_away => {
            Phase::Telling(kept(step.moved(), Sweep::WhenDue))
        }
        (Act::Publish, Phase::Publishing(step)) => {
            state.publish(step, Content::Reference, true);
            Phase::Settled
        }
        (Act::PublishUnanswered { landed }, Phase::Publishing(step)) => {
            if landed {
                state.publish(step, Content::Reference, true);
            }
            Phase::Telling(kept(step.moved(), Sweep::Soon))
        }
        (Act::Tell, Phase::Telling(row)) => {
            state.record(Record::Move(row));
            Phase::Settled
        }
        (Act::LoseConnection, phase) => {
            hand.give_back(state);
            phase
        }
        (Act::Crash, _) => {
            hand.give_back(state);
            forget(hand, state);
            return None;
        }
        _ => return None,
    };
    Some(hand)
}

impl Hand {
    /// Returns the message to its lane if the broker counts it as this dispatcher's.
    pub(crate) fn give_back(&mut self, state: &mut State) {
        if self.ours {
            self.ours = false;
            let message = Message {
                redelivered: true,
                ..self.message
            };
            state.messages.put(Waiting {
                message,
                delayed: false,
            });
        }
    }
}

fn taking(state: &State, message: Message) -> (Cost, Act) {
    match (ask(state, message), message.content) {
        (Answer::Away, _) | (Answer::Unknown, Content::Reference) => (Cost::Deferral, Act::TakeAndDefer(message)),
        _ => (Cost::Free, Act::Take(message)),
    }
}

fn ask(state: &State, message: Message) -> Answer {
    if message.content == Content::Fresh && !message.redelivered {
        return Answer::NotAsked;
    }
    match state.ledger.row {
        _ if state.log_away => Answer::Away,
        Some(row) if state.ledger.event => {
            if row.standing.is_terminal() || row.step.attempt() > message.step.attempt() {
                Answer::Over
            } else if row.step > message.step {
                Answer::Moved
            } else {
                Answer::Open
            }
        }
        _ if state.event_is_on_its_way() => Answer::Unknown,
        _ => Answer::Gone,
    }
}

fn check(rule: Rule, state: &mut State, message: Message) -> Option<Phase> {
    let answer = ask(state, message);
    match answer {
        Answer::Over => None,
        // What is on record ends, the rest is nobody's.
        Answer::Gone if message.content == Content::Reference => {
            state.ledger.row.map(|_| rest(message, Standing::Cancelled))
        }
        Answer::Moved if rule == Rule::AnyMove => {
            state.seen.dropped += 1;
            None
        }
        _ => Some(Phase::Cleared(answer)),
    }
}

fn send(step: Step, success: bool, has_delay_queue: bool, protocol: &Protocol, state: &mut State) -> Phase {
    let number = state.seen.sent;
    state.seen.sent += 1;
    state.seen.succeeded |= success;
    state.seen.sends[step.attempt() as usize - 1] += 1;
    let next = step.after_attempt();
    let (after, successor) = if success {
        (Row::resting(next, Standing::Succeeded), None)
    } else if step.attempt() >= protocol.bounds.attempts {
        (Row::resting(next, Standing::Exhausted), None)
    } else if has_delay_queue {
        (Row::open(next, Standing::Scheduled, Sweep::AfterGrace), Some(next))
    } else {
        (kept(next, Sweep::WhenDue), None)
    };
    Phase::Recording {
        record: Record::Attempt { number, after },
        successor,
    }
}

fn rest(message: Message, standing: Standing) -> Phase {
    Phase::Recording {
        record: Record::Move(Row::resting(message.step.moved(), standing)),
        successor: None,
    }
}

fn go_round(message: Message, in_queue: bool) -> Phase {
    let step = message.step.moved();
    let sweep = if in_queue { Sweep::AfterGrace } else { Sweep::WhenDue };
    Phase::Recording {
        record: Record::Move(Row::open(step, Standing::Scheduled, sweep)),
        successor: in_queue.then_some(step),
    }
}

fn recorded(successor: Option<Step>) -> Phase {
    successor.map_or(Phase::Settled, Phase::Publishing)
}

/// Row of a delivery that the queue does not have, or may not have: the ledger keeps it.
fn kept(step: Step, sweep: Sweep) -> Row {
    Row::open(step, Standing::Scheduled, sweep)
}

/// A request whose record nobody has any more.
fn forget(hand: Hand, state: &mut State) {
    if let Phase::Recording { record, .. } = hand.phase
        && let Record::Attempt { number, .. } = record
        && state.ledger.attempts & 1 << number == 0
        && !state.records.iter().any(|spilled| *spilled == record)
    {
        state.seen.unrecorded |= 1 << number;
    }
}
