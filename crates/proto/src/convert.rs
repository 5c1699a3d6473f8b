//! Conversions of the values that appear in many messages.

use std::time::Duration;

use tidings_domain::Timestamp;
use uuid::Uuid;

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

/// The time of [`micros`].
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
