//! Faults that administrators of the database cause.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use tidings_domain::EventId;
use tokio_postgres::Client;

use crate::system::{Part, System};

/// Time for the partitions to become complete, once nothing blocks them.
const DONE_WITHIN: Duration = Duration::from_secs(30);
const TABLES: [&str; 3] = ["events", "deliveries", "attempts"];
/// Days for which maintenance makes partitions ahead, and days after which it drops them.
const AHEAD: i64 = 3;
const OLD: i64 = -200;

/// Changes the password of the processes' role and ends their connections, then restores the password.
pub(super) async fn rotate_password(system: &mut System, away: Duration) -> anyhow::Result<String> {
    let admin = system.engines.administer().await?;
    system.engines.set_password(&admin, "another").await?;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'service'";
    let connections: i64 = admin.query_one(cut, &[]).await?.get(0);
    tokio::time::sleep(away).await;
    system.engines.restore_password(&admin).await?;
    Ok(format!("{connections} connections, for {away:.1?}"))
}

/// A long read runs while a partition is to be made and others are to be dropped.
pub(super) async fn partition_under_long_read(system: &mut System, held: Duration) -> anyhow::Result<String> {
    let admin = system.engines.administer().await?;
    let reader = system.engines.administer().await?;
    let (ahead, old) = (day(AHEAD)?, day(OLD)?);
    arrange(&admin, ahead, old).await?;
    reader
        .batch_execute(
            "BEGIN; SELECT count(*) FROM events; SELECT count(*) FROM deliveries; SELECT count(*) FROM attempts",
        )
        .await?;
    let began = Timestamp::now();
    // The upkeep is due for whoever starts.
    admin.batch_execute("DELETE FROM upkeep").await?;
    let log = system.role(Part::Log2);
    log.kill9().await?;
    log.spawn()?;
    tokio::time::sleep(held).await;
    let recorded = recorded_since(&admin, began).await?;
    anyhow::ensure!(
        recorded > 0,
        "nothing was recorded while partitions waited for a reader"
    );
    reader.batch_execute("COMMIT").await?;
    let done = async {
        while !is_done(&admin, ahead, old).await? {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(DONE_WITHIN, done).await {
        Ok(done) => done?,
        Err(_) => bail!("partitions were neither made nor dropped within {DONE_WITHIN:?} after the reader was gone"),
    }
    Ok(format!("for {held:.1?}, {recorded} events meanwhile"))
}

/// Drops a partition that maintenance must make, and makes some that it must drop.
async fn arrange(admin: &Client, ahead: Date, old: Date) -> anyhow::Result<()> {
    let [from, to] = [old, old.tomorrow()?].map(|day| midnight(day).map(|at| EventId::floor(at).uuid()));
    let (from, to) = (from?, to?);
    let mut sql = "SET ROLE service; SET lock_timeout = '10s';".to_owned();
    for table in TABLES {
        sql += &format!(
            "DROP TABLE IF EXISTS {ahead}; DROP TABLE IF EXISTS {old};
             CREATE TABLE {old} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}');",
            ahead = partition(table, ahead),
            old = partition(table, old),
        );
    }
    admin.batch_execute(&sql).await.context("partitions for the fault")?;
    admin.batch_execute("RESET ROLE").await?;
    Ok(())
}

async fn is_done(admin: &Client, ahead: Date, old: Date) -> anyhow::Result<bool> {
    for table in TABLES {
        let sql = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NULL";
        let names = [partition(table, ahead), partition(table, old)];
        if !admin.query_one(sql, &[&names[0], &names[1]]).await?.get::<_, bool>(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn recorded_since(admin: &Client, at: Timestamp) -> anyhow::Result<i64> {
    let sql = "SELECT count(*) FROM events WHERE id >= $1";
    Ok(admin.query_one(sql, &[&EventId::floor(at).uuid()]).await?.get(0))
}

fn partition(table: &str, day: Date) -> String {
    format!("{table}_{}", day.strftime("%Y%m%d"))
}

fn day(from_today: i64) -> anyhow::Result<Date> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    Ok(today.checked_add(from_today.days())?)
}

fn midnight(day: Date) -> anyhow::Result<Timestamp> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp())
}
