//! Notices: changes of endpoints' health that tenants have yet to be notified of.
//!
//! The commit that changes the endpoint writes a notice, so that none is lost when the notifying process dies or the
//! mail server is down. Whoever takes a notice hides it for a while, longer each time, and removes it once it is sent.
//! A process that dies between sending and removing sends it twice.

use async_trait::async_trait;
use tidings_domain::{Notice, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;
use crate::metrics;

/// The time for which a notice is hidden after it was taken for the first time, in seconds; doubled each time after.
const FIRST_HIDE: u64 = 30;
const LONGEST_HIDE: u64 = 3_600;

/// Pending notices.
#[async_trait]
pub trait Notices: Send + Sync + 'static {
    /// Takes notices that are due, oldest first. Each is hidden for a while, 30 seconds at first and longer each time
    /// up to an hour, within which it must be sent and removed. Any number of notifiers may take. A kind that this
    /// version does not know is hidden like the others and skipped: a newer version sends it.
    async fn take_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError>;
    /// Removes a notice that was sent, or that has no recipient.
    async fn remove_notice(&self, id: Uuid) -> Result<(), StoreError>;
}

/// The time of the next try for a notice that was taken `tries` times before.
pub(crate) fn next_try(now: Timestamp, tries: u32) -> Timestamp {
    let hide = (FIRST_HIDE << tries.min(16)).min(LONGEST_HIDE);
    now.saturating_add(std::time::Duration::from_secs(hide))
        .unwrap_or(Timestamp::MAX)
}

/// A notice that could be read; another is passed over.
pub(crate) fn known<E: std::fmt::Display>(read: Result<Notice, E>) -> Option<Notice> {
    read.map_err(|error| {
        metrics::PASSED_OVER.with_label_values(&["notice"]).inc();
        tracing::warn!(%error, "a notice is unknown to this version and is left to a newer one");
    })
    .ok()
}
