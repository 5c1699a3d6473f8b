//! Retention: whole days, and what single tenants keep for less time.
//!
//! A day may hold a hundred million rows, and so may a tenant. So no statement searches for matching rows that are
//! left; each visits a bounded number of rows along an index and leaves a mark behind the last of them, from which the
//! next one continues. Open deliveries of a day are found by the partial indexes that the sweeper and the releaser use.

use tidings_domain::{AttemptId, CancelReason, EventId, TenantId, Timestamp};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::lease::Lease;
use super::{Postgres, partitions};
use crate::erasures::Forgetting;
use crate::error::StoreError;
use crate::metrics;

/// Open deliveries of an old day that one statement cancels.
const CANCEL: i64 = 5_000;

/// The rows of a tenant that one statement walks over: those behind a mark, up to a bound.
const BATCH: &str = "SELECT id FROM {table} WHERE tenant_id = $1 AND id > $2 AND id < $3 {which} ORDER BY id LIMIT $4";
/// The bounds say which partitions to look into.
const IN_BATCH: &str = "id = ANY(ARRAY(SELECT id FROM batch)) AND id >= (SELECT id FROM batch ORDER BY id LIMIT 1)
     AND id <= (SELECT id FROM batch ORDER BY id DESC LIMIT 1)";

const CANCEL_OPEN: Change = Change {
    table: "deliveries",
    mark: "deliveries_to",
    which: "",
    sql: "UPDATE deliveries
          SET state = 'cancelled', reason = $6, due_at = NULL, sweep_at = NULL, updated_at = $5,
              step = least(step + 1, step | 65535)
          WHERE {in_batch} AND state NOT IN ('succeeded', 'exhausted', 'cancelled')",
};
const EMPTY_EVENTS: Change = Change {
    table: "events",
    mark: "events_to",
    which: "",
    sql: "UPDATE events SET payload = '', erased_at = $5 WHERE {in_batch} AND erased_at IS NULL",
};
const EMPTY_ATTEMPTS: Change = Change {
    table: "attempts",
    mark: "bodies_to",
    which: "",
    sql: "UPDATE attempts SET request_body = '', payload_at = NULL, response_body = ''
          WHERE {in_batch} AND (request_body <> '' OR response_body <> '' OR payload_at IS NOT NULL)",
};
const REMOVE_ATTEMPTS: Change = Change {
    table: "attempts",
    mark: "attempts_to",
    which: "",
    sql: "DELETE FROM attempts WHERE {in_batch}",
};

/// A change applied to a tenant's rows.
pub(super) struct Change {
    pub(super) table: &'static str,
    /// The column that holds the mark.
    pub(super) mark: &'static str,
    /// A condition on the rows, if not all are changed.
    pub(super) which: &'static str,
    /// A statement for the rows that are `{in_batch}`.
    pub(super) sql: &'static str,
}

/// The rows visited by one statement.
pub(super) struct Walked {
    pub(super) rows: u64,
    /// The last of them.
    pub(super) last: Option<Uuid>,
}

impl Change {
    /// The statement that walks over a batch.
    pub(super) fn statement(&self) -> String {
        let batch = BATCH.replace("{table}", self.table).replace("{which}", self.which);
        let changed = self.sql.replace("{in_batch}", IN_BATCH);
        let table = self.table;
        format!(
            "-- name: change_batch_of_{table}
             WITH batch AS MATERIALIZED ({batch}), changed AS ({changed})
             SELECT count(*) AS rows, (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last FROM batch"
        )
    }
}

impl Walked {
    pub(super) fn read(row: &tokio_postgres::Row) -> Result<Self, StoreError> {
        Ok(Self {
            rows: row.try_get::<_, i64>("rows")?.unsigned_abs(),
            last: row.try_get("last")?,
        })
    }
}

impl Postgres {
    pub(super) async fn drop_days(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let mut keeper = self.keeper().await?;
        // One at a time, so that whoever does the upkeep can say in between that it goes on.
        let old = partitions::before(keeper.whole()?, before).await?;
        let Some(partition) = old.first() else {
            return Ok(0);
        };
        if partition.starts_with("deliveries_") {
            cancel_open(&keeper, partition, now).await?;
        }
        partitions::drop(keeper.whole()?, partition).await?;
        metrics::PARTITIONS_DROPPED.inc();
        Ok(1)
    }

