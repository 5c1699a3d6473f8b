//! The ledger's operations, each in the file of its subject.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_domain::{
    AttemptId, CancelReason, DeliveryId, DeliveryState, EndpointId, EventId, Step, TenantId, Timestamp,
};

use super::attempts::attempt_filter;
use super::deliveries::delivery_filter;
use super::events::event_filter;
use super::{Postgres, partitions};
use crate::error::StoreError;
use crate::ledger::{
    Attempt, AttemptQuery, AttemptSummary, Counted, Delivery, DeliveryQuery, EventQuery, EventSummary, Fetched, Ledger,
    OpenDelivery, Overdue, Page, Record, Standing, Tally,
};

#[async_trait]
impl Ledger for Postgres {
    async fn record(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.write(&records).await
    }

    async fn fetch(&self, ids: &[DeliveryId]) -> Result<Vec<Fetched>, StoreError> {
        self.fetch_deliveries(ids).await
    }

    async fn erased(&self, events: &[(TenantId, EventId)]) -> Result<Vec<EventId>, StoreError> {
        self.erased_of(events).await
    }

    async fn attempts(&self, query: &AttemptQuery) -> Result<Page<AttemptSummary, AttemptId>, StoreError> {
        self.list_attempts(query).await
    }

    async fn attempts_by_id(&self, ids: &[AttemptId]) -> Result<Vec<AttemptSummary>, StoreError> {
        self.read_attempts(ids).await
    }

    async fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        self.read_attempt(id).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<EventSummary, EventId>, StoreError> {
        self.list_events(query).await
    }

    async fn event(&self, id: EventId) -> Result<Option<(EventSummary, Bytes)>, StoreError> {
        self.read_event(id).await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        self.list_deliveries(query).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.read_delivery(id).await
    }

    async fn count_attempts(&self, query: &AttemptQuery, limit: u64) -> Result<Counted, StoreError> {
        attempt_filter(query)
            .count(&self.reader().await?, "attempts", limit)
            .await
    }

    async fn count_events(&self, query: &EventQuery, limit: u64) -> Result<Counted, StoreError> {
        event_filter(query).count(&self.reader().await?, "events", limit).await
    }

    async fn count_deliveries(&self, query: &DeliveryQuery, limit: u64) -> Result<Counted, StoreError> {
        delivery_filter(query)
            .count(&self.reader().await?, "deliveries", limit)
            .await
    }

    async fn tally_attempts(&self, query: &AttemptQuery, bounds: &[Timestamp]) -> Result<Tally, StoreError> {
        self.tally(query, bounds).await
    }

    async fn states(&self, ids: &[DeliveryId]) -> Result<Vec<(DeliveryId, Step, DeliveryState)>, StoreError> {
        self.read_states(ids).await
    }

    async fn sweep(
        &self,
        which: Overdue,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        self.take_overdue(which, now, hide_for, limit).await
    }

    async fn oldest_overdue(&self, now: Timestamp) -> Result<Option<(DeliveryId, Timestamp)>, StoreError> {
        let sql = "-- name: read_oldest_overdue_delivery
             SELECT id, sweep_at FROM deliveries WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT 1";
        let row = self.query_opt(sql, &[&now]).await?;
        row.map(|row| Ok((DeliveryId::from_uuid(row.try_get(0)?), row.try_get(1)?)))
            .transpose()
    }

    async fn put_off(&self, swept: &[OpenDelivery], until: Timestamp) -> Result<(), StoreError> {
        self.leave_until(swept, until).await
    }

    async fn endpoints_with_held(&self) -> Result<Vec<EndpointId>, StoreError> {
        self.list_endpoints_with_held().await
    }

    async fn release_held(
        &self,
        endpoint: EndpointId,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        self.release(endpoint, now, hide_for, limit).await
    }

    async fn cancellations(&self) -> Result<Vec<(EndpointId, Timestamp)>, StoreError> {
        self.list_cancellations().await
    }

    async fn end_cancellation(&self, endpoint: EndpointId, before: Timestamp) -> Result<bool, StoreError> {
        self.close_cancellation(endpoint, before).await
    }

    async fn cancel_held(
        &self,
        endpoint: EndpointId,
        reason: CancelReason,
        before: Option<Timestamp>,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.cancel(endpoint, reason, before, now, limit).await
    }

    async fn prepare_partitions(&self, now: Timestamp, days_ahead: u32) -> Result<(), StoreError> {
        partitions::prepare(self.keeper().await?.whole()?, now, days_ahead).await
    }

    async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError> {
        self.read_standing(now).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.query("SELECT", &[]).await?;
        Ok(())
    }
}
