//! Queries of events in PostgreSQL.

use bytes::Bytes;
use tidings_domain::{EventId, TenantId};
use tokio_postgres::Row;

use super::Postgres;
use super::error::corrupt;
use super::filter::Filter;
use crate::error::StoreError;
use crate::ledger::{EventQuery, EventSummary, Page};

const SUMMARY: &str = "id, tenant_id, event_type, occurred_at, accepted_at, idempotency_key, delivery_count, test, \
                       erased_at";

impl Postgres {
    pub(super) async fn list_events(&self, query: &EventQuery) -> Result<Page<EventSummary, EventId>, StoreError> {
        let filter = event_filter(query);
        let before = query.before.map(EventId::uuid);
        let found = filter
            .page(&self.reader().await?, SUMMARY, "events", before, query.limit)
            .await?;
        Ok(Page {
            rows: found.rows.iter().map(summary).collect::<Result<_, _>>()?,
            next: found.next.map(EventId::from_uuid),
        })
    }

    pub(super) async fn read_event(&self, id: EventId) -> Result<Option<(EventSummary, Bytes)>, StoreError> {
        let row = self
            .read_opt(
                &format!("/* name: read_event */ SELECT {SUMMARY}, payload FROM events WHERE id = $1"),
                &[&id.uuid()],
            )
            .await?;
        row.map(|row| Ok((summary(&row)?, Bytes::from(row.try_get::<_, Vec<u8>>("payload")?))))
            .transpose()
    }
}

/// The conditions of a query, but for the place in the list.
pub(super) fn event_filter(query: &EventQuery) -> Filter {
    let mut filter = Filter::default();
    filter.and_some("tenant_id = $", query.tenant.map(TenantId::uuid));
    filter.and_some("id >= $", query.since.map(|since| EventId::floor(since).uuid()));
    filter.and_some("id < $", query.until.map(|until| EventId::floor(until).uuid()));
    filter.check_some("idempotency_key = $", query.idempotency_key.clone());
    filter.check_any(
        "event_type",
        query.event_types.iter().map(ToString::to_string).collect(),
    );
    if query.idempotency_key.is_some() && query.tenant.is_some() {
        filter.passes_few();
    }
    filter
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
        erased_at: row.try_get("erased_at")?,
    })
}
