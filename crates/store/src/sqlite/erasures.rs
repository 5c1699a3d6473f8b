//! Erasures and retention in SQLite, where old days are removed row by row: there are no partitions.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tidings_domain::{AttemptId, AuditEntry, CancelReason, DeliveryId, ErasureId, EventId, TenantId, Timestamp};
use uuid::Uuid;

use super::registry::audit::insert as write_audit;
use super::row::{blob, id, micros, time, time_or_none};
use super::{Sqlite, retention};
use crate::erasures::{Erasure, Erasures, Forgetting, Removed};
use crate::error::StoreError;
use crate::metrics;
use crate::replays::until;

const ERASURE: &str = "id, tenant, event, created_at, updated_at, ended_at, events, deliveries, attempts";
pub(super) const OPEN: &str = "state NOT IN ('succeeded', 'exhausted', 'cancelled')";
pub(super) const CANCEL: &str = "-- name: cancel_erased_deliveries
     UPDATE deliveries SET state = 'cancelled', due = NULL, sweep_at = NULL,
                             step = min(step + 1, step | 65535)";
pub(super) const EMPTY_ATTEMPTS: &str = "-- name: empty_attempts
         UPDATE attempts SET request_body = x'', payload_at = NULL, response_body = x''";
pub(super) const NOT_EMPTY: &str = "(length(request_body) > 0 OR length(response_body) > 0 OR payload_at IS NOT NULL)";

#[async_trait]
impl Erasures for Sqlite {
    async fn create_erasure(&self, erasure: &Erasure, entry: &AuditEntry) -> Result<(), StoreError> {
        let (erasure, entry) = (erasure.clone(), entry.clone());
        self.write(move |connection| {
            connection.execute(
                "-- name: create_erasure
                 INSERT INTO erasures (id, tenant, event, state, created_at, updated_at)
                 VALUES (?1, ?2, ?3, 'running', ?4, ?4)",
                params![
                    blob(erasure.id.uuid()),
                    blob(erasure.tenant.uuid()),
                    erasure.event.map(|event| blob(event.uuid())),
                    micros(erasure.created_at),
                ],
            )?;
            write_audit(connection, &entry)
        })
        .await
    }

