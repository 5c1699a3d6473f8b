//! What can happen, and what it costs.

use crate::state::State;
use crate::{Protocol, broker, dispatcher, ingest, log, outside};

/// Something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// From which budget it is paid.
    pub cost: Cost,
    /// What it is.
    pub what: What,
}

/// What happens, by who does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// In ingest.
    Ingest(ingest::Act),
    /// In a dispatcher.
    Dispatcher(usize, dispatcher::Act),
    /// In log.
    Log(log::Act),
    /// In the broker.
    Broker(broker::Act),
    /// Around the system.
    Outside(outside::Act),
}

/// What an action costs. Whatever is free may happen as often as it can, and nothing free may be waited for in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Nothing.
    Free,
    /// A fault: a crash, an outage, a lost or doubled message, an answer that is lost.
    Fault,
    /// A sweep of what is not lost but slow: it waits in a long lane, or its record in the records queue.
    EarlySweep,
    /// A deferral.
    Deferral,
    /// A change of the endpoint.
    Change,
    /// The publisher publishes again with the same idempotency key.
    Retry,
}

/// How often what costs something may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    /// Faults.
    pub faults: u8,
    /// Sweeps of what is slow.
    pub early_sweeps: u8,
    /// Deferrals.
    pub deferrals: u8,
    /// Changes of the endpoint.
    pub changes: u8,
    /// Publishing again.
    pub retries: u8,
}

impl Action {
    /// Whether it happens without a budget.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.cost == Cost::Free
    }

    /// Lets it happen.
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
    /// Whether it can be paid.
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
