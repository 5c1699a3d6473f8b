#![doc = include_str!("../README.md")]

pub mod embedded;
pub mod message;
mod metrics;
pub mod parked;
pub mod rabbit;
pub mod topology;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use message::{Message, MessageError};
pub use metrics::register as register_metrics;
pub use parked::{Parked, ParkedKind, ParkedQueue, Selection, Settle, Settled};

/// Message queue with delays, publisher confirms and acknowledgements.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Publishes one message; `Ok` means that it is durable. Many calls at once share batches.
    async fn publish(&self, outgoing: Outgoing) -> Result<(), PublishError>;

    /// Messages from these sources, at most `prefetch` unsettled at once per work queue. The stream survives lost
    /// connections; messages that were not acknowledged come again, marked as redelivered. It ends when
    /// the queue is shut down.
    async fn consume(&self, source: Source, prefetch: u16) -> mpsc::Receiver<Incoming>;

    /// The delays that have a delay queue, ascending.
    fn delays(&self) -> &[Duration];

    /// Tells if a publish can succeed right now: connected, and not blocked by an alarm of the broker.
    fn available(&self) -> bool;

    /// Depth of each lane, delay queue and side queue, as far as the queue can tell.
    async fn depths(&self) -> Result<Vec<Depth>, PublishError>;

    /// Depths of one source's queues only, cheap enough to be called several times a second. The embedded queue
    /// counts at most [`COUNTED`] messages of each.
    async fn depths_of(&self, source: Source) -> Result<Vec<Depth>, PublishError>;

    /// Parks a lane's message that can't be read or settled, with the reason, for an operator.
    async fn park(&self, body: Bytes, reason: &str) -> Result<(), PublishError> {
        self.publish(parked(ParkedKind::Delivery, body, reason)).await
    }

    /// Parks a record, like [`Queue::park`].
    async fn park_record(&self, body: Bytes, reason: &str) -> Result<(), PublishError> {
        self.publish(parked(ParkedKind::Record, body, reason)).await
    }

    /// Lists at most `limit` parked messages and leaves them in place; a concurrent reader may see fewer. Oldest
    /// first, except that RabbitMQ returns messages that were read before ahead of others, some of them in another
    /// order.
    async fn parked(&self, from: ParkedQueue, selection: &Selection, limit: usize)
    -> Result<Vec<Parked>, PublishError>;

    /// Requeues or discards parked messages. A message is removed only after it is durable at its destination, so an
    /// error in between makes a duplicate at worst. Messages settled before the error stay settled.
    async fn settle_parked(
        &self,
        from: ParkedQueue,
        selection: &Selection,
        how: Settle,
    ) -> Result<Settled, PublishError>;

    /// Findings of [`Queue::watch`] in this process; empty where another process watches, or none does.
    fn trouble(&self) -> Trouble {
        Trouble::default()
    }

    /// Watches, until `shutdown`, for what publishing and consuming do not show, and reports it in metrics and the
    /// log: waits that do not end, and rules of an operator that change our queues. For one role to run.
    async fn watch(&self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }

    /// Stops consuming (what is unsettled goes back), lets publishes under way end, and closes connections
    /// within `grace`.
    async fn close(&self, grace: Duration);
}

/// Faults of delay queues that neither publishing nor consuming reveals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Messages do not come back from the shortest delay queue.
    pub canary_missing: bool,
    /// Delay queues with messages that have waited long enough and are not in their lane yet, and how many.
    pub stuck: Vec<(String, u64)>,
}

/// Upper bound of counts that the embedded queue reports for frequent calls.
pub const COUNTED: u32 = 10_000;

/// State of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// The queue's name at the broker, also for the embedded queue.
    pub name: String,
    /// The lane that it is, if it is one.
    pub lane: Option<Lane>,
    /// Messages that wait. Unsettled ones, and those moving from a delay queue to a lane, do not count.
    pub ready: u64,
    pub consumers: u32,
}

