//! The memory that bodies of requests may take, over all listeners of a process.
//!
//! Need: bodies that come at once, large and slowly, must not take the memory that everything else runs in. Mechanism: the
//! bytes of a body are reserved before they are read and given back when its request is answered. Who comes when nothing
//! is left waits. No tenant has more than a part of it, and strangers together next to nothing. Limit: it bounds what is
//! sent, not what is made of it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics;

static TAKEN: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "What request bodies that are being read or answered have reserved, bytes, of server.max_body_memory.";
    metrics::gauge("tidings_request_body_bytes", help)
});
static SIZE: LazyLock<IntGauge> =
    LazyLock::new(|| metrics::gauge("tidings_request_body_limit_bytes", "server.max_body_memory, bytes."));

/// Makes the metrics of this part.
pub(super) fn register() {
    LazyLock::force(&TAKEN);
    LazyLock::force(&SIZE);
}

/// One of so many parts is the most that a tenant has.
const PARTS: usize = 4;
/// The memory of all strangers together, bytes.
const OF_STRANGERS: usize = 4 * 1024 * 1024;
/// The number of shares above which those that nobody uses any more are forgotten.
const REMEMBERED: usize = 4_096;

/// The one whose share a body counts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payer {
    /// Another process of the system, which limits itself.
    System,
    /// A tenant, by its id, or an operator, by that of the key.
    Known(u128),
    /// Nobody that is known.
    Stranger,
}

/// The memory for bodies. Clones are the same budget.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    all: Pot,
    strangers: Pot,
    known: Arc<Mutex<HashMap<u128, Weak<Semaphore>>>>,
}

/// The shares that one request may reserve from.
#[derive(Clone, Debug)]
pub(super) struct Share {
    own: Option<Pot>,
    all: Pot,
}

#[derive(Clone, Debug)]
struct Pot {
    left: Arc<Semaphore>,
    size: usize,
}

/// Reserved bytes, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    _own: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            all: Pot::new(bytes),
            strangers: Pot::new(OF_STRANGERS.min(bytes)),
            known: Arc::default(),
        }
    }

    /// Shows how much is taken as long as there is this budget.
    pub(super) fn show(&self) {
        SIZE.set(self.all.size as i64);
        let (size, left) = (self.all.size, Arc::downgrade(&self.all.left));
        metrics::before_reading(move || {
            let Some(left) = left.upgrade() else { return false };
            TAKEN.set(size.saturating_sub(left.available_permits()) as i64);
            true
        });
    }

    pub(super) fn share_of(&self, payer: Payer) -> Share {
        let own = match payer {
            Payer::System => None,
            Payer::Stranger => Some(self.strangers.clone()),
            Payer::Known(id) => Some(self.of(id)),
        };
        Share {
            own,
            all: self.all.clone(),
        }
    }

    fn of(&self, id: u128) -> Pot {
        let size = self.all.size / PARTS;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = known.get(&id).and_then(Weak::upgrade) {
            return Pot { left, size };
        }
        if known.len() >= REMEMBERED {
            known.retain(|_, left| left.strong_count() > 0);
        }
        let pot = Pot::new(size);
        known.insert(id, Arc::downgrade(&pot.left));
        pot
    }
}

impl Share {
    /// Waits until so many bytes are left and reserves them; at most all that there is at all.
    pub(super) async fn reserve(self, bytes: usize) -> Reserved {
        // One's own part first: who waits for that is in nobody's way.
        let own = match self.own {
            Some(own) => own.take(bytes).await,
            None => None,
        };
        Reserved {
            _own: own,
            _all: self.all.take(bytes).await,
        }
    }
}

impl Pot {
    fn new(size: usize) -> Self {
        let size = size.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Self {
            left: Arc::new(Semaphore::new(size)),
            size,
        }
    }

    /// `None` cannot happen: nobody closes the semaphore.
    async fn take(self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.min(self.size)).unwrap_or(u32::MAX);
        self.left.acquire_many_owned(bytes).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const MIB: usize = 1024 * 1024;

    #[tokio::test]
    async fn who_comes_when_nothing_is_left_waits_for_it() {
        let budget = Budget::new(8 * MIB);
        let share = || budget.share_of(Payer::System);
        let first = share().reserve(6 * MIB).await;
        let second = share().reserve(4 * MIB);
        let mut second = Box::pin(second);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let _second = second.await;
        // More than there is at all is as much as there is.
        assert!(share().reserve(9 * MIB).now_or_never().is_none());
    }

    #[tokio::test]
    async fn no_tenant_has_more_than_its_part_and_strangers_have_next_to_nothing() {
        let budget = Budget::new(64 * MIB);
        let greedy = budget.share_of(Payer::Known(1));
        let _all_of_it = greedy.clone().reserve(16 * MIB).await;
        assert!(budget.share_of(Payer::Known(1)).reserve(1).now_or_never().is_none());
        let other = budget.share_of(Payer::Known(2)).reserve(MIB).now_or_never();
        assert!(other.is_some());

        let _strangers = budget.share_of(Payer::Stranger).reserve(OF_STRANGERS).await;
        assert!(budget.share_of(Payer::Stranger).reserve(1).now_or_never().is_none());
        assert!(budget.share_of(Payer::Known(2)).reserve(MIB).now_or_never().is_some());
    }
}
