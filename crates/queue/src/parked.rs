//! Parked messages: set aside for an operator to inspect, requeue or discard.
//!
//! A role that can't read or settle a message parks it with the reason ([`Queue::park`](crate::Queue::park)). The
//! broker parks messages unchanged: those delivered too often without being settled, and those whose lane was missing
//! when their wait ended.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use prost::Message as _;
use tidings_domain::Timestamp;
use uuid::Uuid;

use crate::topology::{DELIVERY_LIMIT, PARKED, RETIRED, UNROUTED};
use crate::{Message, MessageError, Route};

/// A queue of messages that need an operator's attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedQueue {
    /// Messages that could not be read or settled.
    Parked,
    /// Messages whose lane was gone when their wait was over. The sweeper has published their deliveries again.
    Unrouted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Names it, as long as it is there.
    pub id: String,
    /// Reason for parking it, for the operator.
    pub reason: String,
    /// Time of parking, if known.
    pub parked_at: Option<Timestamp>,
    /// Format of the body.
    pub kind: ParkedKind,
    /// The message as it was.
    pub body: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedKind {
    /// A [`Message`] from a lane.
    Delivery,
    /// A record of the queue of spilled records.
    Record,
}

/// Parked messages that an operation applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every message present when the operation starts.
    All,
    /// The message with this [`Parked::id`].
    One(String),
}

/// Operator's decision on parked messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Publishes them where they came from.
    Requeue,
    /// Deletes them for good.
    Discard,
}

/// Result of settling parked messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Messages requeued or discarded.
    pub done: u64,
    /// Messages that stay because they can't be requeued.
    pub refused: u64,
    /// Reason of the last refusal.
    pub refusal: Option<MessageError>,
}

impl ParkedQueue {
    /// Name of the queue at the broker.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parked => PARKED,
            Self::Unrouted => UNROUTED,
        }
    }

    /// The queue's name, and before it those that it had in earlier versions.
    pub(crate) fn queues(self) -> impl Iterator<Item = &'static str> {
        let retired = RETIRED.into_iter().filter(move |_| self == Self::Parked);
        retired.map(|(name, _)| name).chain([self.as_str()])
    }
}

impl ParkedKind {
    /// Name in APIs and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Record => "record",
        }
    }
}

impl Parked {
    /// Parks a body now, under a new id.
    #[must_use]
    pub fn now(kind: ParkedKind, body: Bytes, reason: &str) -> Self {
        Self {
            id: Uuid::now_v7().simple().to_string(),
            reason: reason.to_owned(),
            parked_at: Some(Timestamp::now()),
            kind,
            body,
        }
    }

    /// Destination for a requeue; an unreadable message has none.
    pub fn home(&self, shards: u16) -> Result<Route, MessageError> {
        match self.kind {
            ParkedKind::Record => Ok(Route::Records),
            ParkedKind::Delivery => Ok(Route::Work(Message::decode(self.body.clone())?.lane(shards))),
        }
    }

    /// Encodes it with reason and time, for the parked queue.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        wire::Parked {
            id: self.id.clone(),
            reason: self.reason.clone(),
            parked_at_us: self.parked_at.map_or(0, Timestamp::as_microsecond),
            is_record: self.kind == ParkedKind::Record,
            body: self.body.clone(),
        }
        .encode_to_vec()
        .into()
    }

    /// Reads an entry of a parked queue. The broker's entries are plain messages, identified by `message_id`, or by a
    /// hash of their body if that is empty.
    pub(crate) fn read(from: ParkedQueue, bytes: Bytes, message_id: &str) -> Self {
        if let Some(parked) = Self::decode(bytes.clone()) {
            return parked;
        }
        let id = if message_id.is_empty() {
            // Its keys are fixed, so the id stays the same from one listing to the next.
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        } else {
            message_id.to_owned()
        };
        // The broker parks messages unchanged, so only the queue tells why.
        let reason = match from {
            ParkedQueue::Parked => format!("handed out {DELIVERY_LIMIT} times without being settled"),
            ParkedQueue::Unrouted => "its lane was gone when its wait was over".to_owned(),
        };
        Self {
            id,
            reason,
            parked_at: None,
            kind: ParkedKind::Delivery,
            body: bytes,
        }
    }

    /// `None` for what was not encoded by [`Parked::encode`]: nothing else has a field 15 that is an id.
    fn decode(bytes: Bytes) -> Option<Self> {
        let wire = wire::Parked::decode(bytes).ok()?;
        Uuid::try_parse(&wire.id).ok()?;
        Some(Self {
            id: wire.id,
            reason: wire.reason,
            parked_at: Timestamp::from_microsecond(wire.parked_at_us).ok(),
            kind: if wire.is_record {
                ParkedKind::Record
            } else {
                ParkedKind::Delivery
            },
            body: wire.body,
        })
    }
}

