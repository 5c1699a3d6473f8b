//! Names, arguments and bindings of all queues and exchanges, in this one place.
//!
//! Every queue is a quorum queue with explicit arguments, because defaults differ between broker versions. The
//! arguments of an existing queue can't be changed, so names carry a version: to change an argument, raise
//! [`VERSION`].

mod declarations;

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_domain::schedule::variants;

pub use self::declarations::{Argument, Exchange, ExchangeKind, QueueSpec};
use crate::{Lane, LaneKind, PublishError, Route, Source};

/// The version in the names of work queues, delay queues and the canary's queue.
pub const VERSION: &str = "v1";

/// Delays that always have delay queues: 1 s, 5 s and 15 s to defer, then the default schedule of 1 m, 5 m, 30 m, 2 h, 24 h.
pub const BASE_DELAYS: [Duration; 8] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// Maximum number of delay queues: each is a quorum queue with a process and a log of its own. A delay of a minute or
/// more needs three ([`tidings_domain::schedule::variants`]).
pub const MAX_DELAYS: usize = 60;

/// Default number of shards per lane.
pub const DEFAULT_SHARDS: u16 = 8;

/// Lanes, delay queues and side queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    shards: u16,
    delays: Vec<Duration>,
}

/// Reason why a topology is impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// No shard, or more than two digits of them.
    #[error("a lane has 1 to 100 shards, not {0}: correct `shards`")]
    Shards(u16),
    #[error(
        "the configured delays need {0} queues, three each from a minute on, and at most {MAX_DELAYS} can be: let schedules share delays"
    )]
    TooManyDelays(usize),
    /// A delay that a queue can't wait.
    #[error("a delay lasts 1 ms to 7 days in whole milliseconds, not {0:?}")]
    Delay(Duration),
}

impl Topology {
    /// The base delay queues and this many shards per lane (1 to 100; the number is part of where an endpoint's
    /// messages go, so all processes must agree on it).
    pub fn new(shards: u16) -> Result<Self, TopologyError> {
        if !(1..=100).contains(&shards) {
            return Err(TopologyError::Shards(shards));
        }
        Ok(Self {
            shards,
            ..Self::default()
        })
    }

    /// The same with a delay queue for each of these delays.
    pub fn with_delays(self, delays: impl IntoIterator<Item = Duration>) -> Result<Self, TopologyError> {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        let mut all: BTreeSet<Duration> = self.delays.into_iter().collect();
        for delay in delays {
            // Queues take whole milliseconds, and a queue name holds them.
            if delay.is_zero() || delay > WEEK || delay.subsec_nanos() % 1_000_000 != 0 {
                return Err(TopologyError::Delay(delay));
            }
            all.extend(variants(delay));
        }
        if all.len() > MAX_DELAYS {
            return Err(TopologyError::TooManyDelays(all.len()));
        }
        Ok(Self {
            delays: all.into_iter().collect(),
            ..self
        })
    }

    #[must_use]
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The delays that have a delay queue, ascending.
    #[must_use]
    pub fn delays(&self) -> &[Duration] {
        &self.delays
    }

    /// Exchange and routing key of a route, if it exists.
    pub fn address(&self, route: Route) -> Result<(String, String), PublishError> {
        match route {
            Route::Work(lane) => Ok((WORK.to_owned(), lane_key(lane))),
            Route::Delay(delay, lane) if self.delays.binary_search(&delay).is_ok() => {
                Ok((delay_queue(delay), lane_key(lane)))
            }
            Route::Delay(delay, _) => Err(PublishError::NoDelayQueue(delay)),
            Route::Records => Ok((RECORDS.to_owned(), RECORDS.to_owned())),
            Route::Parked => Ok((TO_PARKED.to_owned(), TO_PARKED.to_owned())),
        }
    }

    /// Exchange and routing key of the canary: through the shortest delay queue, to a queue of its own.
    #[must_use]
    pub fn canary_address(&self) -> (String, String) {
        (delay_queue(self.delays[0]), CANARY_KEY.to_owned())
    }

