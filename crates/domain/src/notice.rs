//! Notices: news for tenants about their own endpoints.

use jiff::Timestamp;
use uuid::Uuid;

use crate::event::EventType;
use crate::id::{DeliveryId, EndpointId, EventId, TenantId};

/// An incident of an endpoint that its tenant has not been notified of yet: by e-mail to its contact, as an operational event
/// to the tenant's operational endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id, a UUIDv7; the operational event bears it too, so that telling twice makes one event.
    pub id: Uuid,
    pub kind: NoticeKind,
    pub tenant: TenantId,
    pub endpoint: EndpointId,
    /// The delivery that was given up and its event, if there was one.
    pub delivery: Option<(DeliveryId, EventId)>,
    pub at: Timestamp,
    /// Details of the failure, for people; may be empty.
    pub detail: String,
    /// Failed attempts to send the notice.
    pub tries: u32,
}

/// Incident at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A delivery was given up, the first since the endpoint worked.
    EndpointFailing,
    /// A delivery succeeded, the first since the endpoint failed.
    EndpointRecovered,
    EndpointDisabled,
    DeliveryExhausted,
}

impl NoticeKind {
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

    /// Parses [`NoticeKind::as_str`].
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
