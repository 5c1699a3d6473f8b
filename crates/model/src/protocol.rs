//! The protocol with its bounds, as the checker takes it.

use stateright::{Model, Property};

use crate::actions::{Action, Budget};
use crate::state::State;
use crate::{actions, properties};

/// The protocol for one delivery.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// When a copy of a message counts as done.
    pub rule: Rule,
    /// How large everything may get.
    pub bounds: Bounds,
    /// What is checked.
    pub properties: fn() -> Vec<Property<Protocol>>,
}

/// When a message whose delivery the ledger knows to be further is done (decision 0010).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The former rule: when the delivery has moved in any way.
    AnyMove,
    /// The rule of `dispatcher/src/worker.rs`, `Worker::content`: when the message's attempt is recorded.
    OnlyAttempts,
}

/// What makes the space finite.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many dispatchers there are.
    pub dispatchers: usize,
    /// After so many attempts a delivery is exhausted; at most 3.
    pub attempts: u32,
    /// How often what costs something may happen.
    pub budget: Budget,
}

impl Protocol {
    /// The protocol as it is, with all properties that it is to have.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            rule: Rule::OnlyAttempts,
            bounds,
            properties: properties::all,
        }
    }

    /// What can happen next for nothing: what the system does by itself, and outages that end.
    #[must_use]
    pub fn progress(&self, state: &State) -> Vec<Action> {
        let mut actions = actions::imaginable(self, state);
        actions.retain(Action::is_free);
        actions
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.bounds)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let affordable = |action: &Action| state.left.has(action.cost);
        actions.extend(actions::imaginable(self, state).into_iter().filter(affordable));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        action.happen(self, &mut state);
        state.note();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        (self.properties)()
    }
}
