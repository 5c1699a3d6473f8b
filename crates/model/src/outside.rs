//! The environment: the connection to log, and the endpoint's owner.

use crate::actions::Cost;
use crate::state::{Endpoint, State};

/// Step of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Ingest and dispatchers can't reach log.
    LogGoesAway,
    /// Log is reachable again.
    LogComesBack,
    /// The endpoint is disabled, by its owner or by `dispatcher/src/disable_gone.rs`.
    Disable,
    /// It is enabled again. This is free: what is held for an endpoint that stays off rightly waits.
    Enable,
    Delete,
}

pub(crate) fn imaginable(state: &State, add: &mut dyn FnMut(Cost, Act)) {
    if state.log_away {
        add(Cost::Free, Act::LogComesBack);
    } else {
        add(Cost::Fault, Act::LogGoesAway);
    }
    match state.endpoint {
        Endpoint::Enabled => add(Cost::Change, Act::Disable),
        Endpoint::Disabled => add(Cost::Free, Act::Enable),
        Endpoint::Deleted => return,
    }
    add(Cost::Change, Act::Delete);
}

pub(crate) fn happen(act: Act, state: &mut State) {
    match act {
        Act::LogGoesAway => state.log_away = true,
        Act::LogComesBack => state.log_away = false,
        Act::Disable => state.endpoint = Endpoint::Disabled,
        Act::Enable => state.endpoint = Endpoint::Enabled,
        Act::Delete => state.endpoint = Endpoint::Deleted,
    }
}
