//! One partition per day and table.
//!
//! A row whose day has no partition is kept in the table's default partition, so nothing is ever refused; when
//! the day's partition is made, such rows move there. Any number of processes may prepare at once.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan, civil};
use tidings_domain::{EventId, Timestamp};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use crate::error::StoreError;

const TABLES: [&str; 3] = ["events", "deliveries", "attempts"];
/// The number under which advisory locks keep processes apart: "days" in ASCII.
const LOCK: i64 = 0x64_61_79_73;
/// Limit for the wait for a lock. Everybody else queues behind a waiting lock, so this is how long commits may stand
/// still. Partitions are made days ahead, so there is time to try again.
const LOCK_TIMEOUT: &str = "200ms";
/// Number of tries and pauses between them: about five minutes in all.
const TRIES: u32 = 100;
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3)];
/// Limit for moving a day's rows out of the default partition while commits wait.
const MOVE_TIMEOUT: &str = "20s";
/// The most days without a partition that get one at once; a clock that was wrong may have left any number of them.
const STRAY_DAYS: usize = 31;

/// Makes the partitions from yesterday to `days_ahead` days after `now`, and of every day before of which there are rows,
/// where they are missing.
pub(super) async fn prepare(client: &mut Client, now: Timestamp, days_ahead: u32) -> Result<(), StoreError> {
    let existing = existing(client).await?;
    let today = now.to_zoned(TimeZone::UTC).date();
    // Yesterday's as well, because records of its last events may still arrive.
    let ahead = (-1..=i64::from(days_ahead)).map(|day| today.saturating_add(day.days()));
    let mut days: BTreeSet<civil::Date> = ahead.collect();
    days.extend(stray_days(client, today).await?);
    for day in days {
        for table in TABLES {
            if !existing.contains(&name(table, day)) {
                make(client, table, day).await?;
            }
        }
    }
    Ok(())
}

/// The partitions of days that lie wholly before a time, oldest first.
pub(super) async fn before(client: &Client, before: Timestamp) -> Result<Vec<String>, StoreError> {
    let first_kept = before.to_zoned(TimeZone::UTC).date();
    let days = existing(client).await?.into_iter();
    let mut old: Vec<(civil::Date, String)> = days
        .filter_map(|partition| Some((day_of(&partition)?, partition)))
        .filter(|(day, _)| *day < first_kept)
        .collect();
    old.sort_unstable();
    Ok(old.into_iter().map(|(_, partition)| partition).collect())
}

/// Drops a partition.
///
/// `DETACH … CONCURRENTLY` is not for tables with a default partition. The table itself is locked last and only for the
/// moment of the change: an event is inserted without looking into this partition or the default one.
pub(super) async fn drop(client: &mut Client, partition: &str) -> Result<(), StoreError> {
    let Some((table, _)) = partition.rsplit_once('_') else {
        return Ok(());
    };
    let sql = format!(
        "LOCK TABLE {partition};
         LOCK TABLE ONLY {table}_default;
         DROP TABLE {partition};"
    );
    change(client, table, partition, true, &sql).await
}

/// Makes one partition, in a transaction of its own so that no more than one table is locked at once.
///
/// The partition begins as a table beside, because a partition can't be made while the default one holds rows
/// for it. The default partition is locked first: whoever reads for long is waited for there, and inserting goes on
/// meanwhile. Then writers wait, for a moment: one that had chosen the default partition just before would be refused
/// after the change.
async fn make(client: &mut Client, table: &str, day: civil::Date) -> Result<(), StoreError> {
    let partition = name(table, day);
    let [from, to] = bounds(day)?.map(|id| id.uuid());
    let sql = format!(
        "SET LOCAL statement_timeout = '{MOVE_TIMEOUT}';
         CREATE TABLE {partition} (LIKE {table} INCLUDING ALL);
         LOCK TABLE {table}_default;
         LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE;
         WITH moved AS (DELETE FROM {table}_default WHERE id >= '{from}' AND id < '{to}' RETURNING *)
         INSERT INTO {partition} SELECT * FROM moved;
         ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ('{from}') TO ('{to}');"
    );
    change(client, table, &partition, false, &sql).await
}