    async fn erasure(&self, id: ErasureId) -> Result<Option<Erasure>, StoreError> {
        let sql = format!("/* name: read_erasure */ SELECT {ERASURE} FROM erasures WHERE id = ?1");
        self.search(move |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            Ok(select.query_row([blob(id.uuid())], erasure).optional()?)
        })
        .await
    }

    async fn erasures(
        &self,
        tenant: Option<TenantId>,
        before: Option<ErasureId>,
        limit: u32,
    ) -> Result<Vec<Erasure>, StoreError> {
        let of_tenant = if tenant.is_some() { "tenant = ?1" } else { "?1 IS NULL" };
        let sql = format!(
            "-- name: list_erasures
             SELECT {ERASURE} FROM erasures WHERE {of_tenant} AND id < ?2 ORDER BY id DESC LIMIT ?3"
        );
        let before = before.map_or(Uuid::max(), ErasureId::uuid);
        self.search(move |connection| {
            let mut select = connection.prepare_cached(&sql)?;
            let tenant = tenant.map(|tenant| blob(tenant.uuid()));
            let found = select.query_map(params![tenant, blob(before), limit], erasure)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn claim_erasure(&self, now: Timestamp, lease: Duration) -> Result<Option<Erasure>, StoreError> {
        let sql = format!(
            "-- name: claim_erasure
             UPDATE erasures SET claimed_until = ?2
             WHERE id = (SELECT id FROM erasures WHERE state = 'running' AND ifnull(claimed_until < ?1, 1)
                         ORDER BY updated_at LIMIT 1)
             RETURNING {ERASURE}"
        );
        self.write(move |connection| {
            let mut claim = connection.prepare_cached(&sql)?;
            let claimed = params![micros(now), micros(until(now, lease))];
            Ok(claim.query_row(claimed, erasure).optional()?)
        })
        .await
    }

    async fn erase_some(
        &self,
        erasure: &Erasure,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<(Removed, bool), StoreError> {
        let erasure = erasure.clone();
        self.write(move |connection| {
            let (removed, done) = match erasure.event {
                Some(event) => (erase_event(connection, event, erasure.tenant, now)?, true),
                None => {
                    let removed = remove_some(connection, &erasure, limit)?;
                    let done = removed.is_nothing() && !remove_keys(connection, &erasure, limit)?;
                    if done {
                        remove_besides(connection, &erasure)?;
                    }
                    (removed, done)
                }
            };
            let in_all = connection
                .prepare_cached(
                    "-- name: progress_erasure
                         UPDATE erasures SET events = events + ?2, deliveries = deliveries + ?3, attempts = attempts + ?4,
                            updated_at = ?5, claimed_until = ?6, state = iif(?7, 'succeeded', 'running'),
                            ended_at = iif(?7, ?5, NULL)
                     WHERE id = ?1 AND state = 'running' RETURNING events, deliveries, attempts",
                )?
                .query_row(
                    params![
                        blob(erasure.id.uuid()),
                        removed.events as i64,
                        removed.deliveries as i64,
                        removed.attempts as i64,
                        micros(now),
                        micros(until(now, lease)),
                        done,
                    ],
                    |row| in_all(row, 0),
                )
                .optional()?;
            // None: somebody else ended it.
            Ok(in_all.map_or((erasure.removed, true), |in_all| (in_all, done)))
        })
        .await
    }

    async fn release_erasure(&self, id: ErasureId) -> Result<(), StoreError> {
        self.write(move |connection| {
            let sql = "-- name: give_back_erasure
                 UPDATE erasures SET claimed_until = NULL WHERE id = ?1 AND state = 'running'";
            connection.execute(sql, [blob(id.uuid())])?;
            Ok(())
        })
        .await
    }

    async fn drop_days_before(&self, before: Timestamp, _now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let bounds = [
            ("attempts", blob(AttemptId::floor(before).uuid())),
            ("deliveries", blob(DeliveryId::floor(before).uuid())),
            ("events", blob(EventId::floor(before).uuid())),
        ];
        self.write(move |connection| {
            // One table after the other, so that an event is there as long as anything of it.
            for (table, bound) in bounds {
                let sql = format!(
                    "-- name: drop_old_rows
                         DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id < ?1 ORDER BY id LIMIT ?2)"
                );
                let removed = connection.prepare_cached(&sql)?.execute(params![bound, limit])?;
                if removed > 0 {
                    metrics::ROWS_DROPPED.inc_by(removed as u64);
                    return Ok(removed as u64);
                }
            }
            Ok(0)
        })
        .await
    }

    async fn forget(&self, what: Forgetting, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(move |connection| retention::forget(connection, what, now, limit))
            .await
    }

    async fn claim_upkeep(&self, _process: Uuid, _now: Timestamp, _lease: Duration) -> Result<bool, StoreError> {
        // One process has the file, so it is always its turn.
        Ok(true)
    }

    async fn end_upkeep(&self, _process: Uuid, _due: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Removes the content of one event, and what was not delivered of it.
fn erase_event(
    connection: &Connection,
    event: EventId,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Removed, StoreError> {
    let floor = |millis: u64| blob(Uuid::from_u128(u128::from(millis) << 80));
    let (from, to) = (floor(event.unix_millis()), floor(event.unix_millis() + 1));
    let (event, tenant, now) = (blob(event.uuid()), blob(tenant.uuid()), micros(now));
    let events = connection.execute(
        "-- name: empty_event
             UPDATE events SET payload = x'', erased_at = ?3 WHERE id = ?1 AND tenant = ?2 AND erased_at IS NULL",
        params![event, tenant, now],
    )?;
    let cancel = format!(
        "{CANCEL}, reason = ?1, updated_at = ?2 WHERE id >= ?3 AND id < ?4 AND event = ?5 AND tenant = ?6 AND {OPEN}"
    );
    let erased = CancelReason::Erased.as_str();
    let deliveries = connection.execute(&cancel, params![erased, now, from, to, event, tenant])?;
    let empty = format!("{EMPTY_ATTEMPTS} WHERE event = ?1 AND tenant = ?2 AND {NOT_EMPTY}");
    let attempts = connection.execute(&empty, params![event, tenant])?;
    Ok(removed(events, deliveries, attempts))
}

/// Removes some rows of a tenant's events that are older than the erasure: attempts first, so that an event is there as
/// long as anything of it.
fn remove_some(connection: &Connection, erasure: &Erasure, limit: u32) -> Result<Removed, StoreError> {
    // A replay would make deliveries of what is removed here.
    let replays = "/* name: remove_replays */ DELETE FROM replays WHERE tenant = ?1 AND id < ?2";
    connection.execute(replays, [blob(erasure.tenant.uuid()), blob(erasure.id.uuid())])?;
    let remove = |table: &str, event: &str| -> Result<usize, StoreError> {
        let sql = format!(
            "-- name: remove_erased_rows
                 DELETE FROM {table} WHERE id IN (
                 SELECT id FROM {table} WHERE tenant = ?1 AND {event} < ?2 ORDER BY id LIMIT ?3)"
        );
        Ok(connection.prepare_cached(&sql)?.execute(params![
            blob(erasure.tenant.uuid()),
            blob(erasure.id.uuid()),
            limit
        ])?)
    };
    let attempts = remove("attempts", "event")?;
    if attempts > 0 {
        return Ok(removed(0, 0, attempts));
    }
    let deliveries = remove("deliveries", "event")?;
    if deliveries > 0 {
        return Ok(removed(0, deliveries, 0));
    }
    Ok(removed(remove("events", "id")?, 0, 0))
}

/// Removes some idempotency keys of a tenant; whether there were any.
fn remove_keys(connection: &Connection, erasure: &Erasure, limit: u32) -> Result<bool, StoreError> {
    let sql = "-- name: remove_idempotency_keys
                   DELETE FROM idempotency_keys WHERE tenant = ?1 AND key IN (
                   SELECT key FROM idempotency_keys WHERE tenant = ?1 AND event < ?2 LIMIT ?3)";
    let removed = connection.prepare_cached(sql)?.execute(params![
        blob(erasure.tenant.uuid()),
        blob(erasure.id.uuid()),
        limit
    ])?;
    Ok(removed > 0)
}

/// The last step when everything of a tenant is erased: older notices go, and older audit entries lose their details.
fn remove_besides(connection: &Connection, erasure: &Erasure) -> Result<(), StoreError> {
    for sql in [
        "/* name: remove_erased_notices */ DELETE FROM notices WHERE tenant = ?1 AND id < ?2",
        // That something was changed stays on record; what it was may name people.
        "-- name: empty_erased_audit_entries
         UPDATE audit SET before = NULL, after = NULL, remote_address = NULL, user_agent = NULL
         WHERE tenant = ?1 AND id < ?2",
    ] {
        connection.execute(sql, [blob(erasure.tenant.uuid()), blob(erasure.id.uuid())])?;
    }
    Ok(())
}

/// `true` if everything of the tenant was erased, or is to be, since the event was accepted.
pub(super) fn is_erased(connection: &Connection, tenant: TenantId, event: EventId) -> Result<bool, StoreError> {
    let sql = "-- name: check_erasure
         SELECT 1 FROM erasures WHERE tenant = ?1 AND event IS NULL AND id > ?2 LIMIT 1";
    let mut find = connection.prepare_cached(sql)?;
    Ok(find.exists([blob(tenant.uuid()), blob(event.uuid())])?)
}

/// `true` if the event's own content was erased.
pub(super) fn is_event_erased(connection: &Connection, tenant: TenantId, event: EventId) -> Result<bool, StoreError> {
    let sql = "/* name: check_event_erasure */ SELECT 1 FROM erasures WHERE tenant = ?1 AND event = ?2 LIMIT 1";
    let mut find = connection.prepare_cached(sql)?;
    Ok(find.exists([blob(tenant.uuid()), blob(event.uuid())])?)
}

fn removed(events: usize, deliveries: usize, attempts: usize) -> Removed {
    Removed {
        events: events as u64,
        deliveries: deliveries as u64,
        attempts: attempts as u64,
    }
}

/// Reads the columns of [`ERASURE`].
fn erasure(row: &Row<'_>) -> rusqlite::Result<Erasure> {
    Ok(Erasure {
        id: id(row, 0, ErasureId::from_uuid)?,
        tenant: id(row, 1, TenantId::from_uuid)?,
        event: row
            .get::<_, Option<[u8; 16]>>(2)?
            .map(|event| EventId::from_uuid(Uuid::from_bytes(event))),
        created_at: time(row, 3)?,
        updated_at: time(row, 4)?,
        ended_at: time_or_none(row, 5)?,
        removed: in_all(row, 6)?,
    })
}

/// Three columns from this one on: events, deliveries, attempts.
fn in_all(row: &Row<'_>, first: usize) -> rusqlite::Result<Removed> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    Ok(Removed {
        events: number(first)?,
        deliveries: number(first + 1)?,
        attempts: number(first + 2)?,
    })
}
