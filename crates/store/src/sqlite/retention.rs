//! Retention of tenants that keep less than the others.
//!
//! Each statement visits a bounded number of rows along an index and leaves a mark behind the last of them, from which
//! the next one continues.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use tidings_domain::{AttemptId, CancelReason, EventId, TenantId, Timestamp};
use uuid::Uuid;

use super::erasures::{CANCEL, EMPTY_ATTEMPTS, NOT_EMPTY, OPEN};
use super::filter::uuid;
use super::row::{blob, id, micros};
use crate::erasures::Forgetting;
use crate::error::StoreError;

/// Removes some rows of a tenant and returns the number of rows visited.
pub(super) fn forget(connection: &Connection, what: Forgetting, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let mut walk = Walk {
        connection,
        tenant: what.tenant,
        limit,
        rows: 0,
    };
    if let Some(before) = what.content_before {
        let (events, attempts) = (EventId::floor(before).uuid(), AttemptId::floor(before).uuid());
        let (now, expired) = (
            Value::from(micros(now)),
            Value::from(CancelReason::Expired.as_str().to_owned()),
        );
        let cancel = format!("{CANCEL}, updated_at = ?4, reason = ?5 WHERE {{batch}} AND {OPEN}");
        walk.over("deliveries", "deliveries_to", events, &cancel, &[now.clone(), expired])?;
        let empty = "UPDATE events SET payload = x'', erased_at = ?4 WHERE {batch} AND erased_at IS NULL";
        walk.over("events", "events_to", events, empty, &[now])?;
        let empty = format!("{EMPTY_ATTEMPTS} WHERE {{batch}} AND {NOT_EMPTY}");
        walk.over("attempts", "bodies_to", attempts, &empty, &[])?;
    }
    if let Some(before) = what.attempts_before {
        let attempts = AttemptId::floor(before).uuid();
        walk.over(
            "attempts",
            "attempts_to",
            attempts,
            "DELETE FROM attempts WHERE {batch}",
            &[],
        )?;
    }
    Ok(walk.rows)
}

struct Walk<'a> {
    connection: &'a Connection,
    tenant: TenantId,
    limit: u32,
    rows: u64,
}

impl Walk<'_> {
    /// Does something to the next rows below a bound, those that are `{batch}`, and moves the mark behind them.
    fn over(&mut self, table: &str, mark: &str, to: Uuid, change: &str, more: &[Value]) -> Result<(), StoreError> {
        let tenant = Value::from(blob(self.tenant.uuid()).to_vec());
        let read = format!(
            "-- name: read_forgotten_mark
             SELECT {mark} FROM forgotten WHERE tenant = ?1 AND {mark} IS NOT NULL"
        );
        let from = self
            .connection
            .prepare_cached(&read)?
            .query_row([&tenant], |row| id(row, 0, |id| id))
            .optional()?
            .unwrap_or(Uuid::nil());
        if from >= to {
            return Ok(());
        }
        let batch = format!(
            "-- name: walk_rows
                 SELECT id FROM {table} WHERE tenant = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT {}",
            self.limit
        );
        let bounds = [tenant.clone(), uuid(from), uuid(to)];
        let ids = self
            .connection
            .prepare_cached(&batch)?
            .query_map(params_from_iter(&bounds), |row| id(row, 0, |id| id))?
            .collect::<Result<Vec<Uuid>, _>>()?;
        let reached = match ids.last() {
            Some(last) if ids.len() >= self.limit as usize => *last,
            _ => to,
        };
        if let Some(last) = ids.last() {
            let change = change.replace("{batch}", "tenant = ?1 AND id > ?2 AND id <= ?3");
            let values = [tenant.clone(), uuid(from), uuid(*last)]
                .into_iter()
                .chain(more.iter().cloned());
            self.connection
                .prepare_cached(&change)?
                .execute(params_from_iter(values))?;
        }
        let write = format!(
            "-- name: write_forgotten_mark
             INSERT INTO forgotten (tenant, {mark}) VALUES (?1, ?2)
             ON CONFLICT (tenant) DO UPDATE SET {mark} = excluded.{mark}"
        );
        self.connection
            .prepare_cached(&write)?
            .execute(params_from_iter([tenant, uuid(reached)]))?;
        self.rows += ids.len() as u64;
        Ok(())
    }
}
