//! Deliveries in flight in this dispatcher: a lock per delivery, so that duplicate messages are handled one at a time.
//!
//! After a lost connection the broker redelivers messages whose requests are still being sent, and a sweep may add a
//! copy; before the first copy's attempt is recorded, the ledger can't tell. So a second copy waits for the first and
//! then consults the ledger. Copies in different dispatchers do not see each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_domain::DeliveryId;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct InFlight {
    locks: Mutex<HashMap<DeliveryId, Arc<Notify>>>,
}

/// The lock of one delivery, released on drop.
pub(crate) struct InFlightGuard<'a> {
    in_flight: &'a InFlight,
    delivery: DeliveryId,
    /// Another copy held the lock before.
    pub(crate) waited: bool,
}

impl InFlight {
    /// Waits until no other copy of the delivery is in flight.
    pub(crate) async fn lock(&self, delivery: DeliveryId) -> InFlightGuard<'_> {
        let mut waited = false;
        loop {
            let released = match self.locks().entry(delivery) {
                Entry::Vacant(place) => {
                    place.insert(Arc::new(Notify::new()));
                    break;
                }
                // Created under the table's lock, so that no release in between is missed.
                Entry::Occupied(lock) => lock.get().clone().notified_owned(),
            };
            waited = true;
            released.await;
        }
        InFlightGuard {
            in_flight: self,
            delivery,
            waited,
        }
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<DeliveryId, Arc<Notify>>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        if let Some(released) = self.in_flight.locks().remove(&self.delivery) {
            released.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_copy_waits_for_the_first() {
        let in_flight = InFlight::default();
        let delivery = DeliveryId::new();
        let first = in_flight.lock(delivery).await;
        assert!(!first.waited);
        assert!(!in_flight.lock(DeliveryId::new()).await.waited, "others do not");
        let mut second = Box::pin(in_flight.lock(delivery));
        let mut third = Box::pin(in_flight.lock(delivery));
        assert!(futures_pending(&mut second).await && futures_pending(&mut third).await);
        drop(first);
        let second = second.await;
        assert!(second.waited);
        assert!(futures_pending(&mut third).await);
        drop(second);
        assert!(third.await.waited);
        assert!(in_flight.locks().is_empty());
    }

    async fn futures_pending(future: &mut (impl Future + Unpin)) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
