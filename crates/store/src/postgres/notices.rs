//! Storage of notices in PostgreSQL.

use async_trait::async_trait;
use tidings_domain::{DeliveryId, EndpointId, EventId, Notice, NoticeKind, TenantId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use super::error::corrupt;
use crate::error::StoreError;
use crate::notices::{Notices, known, next_try};

// The times of the next try come as an array, so that one statement hides each notice by its own number of tries.
const TAKE: &str = "-- name: take_notices
    WITH due AS (
    SELECT id, tries AS tried FROM notices WHERE try_at <= $1 ORDER BY try_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE notices SET tries = tries + 1, try_at = ($3::timestamptz[])[least(tried, 16) + 1]
FROM due WHERE notices.id = due.id
RETURNING notices.id, tenant_id, endpoint_id, delivery_id, event_id, at, tried, kind, detail";

#[async_trait]
impl Notices for Postgres {
    async fn take_notices(&self, now: Timestamp, limit: u32) -> Result<Vec<Notice>, StoreError> {
        let next: Vec<Timestamp> = (0..=16).map(|tries| next_try(now, tries)).collect();
        let rows = self.query(TAKE, &[&now, &i64::from(limit), &next]).await?;
        let mut notices: Vec<Notice> = rows.iter().filter_map(|row| known(notice(row))).collect();
        notices.sort_by_key(|notice| notice.at);
        Ok(notices)
    }

    async fn remove_notice(&self, id: Uuid) -> Result<(), StoreError> {
        self.execute("/* name: remove_notice */ DELETE FROM notices WHERE id = $1", &[&id])
            .await?;
        Ok(())
    }
}

fn notice(row: &Row) -> Result<Notice, StoreError> {
    let delivery: Option<Uuid> = row.try_get("delivery_id")?;
    let event: Option<Uuid> = row.try_get("event_id")?;
    let kind: &str = row.try_get("kind")?;
    Ok(Notice {
        id: row.try_get("id")?,
        kind: NoticeKind::from_name(kind).ok_or_else(|| corrupt(format!("there is no kind of notice `{kind}`")))?,
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        endpoint: EndpointId::from_uuid(row.try_get("endpoint_id")?),
        delivery: delivery.map(DeliveryId::from_uuid).zip(event.map(EventId::from_uuid)),
        at: row.try_get("at")?,
        detail: row.try_get("detail")?,
        tries: row.try_get::<_, i32>("tried")?.cast_unsigned(),
    })
}
