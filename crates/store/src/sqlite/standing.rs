//! The ledger's figures for metrics, read from SQLite.

use std::time::Duration;

use rusqlite::{Connection, params};
use tidings_domain::Timestamp;

use super::row::micros;
use crate::error::StoreError;
use crate::ledger::Standing;

pub(super) fn standing(connection: &Connection, now: Timestamp) -> Result<Standing, StoreError> {
    let sql = "-- name: count_overdue_deliveries
               SELECT count(*), min(sweep_at)
               FROM (SELECT sweep_at FROM deliveries WHERE sweep_at <= ?1 ORDER BY sweep_at LIMIT ?2)";
    let mut select = connection.prepare_cached(sql)?;
    let (overdue, oldest): (i64, Option<i64>) = select.query_row(params![micros(now), Standing::COUNTED], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let late = oldest.map_or(0, |oldest| micros(now).saturating_sub(oldest));
    let sql = "-- name: count_jobs
         SELECT (SELECT count(*) FROM replays WHERE state IN ('running', 'paused')),
                      (SELECT count(*) FROM erasures WHERE state = 'running')";
    let (replays, erasures): (i64, i64) = connection
        .prepare_cached(sql)?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Standing {
        overdue: overdue.unsigned_abs(),
        overdue_for: Duration::from_micros(late.unsigned_abs()),
        partitions_ahead: None,
        replays: replays.unsigned_abs(),
        erasures: erasures.unsigned_abs(),
    })
}
