//! Health of the broker: one component for two connections.

use std::sync::{Mutex, PoisonError};

use tidings_service::Component;

use super::connection::{Cure, Failure};

/// The connection that failed or recovered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Publishing,
    Consuming,
}

impl Side {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Publishing => "publish",
            Self::Consuming => "consume",
        }
    }
}

/// The component is up while no connection that is wanted has a reason to be down.
pub(super) struct Status {
    component: Component,
    reasons: Mutex<[Option<String>; 2]>,
}

impl Status {
    pub(super) fn new(component: Component) -> Self {
        let starting = Some("connecting".to_owned());
        Self {
            component,
            // Not consuming is no fault: a process that only publishes never does.
            reasons: Mutex::new([starting, None]),
        }
    }

    pub(super) fn up(&self, side: Side) {
        self.set(side, None);
    }

    pub(super) fn down(&self, side: Side, failure: &Failure) {
        if failure.cure == Cure::Operator {
            tracing::error!(
                side = side.as_str(),
                reason = failure.reason,
                "rabbitmq needs attention"
            );
        }
        self.set(side, Some(failure.reason.clone()));
    }

    fn set(&self, side: Side, reason: Option<String>) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        reasons[side as usize] = reason;
        match reasons.iter().flatten().next() {
            Some(reason) => self.component.down(reason.as_str()),
            None => self.component.up(),
        }
    }
}
