//! What the checker finds where it is asked for examples: what the former rule did, and what the present one allows.

use stateright::{Checker, Model, Property};
use tidings_model::actions::{Action, Budget, Cost, What};
use tidings_model::ledger::Standing;
use tidings_model::properties::is_duplicate;
use tidings_model::state::{Content, Publisher};
use tidings_model::{Bounds, Protocol, Rule, State, broker, dispatcher, ingest, log};

const EXAMPLE: &str = "example";

/// Whether such an example can be reached; a shortest way to it is printed.
fn is_possible(protocol: Protocol, example: fn() -> Vec<Property<Protocol>>) -> bool {
    reaches(Protocol {
        properties: example,
        ..protocol
    })
}

fn reaches<M>(model: M) -> bool
where
    M: Model<State = State, Action = Action> + Send + Sync + 'static,
{
    let path = model.checker().spawn_bfs().join().discovery(EXAMPLE);
    if let Some(path) = &path {
        println!("{path}");
    }
    path.is_some()
}

fn protocol(dispatchers: usize, attempts: u32, budget: Budget) -> Protocol {
    Protocol::new(Bounds {
        dispatchers,
        attempts,
        budget,
    })
}

fn backlog(early_sweeps: u8) -> Budget {
    Budget {
        early_sweeps,
        ..Budget::default()
    }
}

fn faults(faults: u8) -> Budget {
    Budget {
        faults,
        ..Budget::default()
    }
}

/// With a backlog that is older than the grace every copy is void by the time it arrives, and so is the sweeper's.
#[test]
fn the_former_rule_sends_nothing_of_a_backlog() {
    fn nothing_is_sent() -> Vec<Property<Protocol>> {
        vec![Property::sometimes(EXAMPLE, |protocol: &Protocol, state: &State| {
            state.seen.dropped == protocol.bounds.budget.early_sweeps && state.seen.sent == 0
        })]
    }
    for sweeps in 1..=3 {
        let former = Protocol {
            rule: Rule::AnyMove,
            ..protocol(1, 1, backlog(sweeps))
        };
        assert!(is_possible(former, nothing_is_sent), "each sweep drops a copy");
        let present = protocol(1, 1, backlog(sweeps));
        assert!(!is_possible(present, nothing_is_sent));
    }
}

/// A deferral and a sweep at the same instant make two messages of one step. That alone doubles nothing.
#[test]
fn twins_are_told_apart_by_the_ledger_unless_two_dispatchers_have_them_at_once() {
    fn twins() -> Vec<Property<Protocol>> {
        vec![Property::sometimes(EXAMPLE, |_, state: &State| {
            let mut steps: Vec<_> = state.messages.iter().map(|waiting| waiting.message.step).collect();
            let all = steps.len();
            steps.dedup();
            steps.len() < all
        })]
    }
    fn sent_twice() -> Vec<Property<Protocol>> {
        vec![Property::sometimes(EXAMPLE, |_, state| is_duplicate(state))]
    }
    let budget = Budget {
        deferrals: 1,
        ..backlog(1)
    };
    assert!(is_possible(protocol(1, 2, budget), twins));
    assert!(!is_possible(protocol(1, 2, budget), sent_twice));
    assert!(
        is_possible(protocol(2, 1, backlog(1)), sent_twice),
        "in two hands at once neither is recorded"
    );
}

/// Ingest dies after the message is in its lane and before the record is durable, and the first attempt fails: the ledger
/// says that nothing of the event is on its way.
#[test]
fn what_was_never_accepted_does_not_go_round_for_ever() {
    fn goes_round() -> Vec<Property<Protocol>> {
        vec![Property::sometimes(EXAMPLE, |protocol: &Protocol, state: &State| {
            let reference = || {
                state
                    .messages
                    .iter()
                    .any(|waiting| waiting.message.content == Content::Reference)
            };
            state.publisher != Publisher::Accepted && reference() && protocol.progress(state).is_empty()
        })]
    }
    assert!(!is_possible(protocol(1, 2, faults(1)), goes_round));
}

/// Two dispatchers have copies of the last attempt at once: one fails and is recorded first, the other is answered
/// well. Both requests are recorded, the delivery stays as the first record said.
#[test]
fn what_succeeded_may_stand_as_exhausted() {
    fn contradicts() -> Vec<Property<Protocol>> {
        vec![Property::sometimes(EXAMPLE, |protocol: &Protocol, state: &State| {
            let exhausted = state.seen.ended == Some(Standing::Exhausted) && state.seen.unrecorded == 0;
            exhausted && state.seen.succeeded && protocol.progress(state).is_empty()
        })]
    }
    assert!(is_possible(protocol(2, 1, backlog(1)), contradicts));
    assert!(is_possible(protocol(2, 1, faults(1)), contradicts));
    assert!(!is_possible(protocol(1, 1, backlog(2)), contradicts));
}

