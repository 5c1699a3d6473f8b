//! What this dispatcher has in hand, so that two copies of one delivery are never worked on at once.
//!
//! Need: after a lost connection the broker hands out again what is still being sent, and a sweep may add a copy; the
//! ledger can't tell before the first copy's attempt is recorded. Mechanism: a second copy waits until the first is
//! done and then asks the ledger. Limit: copies in different dispatchers do not know of each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_domain::DeliveryId;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Hands {
    held: Mutex<HashMap<DeliveryId, Arc<Notify>>>,
}

/// One delivery in hand, until this is dropped.
pub(crate) struct InHand<'a> {
    hands: &'a Hands,
    delivery: DeliveryId,
    /// Whether another copy was in hand before.
    pub(crate) waited: bool,
}

impl Hands {
    /// Takes a delivery in hand, after whoever else has it.
    pub(crate) async fn take(&self, delivery: DeliveryId) -> InHand<'_> {
        let mut waited = false;
        loop {
            let let_go = match self.held().entry(delivery) {
                Entry::Vacant(place) => {
                    place.insert(Arc::new(Notify::new()));
                    break;
                }
                Entry::Occupied(held) => held.get().clone().notified_owned(),
            };
            waited = true;
            let_go.await;
        }
        InHand {
            hands: self,
            delivery,
            waited,
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<DeliveryId, Arc<Notify>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if let Some(let_go) = self.hands.held().remove(&self.delivery) {
            let_go.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_copy_waits_for_the_first() {
        let hands = Hands::default();
        let delivery = DeliveryId::new();
        let first = hands.take(delivery).await;
        assert!(!first.waited);
        assert!(!hands.take(DeliveryId::new()).await.waited, "others do not");
        let mut second = Box::pin(hands.take(delivery));
        let mut third = Box::pin(hands.take(delivery));
        assert!(futures_pending(&mut second).await && futures_pending(&mut third).await);
        drop(first);
        let second = second.await;
        assert!(second.waited);
        assert!(futures_pending(&mut third).await);
        drop(second);
        assert!(third.await.waited);
        assert!(hands.held().is_empty());
    }

    async fn futures_pending(future: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
