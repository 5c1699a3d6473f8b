//! Erasure and retention of content.
//!
//! An erasure is a job. Whoever claims it removes rows in batches, each one commit. Days that are older than every
//! tenant's retention are dropped as partitions. Erasing everything of a tenant covers the events accepted before the
//! erasure was requested (their ids are below the erasure's), so that it ends however busy the tenant is. Records of
//! those events that arrive later find the erasure and are skipped ([`crate::Ledger::record`]).
//!
//! A tenant that keeps less than the others has its rows emptied or removed one by one, because they share their days'
//! partitions with those of the others.

use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::{AuditEntry, ErasureId, EventId, TenantId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;

/// A job that removes the content of one event, or of a whole tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    pub id: ErasureId,
    pub tenant: TenantId,
    /// The event to erase; `None` for everything of the tenant up to the erasure's own id.
    pub event: Option<EventId>,
    /// Progress so far.
    pub removed: Removed,
    pub created_at: Timestamp,
    /// The time of the last progress.
    pub updated_at: Timestamp,
    /// The time at which it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
}

/// Numbers of removed rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub events: u64,
    /// Deliveries that were cancelled (one event) or removed (a tenant).
    pub deliveries: u64,
    /// Attempts that were emptied (one event) or removed (a tenant).
    pub attempts: u64,
}

impl Removed {
    /// `true` if no row was removed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The retention limits of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgetting {
    pub tenant: TenantId,
    /// The time before which payloads and bodies are removed.
    pub content_before: Option<Timestamp>,
    /// The time before which attempts are removed.
    pub attempts_before: Option<Timestamp>,
}

/// Jobs that remove content, and retention.
#[async_trait]
pub trait Erasures: Send + Sync + 'static {
    /// Stores a new erasure and its audit entry in one commit.
    async fn create_erasure(&self, erasure: &Erasure, entry: &AuditEntry) -> Result<(), StoreError>;
    async fn erasure(&self, id: ErasureId) -> Result<Option<Erasure>, StoreError>;
    /// Erasures, newest first, made before `before`; of one tenant or of all.
    async fn erasures(
        &self,
        tenant: Option<TenantId>,
        before: Option<ErasureId>,
        limit: u32,
    ) -> Result<Vec<Erasure>, StoreError>;

    /// Claims an unfinished erasure without a claim for the time of `lease`; the one that has waited longest first.
    async fn claim_erasure(&self, now: Timestamp, lease: Duration) -> Result<Option<Erasure>, StoreError>;
    /// Removes about `limit` rows, renews the claim for another `lease`, and ends the erasure when nothing is left.
    /// Returns the totals so far, and `true` if it ended. Safe to repeat.
    async fn erase_some(
        &self,
        erasure: &Erasure,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<(Removed, bool), StoreError>;

    /// Releases an erasure's claim before its lease is over.
    async fn release_erasure(&self, id: ErasureId) -> Result<(), StoreError>;

    /// Drops the oldest partition whose day lies wholly before a time, after cancelling (`expired`) the deliveries
    /// still open in it. Returns the number of partitions dropped; a store without partitions removes at most `limit`
    /// rows of each kind and returns their number.
    async fn drop_days_before(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<u64, StoreError>;
    /// Visits up to `limit` rows of each kind of one tenant and removes what its retention no longer covers. Returns
    /// the number of rows visited: 0 when it is done.
    async fn forget(&self, what: Forgetting, now: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Claims the maintenance of the ledger for the time of `lease`, or renews the claim; one process at a time has it.
    /// Returns `false` while another has it or it is not due.
    async fn claim_upkeep(&self, process: Uuid, now: Timestamp, lease: Duration) -> Result<bool, StoreError>;
    /// Releases the maintenance; it is due again at this time, for any process.
    async fn end_upkeep(&self, process: Uuid, due: Timestamp) -> Result<(), StoreError>;
}