impl Selection {
    /// Tells if the selection covers a message.
    pub(crate) fn includes(&self, parked: &Parked) -> bool {
        match self {
            Self::All => true,
            Self::One(id) => parked.id == *id,
        }
    }
}

impl Settled {
    pub(crate) fn count(&mut self, outcome: Result<(), MessageError>) {
        match outcome {
            Ok(()) => self.done += 1,
            Err(error) => {
                self.refused += 1;
                self.refusal = Some(error);
            }
        }
    }
}

/// As protobuf, like the messages themselves.
mod wire {
    use bytes::Bytes;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Parked {
        #[prost(string, tag = "15")]
        pub id: String,
        #[prost(string, tag = "16")]
        pub reason: String,
        #[prost(int64, tag = "17")]
        pub parked_at_us: i64,
        #[prost(bool, tag = "18")]
        pub is_record: bool,
        #[prost(bytes = "bytes", tag = "19")]
        pub body: Bytes,
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::{DeliveryId, EndpointId, EventId, Step, TenantId};

    use super::*;
    use crate::{Lane, LaneKind};

    fn message() -> Message {
        Message {
            delivery: DeliveryId::new(),
            event: EventId::new(),
            tenant: TenantId::new(),
            endpoint: EndpointId::new(),
            step: Step::FIRST.after_attempt(),
            due: None,
            content: None,
        }
    }

    #[test]
    fn what_is_parked_reads_back_and_knows_where_it_came_from() {
        let message = message();
        let parked = Parked::now(ParkedKind::Delivery, message.encode(), "refused");
        let read = Parked::read(ParkedQueue::Parked, parked.encode(), "the broker's id");
        assert_eq!(
            (&read.id, &read.reason, &read.body),
            (&parked.id, &parked.reason, &parked.body)
        );
        let lane = Lane {
            kind: LaneKind::Retry,
            shard: message.endpoint.shard(8),
        };
        assert_eq!(read.home(8), Ok(Route::Work(lane)));

        let record = Parked::now(ParkedKind::Record, Bytes::from_static(b"any"), "refused");
        let record = Parked::read(ParkedQueue::Parked, record.encode(), "");
        assert_eq!(record.home(8), Ok(Route::Records));
        assert!(
            Parked {
                kind: ParkedKind::Delivery,
                ..record
            }
            .home(8)
            .is_err()
        );
    }

    #[test]
    fn what_the_broker_sets_aside_is_shown_as_it_is() {
        let message = message();
        let read = Parked::read(ParkedQueue::Parked, message.encode(), "one-1");
        assert_eq!((read.id.as_str(), read.parked_at), ("one-1", None));
        assert_eq!(read.reason, "handed out 100 times without being settled");
        assert_eq!(read.body, message.encode());
        for foreign in [&b""[..], b"foreign", &[0xff; 40]] {
            let bytes = Bytes::copy_from_slice(foreign);
            let read = Parked::read(ParkedQueue::Unrouted, bytes.clone(), "");
            assert_eq!(read.id, Parked::read(ParkedQueue::Unrouted, bytes, "").id);
            assert!(!read.id.is_empty() && read.body == foreign && read.home(8).is_err());
        }
    }
}