/// Changes a table's partitions, as often as it has to be tried. Nothing is done if the partition is there, or is not
/// there, already.
async fn change(
    client: &mut Client,
    table: &str,
    partition: &str,
    is_there: bool,
    sql: &str,
) -> Result<(), StoreError> {
    let mut pause = PAUSES[0];
    let mut waited_for = None;
    for _ in 0..TRIES {
        // Waiting for a lock behind a long reader would make every other statement wait behind us.
        waited_for = long_reader(client, table).await?;
        if waited_for.is_none() {
            match try_to_change(client, partition, is_there, sql).await {
                Err(error) if is_locked(&error) => {}
                result => return Ok(result?),
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
    let by = waited_for.unwrap_or_else(|| "many short statements".into());
    Err(StoreError::Unavailable(format!(
        "{table} is locked by {by}: {partition} has to wait"
    )))
}

async fn try_to_change(client: &mut Client, partition: &str, is_there: bool, sql: &str) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let timeout = format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'");
    transaction.batch_execute(&timeout).await?;
    let lock = "/* name: lock_partitions */ SELECT pg_advisory_xact_lock($1)";
    transaction.execute(lock, &[&LOCK]).await?;
    let there = transaction
        .query_one(
            "/* name: check_partition */ SELECT to_regclass($1) IS NOT NULL",
            &[&partition],
        )
        .await?;
    // Another process was faster.
    if there.try_get::<_, bool>(0)? != is_there {
        return Ok(());
    }
    transaction.batch_execute(sql).await?;
    transaction.commit().await
}

/// `true` if the error means that another session held the lock for too long.
pub(super) fn is_locked(error: &Error) -> bool {
    let states = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|state| states.contains(state))
}

/// A session that has held a lock of this table for more than a second. Waiting for a lock behind it would only make
/// everybody else wait as well. Sessions of other users can't be seen; they are found out by waiting.
async fn long_reader(client: &Client, table: &str) -> Result<Option<String>, StoreError> {
    let sql = "-- name: find_long_reader
               SELECT format('process %s (%s) since %s', pid, application_name, xact_start)
               FROM pg_locks JOIN pg_stat_activity USING (pid)
               WHERE relation = $1::text::regclass AND granted AND pid <> pg_backend_pid()
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND xact_start < clock_timestamp() - interval '1 second' LIMIT 1";
    let row = client.query_opt(sql, &[&table]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Days before today of which there are rows in the default partitions: their records came late, or from a clock that was
/// wrong. Steps from one day to the next.
async fn stray_days(client: &Client, today: civil::Date) -> Result<BTreeSet<civil::Date>, StoreError> {
    let mut days = BTreeSet::new();
    for table in TABLES {
        let sql =
            format!("/* name: find_stray_day */ SELECT id FROM {table}_default WHERE id >= $1 ORDER BY id LIMIT 1");
        let mut from = Uuid::nil();
        while days.len() < STRAY_DAYS
            && let Some(row) = client.query_opt(&sql, &[&from]).await?
        {
            let millis = EventId::from_uuid(row.try_get(0)?).unix_millis();
            let at = i64::try_from(millis)
                .ok()
                .and_then(|millis| Timestamp::from_millisecond(millis).ok());
            let day = at.map(|at| at.to_zoned(TimeZone::UTC).date());
            let Some(day) = day.filter(|day| *day < today) else {
                break;
            };
            from = bounds(day)?[1].uuid();
            days.insert(day);
        }
    }
    Ok(days)
}

/// The day in a partition's name; none for the default partitions.
fn day_of(partition: &str) -> Option<civil::Date> {
    let (_, day) = partition.rsplit_once('_')?;
    civil::Date::strptime("%Y%m%d", day).ok()
}

fn name(table: &str, day: civil::Date) -> String {
    format!("{table}_{}", day.strftime("%Y%m%d"))
}

async fn existing(client: &Client) -> Result<BTreeSet<String>, StoreError> {
    let sql = "-- name: list_partitions
               SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
               WHERE inhparent IN ('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass)";
    let rows = client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
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
