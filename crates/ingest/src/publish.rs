//! Publishes the deliveries of a recorded event.
//!
//! The ledger assumes that an accepted delivery is in the queue. If a publish fails or stays unconfirmed, the ledger
//! is informed, so that the sweeper publishes it soon; if that fails too, the sweeper does so after its grace.

use std::sync::Arc;

use futures::future::join_all;
use tidings_domain::{DeliveryState, TenantSettings, Timestamp};
use tidings_proto::{micros, pb};
use tidings_queue::{Lane, Message, Outgoing, PublishError, Queue, Route};
use tidings_recorder::Recorder;
use tidings_store::RegistryCache;

use crate::fair_share::FairShares;
use crate::metrics;

pub(crate) struct Publisher {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) recorder: Recorder,
    pub(crate) registry: Arc<RegistryCache>,
    pub(crate) shares: FairShares,
    pub(crate) shards: u16,
}

impl Publisher {
    /// Publishes messages; returns when each is confirmed or left to the ledger.
    pub(crate) async fn publish(&self, messages: Vec<Message>) {
        join_all(messages.iter().map(|message| self.publish_one(message))).await;
    }

    async fn publish_one(&self, message: &Message) {
        let tenant = self.registry.tenant(message.tenant);
        let usual = TenantSettings::default();
        let settings = tenant.as_ref().map_or(&usual, |tenant| &tenant.settings);
        let kind = self.shares.lane(message.tenant, settings);
        metrics::PUBLISHED.with_label_values(&[kind.as_str()]).inc();
        let lane = Lane {
            kind,
            shard: message.endpoint.shard(self.shards),
        };
        let outgoing = Outgoing {
            to: Route::Work(lane),
            body: message.encode(),
        };
        if let Err(error) = self.queue.publish(outgoing).await {
            metrics::LEFT_TO_SWEEPER.inc();
            tracing::debug!(delivery = %message.delivery, %error, "left a delivery to the sweeper");
            let _ = self.recorder.record(not_in_broker(message, &error)).await;
        }
    }
}

/// The record of a delivery that only the ledger keeps.
fn not_in_broker(message: &Message, error: &PublishError) -> pb::Record {
    let bytes = |uuid: uuid::Uuid| uuid.as_bytes().to_vec();
    let now = Timestamp::now();
    let due = now.saturating_add(error.republish_after()).unwrap_or(Timestamp::MAX);
    let moved = pb::DeliveryMoved {
        delivery_id: bytes(message.delivery.uuid()),
        event_id: bytes(message.event.uuid()),
        tenant_id: bytes(message.tenant.uuid()),
        endpoint_id: bytes(message.endpoint.uuid()),
        step: message.step.moved().number(),
        state: DeliveryState::Scheduled { due }.name().to_owned(),
        due_at_us: micros(due),
        at_us: micros(now),
        in_doubt_us: i64::try_from(error.republish_after().as_micros()).unwrap_or(i64::MAX),
        ..pb::DeliveryMoved::default()
    };
    pb::Record {
        record: Some(pb::record::Record::Move(moved)),
        ..pb::Record::default()
    }
}
