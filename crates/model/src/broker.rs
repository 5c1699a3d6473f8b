//! The broker: what `queue/src/lib.rs` promises, and the failures it does not exclude.

use crate::actions::Cost;
use crate::state::{State, Waiting};

/// Step of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A wait is over: from the delay queue to the lane.
    Transfer(Waiting),
    /// The same, but a crash makes two of it.
    TransferTwice(Waiting),
    /// A message is gone: a purge, a deleted queue.
    Lose(Waiting),
    /// The broker becomes unreachable; unsettled messages return to the lanes.
    GoAway,
    /// The broker is reachable again.
    ComeBack,
}

pub(crate) fn imaginable(state: &State, add: &mut dyn FnMut(Cost, Act)) {
    for waiting in state.messages.kinds() {
        if waiting.delayed {
            add(Cost::Free, Act::Transfer(waiting));
            add(Cost::Fault, Act::TransferTwice(waiting));
        }
        add(Cost::Fault, Act::Lose(waiting));
    }
    if state.broker_away {
        add(Cost::Free, Act::ComeBack);
    } else {
        add(Cost::Fault, Act::GoAway);
    }
}

pub(crate) fn happen(act: Act, state: &mut State) {
    match act {
        Act::Transfer(waiting) | Act::TransferTwice(waiting) => {
            let in_lane = Waiting {
                delayed: false,
                ..waiting
            };
            state.messages.take(&waiting);
            state.messages.put(in_lane);
            if matches!(act, Act::TransferTwice(_)) {
                state.messages.put(in_lane);
            }
        }
        Act::Lose(waiting) => state.messages.take(&waiting),
        Act::GoAway => {
            state.broker_away = true;
            let mut hands = std::mem::take(&mut state.hands);
            hands.iter_mut().flatten().for_each(|hand| hand.give_back(state));
            state.hands = hands;
        }
        Act::ComeBack => state.broker_away = false,
    }
}
