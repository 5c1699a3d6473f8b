//! Putting deliveries from the ledger back into their lanes.

use std::collections::HashSet;
use std::sync::Arc;

use tidings_queue::{Lane, Message, Outgoing, Queue, Route, topology};
use tidings_store::ledger::OpenDelivery;

/// Publishes references to deliveries; the dispatcher fetches their content.
#[derive(Clone)]
pub(crate) struct Republisher {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) shards: u16,
}

impl Republisher {
    /// The lanes in which at least so many messages wait; none if the queue can't tell.
    pub(crate) async fn lanes_with_backlog(&self, backlog: u64) -> HashSet<Lane> {
        let depths = self.queue.depths().await.unwrap_or_default();
        let long = depths.into_iter().filter(|depth| depth.ready >= backlog);
        long.filter_map(|depth| depth.lane).collect()
    }

    /// Whether spilled records wait to be written, as far as the queue can tell.
    pub(crate) async fn has_records(&self) -> bool {
        let depths = self.queue.depths().await.unwrap_or_default();
        depths
            .iter()
            .any(|depth| depth.name == topology::RECORDS && depth.ready > 0)
    }

    /// Publishes these deliveries and returns how many were confirmed. The others stay in the ledger, where
    /// they are overdue again after the grace.
    pub(crate) async fn publish(&self, deliveries: Vec<OpenDelivery>) -> u64 {
        let publishes = deliveries.into_iter().map(|delivery| {
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
            self.queue.publish(Outgoing {
                to,
                body: message.encode(),
            })
        });
        let results = futures::future::join_all(publishes).await;
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            tracing::warn!(%error, "deliveries from the ledger could not be published; they are tried again");
        }
        results.into_iter().filter(Result::is_ok).count() as u64
    }
}
