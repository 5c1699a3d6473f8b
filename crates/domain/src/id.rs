//! Identifiers: UUIDv7 inside, a prefix and 32 hexadecimal digits outside (`evt_0193…`).
//!
//! UUIDv7 sorts by the millisecond of its creation, so a table ordered by id is ordered by time, and a time range is
//! an id range ([`EventId::floor`]). The hexadecimal form can be pasted into `psql` as it is.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Reason why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {article} {what} id: write `{prefix}` followed by 32 hexadecimal digits")]
pub struct ParseIdError {
    given: String,
    article: &'static str,
    what: &'static str,
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $article:literal, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Prefix of the written form.
            pub const PREFIX: &'static str = $prefix;

            /// A new id that sorts after those made in earlier milliseconds.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "two calls differ, which `default` does not suggest")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// A new id of the given instant, so that what it names is found by that time. Instants before 1970
            /// are taken for its beginning.
            #[must_use]
            pub fn at(instant: Timestamp) -> Self {
                let seconds = u64::try_from(instant.as_second()).unwrap_or(0);
                let nanos = u32::try_from(instant.subsec_nanosecond()).unwrap_or(0);
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
            }

            /// Wraps a stored UUID.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID as it is stored.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The smallest id of the given instant's millisecond: a time bound as an id bound.
            /// Instants before 1970 give the nil id.
            #[must_use]
            pub fn floor(at: Timestamp) -> Self {
                let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
                Self(Uuid::from_u128(u128::from(millis) << 80))
            }

            /// The millisecond in which the id was made, as Unix time.
            #[must_use]
            pub fn unix_millis(self) -> u64 {
                (self.0.as_u128() >> 80) as u64
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix($prefix)
                    .filter(|digits| digits.len() == 32)
                    .and_then(|digits| Uuid::try_parse(digits).ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError {
                        given: text.chars().take(64).collect(),
                        article: $article,
                        what: $what,
                        prefix: $prefix,
                    })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A customer of the product that runs Tidings.
    TenantId, "ten_", "a", "tenant";
    /// A receiver that a tenant configured.
    EndpointId, "ep_", "an", "endpoint";
    /// Something that happened, published once; it travels as `webhook-id`.
    EventId, "evt_", "an", "event";
    /// One event for one endpoint, identified by both.
    DeliveryId, "dlv_", "a", "delivery";
    /// One HTTP request of a delivery.
    AttemptId, "att_", "an", "attempt";
    /// An API key (the name of it, not the secret).
    KeyId, "key_", "a", "key";
    /// An entry of the audit log.
    AuditId, "aud_", "an", "audit entry";
    /// A job that delivers past events again.
    ReplayId, "rpl_", "a", "replay";
    /// A job that removes content of events.
    ErasureId, "ers_", "an", "erasure";
}

impl DeliveryId {
    /// The one delivery of `event` for `endpoint`.
    ///
    /// Derived and not drawn, so that publishing the same event again can never make a second delivery. It
    /// bears the event's millisecond, so a delivery lies in the same day's partition as its event.
    #[must_use]
    pub fn derive(event: EventId, endpoint: EndpointId) -> Self {
        Self::of(event, [event.0, endpoint.0].iter())
    }

    /// The one delivery that a replay makes of `event` for `endpoint`, so that a replay that is resumed makes none twice.
    #[must_use]
    pub fn derive_again(event: EventId, endpoint: EndpointId, replay: ReplayId) -> Self {
        Self::of(event, [event.0, endpoint.0, replay.0].iter())
    }

    fn of<'a>(event: EventId, parts: impl Iterator<Item = &'a Uuid>) -> Self {
        let digest = parts
            .fold(Sha256::new(), |digest, part| digest.chain_update(part.as_bytes()))
            .finalize();
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[..6].copy_from_slice(&event.0.as_bytes()[..6]);
        // Version and variant of RFC 9562, so that it is a UUIDv7 like the others.
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(Uuid::from_bytes(bytes))
    }
}

impl EndpointId {
    /// Shard of this endpoint's deliveries, 0 to `shards` - 1. The last bytes of a UUIDv7 are random, so they serve
    /// as the hash.
    #[must_use]
    pub fn shard(self, shards: u16) -> u16 {
        let bytes = self.0.as_bytes();
        u16::from_be_bytes([bytes[14], bytes[15]]) % shards.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = EventId::new();
        assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        assert!(id.to_string().starts_with("evt_"));
    }

    #[test]
    fn what_is_not_an_id_says_what_one_looks_like() {
        for text in [
            "",
            "evt_",
            "ep_0193e4b2c1d27e3f8a4b5c6d7e8f9012",
            "evt_0193e4b2-c1d2-7e3f-8a4b-5c6d7e8f9012",
        ] {
            let error = text.parse::<EventId>().unwrap_err().to_string();
            assert!(error.contains("`evt_` followed by 32 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn a_delivery_id_is_a_function_of_event_and_endpoint_and_keeps_the_events_time() {
        let (event, endpoint) = (EventId::new(), EndpointId::new());
        let delivery = DeliveryId::derive(event, endpoint);
        assert_eq!(delivery, DeliveryId::derive(event, endpoint));
        assert_ne!(delivery, DeliveryId::derive(event, EndpointId::new()));
        assert_ne!(delivery, DeliveryId::derive(EventId::new(), endpoint));
        assert_eq!(delivery.unix_millis(), event.unix_millis());
        assert_eq!(delivery.uuid().get_version_num(), 7);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "new ids carry the time of the clock")]
    fn the_floor_of_an_instant_is_not_above_ids_made_after_it() {
        let before = Timestamp::now();
        assert!(EventId::floor(before).uuid() <= EventId::new().uuid());
    }

    #[test]
    fn an_id_of_an_instant_lies_in_its_millisecond() {
        let instant: Timestamp = "2026-01-31T12:00:00.123999Z".parse().unwrap();
        let (one, two) = (EventId::at(instant), EventId::at(instant));
        assert_ne!(one, two);
        assert_eq!(one.unix_millis(), u64::try_from(instant.as_millisecond()).unwrap());
        assert_eq!(one.uuid().get_version_num(), 7);
        let next = instant.checked_add(jiff::SignedDuration::from_micros(1)).unwrap();
        assert!(EventId::floor(instant) <= one && one < EventId::floor(next));
        let before_1970 = "1969-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(EventId::at(before_1970).unix_millis(), 0);
    }

    #[test]
    fn shards_are_used_evenly() {
        let mut counts = [0u32; 8];
        for _ in 0..8_000 {
            counts[usize::from(EndpointId::new().shard(8))] += 1;
        }
        assert!(counts.iter().all(|&n| (800..1_200).contains(&n)), "{counts:?}");
    }
}
