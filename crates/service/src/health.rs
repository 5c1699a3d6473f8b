//! The things a service depends upon: which of them are there, and whether the service can do its job.
//!
//! Each dependency, and each background task, is a component that its owner marks up or down. Ready means *able to do
//! its job*: which components that takes is the role's to say ([`Health::require`]); the others are missing, and the
//! service goes on without them. The state is what `/readyz`, `/status`, gRPC health and metrics show; it starts nothing
//! and repairs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use prometheus::{IntGauge, IntGaugeVec};
use serde::Serialize;
use tokio::sync::watch;

use crate::metrics;

pub(crate) static COMPONENT_UP: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Whether what the process depends upon is there, and its background tasks run (1) or not (0).";
    metrics::gauges("tidings_component_up", help, &["component"])
});
pub(crate) static READY: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Whether the process is able to do its job (1), as /readyz says, or not (0).";
    metrics::gauge("tidings_ready", help)
});

/// The components of one process; clones are the same health.
#[derive(Clone, Debug)]
pub struct Health {
    board: Arc<watch::Sender<Board>>,
}

/// One dependency, in the hands of who keeps the connection to it.
#[derive(Clone, Debug)]
pub struct Component {
    name: String,
    board: Arc<watch::Sender<Board>>,
}

/// A component that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name, as in `rabbitmq`.
    pub component: String,
    /// The reason, as far as it is known.
    pub reason: String,
    /// Time since which it is missing.
    pub since: Timestamp,
}

/// The state of everything (`/status`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// True if the process is able to do its job.
    pub ready: bool,
    /// True once it is stopping, and only finishes what it has.
    pub stopping: bool,
    /// The components that its job takes: one of each group. Everything if empty.
    pub needs: Vec<Vec<String>>,
    /// Everything it depends upon, and its background tasks.
    pub components: Vec<Shown>,
}

/// The state of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name, as in `rabbitmq` or `sweeper`.
    pub component: String,
    pub up: bool,
    /// The reason that it is not, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time of the last change of `up`.
    pub since: Timestamp,
}

#[derive(Debug, Default)]
struct Board {
    components: BTreeMap<String, State>,
    needs: Vec<Vec<String>>,
    stopping: bool,
}

#[derive(Clone, Debug)]
struct State {
    /// The reason that it is not there; `None` if it is.
    down: Option<String>,
    since: Timestamp,
}

/// The reason of a component nobody has said anything about yet.
const STARTING: &str = "starting";

impl Health {
    /// A health without components: ready.
    pub fn new() -> Self {
        Self {
            board: Arc::new(watch::Sender::new(Board::default())),
        }
    }

    /// Says what the process's job takes: of each group, one component that is up. Until this is said, it takes
    /// everything. A component that nobody has made is not there.
    pub fn require(&self, groups: &[&[&str]]) {
        let owned = |group: &&[&str]| group.iter().map(|name| (*name).to_owned()).collect();
        self.change(|board| {
            board.needs = groups.iter().map(owned).collect();
            true
        });
    }

    /// A component, down until its owner says otherwise. The same name gives the same component.
    pub fn component(&self, name: impl Into<String>) -> Component {
        let name = name.into();
        self.change(|board| {
            let starting = || State {
                down: Some(STARTING.to_owned()),
                since: Timestamp::now(),
            };
            let state = board.components.entry(name.clone()).or_insert_with(starting);
            show(&name, state);
            true
        });
        Component {
            name,
            board: self.board.clone(),
        }
    }

    /// The process is stopping: it is not ready any more, whatever is there.
    pub fn stop(&self) {
        self.change(|board| !std::mem::replace(&mut board.stopping, true));
    }

    /// True once the process is stopping.
    pub fn is_stopping(&self) -> bool {
        self.board.borrow().stopping
    }

    /// True if the process is able to do its job.
    pub fn is_ready(&self) -> bool {
        self.board.borrow().is_ready()
    }

    /// The components that are not there, by name, whether the process's job takes them or not.
    pub fn missing(&self) -> Vec<Missing> {
        let missing = |(component, state): (&String, &State)| {
            Some(Missing {
                component: component.clone(),
                reason: state.down.clone()?,
                since: state.since,
            })
        };
        self.board.borrow().components.iter().filter_map(missing).collect()
    }

    /// The state of everything.
    pub fn status(&self) -> Status {
        let board = self.board.borrow();
        let shown = |(component, state): (&String, &State)| Shown {
            component: component.clone(),
            up: state.down.is_none(),
            reason: state.down.clone(),
            since: state.since,
        };
        Status {
            ready: board.is_ready(),
            stopping: board.stopping,
            needs: board.needs.clone(),
            components: board.components.iter().map(shown).collect(),
        }
    }

