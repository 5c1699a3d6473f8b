//! Notifications between processes that share one log, for the live attempt feed.
//!
//! Whoever watches one log process sees what all of them record. A watched process announces itself now and then, and
//! the others answer with the ids of attempts that they have recorded. Notifications are not stored: those sent while
//! nobody listens are lost.

use async_trait::async_trait;
use tidings_domain::AttemptId;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::error::StoreError;

/// Maximum number of attempts per notification: the payload of PostgreSQL's `NOTIFY` is limited to 8,000 bytes.
pub const MAX_ATTEMPTS: usize = 200;

/// A notification from one process to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// The sender has watchers.
    Watched,
    /// It has committed these attempts; at most [`MAX_ATTEMPTS`].
    Recorded(Vec<AttemptId>),
}

/// Sends and receives notifications between processes that share one log.
#[async_trait]
pub trait Watch: Send + Sync + 'static {
    /// Notifications from processes other than `process`, from now on; `None` if one process has the store for itself.
    /// The channel closes when the connection is lost.
    async fn subscribe(&self, process: Uuid) -> Result<Option<mpsc::Receiver<Notification>>, StoreError>;

    /// Sends a notification to the others, as `process`.
    async fn notify(&self, process: Uuid, notification: Notification) -> Result<(), StoreError>;
}
