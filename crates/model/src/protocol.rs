//! The protocol with its bounds, in the form that the checker takes.

use stateright::{Model, Property};

use crate::actions::{Action, Budget};
use crate::state::State;
use crate::{actions, properties};

/// The protocol for one delivery.
#[derive(Debug, Clone)]
pub struct Protocol {
    pub rule: Rule,
    pub bounds: Bounds,
    /// Builds the list of checked properties.
    pub properties: fn() -> Vec<Property<Protocol>>,
}

/// Condition under which a message is dropped as done (decision 0010).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The former rule: when the delivery has moved in any way.
    AnyMove,
    /// The rule of `dispatcher/src/worker.rs`, `Worker::content`: when the message's attempt is recorded.
    OnlyAttempts,
}

/// Bounds that make the state space finite.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub dispatchers: usize,
    /// Attempts after which a delivery is exhausted, at most 3.
    pub attempts: u32,
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

    /// Free actions that are possible next: the system's own steps, and the end of outages.
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
