//! The ledger in SQLite.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_domain::trace::TraceParent;
use tidings_domain::{AttemptId, CancelReason, DeliveryId, DeliveryState, EndpointId, EventId, Step, Timestamp};
use uuid::Uuid;

use super::row::{self, blob, id, later, micros, text, time};
use super::{Sqlite, query, record};
use crate::error::StoreError;
use crate::ledger::{
    Attempt, AttemptQuery, AttemptSummary, Delivery, DeliveryQuery, EventContent, EventQuery, EventSummary, Fetched,
    Ledger, OpenDelivery, Page, Record,
};

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
                "SELECT d.id, d.step, d.state, e.event_type, e.occurred_at, e.accepted_at, e.payload, e.traceparent
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

    async fn attempts(&self, query: &AttemptQuery) -> Result<Page<AttemptSummary, AttemptId>, StoreError> {
        let query = query.clone();
        self.read(move |connection| query::attempts(connection, &query)).await
    }

    async fn attempts_by_id(&self, ids: &[AttemptId]) -> Result<Vec<AttemptSummary>, StoreError> {
        let sql = format!("SELECT {} FROM attempts WHERE id = ?1", row::ATTEMPT_SUMMARY);
        let ids = ids.to_vec();
        self.read(move |connection| {
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
            "SELECT {}, {} FROM attempts WHERE id = ?1",
            row::ATTEMPT_SUMMARY,
            row::ATTEMPT_REST
        );
        self.read(move |connection| {
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([blob(id.uuid())], row::attempt)
                .optional()?)
        })
        .await
    }

    async fn events(&self, query: &EventQuery) -> Result<Page<EventSummary, EventId>, StoreError> {
        let query = query.clone();
        self.read(move |connection| query::events(connection, &query)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<(EventSummary, Bytes)>, StoreError> {
        let sql = format!("SELECT {}, payload FROM events WHERE id = ?1", row::EVENT_SUMMARY);
        let with_payload = |row: &Row<'_>| Ok((row::event_summary(row)?, row.get::<_, Vec<u8>>(9)?.into()));
        self.read(move |connection| {
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([blob(id.uuid())], with_payload)
                .optional()?)
        })
        .await
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        let query = query.clone();
        self.read(move |connection| query::deliveries(connection, &query)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("SELECT {} FROM deliveries WHERE id = ?1", row::DELIVERY);
        self.read(move |connection| {
            Ok(connection
                .prepare_cached(&sql)?
                .query_row([blob(id.uuid())], row::delivery)
                .optional()?)
        })
        .await
    }

    async fn count_attempts(&self, query: &AttemptQuery, limit: u64) -> Result<u64, StoreError> {
        let query = query.clone();
        self.read(move |connection| query::count_attempts(connection, &query, limit))
            .await
    }

    async fn count_events(&self, query: &EventQuery, limit: u64) -> Result<u64, StoreError> {
        let query = query.clone();
        self.read(move |connection| query::count_events(connection, &query, limit))
            .await
    }

    async fn count_deliveries(&self, query: &DeliveryQuery, limit: u64) -> Result<u64, StoreError> {
        let query = query.clone();
        self.read(move |connection| query::count_deliveries(connection, &query, limit))
            .await
    }

    async fn states(&self, ids: &[DeliveryId]) -> Result<Vec<(DeliveryId, Step, DeliveryState)>, StoreError> {
        let ids: HashSet<DeliveryId> = ids.iter().copied().collect();
        let sql = format!("SELECT {} FROM deliveries WHERE id = ?1", row::DELIVERY);
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

    async fn sweep(&self, now: Timestamp, hide_for: Duration, limit: u32) -> Result<Vec<OpenDelivery>, StoreError> {
        let sql = format!(
            "SELECT {}, ifnull(sweep_at <= due, 0) AS kept FROM deliveries WHERE sweep_at <= ?1 ORDER BY sweep_at LIMIT ?2",
            row::DELIVERY
        );
        let taken = |row: &Row<'_>| {
            Ok(OpenDelivery {
                kept_by_ledger: row.get("kept")?,
                ..row::open_delivery(row)?
            })
        };
        self.write(move |connection| {
            let found = connection
                .prepare_cached(&sql)?
                .query_map(params![micros(now), limit], taken)?
                .collect::<Result<Vec<_>, _>>()?;
            let mut update = connection
                .prepare_cached("UPDATE deliveries SET step = ?2, sweep_at = ?3, updated_at = ?4 WHERE id = ?1")?;
            found
                .into_iter()
                .map(|open| {
                    let hide_for = hide_for * (1 << open.step.moves().min(6));
                    moved(open, |id, step| {
                        update.execute(params![id, step, later(now, hide_for), micros(now)])
                    })
                })
                .collect()
        })
        .await
    }

    async fn endpoints_with_held(&self) -> Result<Vec<EndpointId>, StoreError> {
        // One look-up per endpoint instead of one row per held delivery.
        let sql = "WITH RECURSIVE held (endpoint) AS (
                SELECT min(endpoint) FROM deliveries WHERE state = 'held'
                UNION ALL
                SELECT (SELECT min(d.endpoint) FROM deliveries d WHERE d.state = 'held' AND d.endpoint > held.endpoint)
                FROM held WHERE held.endpoint IS NOT NULL
            )
            SELECT endpoint FROM held WHERE endpoint IS NOT NULL";
        self.read(move |connection| {
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_map((), |row| id(row, 0, EndpointId::from_uuid))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn release_held(
        &self,
        endpoint: EndpointId,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        self.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE deliveries SET state = 'pending', reason = NULL, due = NULL, step = ?2, sweep_at = ?3,
                    updated_at = ?4
                 WHERE id = ?1",
            )?;
            let release = |open| {
                moved(open, |id, step| {
                    update.execute(params![id, step, later(now, hide_for), micros(now)])
                })
            };
            let found = held(connection, endpoint, Uuid::max(), limit)?;
            found.into_iter().map(release).collect()
        })
        .await
    }

    async fn cancel_held(
        &self,
        endpoint: EndpointId,
        reason: CancelReason,
        before: Option<Timestamp>,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let cancelled = DeliveryState::Cancelled(reason);
        // An id bears the millisecond in which its event was accepted.
        let before = before.map_or(Uuid::max(), |before| DeliveryId::floor(before).uuid());
        self.write(move |connection| {
            let mut update = connection.prepare_cached(
                "UPDATE deliveries SET state = ?3, reason = ?4, due = NULL, step = ?2, sweep_at = NULL, updated_at = ?5
                 WHERE id = ?1",
            )?;
            let found = held(connection, endpoint, before, limit)?;
            let count = found.len() as u64;
            for open in found {
                moved(open, |id, step| {
                    update.execute(params![id, step, cancelled.name(), cancelled.reason(), micros(now)])
                })?;
            }
            Ok(count)
        })
        .await
    }

    async fn prepare_partitions(&self, _now: Timestamp, _days_ahead: u32) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Through the writing thread, because a ledger that can only be read is not there.
        self.check_room()?;
        self.write(|_| Ok(())).await
    }
}

/// Held deliveries of an endpoint, oldest first.
fn held(
    connection: &Connection,
    endpoint: EndpointId,
    before: Uuid,
    limit: u32,
) -> Result<Vec<OpenDelivery>, StoreError> {
    let sql = format!(
        "SELECT {} FROM deliveries INDEXED BY deliveries_held
         WHERE endpoint = ?1 AND state = 'held' AND id < ?2 ORDER BY id LIMIT ?3",
        row::DELIVERY
    );
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(params![blob(endpoint.uuid()), blob(before), limit], row::open_delivery)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Takes a delivery one step on, in the database and in hand.
fn moved(
    open: OpenDelivery,
    update: impl FnOnce([u8; 16], u32) -> rusqlite::Result<usize>,
) -> Result<OpenDelivery, StoreError> {
    let step = open.step.moved();
    update(blob(open.id.uuid()), step.number())?;
    Ok(OpenDelivery { step, ..open })
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
