//! One idempotency key, one event (guarantee G10).
//!
//! A publish claims its key before anything else and settles it once the event is durable. A claim whose
//! publisher died is taken over, with the same event id, by the next try after the claim's lease; because
//! delivery ids derive from the event id, finishing a half-done publish can't double it. A publish that failed may
//! have made its event durable all the same (the answer was lost), so a key keeps its event even when it is released.

use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::{EventId, TenantId};
use uuid::Uuid;

use crate::error::StoreError;

/// Publishers' idempotency keys.
#[async_trait]
pub trait Idempotency: Send + Sync + 'static {
    /// Claims a key for an event with this fingerprint. A claim that was released, or that is stale (older than
    /// `lease`, not settled), is taken over together with its event id.
    async fn claim(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: [u8; 32],
        event: EventId,
        lease: Duration,
    ) -> Result<Claim, StoreError>;
    /// Says that the claimed event is durable. Does nothing if the claim was taken over meanwhile.
    async fn settle(&self, tenant: TenantId, key: &str, claim: ClaimToken) -> Result<(), StoreError>;
    /// Gives a claim up because the event was not accepted: the next try with the same content takes it over at
    /// once. Does nothing to a settled key, nor if the claim was taken over meanwhile.
    async fn release(&self, tenant: TenantId, key: &str, claim: ClaimToken) -> Result<(), StoreError>;
    /// Forgets keys that are older than `age`; at most a few thousand at once. Returns how many.
    async fn forget_older_than(&self, age: Duration) -> Result<u64, StoreError>;
}

/// The result of claiming a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The key is free, and now claimed.
    Claimed {
        /// The id to publish the event with.
        event: EventId,
        /// The token to settle or release the claim with.
        token: ClaimToken,
    },
    /// An event with this key and content was accepted before.
    Duplicate(EventId),
    /// The key was used for an event with another fingerprint.
    OtherContent(EventId),
    /// Another publish with this key is under way; its claim goes stale after this time.
    InFlight(Duration),
}

/// Identifies one claim of a key, among others that may have the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimToken(Uuid);

impl ClaimToken {
    /// The token of a new claim.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The token as it is stored.
    pub(crate) const fn uuid(self) -> Uuid {
        self.0
    }
}