    /// Waits until every component but this one is up.
    pub async fn wait_for_others(&self, than: &Component) {
        let up = |board: &Board| {
            let mut others = board.components.iter().filter(|(name, _)| **name != than.name);
            others.all(|(_, state)| state.down.is_none())
        };
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.board.subscribe().wait_for(up).await;
    }

    /// Waits until nothing is missing.
    pub async fn wait_for_all(&self) {
        let up = |board: &Board| board.components.values().all(|state| state.down.is_none());
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.board.subscribe().wait_for(up).await;
    }

    /// Waits until readiness is (or becomes) `ready`.
    pub async fn wait_until(&self, ready: bool) {
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.board.subscribe().wait_for(|board| board.is_ready() == ready).await;
    }

    fn change(&self, change: impl FnOnce(&mut Board) -> bool) {
        modify(&self.board, change);
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Component {
    /// Marks the component as present; the first time it is logged and shown in metrics.
    pub fn up(&self) {
        modify(&self.board, |board| {
            let state = State {
                down: None,
                since: Timestamp::now(),
            };
            let is_up = |state: &State| state.down.is_none();
            if board.components.get(&self.name).is_some_and(is_up) {
                return false;
            }
            tracing::info!(component = self.name, "component is up");
            show(&self.name, &state);
            board.components.insert(self.name.clone(), state);
            true
        });
    }

    /// It is not there. Only going down is logged, not every further failure, but the reason stays the latest.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        modify(&self.board, |board| {
            let before = board.components.get(&self.name);
            let (fell, since) = match before.map(|state| (state.down.as_deref(), state.since)) {
                Some((Some(reason), since)) => (reason == STARTING, since),
                Some((None, _)) | None => (true, Timestamp::now()),
            };
            if fell {
                tracing::warn!(component = self.name, reason, "component is down");
            }
            let state = State {
                down: Some(reason),
                since,
            };
            show(&self.name, &state);
            board.components.insert(self.name.clone(), state);
            fell
        });
    }

    /// The health that it is part of.
    pub fn health(&self) -> Health {
        Health {
            board: self.board.clone(),
        }
    }
}

impl Board {
    fn is_ready(&self) -> bool {
        let is_up = |state: &State| state.down.is_none();
        let up = |name: &String| self.components.get(name).is_some_and(is_up);
        let enough = if self.needs.is_empty() {
            self.components.values().all(is_up)
        } else {
            self.needs.iter().all(|group| group.iter().any(up))
        };
        enough && !self.stopping
    }
}

/// Changes the board, tells who waits if `change` says that there is something to tell, and logs when readiness changes.
fn modify(board: &watch::Sender<Board>, change: impl FnOnce(&mut Board) -> bool) {
    board.send_if_modified(|board| {
        let before = board.is_ready();
        let changed = change(board);
        let ready = board.is_ready();
        READY.set(i64::from(ready));
        if !before && ready && !board.components.is_empty() {
            tracing::info!("ready");
        } else if before
            && !ready
            && !board
                .components
                .values()
                .any(|state| state.down.as_deref() == Some(STARTING))
        {
            tracing::warn!(stopping = board.stopping, "not ready");
        }
        changed
    });
}

fn show(name: &str, state: &State) {
    COMPONENT_UP
        .with_label_values(&[name])
        .set(i64::from(state.down.is_none()));
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

    #[test]
    fn a_job_takes_one_of_each_group_and_not_what_is_in_none() {
        let health = Health::new();
        health.require(&[&["registry"], &["rabbitmq", "log"]]);
        assert!(!health.is_ready(), "what nobody has made is not there");
        let [registry, rabbitmq, log, sweeper] =
            ["registry", "rabbitmq", "log", "sweeper"].map(|n| health.component(n));
        registry.up();
        assert!(!health.is_ready());
        log.up();
        assert!(
            health.is_ready(),
            "the broker and the sweeper are missed, and it goes without"
        );
        assert_eq!(
            reasons(&health),
            [pair("rabbitmq", "starting"), pair("sweeper", "starting")]
        );
        rabbitmq.up();
        log.down("connection refused");
        assert!(health.is_ready());
        rabbitmq.down("connection refused");
        assert!(!health.is_ready());
        rabbitmq.up();
        sweeper.up();
        registry.down("it was never read");
        assert!(!health.is_ready());
    }

    #[tokio::test]
    async fn who_was_told_to_stop_is_not_ready_whatever_is_there() {
        let health = Health::new();
        health.component("log").up();
        assert!(health.is_ready());
        health.stop();
        health.wait_until(false).await;
        let status = health.status();
        assert!(status.stopping && !status.ready && status.components[0].up);
        assert!(health.missing().is_empty());
    }

    #[test]
    fn components_are_metrics() {
        let component = Health::new().component("shown in a test");
        let shown = || COMPONENT_UP.with_label_values(&["shown in a test"]).get();
        assert_eq!(shown(), 0);
        component.up();
        assert_eq!(shown(), 1);
        component.down("gone");
        assert_eq!(shown(), 0);
    }
}