impl Depth {
    /// Purpose of the queue: the kind of its lane, `delay`, `records`, `parked`, `unrouted`, or `other`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (self.lane, self.name.as_str()) {
            (Some(lane), _) => lane.kind.as_str(),
            (None, topology::UNROUTED) => "unrouted",
            (None, topology::RECORDS) => "records",
            (None, name) if name.starts_with("tidings.parked") => "parked",
            (None, name) if name.starts_with("tidings.delay.") => "delay",
            (None, _) => "other",
        }
    }

    /// Label of the queue's stage in metrics: `lane`, `rung` (a delay queue), `records` or `aside` (parked and
    /// unrouted). The values are older than the terms; dashboards use them.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        match (self.lane, self.kind()) {
            (Some(_), _) => "lane",
            (None, "records") => "records",
            (None, "parked" | "unrouted") => "aside",
            (None, _) => "rung",
        }
    }
}

/// A message on its way in.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub to: Route,
    pub body: Bytes,
}

/// Destination of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To be worked on at once.
    Work(Lane),
    /// To be worked on after a delay, which must be one of the delay queues.
    Delay(Duration, Lane),
    /// A record that the ledger could not take.
    Records,
    /// The parked queue, with a body as [`Queue::park`] encodes it.
    Parked,
}

/// A work queue: first attempts or later ones, in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane {
    pub kind: LaneKind,
    /// Number of the shard, from the endpoint's id.
    pub shard: u16,
}

/// Priority of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneKind {
    /// First attempts within the tenant's fair share.
    Live,
    /// First attempts of a tenant beyond its share, so that nobody waits behind its flood.
    Bulk,
    /// All attempts after the first.
    Retry,
}

/// Source of messages to consume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// All shards of one kind of lane.
    Work(LaneKind),
    /// Spilled records, in order of arrival.
    Records,
}

/// A message that was taken from a queue. It must be settled by [`Incoming::ack`]; one that is dropped comes
/// again about a second later, or at once if its receiver is gone. A message that is dropped a hundred times is
/// parked by RabbitMQ: to wait is what delay queues are for.
pub struct Incoming {
    pub body: Bytes,
    /// The message may have been delivered before.
    pub redelivered: bool,
    pub(crate) ack: Box<dyn Acknowledge>,
}

impl Incoming {
    /// Settles the message for good. `false` if it could not be settled, in which case it will come again.
    pub async fn ack(self) -> bool {
        self.ack.ack().await
    }
}

/// Acknowledgement of one delivered message.
#[async_trait]
pub(crate) trait Acknowledge: Send + Sync {
    async fn ack(self: Box<Self>) -> bool;
}

/// Reason why a message was not confirmed. Only a confirmed message is durable; after any of these errors it may or
/// may not be in the queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection, or the broker has blocked it.
    #[error("the queue is unavailable: {0}")]
    Unavailable(String),
    /// No queue is bound where the message was sent.
    #[error("no queue takes messages for {0}: was a binding deleted? Restart a role to declare it again")]
    Unroutable(String),
    /// The queue refused it, for example because it is full.
    #[error("the queue refused the message for {0}")]
    Rejected(String),
    /// The connection was lost or the answer did not come in time.
    #[error("the queue did not confirm the message: {0}")]
    Unknown(String),
    /// There is no delay queue for this delay.
    #[error("no delay queue waits {0:?}")]
    NoDelayQueue(Duration),
}

impl LaneKind {
    /// All kinds, by priority.
    pub const ALL: [Self; 3] = [Self::Live, Self::Bulk, Self::Retry];

    /// The name in queue names and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bulk => "bulk",
            Self::Retry => "retry",
        }
    }
}

impl PublishError {
    /// After what time somebody else may publish the message without making two of it. Where nobody knows whether
    /// the queue has it, it is time enough for the copy to be found out: by then the first was attempted, or is old
    /// enough to be checked against the ledger.
    #[must_use]
    pub fn republish_after(&self) -> Duration {
        match self {
            Self::Unknown(_) => Duration::from_secs(20),
            _ => Duration::ZERO,
        }
    }
}

fn parked(kind: ParkedKind, body: Bytes, reason: &str) -> Outgoing {
    Outgoing {
        to: Route::Parked,
        body: Parked::now(kind, body, reason).encode(),
    }
}
