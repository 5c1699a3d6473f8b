//! One partition per day and table.
//!
//! A row whose day has no partition is kept in the table's default partition, so nothing is ever refused; when
//! the day's partition is made, such rows move there. Any number of processes may prepare at once.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan, civil};
use tidings_domain::{CancelReason, EventId, Timestamp};
use tokio_postgres::Client;

use crate::error::StoreError;

const TABLES: [&str; 3] = ["events", "deliveries", "attempts"];
/// The number under which advisory locks keep processes apart: "days" in ASCII.
const LOCK: i64 = 0x64_61_79_73;

/// Makes the partitions from yesterday to `days_ahead` days after `now`, where they are missing.
pub(super) async fn prepare(client: &mut Client, now: Timestamp, days_ahead: u32) -> Result<(), StoreError> {
    let existing = existing(client).await?;
    let today = now.to_zoned(TimeZone::UTC).date();
    for day in -1..=i64::from(days_ahead) {
        let day = today.saturating_add(day.days());
        for table in TABLES {
            if !existing.contains(&name(table, day)) {
                make(client, table, day).await?;
            }
        }
    }
    Ok(())
}

/// Drops the partitions of days that lie wholly before a time, each with its own short lock; what is still open in them
/// is cancelled first. How many were dropped.
pub(super) async fn drop_before(client: &mut Client, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
    let first_kept = before.to_zoned(TimeZone::UTC).date();
    let mut old: Vec<(civil::Date, String)> = existing(client)
        .await?
        .into_iter()
        .filter_map(|partition| Some((day_of(&partition)?, partition)))
        .filter(|(day, _)| *day < first_kept)
        .collect();
    old.sort_unstable();
    for (_, partition) in &old {
        if partition.starts_with("deliveries_") {
            let cancel = format!(
                "UPDATE {partition} SET state = 'cancelled', reason = $2, due_at = NULL, sweep_at = NULL,
                                        updated_at = $1
                 WHERE state NOT IN ('succeeded', 'exhausted', 'cancelled')"
            );
            let cancelled = client
                .execute(&cancel, &[&now, &CancelReason::Expired.as_str()])
                .await?;
            if cancelled > 0 {
                tracing::warn!(
                    partition,
                    cancelled,
                    "deliveries were still open when their day was dropped"
                );
            }
        }
        let transaction = client.transaction().await?;
        // Everybody else queues behind a lock that waits, so the wait is bounded; the next try may do better.
        transaction.batch_execute("SET LOCAL lock_timeout = '5s'").await?;
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
            .await?;
        transaction
            .batch_execute(&format!("DROP TABLE IF EXISTS {partition}"))
            .await?;
        transaction.commit().await?;
    }
    Ok(old.len() as u64)
}

/// The day in a partition's name; none for the default partitions.
fn day_of(partition: &str) -> Option<civil::Date> {
    let (_, day) = partition.rsplit_once('_')?;
    civil::Date::strptime("%Y%m%d", day).ok()
}

fn name(table: &str, day: civil::Date) -> String {
    format!("{table}_{}", day.strftime("%Y%m%d"))
}

async fn existing(client: &Client) -> Result<HashSet<String>, StoreError> {
    let sql = "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
               WHERE inhparent IN ('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass)";
    let rows = client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Makes one partition, in a transaction of its own so that no more than one table is locked at once.
///
/// The partition begins as a table beside, because a partition can't be made while the default one holds rows
/// for it. Writers wait meanwhile: one that had chosen the default partition just before would be refused
/// after the change. Readers wait only for the move, which is short, because partitions are made ahead.
async fn make(client: &mut Client, table: &str, day: civil::Date) -> Result<(), StoreError> {
    let partition = name(table, day);
    let transaction = client.transaction().await?;
    // Writers and readers queue behind a lock that waits, so the wait is bounded; the next try may do better.
    transaction.batch_execute("SET LOCAL lock_timeout = '5s'").await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let exists = transaction
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&partition])
        .await?;
    if exists.try_get(0)? {
        return Ok(());
    }
    let [from, to] = bounds(day)?.map(|id| id.uuid());
    transaction
        .batch_execute(&format!(
            "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL);
             LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE;
             LOCK TABLE {table}_default;
             WITH moved AS (DELETE FROM {table}_default WHERE id >= '{from}' AND id < '{to}' RETURNING *)
             INSERT INTO {partition} SELECT * FROM moved;
             ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ('{from}') TO ('{to}');"
        ))
        .await?;
    Ok(transaction.commit().await?)
}

/// The smallest ids of the day and of the day after, in UTC.
fn bounds(day: civil::Date) -> Result<[EventId; 2], StoreError> {
    let midnight = day
        .to_zoned(TimeZone::UTC)
        .map_err(|error| StoreError::Refused(format!("{day} can't have a partition: {error}")))?
        .timestamp();
    Ok([midnight, midnight + SignedDuration::from_hours(24)].map(EventId::floor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_days_bounds_hold_its_first_and_last_millisecond() {
        let day = civil::date(2026, 11, 21);
        let [from, to] = bounds(day).unwrap();
        assert_eq!(name("events", day), "events_20261121");
        assert_eq!(day_of("events_20261121"), Some(day));
        assert_eq!(day_of("events_default"), None);
        assert_eq!(from, EventId::floor("2026-11-21T00:00:00Z".parse().unwrap()));
        assert!(EventId::floor("2026-11-21T23:59:59.999Z".parse().unwrap()) < to);
        assert_eq!(to, EventId::floor("2026-11-22T00:00:00Z".parse().unwrap()));
    }
}
