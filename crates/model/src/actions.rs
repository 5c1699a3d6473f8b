//! Actions of the model and their cost.

use crate::state::State;
use crate::{Protocol, broker, dispatcher, ingest, log, outside};

/// One step of the state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// From which budget it is paid.
    pub cost: Cost,
    pub what: What,
}

/// A step, by the actor that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Ingest(ingest::Act),
    /// The index of the dispatcher, and its step.
    Dispatcher(usize, dispatcher::Act),
    Log(log::Act),
    Broker(broker::Act),
    /// A step of the environment.
    Outside(outside::Act),
}

/// Budget that an action draws on. A free action may happen any number of times, and the system must reach its end by
/// free actions alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    Free,
    /// A fault: a crash, an outage, a lost or doubled message, an answer that is lost.
    Fault,
    /// A sweep of what is not lost but slow: it waits in a long lane, or its record in the records queue.
    EarlySweep,
    Deferral,
    /// A change of the endpoint by its owner.
    Change,
    /// The publisher publishes again with the same idempotency key.
    Retry,
}

/// Remaining number of actions that are not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    pub faults: u8,
    /// Sweeps of messages that are only slow, not lost.
    pub early_sweeps: u8,
    pub deferrals: u8,
    pub changes: u8,
    /// Repeated publishes by the publisher.
    pub retries: u8,
}

impl Action {
    /// Tells if it needs no budget.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.cost == Cost::Free
    }

    /// Applies the action to the state and pays its cost.
    pub(crate) fn happen(self, protocol: &Protocol, state: &mut State) {
        state.left.pay(self.cost);
        match self.what {
            What::Ingest(act) => ingest::happen(act, state),
            What::Dispatcher(which, act) => dispatcher::happen(act, which, protocol, state),
            What::Log(act) => log::happen(act, state),
            What::Broker(act) => broker::happen(act, state),
            What::Outside(act) => outside::happen(act, state),
        }
    }
}

impl Budget {
    /// Tells if the budget covers the cost.
    #[must_use]
    pub fn has(mut self, cost: Cost) -> bool {
        self.purse(cost).is_none_or(|left| *left > 0)
    }

    fn pay(&mut self, cost: Cost) {
        if let Some(left) = self.purse(cost) {
            *left -= 1;
        }
    }

    fn purse(&mut self, cost: Cost) -> Option<&mut u8> {
        match cost {
            Cost::Free => None,
            Cost::Fault => Some(&mut self.faults),
            Cost::EarlySweep => Some(&mut self.early_sweeps),
            Cost::Deferral => Some(&mut self.deferrals),
            Cost::Change => Some(&mut self.changes),
            Cost::Retry => Some(&mut self.retries),
        }
    }
}

/// Everything that could happen now if it could be paid, in a fixed order.
pub(crate) fn imaginable(protocol: &Protocol, state: &State) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut add = |cost, what| actions.push(Action { cost, what });
    ingest::imaginable(state, &mut |cost, act| add(cost, What::Ingest(act)));
    for which in 0..state.hands.len() {
        dispatcher::imaginable(which, state, &mut |cost, act| add(cost, What::Dispatcher(which, act)));
    }
    log::imaginable(protocol, state, &mut |cost, act| add(cost, What::Log(act)));
    broker::imaginable(state, &mut |cost, act| add(cost, What::Broker(act)));
    outside::imaginable(state, &mut |cost, act| add(cost, What::Outside(act)));
    actions
}
