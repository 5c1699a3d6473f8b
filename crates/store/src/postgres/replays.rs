//! Replay jobs, and retries of single deliveries, in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use deadpool_postgres::GenericClient;
use tidings_domain::{AuditEntry, DeliveryId, DeliveryState, EndpointId, EventId, ReplayId, Step, TenantId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::Postgres;
use super::deliveries::{of_event, state as delivery_state};
use super::error::corrupt;
use super::filter::Filter;
use super::registry::audit::insert as write_audit;
use crate::error::StoreError;
use crate::replays::{Batch, Progress, Replay, ReplayClaim, ReplayState, Replays, Retried, until};

const REPLAY: &str = "id, tenant_id, what, to_endpoint_id, only_undelivered, per_second, state, matched, \
                      matched_at_least, walked, deliveries, skipped, walked_to, error, created_at, updated_at, ended_at";

const INSERT: &str = "-- name: insert_replay
     INSERT INTO replays (id, tenant_id, what, to_endpoint_id, only_undelivered, per_second, state,
                                           matched, matched_at_least, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
const TURN: &str = "-- name: change_replay_state
     UPDATE replays SET state = $3, updated_at = $4, claim_token = NULL, claimed_until = NULL,
                                       ended_at = CASE WHEN $5 THEN $4::timestamptz END
     WHERE id = $1 AND state = $2";
// `SKIP LOCKED`: replicas that look at the same moment take different jobs, or none.
const CLAIM: &str = "-- name: claim_replay
     UPDATE replays SET claim_token = $2, claimed_until = $3
     WHERE id = (SELECT id FROM replays WHERE state = 'running' AND (claimed_until IS NULL OR claimed_until < $1)
                 ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING ";
const HOLD: &str = "-- name: check_replay_claim
     SELECT FROM replays WHERE id = $1 AND claim_token = $2 AND state = 'running' FOR UPDATE";
const PROGRESS: &str = "-- name: progress_replay
     UPDATE replays SET walked = walked + $2, deliveries = deliveries + $3, skipped = skipped + $4,
                                           walked_to = $5, updated_at = $6, claimed_until = $7,
                                           matched = greatest(matched, walked + $2)
     WHERE id = $1 RETURNING walked, deliveries, skipped, walked_to";
/// Ends a replay. One that visited every row knows the exact number.
const END: &str = "-- name: end_replay
     UPDATE replays SET matched = CASE WHEN $3 = 'succeeded' THEN walked ELSE matched END,
                                      matched_at_least = matched_at_least AND $3 <> 'succeeded', state = $3, error = $4, updated_at = $5, ended_at = $5, claim_token = NULL,
                                      claimed_until = NULL
     WHERE id = $1 AND claim_token = $2 AND state = 'running'";

/// A delivery that the ledger keeps until it is due, which is now; the sweeper publishes it. The bounds beside
/// `event_id` choose the partition.
// Ids follow from event, endpoint and replay, so a batch that is done again makes none twice (docs/decisions/0017).
const MAKE: &str = "
-- name: make_deliveries_of_replay
INSERT INTO deliveries (id, event_id, tenant_id, endpoint_id, updated_at, due_at, sweep_at, step, attempts, state)
SELECT again.id, again.event_id, $1, again.endpoint_id, $2, $2, $2, $3, 0, 'scheduled'
FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[])
     AS again (id, event_id, endpoint_id, floor, ceiling)
WHERE EXISTS (SELECT FROM events e
              WHERE e.id = again.event_id AND e.tenant_id = $1 AND e.erased_at IS NULL AND NOT e.test)
  AND EXISTS (SELECT FROM endpoints e WHERE e.id = again.endpoint_id AND e.tenant_id = $1)
  AND NOT ($9 AND EXISTS (
      SELECT FROM deliveries d
      WHERE d.id >= again.floor AND d.id < again.ceiling AND d.event_id = again.event_id
        AND d.endpoint_id = again.endpoint_id AND d.state = 'succeeded'))
ON CONFLICT (id) DO NOTHING";
const HASTEN: &str = "-- name: hasten_delivery
     UPDATE deliveries
     SET state = 'scheduled', reason = NULL, due_at = $2, sweep_at = $2, updated_at = $2,
         step = least(step + 1, step | 65535)
     WHERE id = $1";

#[async_trait]
impl Replays for Postgres {
    async fn create_replay(&self, replay: &Replay, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let statement = transaction.prepare_cached(INSERT).await?;
        transaction
            .execute(
                &statement,
                &[
                    &replay.id.uuid(),
                    &replay.tenant.uuid(),
                    &&replay.rows[..],
                    &replay.to.map(EndpointId::uuid),
                    &replay.only_undelivered,
                    &signed(replay.per_second),
                    &replay.state.as_str(),
                    &long(replay.matched),
                    &replay.matched_at_least,
                    &replay.created_at,
                ],
            )
            .await?;
        write_audit(&*transaction, entry).await?;
        Ok(transaction.commit().await?)
    }

    async fn replay(&self, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let sql = format!("/* name: read_replay */ SELECT {REPLAY} FROM replays WHERE id = $1");
        let row = self.query_opt(&sql, &[&id.uuid()]).await?;
        row.as_ref().map(replay).transpose()
    }

    async fn replays(&self, tenant: TenantId, before: Option<ReplayId>, limit: u32) -> Result<Vec<Replay>, StoreError> {
        let mut filter = Filter::default();
        filter.and("tenant_id = $", tenant.uuid());
        filter.and_some("id < $", before.map(ReplayId::uuid));
        let rows = filter.newest(&self.reader().await?, REPLAY, "replays", limit).await?;
        rows.iter().map(replay).collect()
    }

    async fn replays_standing(&self, since: Timestamp, limit: u32) -> Result<Vec<Replay>, StoreError> {
        let sql = format!(
            "-- name: list_standing_replays
                 SELECT {REPLAY} FROM replays WHERE state = 'running' AND updated_at < $1 ORDER BY updated_at LIMIT $2"
        );
        let rows = self.query(&sql, &[&since, &i64::from(limit)]).await?;
        rows.iter().map(replay).collect()
    }

    async fn transition_replay(
        &self,
        id: ReplayId,
        from: ReplayState,
        to: ReplayState,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let statement = transaction.prepare_cached(TURN).await?;
        let (from, to, ends) = (from.as_str(), to.as_str(), to.has_ended());
        let turned = transaction
            .execute(&statement, &[&id.uuid(), &from, &to, &now, &ends])
            .await?;
        if turned == 1 {
            write_audit(&*transaction, entry).await?;
        }
        transaction.commit().await?;
        Ok(turned == 1)
    }

    async fn claim_replay(&self, now: Timestamp, lease: Duration) -> Result<Option<(Replay, ReplayClaim)>, StoreError> {
        let token = Uuid::now_v7();
        let sql = format!("{CLAIM}{REPLAY}");
        let row = self.query_opt(&sql, &[&now, &token, &until(now, lease)]).await?;
        row.map(|row| Ok((replay(&row)?, ReplayClaim(token)))).transpose()
    }

    async fn replay_batch(
        &self,
        replay: &Replay,
        claim: ReplayClaim,
        batch: Batch,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Progress>, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        // Locks the job: a pause, a cancellation or another worker's claim takes effect between two batches, never
        // within one.
        let hold = transaction.prepare_cached(HOLD).await?;
        if transaction
            .query_opt(&hold, &[&replay.id.uuid(), &claim.0])
            .await?
            .is_none()
        {
            return Ok(None);
        }
        let made = make(
            &*transaction,
            replay.id,
            replay.tenant,
            &batch.again,
            replay.only_undelivered,
            now,
        )
        .await?;
        let statement = transaction.prepare_cached(PROGRESS).await?;
        // Deliveries that existed before count as skipped, too.
        let skipped = batch.rows.saturating_sub(made);
        let row = transaction
            .query_one(
                &statement,
                &[
                    &replay.id.uuid(),
                    &long(batch.rows),
                    &long(made),
                    &long(skipped),
                    &batch.last,
                    &now,
                    &until(now, lease),
                ],
            )
            .await?;
        transaction.commit().await?;
        progress(&row).map(Some)
    }

    async fn release_replay(&self, id: ReplayId, claim: ReplayClaim) -> Result<(), StoreError> {
        let sql = "-- name: release_replay
             UPDATE replays SET claim_token = NULL, claimed_until = NULL WHERE id = $1 AND claim_token = $2";
        self.execute(sql, &[&id.uuid(), &claim.0]).await?;
        Ok(())
    }

    async fn end_replay(
        &self,
        id: ReplayId,
        claim: ReplayClaim,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let state = error.map_or(ReplayState::Succeeded, |_| ReplayState::Failed);
        let (state, error) = (state.as_str(), error.unwrap_or_default());
        Ok(self.execute(END, &[&id.uuid(), &claim.0, &state, &error, &now]).await? == 1)
    }

    async fn retry_delivery(
        &self,
        id: DeliveryId,
        tenant: TenantId,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Option<Retried>, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        // Locked, so that an attempt which is recorded meanwhile is not overwritten.
        let sql = "-- name: read_delivery_to_retry
                   SELECT event_id, endpoint_id, state, reason, due_at FROM deliveries
                   WHERE id = $1 AND tenant_id = $2 FOR UPDATE";
        let statement = transaction.prepare_cached(sql).await?;
        let Some(row) = transaction.query_opt(&statement, &[&id.uuid(), &tenant.uuid()]).await? else {
            return Ok(None);
        };
        let event = EventId::from_uuid(row.try_get("event_id")?);
        let endpoint = EndpointId::from_uuid(row.try_get("endpoint_id")?);
        let retried = match delivery_state(&row)? {
            // Its message is in a lane or with a dispatcher: another one would only be a duplicate.
            DeliveryState::Pending => return Ok(Some(Retried::UnderWay)),
            DeliveryState::Scheduled { due } if due <= now => return Ok(Some(Retried::AlreadyDue)),
            DeliveryState::Scheduled { .. } | DeliveryState::Held(_) => {
                let statement = transaction.prepare_cached(HASTEN).await?;
                transaction.execute(&statement, &[&id.uuid(), &now]).await?;
                Retried::Hastened
            }
            _ => {
                let again = ReplayId::new();
                if make(&*transaction, again, tenant, &[(event, endpoint)], false, now).await? == 0 {
                    return Ok(Some(Retried::NotAgain));
                }
                Retried::Again(DeliveryId::derive_again(event, endpoint, again))
            }
        };
        write_audit(&*transaction, entry).await?;
        transaction.commit().await?;
        Ok(Some(retried))
    }
}

/// Makes deliveries that are due now, and returns their number.
async fn make(
    client: &impl GenericClient,
    replay: ReplayId,
    tenant: TenantId,
    again: &[(EventId, EndpointId)],
    only_undelivered: bool,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut rows: Vec<_> = again
        .iter()
        .map(|(event, endpoint)| (DeliveryId::derive_again(*event, *endpoint, replay), *event, *endpoint))
        .collect();
    // In the order in which everybody else writes them.
    rows.sort_unstable_by_key(|(id, ..)| *id);
    let ids: Vec<Uuid> = rows.iter().map(|(id, ..)| id.uuid()).collect();
    let events: Vec<Uuid> = rows.iter().map(|(_, event, _)| event.uuid()).collect();
    let endpoints: Vec<Uuid> = rows.iter().map(|(.., endpoint)| endpoint.uuid()).collect();
    let (floors, ceilings): (Vec<Uuid>, Vec<Uuid>) = rows
        .iter()
        .map(|(_, event, _)| of_event(*event))
        .map(|[floor, ceiling]| (floor, ceiling))
        .unzip();
    let statement = client.prepare_cached(MAKE).await?;
    let step = signed(Step::FIRST.number());
    Ok(client
        .execute(
            &statement,
            &[
                &tenant.uuid(),
                &now,
                &step,
                &ids,
                &events,
                &endpoints,
                &floors,
                &ceilings,
                &only_undelivered,
            ],
        )
        .await?)
}

fn replay(row: &Row) -> Result<Replay, StoreError> {
    let state: &str = row.try_get("state")?;
    Ok(Replay {
        id: ReplayId::from_uuid(row.try_get("id")?),
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        rows: Bytes::from(row.try_get::<_, Vec<u8>>("what")?),
        to: row
            .try_get::<_, Option<_>>("to_endpoint_id")?
            .map(EndpointId::from_uuid),
        only_undelivered: row.try_get("only_undelivered")?,
        per_second: row.try_get::<_, i32>("per_second")?.cast_unsigned(),
        state: ReplayState::from_name(state).ok_or_else(|| corrupt(format!("no replay is `{state}`")))?,
        matched: row.try_get::<_, i64>("matched")?.unsigned_abs(),
        matched_at_least: row.try_get("matched_at_least")?,
        progress: progress(row)?,
        error: row.try_get("error")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn progress(row: &Row) -> Result<Progress, StoreError> {
    Ok(Progress {
        walked: row.try_get::<_, i64>("walked")?.unsigned_abs(),
        deliveries: row.try_get::<_, i64>("deliveries")?.unsigned_abs(),
        skipped: row.try_get::<_, i64>("skipped")?.unsigned_abs(),
        walked_to: row.try_get("walked_to")?,
    })
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
