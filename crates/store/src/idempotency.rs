//! One idempotency key, one event (guarantee G10).
//!
//! A publish claims its key before anything else and settles it once the event is durable. A claim whose
//! publisher died is taken over, with the same event id, by the next try after the claim's lease; because
//! delivery ids derive from the event id, finishing a half-done publish can't double it.

use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::{EventId, TenantId};

use crate::error::StoreError;

/// The keys that publishers gave.
#[async_trait]
pub trait Idempotency: Send + Sync + 'static {
    /// Claims a key for an event with this fingerprint. A stale claim (older than `lease`, not settled) is taken
    /// over together with its event id.
    async fn claim(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: [u8; 32],
        event: EventId,
        lease: Duration,
    ) -> Result<Claim, StoreError>;
    /// Says that the claimed event is durable.
    async fn settle(&self, tenant: TenantId, key: &str, event: EventId) -> Result<(), StoreError>;
    /// Gives a claim up because the event was not accepted; does nothing to a settled key.
    async fn release(&self, tenant: TenantId, key: &str, event: EventId) -> Result<(), StoreError>;
    /// Forgets keys that are older than `age`; at most a few thousand at once. Returns how many.
    async fn forget_older_than(&self, age: Duration) -> Result<u64, StoreError>;
}

/// What came of claiming a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The key is ours; publish with this event id.
    Claimed(EventId),
    /// An event with this key and content was accepted before.
    Duplicate(EventId),
    /// The key was used for an event with another fingerprint.
    OtherContent(EventId),
    /// Somebody is publishing with this key right now; the claim goes stale after this long.
    InFlight(Duration),
}
