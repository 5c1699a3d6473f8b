//! What processes that keep one log tell each other.
//!
//! Need: whoever watches one log process is to see what all of them record. Mechanism: one that is watched says so now
//! and then, and the others then say which attempts they have recorded. Limit: nothing of it is kept; what is said while
//! nobody listens is lost.

use async_trait::async_trait;
use tidings_domain::AttemptId;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::error::StoreError;

/// The most attempts that are told of at once: what a notification of PostgreSQL can carry (8,000 bytes).
pub const MAX_TOLD: usize = 200;

/// What one process tells the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Somebody watches it.
    Watched,
    /// It has committed these attempts; at most [`MAX_TOLD`].
    Recorded(Vec<AttemptId>),
}

/// How the processes that keep one log hear of each other.
#[async_trait]
pub trait Tail: Send + Sync + 'static {
    /// What others than `process` tell from now on; none where one process has the store for itself. The channel
    /// closes when the connection is lost.
    async fn others(&self, process: Uuid) -> Result<Option<mpsc::Receiver<Told>>, StoreError>;

    /// Tells the others something, as `process`.
    async fn tell(&self, process: Uuid, told: Told) -> Result<(), StoreError>;
}
