//! Queries of deliveries in PostgreSQL.

use std::collections::HashMap;

use bytes::Bytes;
use tidings_domain::trace::TraceParent;
use tidings_domain::{DeliveryId, DeliveryState, EndpointId, EventId, Step, TenantId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use super::error::corrupt;
use super::filter::Filter;
use crate::error::StoreError;
use crate::ledger::{Delivery, DeliveryQuery, EventContent, Fetched, Page};

const COLUMNS: &str = "id, event_id, tenant_id, endpoint_id, state, reason, due_at, attempts, updated_at, sweep_at";

// The bounds on these statements say nothing new, but partitions are chosen by them: PostgreSQL does not choose
// by an array whose content it learns only when a prepared statement runs.
const FETCH_DELIVERIES: &str = "-- name: fetch_deliveries
         SELECT id, event_id, step, state FROM deliveries WHERE id = ANY($1) AND id BETWEEN $2 AND $3";
const STATES: &str = "-- name: read_delivery_states
         SELECT id, step, state, reason, due_at FROM deliveries WHERE id = ANY($1) AND id BETWEEN $2 AND $3";
const FETCH_EVENTS: &str = "-- name: fetch_events_of_deliveries
     SELECT id, event_type, occurred_at, accepted_at, traceparent, payload
     FROM events WHERE id = ANY($1) AND id BETWEEN $2 AND $3";

impl Postgres {
    pub(super) async fn list_deliveries(
        &self,
        query: &DeliveryQuery,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        let filter = delivery_filter(query);
        let before = query.before.map(DeliveryId::uuid);
        let found = filter
            .page(&self.reader().await?, COLUMNS, "deliveries", before, query.limit)
            .await?;
        Ok(Page {
            rows: found.rows.iter().map(delivery).collect::<Result<_, _>>()?,
            next: found.next.map(DeliveryId::from_uuid),
        })
    }

    pub(super) async fn read_delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("/* name: read_delivery */ SELECT {COLUMNS} FROM deliveries WHERE id = $1");
        let row = self.read_opt(&sql, &[&id.uuid()]).await?;
        row.as_ref().map(delivery).transpose()
    }

    pub(super) async fn read_states(
        &self,
        ids: &[DeliveryId],
    ) -> Result<Vec<(DeliveryId, Step, DeliveryState)>, StoreError> {
        let wanted: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let Some((first, last)) = bounds(&wanted) else {
            return Ok(Vec::new());
        };
        let rows = self.query(STATES, &[&wanted, &first, &last]).await?;
        rows.iter()
            .map(|row| {
                let id = DeliveryId::from_uuid(row.try_get("id")?);
                let step = Step::from_number(row.try_get::<_, i32>("step")?.cast_unsigned());
                Ok((id, step, state(row)?))
            })
            .collect()
    }

    pub(super) async fn fetch_deliveries(&self, ids: &[DeliveryId]) -> Result<Vec<Fetched>, StoreError> {
        let wanted: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let Some((first, last)) = bounds(&wanted) else {
            return Ok(Vec::new());
        };
        // Two statements and no join, so that each table's partitions are chosen by bounds of its own.
        let deliveries = self.query(FETCH_DELIVERIES, &[&wanted, &first, &last]).await?;

        let wanted = deliveries
            .iter()
            .map(|row| row.try_get("event_id"))
            .collect::<Result<Vec<Uuid>, _>>()?;
        let Some((first, last)) = bounds(&wanted) else {
            return Ok(Vec::new());
        };
        let mut events = HashMap::with_capacity(wanted.len());
        for row in self.query(FETCH_EVENTS, &[&wanted, &first, &last]).await? {
            let payload = Bytes::from(row.try_get::<_, Vec<u8>>("payload")?);
            events.insert(row.try_get::<_, Uuid>("id")?, (row, payload));
        }
        let with_events = deliveries.iter().zip(wanted.iter().map(|event| events.get(event)));
        with_events.map(|(delivery, event)| fetched(delivery, event)).collect()
    }
}

/// The conditions of a query, but for the place in the list.
pub(super) fn delivery_filter(query: &DeliveryQuery) -> Filter {
    let mut filter = Filter::default();
    filter.of(query.tenant, query.endpoint);
    if let Some(event) = query.event {
        let [from, to] = of_event(event);
        filter.and("id >= $", from);
        filter.and("id < $", to);
        filter.and("event_id = $", event.uuid());
        filter.passes_few();
    }
    filter.and_some("id >= $", query.since.map(|since| DeliveryId::floor(since).uuid()));
    filter.and_some("id < $", query.until.map(|until| DeliveryId::floor(until).uuid()));
    filter.check_any("state", query.states.clone());
    filter
}

/// The range of ids in which all deliveries of an event lie: they bear its millisecond.
pub(super) fn of_event(event: EventId) -> [Uuid; 2] {
    let floor = |millis: u64| Uuid::from_u128(u128::from(millis) << 80);
    [floor(event.unix_millis()), floor(event.unix_millis() + 1)]
}

fn bounds(ids: &[Uuid]) -> Option<(Uuid, Uuid)> {
    Some((*ids.iter().min()?, *ids.iter().max()?))
}

fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: DeliveryId::from_uuid(row.try_get("id")?),
        event: EventId::from_uuid(row.try_get("event_id")?),
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        endpoint: EndpointId::from_uuid(row.try_get("endpoint_id")?),
        state: state(row)?,
        attempts: row.try_get::<_, i32>("attempts")?.cast_unsigned(),
        updated_at: row.try_get("updated_at")?,
        sweep_at: row.try_get("sweep_at")?,
    })
}

pub(super) fn state(row: &Row) -> Result<DeliveryState, StoreError> {
    DeliveryState::from_parts(row.try_get("state")?, row.try_get("reason")?, row.try_get("due_at")?).map_err(corrupt)
}

fn fetched(delivery: &Row, event: Option<&(Row, Bytes)>) -> Result<Fetched, StoreError> {
    Ok(Fetched {
        id: DeliveryId::from_uuid(delivery.try_get("id")?),
        step: Step::from_number(delivery.try_get::<_, i32>("step")?.cast_unsigned()),
        terminal: matches!(delivery.try_get("state")?, "succeeded" | "exhausted" | "cancelled"),
        content: event.map(|(event, payload)| content(event, payload)).transpose()?,
    })
}

fn content(event: &Row, payload: &Bytes) -> Result<EventContent, StoreError> {
    Ok(EventContent {
        event_type: event.try_get::<_, &str>("event_type")?.parse().map_err(corrupt)?,
        occurred_at: event.try_get("occurred_at")?,
        accepted_at: event.try_get("accepted_at")?,
        payload: payload.clone(),
        traceparent: event
            .try_get::<_, Option<&str>>("traceparent")?
            .and_then(TraceParent::parse),
    })
}