    pub(super) async fn forget_some(&self, what: Forgetting, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let keeper = self.keeper().await?;
        let expired = CancelReason::Expired.as_str();
        let mut walked = 0;
        if let Some(before) = what.content_before {
            let (events, attempts) = (EventId::floor(before).uuid(), AttemptId::floor(before).uuid());
            walked += walk(&keeper, &CANCEL_OPEN, what.tenant, events, limit, &[&now, &expired]).await?;
            walked += walk(&keeper, &EMPTY_EVENTS, what.tenant, events, limit, &[&now]).await?;
            walked += walk(&keeper, &EMPTY_ATTEMPTS, what.tenant, attempts, limit, &[]).await?;
        }
        if let Some(before) = what.attempts_before {
            let attempts = AttemptId::floor(before).uuid();
            walked += walk(&keeper, &REMOVE_ATTEMPTS, what.tenant, attempts, limit, &[]).await?;
        }
        Ok(walked)
    }
}

/// Walks over some rows of a tenant, from where it was left to a bound, and moves the mark behind them.
async fn walk(
    keeper: &Lease,
    change: &Change,
    tenant: TenantId,
    to: Uuid,
    limit: u32,
    more: &[&(dyn ToSql + Sync)],
) -> Result<u64, StoreError> {
    let (tenant, limit) = (tenant.uuid(), i64::from(limit));
    let read = format!(
        "/* name: read_forgotten_mark */ SELECT {} FROM forgotten WHERE tenant_id = $1",
        change.mark
    );
    let marked = keeper.query(&read, &[&tenant]).await?;
    let mark: Option<Uuid> = marked.first().map(|row| row.try_get(0)).transpose()?.flatten();
    let mark = mark.unwrap_or(Uuid::nil());
    if mark >= to {
        return Ok(0);
    }
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&tenant, &mark, &to, &limit];
    values.extend(more);
    let rows = keeper.query(&change.statement(), &values).await?;
    let Some(walked) = rows.first().map(Walked::read).transpose()? else {
        return Ok(0);
    };
    let is_last = walked.rows < limit.unsigned_abs();
    let reached = walked.last.filter(|_| !is_last).unwrap_or(to);
    let column = change.mark;
    let write = format!(
        "-- name: write_forgotten_mark
         INSERT INTO forgotten (tenant_id, {column}) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO UPDATE SET {column} = excluded.{column}"
    );
    // In a commit of its own: if the mark is lost, the batch is walked again and nothing more changes.
    keeper.execute(&write, &[&tenant, &reached]).await?;
    Ok(walked.rows)
}

/// Cancels what is still open in a day that is about to be dropped.
async fn cancel_open(keeper: &Lease, partition: &str, now: Timestamp) -> Result<(), StoreError> {
    let expired = CancelReason::Expired.as_str();
    let cancel = format!(
        "UPDATE {partition} SET state = 'cancelled', reason = $4, due_at = NULL, sweep_at = NULL, updated_at = $3
         WHERE id = ANY(ARRAY(SELECT id FROM open))"
    );
    let due = format!(
        "-- name: walk_due_deliveries
             WITH open AS MATERIALIZED (
             SELECT id, sweep_at FROM {partition} WHERE sweep_at >= $1 ORDER BY sweep_at LIMIT $2
         ), cancelled AS ({cancel})
         SELECT count(*), (SELECT sweep_at FROM open ORDER BY sweep_at DESC LIMIT 1) FROM open"
    );
    let held = format!(
        "-- name: walk_held_deliveries
             WITH open AS MATERIALIZED (
             SELECT id, endpoint_id FROM {partition} WHERE state = 'held' AND (endpoint_id, id) > ($1, $5)
             ORDER BY endpoint_id, id LIMIT $2
         ), last AS (SELECT endpoint_id, id FROM open ORDER BY endpoint_id DESC, id DESC LIMIT 1), cancelled AS ({cancel})
         SELECT (SELECT count(*) FROM open), (SELECT endpoint_id FROM last), (SELECT id FROM last)"
    );
    let mut cancelled = 0;
    let mut from = Some(Timestamp::UNIX_EPOCH);
    while let Some(mark) = from {
        let rows = keeper.query_once(&due, &[&mark, &CANCEL, &now, &expired]).await?;
        let Some(row) = rows.first() else { break };
        let count: i64 = row.try_get(0)?;
        cancelled += count;
        from = row.try_get::<_, Option<Timestamp>>(1)?.filter(|_| count == CANCEL);
    }
    let mut from = Some((Uuid::nil(), Uuid::nil()));
    while let Some((endpoint, id)) = from {
        let rows = keeper
            .query_once(&held, &[&endpoint, &CANCEL, &now, &expired, &id])
            .await?;
        let Some(row) = rows.first() else { break };
        let count: i64 = row.try_get(0)?;
        cancelled += count;
        let last = (row.try_get::<_, Option<Uuid>>(1)?, row.try_get::<_, Option<Uuid>>(2)?);
        from = last.0.zip(last.1).filter(|_| count == CANCEL);
    }
    if cancelled > 0 {
        tracing::warn!(
            partition,
            cancelled,
            "deliveries were still open when their day was dropped"
        );
    }
    Ok(())
}
