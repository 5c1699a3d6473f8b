//! Declarations: every exchange and queue with its arguments and bindings.

use std::time::Duration;

use super::{
    CANARY_KEY, DELIVERY_LIMIT, DUE, PARKED, RECORDS, SHARDS, TO_PARKED, Topology, UNROUTED, WORK, canary_queue,
    delay_queue, lane_key, probe_prefix, work_queue,
};

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
                // Fanout, so that the routing key stays free to name the lane that the wait ends in.
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
                // The oldest go first when it is full: the sweeper has published these deliveries again.
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
            // No length limit: a record that is refused here would have nowhere to go.
            quorum(RECORDS, own_exchange(RECORDS), vec![KEPT]),
            quorum(
                &canary_queue(),
                vec![(DUE.to_owned(), CANARY_KEY.to_owned())],
                // Nobody may be consuming; old canaries are worth nothing.
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
                // No dead-letter routing key: the message's own names its lane.
                ("x-dead-letter-exchange", Argument::Text(DUE)),
                // Measured with `kill -9` during transfers: at-most-once lost thousands of messages, this none.
                ("x-dead-letter-strategy", Argument::Text("at-least-once")),
                ("x-overflow", Argument::Text("reject-publish")),
                ("x-max-length", Argument::Number(5_000_000)),
            ];
            quorum(&name, own_exchange(&name), arguments)
        }));
        queues
    }
}

/// Delivery limit of queues that must not drop a message however often it is read and returned. "Unlimited" (-1)
/// works on 4.x only: 3.x drops such messages at their first return.
const KEPT: (&str, Argument) = ("x-delivery-limit", Argument::Number(1_000_000_000));

fn millis(delay: Duration) -> i64 {
    i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
}

fn quorum(name: &str, bindings: Vec<(String, String)>, more: Vec<(&'static str, Argument)>) -> QueueSpec {
    // Always sent, because a vhost or node may have another default type.
    let mut arguments = vec![("x-queue-type", Argument::Text("quorum"))];
    arguments.extend(more);
    QueueSpec {
        name: name.to_owned(),
        arguments,
        bindings,
    }
}
