//! Reading events.

use bytes::Bytes;
use tidings_domain::{EventId, TenantId};
use tokio_postgres::Row;

use super::Postgres;
use super::error::corrupt;
use super::filter::Filter;
use crate::error::StoreError;
use crate::ledger::{EventQuery, EventSummary};

const SUMMARY: &str = "id, tenant_id, event_type, occurred_at, accepted_at, idempotency_key, delivery_count, test";

impl Postgres {
    pub(super) async fn list_events(&self, query: &EventQuery) -> Result<Vec<EventSummary>, StoreError> {
        let mut filter = Filter::default();
        filter.and_some("tenant_id = $", query.tenant.map(TenantId::uuid));
        filter.and_some("idempotency_key = $", query.idempotency_key.clone());
        filter.and_any(
            "event_type = ANY($)",
            query.event_types.iter().map(ToString::to_string).collect(),
        );
        filter.and_some("id >= $", query.since.map(|since| EventId::floor(since).uuid()));
        filter.and_some("id < $", query.until.map(|until| EventId::floor(until).uuid()));
        filter.and_some("id < $", query.before.map(EventId::uuid));
        if query.idempotency_key.is_some() && query.tenant.is_some() {
            filter.passes_few();
        }
        let rows = filter
            .newest(&self.client().await?, SUMMARY, "events", query.limit)
            .await?;
        rows.iter().map(summary).collect()
    }

    pub(super) async fn read_event(&self, id: EventId) -> Result<Option<(EventSummary, Bytes)>, StoreError> {
        let row = self
            .query_opt(
                &format!("SELECT {SUMMARY}, payload FROM events WHERE id = $1"),
                &[&id.uuid()],
            )
            .await?;
        row.map(|row| Ok((summary(&row)?, Bytes::from(row.try_get::<_, Vec<u8>>("payload")?))))
            .transpose()
    }
}

fn summary(row: &Row) -> Result<EventSummary, StoreError> {
    Ok(EventSummary {
        id: EventId::from_uuid(row.try_get("id")?),
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        event_type: row.try_get::<_, &str>("event_type")?.parse().map_err(corrupt)?,
        occurred_at: row.try_get("occurred_at")?,
        accepted_at: row.try_get("accepted_at")?,
        idempotency_key: row.try_get("idempotency_key")?,
        delivery_count: row.try_get::<_, i32>("delivery_count")?.cast_unsigned(),
        test: row.try_get("test")?,
    })
}
