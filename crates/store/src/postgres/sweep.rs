//! Open deliveries: sweeping what is overdue, releasing and cancelling what is held.
//!
//! Each statement locks the rows it takes and skips those that another session has locked. Thus any number of processes
//! share the work, and no two take the same row.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_domain::{CancelReason, DeliveryId, EndpointId, EventId, Step, TenantId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use crate::error::StoreError;
use crate::ledger::{OpenDelivery, Overdue};

// In these statements `taken` says which rows, and the bounds beside `ANY` which partitions: the join that could
// say both would be planned without knowing how few rows there are. `least` keeps the moves of a step from
// running over into its attempt.

/// Takes deliveries whose `sweep_at` has passed. That is the due time where only the ledger keeps them, and some grace
/// later where the queue should have them.
const SWEEP: &str = "
-- name: sweep_deliveries
WITH taken AS MATERIALIZED (
    SELECT id, coalesce(sweep_at <= due_at, false) AS kept, greatest(updated_at, due_at) AS since
    FROM deliveries WHERE sweep_at <= $1 AND sweep_at >= $5 AND (NOT $4 OR sweep_at <= due_at)
    ORDER BY sweep_at LIMIT $3 FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE deliveries SET step = least(step + 1, step | 65535), sweep_at = $2, updated_at = $1
    WHERE id = ANY(ARRAY(SELECT id FROM taken))
      AND id >= (SELECT id FROM taken ORDER BY id LIMIT 1) AND id <= (SELECT id FROM taken ORDER BY id DESC LIMIT 1)
    RETURNING id, event_id, tenant_id, endpoint_id, step, due_at
)
SELECT moved.*, taken.kept, taken.since FROM moved JOIN taken USING (id)";

/// Restores the start of the wait that `SWEEP` found.
const PUT_OFF: &str = "
-- name: put_off_deliveries
UPDATE deliveries SET sweep_at = $1, updated_at = least(swept.since, updated_at)
FROM unnest($2::uuid[], $3::integer[], $4::timestamptz[]) AS swept (id, step, since)
WHERE deliveries.id = swept.id AND deliveries.step = swept.step AND sweep_at IS NOT NULL
  AND deliveries.id BETWEEN $5 AND $6";

const RELEASE: &str = "
-- name: release_deliveries
WITH taken AS MATERIALIZED (
    SELECT id, reason FROM deliveries WHERE endpoint_id = $4 AND state = 'held' ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries
SET state = 'pending', reason = NULL, step = least(step + 1, step | 65535), sweep_at = $2, updated_at = $1
WHERE id = ANY(ARRAY(SELECT id FROM taken))
  AND id >= (SELECT id FROM taken ORDER BY id LIMIT 1) AND id <= (SELECT id FROM taken ORDER BY id DESC LIMIT 1)
RETURNING id, event_id, tenant_id, endpoint_id, step, due_at, true AS kept, updated_at AS since,
    (SELECT taken.reason = 'subscriptions_unreadable' FROM taken WHERE taken.id = deliveries.id) AS undecided";

const CANCEL: &str = "
-- name: cancel_held_deliveries
WITH taken AS MATERIALIZED (
    SELECT id FROM deliveries WHERE endpoint_id = $4 AND state = 'held' AND updated_at < $5
    ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries
SET state = 'cancelled', reason = $2, step = least(step + 1, step | 65535), sweep_at = NULL, updated_at = $1
WHERE id = ANY(ARRAY(SELECT id FROM taken))
  AND id >= (SELECT id FROM taken ORDER BY id LIMIT 1) AND id <= (SELECT id FROM taken ORDER BY id DESC LIMIT 1)";

const CANCELLATIONS: &str = "-- name: list_cancellations
     SELECT id, cancel_held_before FROM endpoints WHERE cancel_held_before IS NOT NULL";
/// Marks a cancellation as complete. Rows that another process is cancelling right now still count as held.
/// `updated_at` stays, since this is no change that a user made; if a user who read the endpoint before writes the
/// request back, there is nothing left to cancel.
const END_CANCELLATION: &str = "
-- name: end_cancellation
UPDATE endpoints SET cancel_held_before = NULL
WHERE id = $1 AND cancel_held_before = $2
  AND NOT EXISTS (SELECT FROM deliveries d WHERE d.endpoint_id = $1 AND d.state = 'held' AND d.updated_at < $2)";

/// Steps from one endpoint to the next in the index of held deliveries, of which there may be millions.
const ENDPOINTS_WITH_HELD: &str = "
-- name: list_endpoints_with_held
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
        which: Overdue,
        now: Timestamp,
        hide_for: Duration,
        limit: u32,
    ) -> Result<Vec<OpenDelivery>, StoreError> {
        let kept_only = which == Overdue::KeptByLedger;
        let swept = &self.swept[usize::from(kept_only)];
        let from = swept.from(now);
        let rows = self
            .query(
                SWEEP,
                &[&now, &after(now, hide_for), &i64::from(limit), &kept_only, &from],
            )
            .await?;
        // After a full batch there may be more, so the next sweep begins at the same place.
        if rows.len() < limit as usize {
            swept.until(now, from);
        }
        rows.iter().map(open_delivery).collect()
    }

    pub(super) async fn leave_until(&self, swept: &[OpenDelivery], until: Timestamp) -> Result<(), StoreError> {
        let mut swept: Vec<&OpenDelivery> = swept.iter().collect();
        swept.sort_unstable_by_key(|delivery| delivery.id);
        let (Some(first), Some(last)) = (swept.first(), swept.last()) else {
            return Ok(());
        };
        let (first, last) = (first.id.uuid(), last.id.uuid());
        let ids: Vec<Uuid> = swept.iter().map(|delivery| delivery.id.uuid()).collect();
        let steps: Vec<i32> = swept
            .iter()
            .map(|delivery| delivery.step.number().cast_signed())
            .collect();
        let since: Vec<Timestamp> = swept.iter().map(|delivery| delivery.since).collect();
        self.execute(PUT_OFF, &[&until, &ids, &steps, &since, &first, &last])
            .await?;
        Ok(())
    }

    pub(super) async fn list_cancellations(&self) -> Result<Vec<(EndpointId, Timestamp)>, StoreError> {
        let rows = self.query(CANCELLATIONS, &[]).await?;
        rows.iter()
            .map(|row| Ok((EndpointId::from_uuid(row.try_get(0)?), row.try_get(1)?)))
            .collect()
    }

    pub(super) async fn close_cancellation(&self, endpoint: EndpointId, before: Timestamp) -> Result<bool, StoreError> {
        Ok(self.execute(END_CANCELLATION, &[&endpoint.uuid(), &before]).await? == 1)
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
        let before = before.unwrap_or(Timestamp::MAX);
        let (reason, limit) = (reason.as_str(), i64::from(limit));
        self.execute(CANCEL, &[&now, &reason, &limit, &endpoint.uuid(), &before])
            .await
    }
}