    /// The queues that messages are published to for nothing but their confirmation.
    pub fn probes(&self) -> impl Iterator<Item = String> + use<> {
        (0..PROBES).map(|number| format!("{}{number}", probe_prefix()))
    }

    /// The other shards of a lane, beginning with the next.
    pub fn other_shards(&self, lane: Lane) -> impl Iterator<Item = Lane> + use<> {
        let shards = self.shards;
        (1..shards).map(move |step| Lane {
            shard: (lane.shard + step) % shards,
            ..lane
        })
    }

    /// Tells if this is the name of a delay queue.
    #[must_use]
    pub fn is_delay_queue(&self, queue: &str) -> bool {
        self.delays.iter().any(|delay| delay_queue(*delay) == queue)
    }

    /// The names of the queues that a source consists of.
    #[must_use]
    pub fn queues_of(&self, source: Source) -> Vec<String> {
        match source {
            Source::Work(kind) => self.lanes_of(kind).map(work_queue).collect(),
            Source::Records => vec![RECORDS.to_owned()],
        }
    }

    /// Every lane: all shards of every kind.
    pub fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        LaneKind::ALL.into_iter().flat_map(|kind| self.lanes_of(kind))
    }

    /// The lane that the queue of this name is.
    #[must_use]
    pub fn lane_of(&self, queue: &str) -> Option<Lane> {
        self.lanes().find(|lane| work_queue(*lane) == queue)
    }

    fn lanes_of(&self, kind: LaneKind) -> impl Iterator<Item = Lane> + use<> {
        (0..self.shards).map(move |shard| Lane { kind, shard })
    }
}

impl Default for Topology {
    fn default() -> Self {
        let mut delays: Vec<Duration> = BASE_DELAYS.into_iter().flat_map(variants).collect();
        delays.sort_unstable();
        Self {
            shards: DEFAULT_SHARDS,
            delays,
        }
    }
}

const WORK: &str = "tidings.work";
const DUE: &str = "tidings.due";
/// An unused exchange whose arguments record the number of shards, on which all processes must agree.
pub(crate) const SHARDS: &str = "tidings.shards";
pub(crate) const UNROUTED: &str = "tidings.unrouted";
/// A parked message may be the only copy: when this queue is full, it refuses more, and they stay where they are.
pub(crate) const PARKED: &str = "tidings.parked.v2";
const TO_PARKED: &str = "tidings.parked";

/// Queues of earlier versions with the exchange that they were bound to. They get nothing more, and what is in them is
/// still shown and settled.
pub(crate) const RETIRED: [(&str, &str); 1] = [("tidings.parked", TO_PARKED)];
/// The queue of records that the ledger could not take.
pub const RECORDS: &str = "tidings.records";
const CANARY_KEY: &str = "canary";

/// As many as a usual cluster has nodes, so that each leads one.
const PROBES: u8 = 3;

/// Deliveries of a lane's message before the broker parks it. 4.x drops messages after 20 unless told otherwise.
pub(crate) const DELIVERY_LIMIT: i64 = 100;

fn lane_key(lane: Lane) -> String {
    format!("{}.{:02}", lane.kind.as_str(), lane.shard)
}

pub(crate) fn work_queue(lane: Lane) -> String {
    format!("{WORK}.{VERSION}.{}", lane_key(lane))
}

pub(crate) fn canary_queue() -> String {
    format!("tidings.canary.{VERSION}")
}

fn probe_prefix() -> String {
    format!("{}.probe", canary_queue())
}

/// Exclusive queue whose owner watches the canary.
pub(crate) fn canary_watch() -> String {
    format!("{}.watch", canary_queue())
}

fn delay_queue(delay: Duration) -> String {
    format!("tidings.delay.{VERSION}.{}", delay.as_millis())
}

#[cfg(test)]
mod tests;
