//! Conversions of values that many messages share.

use std::time::Duration;

use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, TenantId, Timestamp, Timing};
use uuid::Uuid;

use crate::pb;

/// A message that this version can't have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// An id that is not 16 bytes.
    #[error("{0} is not a UUID of 16 bytes")]
    Uuid(&'static str),
    /// A time outside of what can be represented.
    #[error("{0} is not a time")]
    Time(&'static str),
    /// A field that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that is not one of those known.
    #[error("{0}")]
    Unknown(String),
}

/// A UUID from its 16 bytes.
pub fn uuid(bytes: &[u8], field: &'static str) -> Result<Uuid, WireError> {
    Uuid::from_slice(bytes).map_err(|_| WireError::Uuid(field))
}

/// Unix time in microseconds, the resolution that PostgreSQL keeps.
#[must_use]
pub fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Inverse of [`micros`]; the error names the field.
pub fn time_from_micros(micros: i64, field: &'static str) -> Result<Timestamp, WireError> {
    Timestamp::from_microsecond(micros).map_err(|_| WireError::Time(field))
}

/// A time as a well-known type.
#[must_use]
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let nanos = at.as_nanosecond();
    // A time of `jiff` lies between the years -9999 and 9999, so its seconds fit an `i64`.
    let seconds = nanos.div_euclid(1_000_000_000) as i64;
    prost_types::Timestamp {
        seconds,
        nanos: nanos.rem_euclid(1_000_000_000) as i32,
    }
}

/// The time of a well-known type; `None` outside of what can be represented.
#[must_use]
pub fn timestamp_from(at: &prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&at.nanos) {
        return None;
    }
    Timestamp::from_nanosecond(i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos)).ok()
}

/// A duration as a well-known type.
#[must_use]
pub fn duration(length: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        nanos: length.subsec_nanos() as i32,
    }
}

/// The duration of a well-known type, if it is not negative.
#[must_use]
pub fn duration_from(length: &prost_types::Duration) -> Option<Duration> {
    Duration::try_from(*length).ok()
}

/// An attempt that was just made as it is shown to people. `payload` is its event's.
pub fn attempt_made(made: &pb::AttemptMade, payload: &[u8]) -> Result<pb::Attempt, WireError> {
    let delivery = made.delivery.as_ref().ok_or(WireError::Missing("delivery"))?;
    let request_body = if made.payload_spliced {
        let at = (made.payload_offset as usize).min(made.request_body.len());
        let (before, behind) = made.request_body.split_at(at);
        [before, payload, behind].concat()
    } else {
        made.request_body.to_vec()
    };
    let next_attempt_at = match delivery.due_at_us {
        0 => None,
        due => Some(timestamp(time_from_micros(due, "due_at")?)),
    };
    Ok(pb::Attempt {
        id: AttemptId::from_uuid(uuid(&made.attempt_id, "attempt_id")?).to_string(),
        delivery_id: DeliveryId::from_uuid(uuid(&delivery.delivery_id, "delivery_id")?).to_string(),
        event_id: EventId::from_uuid(uuid(&delivery.event_id, "event_id")?).to_string(),
        tenant_id: TenantId::from_uuid(uuid(&delivery.tenant_id, "tenant_id")?).to_string(),
        endpoint_id: EndpointId::from_uuid(uuid(&delivery.endpoint_id, "endpoint_id")?).to_string(),
        event_type: made.event_type.clone(),
        number: made.number,
        started_at: Some(timestamp(time_from_micros(made.started_at_us, "started_at")?)),
        duration: Some(duration(Duration::from_micros(
            u64::try_from(made.duration_us).unwrap_or(0),
        ))),
        url: made.url.clone(),
        dialect: made.dialect.clone(),
        outcome: made.outcome.clone(),
        failure_reason: made.failure_reason.clone(),
        error: made.error.clone(),
        status_code: made.status_code,
        next_attempt_at,
        request_headers: made.request_headers.clone(),
        request_body,
        response_headers: made.response_headers.clone(),
        response_body: made.response_body.clone(),
        response_truncated: made.response_truncated,
        remote_address: made.remote_address.clone(),
        test: made.test,
        timing: Some(timing(timing_of(made))),
        sent_again: made.sent_again.clone(),
    })
}

/// Durations of an attempt's phases, from its record.
#[must_use]
pub fn timing_of(made: &pb::AttemptMade) -> Timing {
    let length = |micros: Option<u32>| micros.map(|micros| Duration::from_micros(u64::from(micros)));
    Timing {
        dns: length(made.dns_us),
        connect: length(made.connect_us),
        tls: length(made.tls_us),
        first_byte: length(made.first_byte_us),
    }
}

/// Durations of an attempt's phases, for API clients.
#[must_use]
pub fn timing(timing: Timing) -> pb::Timing {
    pb::Timing {
        dns: timing.dns.map(duration),
        connect: timing.connect.map(duration),
        tls: timing.tls.map(duration),
        first_byte: timing.first_byte.map(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_wire_on_both_sides_of_1970() {
        for text in ["2026-01-07T15:30:00.123456789Z", "1969-12-31T23:59:59.5Z"] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(timestamp_from(&timestamp(at)), Some(at));
        }
        assert_eq!(
            timestamp_from(&prost_types::Timestamp {
                seconds: i64::MAX,
                nanos: 0
            }),
            None
        );
        assert_eq!(timestamp_from(&prost_types::Timestamp { seconds: 0, nanos: -1 }), None);
    }
}
