//! What a service depends upon and whether it is there.
//!
//! Each dependency is a component that its owner marks up or down; the service is ready while none is missing. The
//! state is what `/readyz`, gRPC health and operators see; it starts nothing and repairs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

/// The components of one process; clones are the same health.
#[derive(Clone, Debug)]
pub struct Health {
    states: Arc<watch::Sender<BTreeMap<String, State>>>,
}

/// One dependency, in the hands of who keeps the connection to it.
#[derive(Clone, Debug)]
pub struct Component {
    name: String,
    states: Arc<watch::Sender<BTreeMap<String, State>>>,
}

/// A component that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name, as in `rabbitmq`.
    pub component: String,
    /// Why, as far as it is known.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

#[derive(Clone, Debug)]
enum State {
    Up,
    Down { reason: String, since: Timestamp },
}

/// The reason of a component nobody has said anything about yet.
const STARTING: &str = "starting";

impl Health {
    /// A health without components: ready.
    pub fn new() -> Self {
        Self {
            states: Arc::new(watch::Sender::new(BTreeMap::new())),
        }
    }

    /// A component, down until its owner says otherwise. The same name gives the same component.
    pub fn component(&self, name: impl Into<String>) -> Component {
        let name = name.into();
        let starting = || State::Down {
            reason: STARTING.to_owned(),
            since: Timestamp::now(),
        };
        self.states.send_modify(|states| {
            states.entry(name.clone()).or_insert_with(starting);
        });
        Component {
            name,
            states: self.states.clone(),
        }
    }

    /// What is not there, by name; empty when the service is ready.
    pub fn missing(&self) -> Vec<Missing> {
        let missing = |(component, state): (&String, &State)| match state {
            State::Up => None,
            State::Down { reason, since } => Some(Missing {
                component: component.clone(),
                reason: reason.clone(),
                since: *since,
            }),
        };
        self.states.borrow().iter().filter_map(missing).collect()
    }

    /// Waits until every component but this one is up.
    pub async fn wait_for_others(&self, than: &Component) {
        let up = |states: &BTreeMap<String, State>| {
            let mut others = states.iter().filter(|(name, _)| **name != than.name);
            others.all(|(_, state)| matches!(state, State::Up))
        };
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.states.subscribe().wait_for(up).await;
    }

    /// Waits until readiness is (or becomes) `ready`.
    pub async fn wait_until(&self, ready: bool) {
        let is_ready = |states: &BTreeMap<String, State>| states.values().all(|state| matches!(state, State::Up));
        // It fails only when the sender is gone, which `self` holds.
        let _ = self
            .states
            .subscribe()
            .wait_for(|states| is_ready(states) == ready)
            .await;
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Component {
    /// It is there.
    pub fn up(&self) {
        self.states.send_if_modified(|states| {
            let before = states.insert(self.name.clone(), State::Up);
            let changed = !matches!(before, Some(State::Up));
            if changed {
                tracing::info!(component = self.name, "component is up");
            }
            changed
        });
    }

    /// It is not there. Only going down is logged, not every further failure, but the reason stays the latest.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.states.send_if_modified(|states| {
            let (fell, since) = match states.get(&self.name) {
                Some(State::Down { reason, since }) => (reason == STARTING, *since),
                Some(State::Up) | None => (true, Timestamp::now()),
            };
            if fell {
                tracing::warn!(component = self.name, reason, "component is down");
            }
            states.insert(self.name.clone(), State::Down { reason, since });
            fell
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(health: &Health) -> Vec<(String, String)> {
        health
            .missing()
            .into_iter()
            .map(|missing| (missing.component, missing.reason))
            .collect()
    }

    fn pair(component: &str, reason: &str) -> (String, String) {
        (component.to_owned(), reason.to_owned())
    }

    #[test]
    fn components_are_missing_until_they_are_up() {
        let health = Health::new();
        assert!(health.missing().is_empty());
        let rabbitmq = health.component("rabbitmq");
        let log = health.clone().component("log");
        assert_eq!(
            reasons(&health),
            [pair("log", "starting"), pair("rabbitmq", "starting")]
        );
        rabbitmq.up();
        log.up();
        assert!(health.missing().is_empty());
        rabbitmq.down("connection refused");
        assert_eq!(reasons(&health), [pair("rabbitmq", "connection refused")]);
    }

    #[test]
    fn a_new_reason_keeps_the_time_it_went_down() {
        let health = Health::new();
        let database = health.component("database");
        database.up();
        let before = Timestamp::now();
        database.down("connection refused");
        let first = health.missing();
        database.down("password refused");
        let second = health.missing();
        assert_eq!(second[0].reason, "password refused");
        assert_eq!(second[0].since, first[0].since);
        assert!(first[0].since >= before);
    }

    #[test]
    fn the_same_name_is_the_same_component() {
        let health = Health::new();
        health.component("log").up();
        health.component("log");
        assert!(health.missing().is_empty());
    }

    #[tokio::test]
    async fn readiness_can_be_awaited() {
        let health = Health::new();
        let component = health.component("log");
        health.wait_until(false).await;
        let waiting = tokio::spawn({
            let health = health.clone();
            async move { health.wait_until(true).await }
        });
        component.up();
        waiting.await.unwrap();
    }
}
