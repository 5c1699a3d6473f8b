//! Memory budget for payloads, over all requests, from arrival until they are durable and published.
//!
//! Payloads that wait for the log service, or for an unresponsive broker, occupy memory. A payload holds one permit
//! per KiB as long as it lives. An event for many endpoints would exist once for each, here and in the queue: its
//! messages carry the payload only if the budget has room for all copies, and otherwise refer to the ledger. Other
//! memory of an event is not counted.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics;

/// Maximum payload bytes that the messages of one event carry together.
const CARRIED: usize = 4 * 1024 * 1024;

/// A semaphore with one permit per KiB.
pub(crate) struct MemoryBudget {
    permits: Arc<Semaphore>,
    all: u32,
}

impl MemoryBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = kib(bytes).clamp(1, u32::MAX >> 3);
        let permits = Arc::new(Semaphore::new(all as usize));
        metrics::watch_memory(&permits, all);
        Self { permits, all }
    }

    /// Room for a payload, as soon as there is some; all that there is, if it needs more.
    pub(crate) async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // More permits than there are would be waited for without end.
        let permits = kib(bytes).min(self.all);
        self.permits.clone().acquire_many_owned(permits).await.ok()
    }

    /// Room for the other copies of a payload for which there is room already. Nothing if there would be too many, or
    /// if there is no room for them now.
    pub(crate) fn reserve_copies(&self, bytes: usize, copies: usize) -> Option<OwnedSemaphorePermit> {
        if bytes.saturating_mul(copies) > CARRIED && copies > 1 {
            return None;
        }
        let permits = kib(bytes.saturating_mul(copies.saturating_sub(1)));
        // Not waited for: a reference to the ledger needs no room and is nearly as good.
        self.permits.clone().try_acquire_many_owned(permits).ok()
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[tokio::test]
    async fn a_payload_that_needs_more_than_all_waits_for_all() {
        let memory = MemoryBudget::new(10 * KIB);
        let large = memory.reserve(100 * KIB).await;
        assert!(large.is_some() && memory.permits.available_permits() == 0);
        drop(large);
        assert_eq!(memory.permits.available_permits(), 10);
    }

    #[tokio::test]
    async fn copies_are_carried_while_there_is_room_for_them() {
        let memory = MemoryBudget::new(10 * KIB);
        let first = memory.reserve(2 * KIB).await;
        let copies = memory.reserve_copies(2 * KIB, 4);
        assert!(copies.is_some() && memory.permits.available_permits() == 2);
        assert!(memory.reserve_copies(2 * KIB, 3).is_none(), "two of them have no room");
        assert!(
            memory.reserve_copies(2 * KIB, 1).is_some(),
            "the only one has room already"
        );
        drop((first, copies));
        assert_eq!(memory.permits.available_permits(), 10);
    }

    #[tokio::test]
    async fn a_large_payload_for_many_endpoints_is_not_carried() {
        let memory = MemoryBudget::new(1024 * KIB * KIB);
        assert!(memory.reserve_copies(256 * KIB, 16).is_some());
        assert!(memory.reserve_copies(256 * KIB, 17).is_none());
        assert!(memory.reserve_copies(100, 500).is_some());
        assert!(memory.reserve_copies(2 * CARRIED, 1).is_some());
    }
}
