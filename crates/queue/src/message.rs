//! Message of a lane or delay queue: names a delivery, and carries the event's content or leaves it to the ledger.

use bytes::Bytes;
use prost::Message as _;
use tidings_domain::trace::TraceParent;
use tidings_domain::{DeliveryId, EndpointId, EventId, EventType, Step, TenantId, Timestamp};
use uuid::Uuid;

use crate::{Lane, LaneKind};

/// One delivery on its way to its next attempt.
///
/// What is to be sent at once carries the event's content; what waits carries only the reference, so that a
/// day of outage costs the broker some hundred bytes per delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub delivery: DeliveryId,
    pub event: EventId,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    /// The step it is at: which attempt is next.
    pub step: Step,
    /// Due time of the attempt; immediately if `None`.
    pub due: Option<Timestamp>,
    /// The event's content, if it travels along.
    pub content: Option<Content>,
}

/// Content of an event, as far as an attempt needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub event_type: EventType,
    /// Time of the event according to its publisher.
    pub occurred_at: Timestamp,
    /// Time at which ingest accepted it.
    pub accepted_at: Timestamp,
    /// JSON text, unchanged from the publisher.
    pub payload: Bytes,
    /// W3C trace context of the publisher.
    pub traceparent: Option<TraceParent>,
    /// The span in which the event was accepted, if it is traced. Only what is queued at its acceptance bears it.
    pub span: Option<TraceParent>,
}

/// Reason why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unreadable message: {0}")]
pub struct MessageError(String);

impl Message {
    /// The lane for its next attempt, by step and endpoint.
    #[must_use]
    pub fn lane(&self, shards: u16) -> Lane {
        // A first attempt that was moved goes to the retry lane, so that what returns never delays new events.
        let first = self.step.attempt() == 1 && self.step.moves() == 0;
        let kind = if first { LaneKind::Live } else { LaneKind::Retry };
        Lane {
            kind,
            shard: self.endpoint.shard(shards),
        }
    }

    /// The same delivery without the event's content.
    #[must_use]
    pub fn reference(&self) -> Self {
        Self {
            content: None,
            ..self.clone()
        }
    }

    /// Encodes it as protobuf.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let id = |uuid: Uuid| Bytes::copy_from_slice(uuid.as_bytes());
        let content = self.content.as_ref().map(|c| wire::Content {
            event_type: c.event_type.as_str().to_owned(),
            occurred_at_us: c.occurred_at.as_microsecond(),
            accepted_at_us: c.accepted_at.as_microsecond(),
            payload: c.payload.clone(),
            traceparent: c
                .traceparent
                .as_ref()
                .map(|t| t.as_str().to_owned())
                .unwrap_or_default(),
            span: c.span.as_ref().map(|span| span.as_str().to_owned()).unwrap_or_default(),
        });
        wire::Message {
            delivery: id(self.delivery.uuid()),
            event: id(self.event.uuid()),
            tenant: id(self.tenant.uuid()),
            endpoint: id(self.endpoint.uuid()),
            step: self.step.number(),
            due_us: self.due.map_or(0, Timestamp::as_microsecond),
            content,
        }
        .encode_to_vec()
        .into()
    }

    /// Decodes a message, including those of earlier versions.
    pub fn decode(bytes: Bytes) -> Result<Self, MessageError> {
        let wire = wire::Message::decode(bytes).map_err(|e| MessageError(e.to_string()))?;
        let id =
            |bytes: &Bytes, what| Uuid::from_slice(bytes).map_err(|_| MessageError(format!("{what} is not an id")));
        let time =
            |us, what| Timestamp::from_microsecond(us).map_err(|_| MessageError(format!("{what} is not a time")));
        let step = Step::from_number(wire.step);
        if step.attempt() == 0 {
            return Err(MessageError("attempt 0 does not exist".into()));
        }
        let content = match wire.content {
            None => None,
            Some(c) => Some(Content {
                event_type: c.event_type.parse().map_err(|e| MessageError(format!("{e}")))?,
                occurred_at: time(c.occurred_at_us, "occurred_at")?,
                accepted_at: time(c.accepted_at_us, "accepted_at")?,
                payload: c.payload,
                // A broken trace context is no reason to refuse an event.
                traceparent: TraceParent::parse(&c.traceparent),
                span: TraceParent::parse(&c.span),
            }),
        };
        Ok(Self {
            delivery: DeliveryId::from_uuid(id(&wire.delivery, "delivery")?),
            event: EventId::from_uuid(id(&wire.event, "event")?),
            tenant: TenantId::from_uuid(id(&wire.tenant, "tenant")?),
            endpoint: EndpointId::from_uuid(id(&wire.endpoint, "endpoint")?),
            step,
            due: if wire.due_us == 0 {
                None
            } else {
                Some(time(wire.due_us, "due")?)
            },
            content,
        })
    }
}

/// The message as protobuf, so that a rolling upgrade can add fields.
mod wire {
    use bytes::Bytes;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Message {
        #[prost(bytes = "bytes", tag = "1")]
        pub delivery: Bytes,
        #[prost(bytes = "bytes", tag = "2")]
        pub event: Bytes,
        #[prost(bytes = "bytes", tag = "3")]
        pub tenant: Bytes,
        #[prost(bytes = "bytes", tag = "4")]
        pub endpoint: Bytes,
        #[prost(uint32, tag = "5")]
        pub step: u32,
        #[prost(int64, tag = "6")]
        pub due_us: i64,
        #[prost(message, optional, tag = "7")]
        pub content: Option<Content>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Content {
        #[prost(string, tag = "1")]
        pub event_type: String,
        #[prost(int64, tag = "2")]
        pub occurred_at_us: i64,
        #[prost(int64, tag = "3")]
        pub accepted_at_us: i64,
        #[prost(bytes = "bytes", tag = "4")]
        pub payload: Bytes,
        #[prost(string, tag = "5")]
        pub traceparent: String,
        #[prost(string, tag = "6")]
        pub span: String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let now = Timestamp::from_microsecond(1_767_799_800_123_456).unwrap();
        Message {
            delivery: DeliveryId::new(),
            event: EventId::new(),
            tenant: TenantId::new(),
            endpoint: EndpointId::new(),
            step: Step::FIRST,
            due: None,
            content: Some(Content {
                event_type: "feedback.created".parse().unwrap(),
                occurred_at: now,
                accepted_at: now,
                payload: Bytes::from_static(b"{\"id\": 1}"),
                traceparent: TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                span: TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"),
            }),
        }
    }

    #[test]
    fn a_message_reads_back_as_written() {
        let message = message();
        assert_eq!(Message::decode(message.encode()), Ok(message.clone()));
        let due = Some(Timestamp::from_second(1_767_799_860).unwrap());
        let waiting = Message {
            step: message.step.after_attempt(),
            due,
            ..message.reference()
        };
        assert_eq!(Message::decode(waiting.encode()), Ok(waiting.clone()));
        assert!(waiting.encode().len() < 100);
    }

    #[test]
    fn only_a_first_attempt_that_was_never_moved_is_live() {
        let message = message();
        assert_eq!(message.lane(8).kind, LaneKind::Live);
        for step in [message.step.moved(), message.step.after_attempt()] {
            assert_eq!(
                Message {
                    step,
                    ..message.clone()
                }
                .lane(8)
                .kind,
                LaneKind::Retry
            );
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&b""[..], b"not a message", &[0xff; 40]] {
            assert!(Message::decode(Bytes::copy_from_slice(bytes)).is_err());
        }
    }
}