/// Up to where everything has been swept.
///
/// What was swept leaves entries in the index that point nowhere until the table is vacuumed, and every sweep that begins
/// at the oldest goes through all of them. So most begin near the end of the one before; what was recorded late, and what
/// somebody else had locked, is found by a whole one now and then.
#[derive(Debug, Default)]
pub(super) struct Swept(Mutex<Option<Sweeps>>);

#[derive(Debug, Clone, Copy)]
struct Sweeps {
    last: Timestamp,
    last_whole: Timestamp,
}

impl Swept {
    /// Interval between two sweeps of the whole index.
    const WHOLE_EVERY: Duration = Duration::from_secs(10);
    /// Overlap of a sweep with the one before.
    const OVERLAP: Duration = Duration::from_secs(60);

    /// The lower bound of a sweep.
    fn from(&self, now: Timestamp) -> Timestamp {
        let sweeps = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = sweeps.filter(|sweeps| sweeps.last <= now && now < after(sweeps.last_whole, Self::WHOLE_EVERY));
        recent
            .and_then(|sweeps| sweeps.last.checked_sub(Self::OVERLAP).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Everything that was to be swept at a time was, from where the sweep began.
    fn until(&self, now: Timestamp, from: Timestamp) {
        let mut sweeps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last_whole = match &*sweeps {
            Some(sweeps) if from > Timestamp::UNIX_EPOCH => sweeps.last_whole,
            _ => now,
        };
        *sweeps = Some(Sweeps { last: now, last_whole });
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
        since: row.try_get("since")?,
        kept_by_ledger: row.try_get("kept")?,
        // Only what is released can be.
        undecided: row
            .try_get::<_, Option<bool>>("undecided")
            .ok()
            .flatten()
            .unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_sweeps_begin_near_the_end_of_the_one_before() {
        let (swept, second) = (Swept::default(), Duration::from_secs(1));
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let sweep = |at| {
            let from = swept.from(at);
            swept.until(at, from);
            from
        };
        assert_eq!(sweep(now), Timestamp::UNIX_EPOCH);
        assert_eq!(sweep(now + second), now - Swept::OVERLAP);
        assert_eq!(
            swept.from(now + 2 * second),
            now + second - Swept::OVERLAP,
            "one that took all it could"
        );
        assert_eq!(swept.from(now), Timestamp::UNIX_EPOCH, "the clock went back");
        assert_eq!(sweep(now + Swept::WHOLE_EVERY), Timestamp::UNIX_EPOCH);
        assert_eq!(
            sweep(now + Swept::WHOLE_EVERY + second),
            now + Swept::WHOLE_EVERY - Swept::OVERLAP
        );
    }
}
