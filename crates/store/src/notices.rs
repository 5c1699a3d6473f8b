//! Notices: what tenants are still to be told of their endpoints.
//!
//! Need: a change of an endpoint's health is told once, although the process that tells may die and the mail server may
//! be away. Mechanism: the commit that changes the endpoint leaves a notice; whoever takes one hides it for a while,
//! longer each time, and removes it when it is told. Limit: a process that dies between telling and removing tells twice.

use async_trait::async_trait;
use tidings_domain::{Notice, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;
use crate::metrics;

/// How long a notice is hidden after it was taken for the first time, in seconds; doubled each time after.
const FIRST_HIDE: u64 = 30;
const LONGEST_HIDE: u64 = 3_600;

/// What is still to be told.
#[async_trait]
pub trait Notices: Send + Sync + 'static {
    /// Takes notices that are to be told now, oldest first. Each is hidden for a while, 30 seconds at first and longer
    /// each time up to an hour, in which it must be told and removed. Any number of notifiers may take. One that this version does not know is
    /// hidden like the others and passed over: a newer one tells it.
    async fn take_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError>;
    /// Removes a notice that was told, or that nobody wants to hear.
    async fn remove_notice(&self, id: Uuid) -> Result<(), StoreError>;
}

/// When a notice that was taken `tries` times before is tried again.
pub(crate) fn next_try(now: Timestamp, tries: u32) -> Timestamp {
    let hide = (FIRST_HIDE << tries.min(16)).min(LONGEST_HIDE);
    now.saturating_add(std::time::Duration::from_secs(hide))
        .unwrap_or(Timestamp::MAX)
}

/// A notice that could be read; another is passed over.
pub(crate) fn known<E: std::fmt::Display>(read: Result<Notice, E>) -> Option<Notice> {
    read.map_err(|error| {
        metrics::PASSED_OVER.with_label_values(&["notice"]).inc();
        tracing::warn!(%error, "a notice can't be read by this version: it is left to a newer one");
    })
    .ok()
}