/// The ledger answers with a delivery only once it has its event. Until then a message that comes again is sent again,
/// although its attempt is recorded.
#[test]
fn a_recorded_attempt_is_not_seen_before_its_event() {
    fn is_sent_again() -> Vec<Property<Protocol>> {
        vec![Property::sometimes(EXAMPLE, |_, state: &State| {
            is_duplicate(state) && state.ledger.attempts != 0 && !state.ledger.event
        })]
    }
    assert!(is_possible(protocol(1, 1, faults(1)), is_sent_again));
    assert!(!is_possible(protocol(1, 1, backlog(2)), is_sent_again));
}

/// The protocol with faults of one kind only.
#[derive(Clone)]
struct Only {
    protocol: Protocol,
    fault: &'static str,
}

impl Model for Only {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.protocol.init_states()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.protocol.actions(state, actions);
        actions.retain(|action| action.cost != Cost::Fault || fault(&action.what) == self.fault);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        self.protocol.next_state(last, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::sometimes(EXAMPLE, |_, state| is_duplicate(state))]
    }
}

/// Everything else is survived without a duplicate. A publish that is repeated with its idempotency key after ingest
/// has died is among them: the second message looks fresh, so nobody asks the ledger about it. With one dispatcher a
/// lost connection, or the broker being away, doubles only what is not seen before its event.
#[test]
fn these_faults_and_no_others_can_double_an_attempt() {
    assert_eq!(
        doubling_faults(1),
        [
            "a dispatcher dies",
            "a dispatcher loses its connection",
            "ingest dies",
            "the broker is away",
        ]
    );
    assert_eq!(
        doubling_faults(2),
        [
            "a dispatcher dies",
            "a dispatcher loses its connection",
            "a dispatcher's publish is unanswered",
            "a transfer doubles",
            "ingest dies",
            "ingest's publish is unanswered",
            "log's publish is unanswered",
            "the broker is away",
        ]
    );
}

/// The faults of which one is enough, with so many dispatchers.
fn doubling_faults(dispatchers: usize) -> Vec<&'static str> {
    const FAULTS: [&str; 14] = [
        "a dispatcher dies",
        "a dispatcher loses its connection",
        "a dispatcher's publish is unanswered",
        "a dispatcher's record is unanswered",
        "a message is lost",
        "a transfer doubles",
        "ingest dies",
        "ingest's publish is unanswered",
        "ingest's record is unanswered",
        "log can't be reached",
        "log dies with what it drained",
        "log dies with what it took",
        "log's publish is unanswered",
        "the broker is away",
    ];
    let budget = Budget {
        retries: 1,
        ..faults(1)
    };
    let doubles = |fault: &&'static str| {
        println!("{fault}:");
        let protocol = protocol(dispatchers, 2, budget);
        reaches(Only { protocol, fault })
    };
    FAULTS.into_iter().filter(doubles).collect()
}

fn fault(what: &What) -> &'static str {
    match what {
        What::Ingest(ingest::Act::Crash) => "ingest dies",
        What::Ingest(ingest::Act::PublishUnanswered { .. }) => "ingest's publish is unanswered",
        What::Ingest(_) => "ingest's record is unanswered",
        What::Dispatcher(_, dispatcher::Act::Crash) => "a dispatcher dies",
        What::Dispatcher(_, dispatcher::Act::LoseConnection) => "a dispatcher loses its connection",
        What::Dispatcher(_, dispatcher::Act::PublishUnanswered { .. }) => "a dispatcher's publish is unanswered",
        What::Dispatcher(..) => "a dispatcher's record is unanswered",
        What::Log(log::Act::PublishUnanswered { .. }) => "log's publish is unanswered",
        What::Log(log::Act::Crash) => "log dies with what it took",
        What::Log(_) => "log dies with what it drained",
        What::Broker(broker::Act::TransferTwice(_)) => "a transfer doubles",
        What::Broker(broker::Act::Lose(_)) => "a message is lost",
        What::Broker(_) => "the broker is away",
        What::Outside(_) => "log can't be reached",
    }
}
