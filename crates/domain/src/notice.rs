//! What a tenant is told of its own endpoints.

use jiff::Timestamp;
use uuid::Uuid;

use crate::event::EventType;
use crate::id::{DeliveryId, EndpointId, EventId, TenantId};

/// Something that happened to an endpoint and is still to be told: by e-mail to its contact, as an operational event
/// to the tenant's operational endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id, a UUIDv7; the operational event bears it too, so that telling twice makes one event.
    pub id: Uuid,
    /// What happened.
    pub kind: NoticeKind,
    /// Whom to tell.
    pub tenant: TenantId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The delivery that was given up and its event, if there was one.
    pub delivery: Option<(DeliveryId, EventId)>,
    /// When it happened.
    pub at: Timestamp,
    /// What exactly went wrong, for people; may be empty.
    pub detail: String,
    /// How often telling it was tried before.
    pub tries: u32,
}

/// What can happen to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A delivery was given up, the first since the endpoint worked.
    EndpointFailing,
    /// A delivery succeeded, the first since the endpoint failed.
    EndpointRecovered,
    /// Tidings turned it off.
    EndpointDisabled,
    /// A delivery was given up.
    DeliveryExhausted,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::EndpointFailing,
        Self::EndpointRecovered,
        Self::EndpointDisabled,
        Self::DeliveryExhausted,
    ];

    /// The name in columns and the type of the operational event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndpointFailing => "endpoint.failing",
            Self::EndpointRecovered => "endpoint.recovered",
            Self::EndpointDisabled => "endpoint.disabled",
            Self::DeliveryExhausted => "delivery.exhausted",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The type of the operational event.
    #[must_use]
    pub fn event_type(self) -> EventType {
        EventType::known(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_an_event_type_and_reads_back() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::from_name(kind.as_str()), Some(kind));
            assert_eq!(kind.as_str().parse(), Ok(kind.event_type()));
        }
    }
}
