//! Open deliveries: sweeping what is overdue, releasing and cancelling what is held.
//!
//! Each statement locks the rows it takes and passes over those that somebody else has locked, so any number of
//! processes share the work and none takes the same row.

use std::time::Duration;

use tidings_domain::{CancelReason, DeliveryId, EndpointId, EventId, Step, TenantId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use crate::error::StoreError;
use crate::ledger::OpenDelivery;

// In these statements `taken` says which rows, and the bounds beside `ANY` which partitions: the join that could
// say both would be planned without knowing how few rows there are. `least` keeps the moves of a step from
// running over into its attempt.

/// What only the ledger kept is taken when it is due, what the queue should have only after that.
const SWEEP: &str = "
WITH taken AS MATERIALIZED (
    SELECT id, coalesce(sweep_at <= due_at, false) AS kept
    FROM deliveries WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT $3 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE deliveries
    SET step = least(step + 1, step | 65535), sweep_at = $1 + make_interval(secs => $2::double precision * (1 << least(step & 65535, 6))), updated_at = $1
    WHERE id = ANY(ARRAY(SELECT id FROM taken))
      AND id >= (SELECT id FROM taken ORDER BY id LIMIT 1) AND id <= (SELECT id FROM taken ORDER BY id DESC LIMIT 1)
    RETURNING id, event_id, tenant_id, endpoint_id, step, due_at
)
SELECT moved.*, taken.kept FROM moved JOIN taken USING (id)";

const RELEASE: &str = "
WITH taken AS MATERIALIZED (
    SELECT id FROM deliveries WHERE endpoint_id = $4 AND state = 'held' ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries
SET state = 'pending', reason = NULL, step = least(step + 1, step | 65535), sweep_at = $2, updated_at = $1
WHERE id = ANY(ARRAY(SELECT id FROM taken))
  AND id >= (SELECT id FROM taken ORDER BY id LIMIT 1) AND id <= (SELECT id FROM taken ORDER BY id DESC LIMIT 1)
RETURNING id, event_id, tenant_id, endpoint_id, step, due_at, true AS kept";

const CANCEL: &str = "
WITH taken AS MATERIALIZED (
    SELECT id FROM deliveries WHERE endpoint_id = $4 AND state = 'held' AND id < $5
    ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries
SET state = 'cancelled', reason = $2, step = least(step + 1, step | 65535), sweep_at = NULL, updated_at = $1
WHERE id = ANY(ARRAY(SELECT id FROM taken))
  AND id >= (SELECT id FROM taken ORDER BY id LIMIT 1) AND id <= (SELECT id FROM taken ORDER BY id DESC LIMIT 1)";

/// Steps from one endpoint to the next in the index of held deliveries, of which there may be millions.
const ENDPOINTS_WITH_HELD: &str = "
WITH RECURSIVE with_held AS (
    (SELECT endpoint_id FROM deliveries WHERE state = 'held' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM deliveries d WHERE d.state = 'held' AND d.endpoint_id > with_held.endpoint_id
            ORDER BY d.endpoint_id LIMIT 1)
    FROM with_held WHERE with_held.endpoint_id IS NOT NULL
)
SELECT endpoint_id FROM with_held WHERE endpoint_id IS NOT NULL";

impl Postgres {
    pub(super) async fn take_overdue(
        &self,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        let rows = self
            .query(SWEEP, &[&now, &hide_for.as_secs_f64(), &i64::from(limit)])
            .await?;
        rows.iter().map(open_delivery).collect()
    }

    pub(super) async fn list_endpoints_with_held(&self) -> Result<Vec<EndpointId>, StoreError> {
        let rows = self.query(ENDPOINTS_WITH_HELD, &[]).await?;
        rows.iter()
            .map(|row| Ok(EndpointId::from_uuid(row.try_get(0)?)))
            .collect()
    }

    pub(super) async fn release(
        &self,
        endpoint: EndpointId,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        let rows = self
            .query(
                RELEASE,
                &[&now, &after(now, hide_for), &i64::from(limit), &endpoint.uuid()],
            )
            .await?;
        let mut released = rows.iter().map(open_delivery).collect::<Result<Vec<_>, _>>()?;
        released.sort_unstable_by_key(|delivery| delivery.id);
        Ok(released)
    }

    pub(super) async fn cancel(
        &self,
        endpoint: EndpointId,
        reason: CancelReason,
        before: Option<Timestamp>,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        // An id bears the millisecond in which its event was accepted.
        let before = before.map_or(Uuid::max(), |before| DeliveryId::floor(before).uuid());
        let (reason, limit) = (reason.as_str(), i64::from(limit));
        self.execute(CANCEL, &[&now, &reason, &limit, &endpoint.uuid(), &before])
            .await
    }
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn open_delivery(row: &Row) -> Result<OpenDelivery, StoreError> {
    Ok(OpenDelivery {
        id: DeliveryId::from_uuid(row.try_get("id")?),
        event: EventId::from_uuid(row.try_get("event_id")?),
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        endpoint: EndpointId::from_uuid(row.try_get("endpoint_id")?),
        step: Step::from_number(row.try_get::<_, i32>("step")?.cast_unsigned()),
        due: row.try_get("due_at")?,
        kept_by_ledger: row.try_get("kept")?,
    })
}
