//! Replay jobs, and retries of single deliveries, in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_domain::{AuditEntry, DeliveryId, DeliveryState, EndpointId, EventId, ReplayId, Step, TenantId, Timestamp};
use uuid::Uuid;

use super::Sqlite;
use super::registry::audit::insert as write_audit;
use super::row::{self, blob, id, micros, time, time_or_none};
use crate::error::StoreError;
use crate::replays::{Batch, Progress, Replay, ReplayClaim, ReplayState, Replays, Retried, until};

const REPLAY: &str = "id, tenant, what, to_endpoint, only_undelivered, per_second, state, matched, matched_at_least, \
                      error, created_at, updated_at, ended_at, walked, deliveries, skipped, walked_to";

#[async_trait]
impl Replays for Sqlite {
    async fn create_replay(&self, replay: &Replay, entry: &AuditEntry) -> Result<(), StoreError> {
        let (replay, entry) = (replay.clone(), entry.clone());
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "-- name: create_replay
                         INSERT INTO replays (id, tenant, what, to_endpoint, only_undelivered, per_second, state, matched,
                                          matched_at_least, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
                )?
                .execute(params![
                    blob(replay.id.uuid()),
                    blob(replay.tenant.uuid()),
                    &replay.rows[..],
                    replay.to.map(|to| blob(to.uuid())),
                    replay.only_undelivered,
                    replay.per_second,
                    replay.state.as_str(),
                    replay.matched as i64,
                    replay.matched_at_least,
                    micros(replay.created_at),
                ])?;
            write_audit(connection, &entry)
        })
        .await
    }

    async fn replay(&self, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let sql = format!("/* name: read_replay */ SELECT {REPLAY} FROM replays WHERE id = ?1");
        self.search(move |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            Ok(select.query_row([blob(id.uuid())], replay).optional()?)
        })
        .await
    }

    async fn replays(&self, tenant: TenantId, before: Option<ReplayId>, limit: u32) -> Result<Vec<Replay>, StoreError> {
        let sql = format!(
            "-- name: list_replays
             SELECT {REPLAY} FROM replays WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        );
        let before = before.map_or(Uuid::max(), ReplayId::uuid);
        self.search(move |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            let found = select.query_map(params![blob(tenant.uuid()), blob(before), limit], replay)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn replays_standing(&self, since: Timestamp, limit: u32) -> Result<Vec<Replay>, StoreError> {
        let sql = format!(
            "-- name: list_standing_replays
                 SELECT {REPLAY} FROM replays WHERE state = 'running' AND updated_at < ?1 ORDER BY updated_at LIMIT ?2"
        );
        self.read(move |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            let found = select.query_map(params![micros(since), limit], replay)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn transition_replay(
        &self,
        id: ReplayId,
        from: ReplayState,
        to: ReplayState,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let entry = entry.clone();
        self.write(move |connection| {
            let ended_at = to.has_ended().then(|| micros(now));
            let turned = connection
                .prepare_cached(
                    "-- name: change_replay_state
                         UPDATE replays SET state = ?3, updated_at = ?4, ended_at = ?5, claim_token = NULL,
                                        claimed_until = NULL
                     WHERE id = ?1 AND state = ?2",
                )?
                .execute(params![
                    blob(id.uuid()),
                    from.as_str(),
                    to.as_str(),
                    micros(now),
                    ended_at
                ])?;
            if turned == 1 {
                write_audit(connection, &entry)?;
            }
            Ok(turned == 1)
        })
        .await
    }

    async fn claim_replay(&self, now: Timestamp, lease: Duration) -> Result<Option<(Replay, ReplayClaim)>, StoreError> {
        let token = Uuid::now_v7();
        let sql = format!(
            "-- name: claim_replay
             UPDATE replays SET claim_token = ?2, claimed_until = ?3
             WHERE id = (SELECT id FROM replays WHERE state = 'running' AND ifnull(claimed_until < ?1, 1)
                         ORDER BY updated_at LIMIT 1)
             RETURNING {REPLAY}"
        );
        self.write(move |connection| {
            let mut claim = connection.prepare_cached(&sql)?;
            let claimed = params![micros(now), blob(token), micros(until(now, lease))];
            let taken = claim.query_row(claimed, replay).optional()?;
            Ok(taken.map(|replay| (replay, ReplayClaim(token))))
        })
        .await
    }

    async fn replay_batch(
        &self,
        replay: &Replay,
        claim: ReplayClaim,
        batch: Batch,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Progress>, StoreError> {
        let (id, tenant, only_undelivered) = (replay.id, replay.tenant, replay.only_undelivered);
        self.write(move |connection| {
            let held = connection
                .prepare_cached(
                    "-- name: check_replay_claim
                     SELECT 1 FROM replays WHERE id = ?1 AND claim_token = ?2 AND state = 'running'",
                )?
                .exists(params![blob(id.uuid()), blob(claim.0)])?;
            if !held {
                return Ok(None);
            }
            let made = make(connection, id, tenant, &batch.again, only_undelivered, now)?;
            let since = connection
                .prepare_cached(
                    "-- name: progress_replay
                         UPDATE replays SET walked = walked + ?2, deliveries = deliveries + ?3, skipped = skipped + ?4,
                                        walked_to = ?5, updated_at = ?6, claimed_until = ?7,
                                        matched = max(matched, walked + ?2)
                     WHERE id = ?1 RETURNING walked, deliveries, skipped, walked_to",
                )?
                .query_row(
                    params![
                        blob(id.uuid()),
                        batch.rows as i64,
                        made as i64,
                        batch.rows.saturating_sub(made) as i64,
                        blob(batch.last),
                        micros(now),
                        micros(until(now, lease)),
                    ],
                    |row| progress(row, 0),
                )?;
            Ok(Some(since))
        })
        .await
    }

    async fn release_replay(&self, id: ReplayId, claim: ReplayClaim) -> Result<(), StoreError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "-- name: give_back_replay
                         UPDATE replays SET claim_token = NULL, claimed_until = NULL WHERE id = ?1 AND claim_token = ?2",
                )?
                .execute(params![blob(id.uuid()), blob(claim.0)])?;
            Ok(())
        })
        .await
    }

    async fn end_replay(
        &self,
        id: ReplayId,
        claim: ReplayClaim,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let state = error.map_or(ReplayState::Succeeded, |_| ReplayState::Failed);
        let error = error.unwrap_or_default().to_owned();
        self.write(move |connection| {
            let ended = connection
                .prepare_cached(
                    "-- name: end_replay
                         UPDATE replays SET matched = iif(?3 = 'succeeded', walked, matched),
                                        matched_at_least = matched_at_least AND ?3 <> 'succeeded', state = ?3, error = ?4, updated_at = ?5, ended_at = ?5, claim_token = NULL,
                                        claimed_until = NULL
                     WHERE id = ?1 AND claim_token = ?2 AND state = 'running'",
                )?
                .execute(params![
                    blob(id.uuid()),
                    blob(claim.0),
                    state.as_str(),
                    error,
                    micros(now)
                ])?;
            Ok(ended == 1)
        })
        .await
    }

    async fn retry_delivery(
        &self,
        id: DeliveryId,
        tenant: TenantId,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Option<Retried>, StoreError> {
        let entry = entry.clone();
        let sql = format!(
            "/* name: read_delivery_to_retry */ SELECT {} FROM deliveries WHERE id = ?1 AND tenant = ?2",
            row::DELIVERY
        );
        self.write(move |connection| {
            let known = connection
                .prepare_cached(&sql)?
                .query_row(params![blob(id.uuid()), blob(tenant.uuid())], row::delivery)
                .optional()?;
            let Some(known) = known else { return Ok(None) };
            let retried = match known.state {
                DeliveryState::Pending => return Ok(Some(Retried::UnderWay)),
                DeliveryState::Scheduled { due } if due <= now => return Ok(Some(Retried::AlreadyDue)),
                DeliveryState::Scheduled { .. } | DeliveryState::Held(_) => {
                    connection
                        .prepare_cached(
                            "-- name: hasten_delivery
                                 UPDATE deliveries SET state = 'scheduled', reason = NULL, due = ?2, sweep_at = ?2,
                                    updated_at = ?2, step = min(step + 1, step | 65535)
                             WHERE id = ?1",
                        )?
                        .execute(params![blob(id.uuid()), micros(now)])?;
                    Retried::Hastened
                }
                _ => {
                    let again = ReplayId::new();
                    let what = [(known.event, known.endpoint)];
                    if make(connection, again, tenant, &what, false, now)? == 0 {
                        return Ok(Some(Retried::NotAgain));
                    }
                    Retried::Again(DeliveryId::derive_again(known.event, known.endpoint, again))
                }
            };
            write_audit(connection, &entry)?;
            Ok(Some(retried))
        })
        .await
    }
}

/// Makes deliveries that are due now, and returns their number. The ledger keeps them until the sweeper publishes them.
fn make(
    connection: &Connection,
    replay: ReplayId,
    tenant: TenantId,
    again: &[(EventId, EndpointId)],
    only_undelivered: bool,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut insert = connection.prepare_cached(
        "-- name: make_deliveries_of_replay
         INSERT INTO deliveries (id, event, tenant, endpoint, state, due, step, attempts, sweep_at, updated_at)
         SELECT ?1, ?2, ?3, ?4, 'scheduled', ?5, ?6, 0, ?5, ?5
         WHERE EXISTS (SELECT 1 FROM events WHERE id = ?2 AND tenant = ?3 AND erased_at IS NULL AND NOT test)
           AND EXISTS (SELECT 1 FROM endpoints WHERE id = ?4 AND tenant = ?3)
           AND NOT (?7 AND EXISTS (
               SELECT 1 FROM deliveries WHERE id >= ?8 AND id < ?9 AND event = ?2 AND endpoint = ?4
                                          AND state = 'succeeded'))
         ON CONFLICT DO NOTHING",
    )?;
    let mut made = 0;
    for (event, endpoint) in again {
        let floor = |millis: u64| blob(Uuid::from_u128(u128::from(millis) << 80));
        made += insert.execute(params![
            blob(DeliveryId::derive_again(*event, *endpoint, replay).uuid()),
            blob(event.uuid()),
            blob(tenant.uuid()),
            blob(endpoint.uuid()),
            micros(now),
            Step::FIRST.number(),
            only_undelivered,
            floor(event.unix_millis()),
            floor(event.unix_millis() + 1),
        ])?;
    }
    Ok(made as u64)
}

/// Reads the columns of [`REPLAY`].
fn replay(row: &Row<'_>) -> rusqlite::Result<Replay> {
    let state: String = row.get(6)?;
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Replay {
        id: id(row, 0, ReplayId::from_uuid)?,
        tenant: id(row, 1, TenantId::from_uuid)?,
        rows: row.get::<_, Vec<u8>>(2)?.into(),
        to: row
            .get::<_, Option<[u8; 16]>>(3)?
            .map(|to| EndpointId::from_uuid(Uuid::from_bytes(to))),
        only_undelivered: row.get(4)?,
        per_second: row.get(5)?,
        state: ReplayState::from_name(&state).ok_or_else(|| rusqlite::Error::InvalidColumnName(state))?,
        matched: number(7)?,
        matched_at_least: row.get(8)?,
        error: row.get(9)?,
        created_at: time(row, 10)?,
        updated_at: time(row, 11)?,
        ended_at: time_or_none(row, 12)?,
        progress: progress(row, 13)?,
    })
}

/// Four columns from this one on: walked, deliveries, skipped, walked_to.
fn progress(row: &Row<'_>, first: usize) -> rusqlite::Result<Progress> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Progress {
        walked: number(first)?,
        deliveries: number(first + 1)?,
        skipped: number(first + 2)?,
        walked_to: row.get::<_, Option<[u8; 16]>>(first + 3)?.map(Uuid::from_bytes),
    })
}
