//! Names, arguments and bindings of all queues and exchanges, in this one place.
//!
//! Every queue is a quorum queue with explicit arguments, because defaults differ between broker versions. The
//! arguments of an existing queue can't be changed, so names carry a version: to change an argument, raise
//! [`VERSION`].

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_domain::schedule::variants;

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub name: String,
    pub kind: ExchangeKind,
    pub arguments: Vec<(&'static str, Argument)>,
}

/// Routing of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// To the queues bound by the routing key.
    Direct,
    /// To every bound queue.
    Fanout,
}

/// A queue to declare, with its bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    pub name: String,
    pub arguments: Vec<(&'static str, Argument)>,
    /// Exchanges and the routing keys it is bound by.
    pub bindings: Vec<(String, String)>,
}

impl QueueSpec {
    /// Tells if it is one of [`Topology::probes`].
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.name.starts_with(&probe_prefix())
    }
}

/// Value of an argument of a queue or exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    Text(&'static str),
    /// A number that is sent as text.
    Digits(u16),
    Number(i64),
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
        let mut delays: BTreeSet<Duration> = self.delays.into_iter().collect();
        for delay in delays {
            if delay.is_zero() || delay > WEEK || delay.subsec_nanos() % 1_000_000 != 0 {
                return Err(TopologyError::Delay(delay));
            }
            delays.extend(variants(delay));
        }
        if delays.len() > MAX_DELAYS {
            return Err(TopologyError::TooManyDelays(delays.len()));
        }
        Ok(Self {
            delays: delays.into_iter().collect(),
            ..self
        })
    }

    /// Shards per lane.
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

    /// All exchanges, in the order of declaration.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        let exchange = |name: &str, kind| Exchange {
            name: name.to_owned(),
            kind,
            arguments: Vec::new(),
        };
        let mut exchanges = vec![
            // The broker refuses to declare it with another value: who has another number of shards is found out.
            Exchange {
                arguments: vec![("alternate-exchange", Argument::Digits(self.shards))],
                ..exchange(SHARDS, ExchangeKind::Fanout)
            },
            exchange(UNROUTED, ExchangeKind::Fanout),
            exchange(TO_PARKED, ExchangeKind::Fanout),
            exchange(RECORDS, ExchangeKind::Direct),
            // Publishers use this one: it has no alternate exchange, so that a message without a queue comes back.
            exchange(WORK, ExchangeKind::Direct),
            // Delay queues end here: one message without a queue would block its whole delay queue, hence the alternate.
            Exchange {
                arguments: vec![("alternate-exchange", Argument::Text(UNROUTED))],
                ..exchange(DUE, ExchangeKind::Direct)
            },
        ];
        exchanges.extend(
            self.delays
                .iter()
                .map(|delay| exchange(&delay_queue(*delay), ExchangeKind::Fanout)),
        );
        exchanges
    }

    /// All queues with their bindings.
    #[must_use]
    pub fn queues(&self) -> Vec<QueueSpec> {
        let own_exchange = |name: &str| vec![(name.to_owned(), name.to_owned())];
        let mut queues = vec![
            quorum(
                UNROUTED,
                own_exchange(UNROUTED),
                vec![("x-max-length", Argument::Number(1_000_000)), KEPT],
            ),
            quorum(
                PARKED,
                own_exchange(TO_PARKED),
                vec![
                    ("x-max-length", Argument::Number(1_000_000)),
                    ("x-overflow", Argument::Text("reject-publish")),
                    KEPT,
                ],
            ),
            quorum(RECORDS, own_exchange(RECORDS), vec![KEPT]),
            quorum(
                &canary_queue(),
                vec![(DUE.to_owned(), CANARY_KEY.to_owned())],
                vec![("x-max-length", Argument::Number(100))],
            ),
        ];
        queues.extend(self.probes().map(|name| {
            let newest = vec![("x-max-length", Argument::Number(1))];
            quorum(&name, Vec::new(), newest)
        }));
        queues.extend(self.lanes().map(|lane| {
            let bindings = vec![(WORK.to_owned(), lane_key(lane)), (DUE.to_owned(), lane_key(lane))];
            // No length limit, because a full queue would stall the delay queues that end in it.
            let arguments = vec![
                ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
                ("x-dead-letter-exchange", Argument::Text(TO_PARKED)),
            ];
            quorum(&work_queue(lane), bindings, arguments)
        }));
        queues.extend(self.delays.iter().map(|delay| {
            let name = delay_queue(*delay);
            // `reject-publish` is not about being full: without it, at-least-once silently falls back to at-most-once.
            let arguments = vec![
                ("x-message-ttl", Argument::Number(millis(*delay))),
                ("x-dead-letter-exchange", Argument::Text(DUE)),
                ("x-dead-letter-strategy", Argument::Text("at-least-once")),
                ("x-overflow", Argument::Text("reject-publish")),
                ("x-max-length", Argument::Number(5_000_000)),
            ];
            quorum(&name, own_exchange(&name), arguments)
        }));
        queues
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
/// An exchange that nobody uses: it keeps the number of shards on which the processes agreed.
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

/// Delivery limit of queues that must not drop a message however often it is read and returned. "Unlimited" (-1)
/// works on 4.x only: 3.x drops such messages at their first return.
const KEPT: (&str, Argument) = ("x-delivery-limit", Argument::Number(1_000_000_000));

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

fn millis(delay: Duration) -> i64 {
    i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
}

fn quorum(name: &str, bindings: Vec<(String, String)>, more: Vec<(&'static str, Argument)>) -> QueueSpec {
    let mut arguments = vec![("x-queue-type", Argument::Text("quorum"))];
    arguments.extend(more);
    QueueSpec {
        name: name.to_owned(),
        arguments,
        bindings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Argument::{Number, Text};

    fn topology() -> Topology {
        Topology::new(2)
            .unwrap()
            .with_delays([Duration::from_secs(3), Duration::from_secs(1)])
            .unwrap()
    }

    #[test]
    fn exchanges_are_pinned() {
        let exchanges = topology().exchanges();
        let described: Vec<String> = exchanges
            .iter()
            .map(|e| format!("{:?} {} {:?}", e.kind, e.name, e.arguments))
            .collect();
        assert_eq!(
            described,
            [
                "Fanout tidings.shards [(\"alternate-exchange\", Digits(2))]",
                "Fanout tidings.unrouted []",
                "Fanout tidings.parked []",
                "Direct tidings.records []",
                "Direct tidings.work []",
                "Direct tidings.due [(\"alternate-exchange\", Text(\"tidings.unrouted\"))]",
                "Fanout tidings.delay.v1.1000 []",
                "Fanout tidings.delay.v1.3000 []",
                "Fanout tidings.delay.v1.5000 []",
                "Fanout tidings.delay.v1.15000 []",
                "Fanout tidings.delay.v1.60000 []",
                "Fanout tidings.delay.v1.63000 []",
                "Fanout tidings.delay.v1.66000 []",
                "Fanout tidings.delay.v1.300000 []",
                "Fanout tidings.delay.v1.315000 []",
                "Fanout tidings.delay.v1.330000 []",
                "Fanout tidings.delay.v1.1800000 []",
                "Fanout tidings.delay.v1.1890000 []",
                "Fanout tidings.delay.v1.1980000 []",
                "Fanout tidings.delay.v1.7200000 []",
                "Fanout tidings.delay.v1.7560000 []",
                "Fanout tidings.delay.v1.7920000 []",
                "Fanout tidings.delay.v1.86400000 []",
                "Fanout tidings.delay.v1.90720000 []",
                "Fanout tidings.delay.v1.95040000 []",
            ]
        );
    }

    #[test]
    fn queues_are_pinned() {
        let queues = topology().queues();
        let names: Vec<&str> = queues.iter().map(|q| q.name.as_str()).collect();
        assert_eq!(
            names[..14],
            [
                "tidings.unrouted",
                "tidings.parked.v2",
                "tidings.records",
                "tidings.canary.v1",
                "tidings.canary.v1.probe0",
                "tidings.canary.v1.probe1",
                "tidings.canary.v1.probe2",
                "tidings.work.v1.live.00",
                "tidings.work.v1.live.01",
                "tidings.work.v1.bulk.00",
                "tidings.work.v1.bulk.01",
                "tidings.work.v1.retry.00",
                "tidings.work.v1.retry.01",
                "tidings.delay.v1.1000",
            ]
        );
        assert_eq!(names.len(), 13 + 19);
        assert!(
            queues
                .iter()
                .all(|q| q.arguments[0] == ("x-queue-type", Text("quorum")))
        );

        let queue = |name: &str| queues.iter().find(|q| q.name == name).unwrap();
        let work = queue("tidings.work.v1.retry.01");
        assert_eq!(
            work.arguments[1..],
            [
                ("x-delivery-limit", Number(100)),
                ("x-dead-letter-exchange", Text("tidings.parked"))
            ]
        );
        let binding = |exchange: &str, key: &str| (exchange.to_owned(), key.to_owned());
        assert_eq!(
            work.bindings,
            [binding("tidings.work", "retry.01"), binding("tidings.due", "retry.01")]
        );
        let delay = queue("tidings.delay.v1.3000");
        assert_eq!(
            delay.arguments[1..],
            [
                ("x-message-ttl", Number(3000)),
                ("x-dead-letter-exchange", Text("tidings.due")),
                ("x-dead-letter-strategy", Text("at-least-once")),
                ("x-overflow", Text("reject-publish")),
                ("x-max-length", Number(5_000_000)),
            ]
        );
        assert_eq!(
            delay.bindings,
            [binding("tidings.delay.v1.3000", "tidings.delay.v1.3000")]
        );
        assert_eq!(queue("tidings.canary.v1").bindings, [binding("tidings.due", "canary")]);
        assert_eq!(
            queue("tidings.unrouted").arguments[1..],
            [
                ("x-max-length", Number(1_000_000)),
                ("x-delivery-limit", Number(1_000_000_000))
            ]
        );
        let parked = queue("tidings.parked.v2");
        assert_eq!(
            parked.arguments[1..],
            [
                ("x-max-length", Number(1_000_000)),
                ("x-overflow", Text("reject-publish")),
                ("x-delivery-limit", Number(1_000_000_000))
            ]
        );
        assert_eq!(parked.bindings, [binding("tidings.parked", "tidings.parked")]);
        assert!(
            queues
                .iter()
                .all(|queue| RETIRED.iter().all(|(retired, _)| queue.name != *retired))
        );
        assert_eq!(
            queue("tidings.records").arguments[1..],
            [("x-delivery-limit", Number(1_000_000_000))]
        );
        assert_eq!(
            topology().canary_address(),
            ("tidings.delay.v1.1000".into(), "canary".into())
        );
    }

    #[test]
    fn a_message_keeps_its_lanes_key_in_a_delay_queue() {
        let topology = topology();
        let lane = Lane {
            kind: LaneKind::Retry,
            shard: 1,
        };
        let address = |route| topology.address(route).unwrap();
        assert_eq!(address(Route::Work(lane)), ("tidings.work".into(), "retry.01".into()));
        assert_eq!(
            address(Route::Delay(Duration::from_secs(3), lane)),
            ("tidings.delay.v1.3000".into(), "retry.01".into())
        );
        assert_eq!(
            address(Route::Records),
            ("tidings.records".into(), "tidings.records".into())
        );
        let odd = Duration::from_secs(137);
        assert_eq!(
            topology.address(Route::Delay(odd, lane)),
            Err(PublishError::NoDelayQueue(odd))
        );
    }

    #[test]
    fn delays_are_sorted_deduplicated_and_bounded() {
        let seconds = |range: std::ops::Range<u64>| range.map(Duration::from_secs);
        let topology = Topology::default().with_delays(seconds(20..57)).unwrap();
        assert_eq!(topology.delays().len(), 55);
        assert!(topology.delays().is_sorted());
        assert_eq!(topology.clone().with_delays(seconds(20..30)).unwrap(), topology);
        let of_minutes = topology.clone().with_delays(seconds(70..71)).unwrap();
        assert_eq!(of_minutes.delays().len(), 58);
        assert_eq!(
            of_minutes.with_delays(seconds(80..81)),
            Err(TopologyError::TooManyDelays(61))
        );
        for delay in [
            Duration::ZERO,
            Duration::from_micros(1500),
            Duration::from_secs(8 * 86_400),
        ] {
            assert_eq!(
                Topology::default().with_delays([delay]),
                Err(TopologyError::Delay(delay))
            );
        }
        assert_eq!(Topology::new(0), Err(TopologyError::Shards(0)));
        assert_eq!(Topology::new(101), Err(TopologyError::Shards(101)));
    }
}
