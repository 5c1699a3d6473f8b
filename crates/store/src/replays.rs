//! Replays: jobs that make new deliveries of logged events.
//!
//! A million deliveries must be replayed even if the working process is killed now and then. A page of rows becomes
//! deliveries, and the job's mark moves past the page, in one commit; a delivery's id follows from event, endpoint and
//! replay. A worker holds a job's claim for a while, and others take it over after that. Rows are visited newest first.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_domain::{AuditEntry, DeliveryId, EndpointId, EventId, ReplayId, TenantId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;

/// A job that makes new deliveries of logged events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    pub id: ReplayId,
    pub tenant: TenantId,
    /// The selected rows of the log, an encoded `tidings.v1.LogRows`.
    pub rows: Bytes,
    /// The endpoint that everything goes to; none for where each went before.
    pub to: Option<EndpointId>,
    /// `true` to leave out events that the endpoint has received by now.
    pub only_undelivered: bool,
    /// Maximum number of deliveries made per second; at least 1.
    pub per_second: u32,
    pub state: ReplayState,
    /// Rows known to be selected: those counted when the replay was made, and those visited since.
    pub matched: u64,
    /// `true` if there may be more rows than `matched`.
    pub matched_at_least: bool,
    pub progress: Progress,
    /// The cause of a failure; empty otherwise.
    pub error: String,
    pub created_at: Timestamp,
    /// The time of the last progress.
    pub updated_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Progress of a replay, in rows of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows visited.
    pub walked: u64,
    /// Deliveries made of them.
    pub deliveries: u64,
    /// Rows left out.
    pub skipped: u64,
    /// The last row that was visited.
    pub walked_to: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplayState {
    /// A log process works on it, or soon will.
    Running,
    /// No process works on it until it is resumed.
    Paused,
    /// Every row was visited.
    Succeeded,
    Cancelled,
    /// It can't continue; its `error` says why.
    Failed,
}

impl ReplayState {
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Paused,
        Self::Succeeded,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The name in columns, protos and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Parses the name used in columns, protos and JSON.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// `true` in states that never change again.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Paused)
    }
}

/// The right to work on a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayClaim(pub(crate) Uuid);

/// A page of visited rows.
#[derive(Debug, Clone)]
pub struct Batch {
    pub rows: u64,
    /// The last row visited.
    pub last: Uuid,
    /// The deliveries to make, each once.
    pub again: Vec<(EventId, EndpointId)>,
}

/// The result of a request to retry one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It had ended: a new delivery of its event was made.
    Again(DeliveryId),
    /// It waited: its attempt is due now.
    Hastened,
    /// It waited, and its attempt was due already: nothing changed.
    AlreadyDue,
    /// It does not wait: its attempt is on its way.
    UnderWay,
    /// Its event's content is gone, or it only tested the endpoint.
    NotAgain,
}

/// Jobs that make new deliveries of logged events.
#[async_trait]
pub trait Replays: Send + Sync + 'static {
    /// Stores a new replay and its audit entry in one commit.
    async fn create_replay(&self, replay: &Replay, entry: &AuditEntry) -> Result<(), StoreError>;
    async fn replay(&self, id: ReplayId) -> Result<Option<Replay>, StoreError>;
    /// A tenant's replays, newest first, made before `before`.
    async fn replays(&self, tenant: TenantId, before: Option<ReplayId>, limit: u32) -> Result<Vec<Replay>, StoreError>;
    /// Running replays of all tenants without progress since this time, the longest first.
    async fn replays_standing(&self, since: Timestamp, limit: u32) -> Result<Vec<Replay>, StoreError>;
    /// Moves a replay from one state to another. Returns `false`, with nothing changed, if it does not exist or is in a
    /// different state.
    async fn transition_replay(
        &self,
        id: ReplayId,
        from: ReplayState,
        to: ReplayState,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Claims a running replay without a claim for the time of `lease`; the one that has waited longest first.
    async fn claim_replay(&self, now: Timestamp, lease: Duration) -> Result<Option<(Replay, ReplayClaim)>, StoreError>;
    /// Makes deliveries, due now, of a batch of rows and moves the replay's mark past it, in one commit. Left out are
    /// events without content, tests, deleted endpoints, deliveries made before and, with `only_undelivered`, events
    /// that the endpoint received.
    ///
    /// Returns the progress since; `None`, with nothing done, if the claim is lost or the replay no longer runs.
    async fn replay_batch(
        &self,
        replay: &Replay,
        claim: ReplayClaim,
        batch: Batch,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Progress>, StoreError>;
    /// Releases a claimed replay at once; does nothing if the claim is lost.
    async fn release_replay(&self, id: ReplayId, claim: ReplayClaim) -> Result<(), StoreError>;
    /// Ends a claimed replay: as succeeded, or as failed with an error. `false` if the claim is lost.
    async fn end_replay(
        &self,
        id: ReplayId,
        claim: ReplayClaim,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Retries a tenant's delivery now. `None` if it does not exist.
    async fn retry_delivery(
        &self,
        id: DeliveryId,
        tenant: TenantId,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Option<Retried>, StoreError>;
}

/// The end of a claim that begins now.
pub(crate) fn until(now: Timestamp, lease: Duration) -> Timestamp {
    now.saturating_add(lease).unwrap_or(Timestamp::MAX)
}
