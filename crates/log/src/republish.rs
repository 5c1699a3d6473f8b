//! Publishes deliveries of the ledger to their lanes.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{DeliveryState, Timestamp};
use tidings_queue::{Message, Outgoing, PublishError, Queue, Route};
use tidings_store::Ledger;
use tidings_store::ledger::{DeliveryMove, OpenDelivery, Record};

/// After what time a delivery is published again that the queue refused.
const AGAIN: Duration = Duration::from_secs(1);

/// Publishes references to deliveries; the dispatcher fetches their content.
#[derive(Clone)]
pub(crate) struct Republisher {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) shards: u16,
    pub(crate) grace: Duration,
}

impl Republisher {
    /// Publishes these deliveries and returns those that were confirmed. The others stay with the ledger: due again
    /// in a moment if the queue surely does not have them, or after some time, at most the grace, if it may. If
    /// recording that fails too, they are overdue again when the time ends for which they were hidden.
    pub(crate) async fn publish(&self, deliveries: Vec<OpenDelivery>) -> Vec<OpenDelivery> {
        let results = futures::future::join_all(deliveries.iter().map(|delivery| self.publish_one(delivery))).await;
        let (mut confirmed, mut kept, mut why) = (Vec::new(), Vec::new(), None);
        for (delivery, result) in deliveries.into_iter().zip(results) {
            match result {
                Ok(()) => confirmed.push(delivery),
                Err(error) => {
                    kept.push(Record::Move(self.kept(&delivery, &error)));
                    why = Some(error);
                }
            }
        }
        if let Some(error) = why {
            tracing::warn!(%error, count = kept.len(), "could not publish deliveries from the ledger; retrying");
            if let Err(error) = self.ledger.record(kept).await {
                tracing::warn!(%error, "could not return them to the ledger; retrying after the grace");
            }
        }
        confirmed
    }

    async fn publish_one(&self, delivery: &OpenDelivery) -> Result<(), PublishError> {
        let message = Message {
            delivery: delivery.id,
            event: delivery.event,
            tenant: delivery.tenant,
            endpoint: delivery.endpoint,
            step: delivery.step,
            due: delivery.due,
            content: None,
        };
        let to = Route::Work(message.lane(self.shards));
        let body = message.encode();
        self.queue.publish(Outgoing { to, body }).await
    }

    fn kept(&self, delivery: &OpenDelivery, error: &PublishError) -> DeliveryMove {
        let now = Timestamp::now();
        let wait = error.republish_after().min(self.grace).max(AGAIN);
        let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        DeliveryMove {
            id: delivery.id,
            event: delivery.event,
            tenant: delivery.tenant,
            endpoint: delivery.endpoint,
            step: delivery.step.moved(),
            state: DeliveryState::Scheduled { due },
            sweep_at: Some(due),
            at: now,
        }
    }
}
