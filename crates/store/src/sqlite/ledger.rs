//! The ledger's statements in SQLite.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row};
use tidings_domain::trace::TraceParent;
use tidings_domain::{
    AttemptId, CancelReason, DeliveryId, DeliveryState, EndpointId, EventId, Step, TenantId, Timestamp,
};

use super::row::{self, blob, id, text, time};
use super::{Sqlite, erasures, query, record, standing, sweep};
use crate::error::StoreError;
use crate::ledger::{
    Attempt, AttemptQuery, AttemptSummary, Counted, Delivery, DeliveryQuery, EventContent, EventQuery, EventSummary,
    Fetched, Ledger, OpenDelivery, Overdue, Page, Record, Standing, Tally,
};
use crate::registry::Of;

#[async_trait]
impl Ledger for Sqlite {
    async fn record(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.change_many(move |connection| record::record(connection, &records))
            .await
    }

    async fn fetch(&self, ids: &[DeliveryId]) -> Result<Vec<Fetched>, StoreError> {
        let ids: HashSet<DeliveryId> = ids.iter().copied().collect();
        self.read(move |connection| {
            let mut select = connection.prepare_cached(
                "-- name: fetch_deliveries
                 SELECT d.id, d.step, d.state, e.event_type, e.occurred_at, e.accepted_at, e.payload, e.traceparent
                 FROM deliveries d LEFT JOIN events e ON e.id = d.event WHERE d.id = ?1",
            )?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(select.query_row([blob(id.uuid())], fetched).optional()?);
            }
            Ok(found)
        })
        .await
    }

    async fn erased(&self, events: &[(TenantId, EventId)]) -> Result<Vec<EventId>, StoreError> {
        let events = events.to_vec();
        self.read(move |connection| {
            let mut erased = Vec::new();
            for (tenant, event) in events {
                if erasures::is_erased(connection, tenant, event)? {
                    erased.push(event);
                }
            }
            Ok(erased)
        })
        .await
    }

    async fn attempts(&self, query: &AttemptQuery) -> Result<Page<AttemptSummary, AttemptId>, StoreError> {
        let query = query.clone();
        self.search(move |connection| query::attempts(connection, &query)).await
    }

    async fn attempts_by_id(&self, ids: &[AttemptId]) -> Result<Vec<AttemptSummary>, StoreError> {
        let sql = format!(
            "/* name: read_attempts */ SELECT {} FROM attempts WHERE id = ?1",
            row::ATTEMPT_SUMMARY
        );
        let ids = ids.to_vec();
        self.search(move |connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = Vec::new();
            for id in ids {
                found.extend(
                    statement
                        .query_row([blob(id.uuid())], row::attempt_summary)
                        .optional()?,
                );
            }
            Ok(found)
        })
        .await
    }

    async fn attempt(&self, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        let sql = format!(
            "/* name: read_attempt */ SELECT {}, {} FROM attempts WHERE id = ?1",
            row::ATTEMPT_SUMMARY,
            row::ATTEMPT_REST
        );
        self.search(move |connection| {
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([blob(id.uuid())], row::attempt)
                .optional()?)
        })
        .await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<EventSummary, EventId>, StoreError> {
        let query = query.clone();
        self.search(move |connection| query::events(connection, &query)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<(EventSummary, Bytes)>, StoreError> {
        let sql = format!(
            "/* name: read_event */ SELECT {}, payload FROM events WHERE id = ?1",
            row::EVENT_SUMMARY
        );
        let with_payload = |row: &Row<'_>| Ok((row::event_summary(row)?, row.get::<_, Vec<u8>>(9)?.into()));
        self.search(move |connection| {
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([blob(id.uuid())], with_payload)
                .optional()?)
        })
        .await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        let query = query.clone();
        self.search(move |connection| query::deliveries(connection, &query))
            .await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let sql = format!(
            "/* name: read_delivery */ SELECT {} FROM deliveries WHERE id = ?1",
            row::DELIVERY
        );
        self.search(move |connection| {
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([blob(id.uuid())], row::delivery)
                .optional()?)
        })
        .await
    }

    async fn count_attempts(&self, query: &AttemptQuery, limit: u64) -> Result<Counted, StoreError> {
        let query = query.clone();
        self.search(move |connection| query::count_attempts(connection, &query, limit))
            .await
    }

    async fn count_events(&self, query: &EventQuery, limit: u64) -> Result<Counted, StoreError> {
        let query = query.clone();
        self.search(move |connection| query::count_events(connection, &query, limit))
            .await
    }

    async fn count_deliveries(&self, query: &DeliveryQuery, limit: u64) -> Result<Counted, StoreError> {
        let query = query.clone();
        self.search(move |connection| query::count_deliveries(connection, &query, limit))
            .await
    }

    async fn tally_attempts(&self, query: &AttemptQuery, bounds: &[Timestamp]) -> Result<Tally, StoreError> {
        let (query, bounds) = (query.within(bounds), bounds.to_vec());
        self.search(move |connection| query::tally_attempts(connection, &query, &bounds))
            .await
    }

    async fn states(&self, ids: &[DeliveryId]) -> Result<Vec<(DeliveryId, Step, DeliveryState)>, StoreError> {
        let ids: HashSet<DeliveryId> = ids.iter().copied().collect();
        let sql = format!(
            "/* name: read_delivery_states */ SELECT {} FROM deliveries WHERE id = ?1",
            row::DELIVERY
        );
        self.read(move |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(select.query_row([blob(id.uuid())], row::delivery_state).optional()?);
            }
            Ok(found)
        })
        .await
    }

    async fn sweep(
        &self,
        which: Overdue,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        self.write(move |connection| sweep::sweep(connection, which, now, hide_for, limit))
            .await
    }

    async fn oldest_overdue(&self, now: Timestamp) -> Result<Option<(DeliveryId, Timestamp)>, StoreError> {
        self.read(move |connection| sweep::oldest_overdue(connection, now))
            .await
    }

    async fn put_off(&self, swept: &[OpenDelivery], until: Timestamp) -> Result<(), StoreError> {
        let swept = swept.to_vec();
        self.write(move |connection| sweep::put_off(connection, &swept, until))
            .await
    }

    async fn endpoints_with_held(&self) -> Result<Vec<EndpointId>, StoreError> {
        self.read(sweep::endpoints_with_held).await
    }

    async fn release_held(
        &self,
        endpoint: EndpointId,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        self.write(move |connection| sweep::release(connection, endpoint, now, hide_for, limit))
            .await
    }

    async fn cancellations(&self) -> Result<Vec<(EndpointId, Timestamp)>, StoreError> {
        self.read(sweep::cancellations).await
    }

    async fn end_cancellation(&self, endpoint: EndpointId, before: Timestamp) -> Result<bool, StoreError> {
        let ended = self
            .change(
                move |connection| sweep::end_cancellation(connection, endpoint, before),
                |tenant| tenant.map(Of::Tenant),
            )
            .await?;
        Ok(ended.is_some())
    }

    async fn cancel_held(
        &self,
        endpoint: EndpointId,
        reason: CancelReason,
        before: Option<Timestamp>,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.write(move |connection| sweep::cancel(connection, endpoint, reason, before, now, limit))
            .await
    }

    async fn prepare_partitions(&self, _now: Timestamp, _days_ahead: u32) -> Result<(), StoreError> {
        Ok(())
    }

    async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError> {
        self.search(move |connection| standing::standing(connection, now)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Through the writing thread, because a ledger that can only be read is not there.
        self.check_room()?;
        self.write(|_| Ok(())).await
    }
}

fn fetched(row: &Row<'_>) -> rusqlite::Result<Fetched> {
    let state = row.get_ref(2)?.as_str()?;
    Ok(Fetched {
        id: id(row, 0, DeliveryId::from_uuid)?,
        step: Step::from_number(row.get(1)?),
        terminal: matches!(state, "succeeded" | "exhausted" | "cancelled"),
        content: match row.get_ref(3)? {
            ValueRef::Null => None,
            _ => Some(content(row)?),
        },
    })
}

fn content(row: &Row<'_>) -> rusqlite::Result<EventContent> {
    Ok(EventContent {
        event_type: text(row, 3)?,
        occurred_at: time(row, 4)?,
        accepted_at: time(row, 5)?,
        payload: row.get::<_, Vec<u8>>(6)?.into(),
        traceparent: row.get_ref(7)?.as_str_or_null()?.and_then(TraceParent::parse),
    })
}
