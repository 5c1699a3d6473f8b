//! Erasures, and the dropping of old days, in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::{AuditEntry, CancelReason, ErasureId, EventId, TenantId, Timestamp};
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::Postgres;
use super::attempts::not_before;
use super::deliveries::of_event;
use super::filter::Filter;
use super::registry::audit::insert as write_audit;
use super::replays::long;
use super::retention::{Change, Walked};
use crate::erasures::{Erasure, Erasures, Forgetting, Removed};
use crate::error::StoreError;
use crate::replays::until;

const ERASURE: &str = "id, tenant_id, event_id, events, deliveries, attempts, created_at, updated_at, ended_at";

const INSERT: &str = "-- name: insert_erasure
     INSERT INTO erasures (id, tenant_id, event_id, state, created_at, updated_at)
     VALUES ($1, $2, $3, 'running', $4, $4)";
// `SKIP LOCKED`: replicas that look at the same moment take different jobs, or none.
const CLAIM: &str = "-- name: claim_erasure
     UPDATE erasures SET claimed_until = $2
     WHERE id = (SELECT id FROM erasures WHERE state = 'running' AND (claimed_until IS NULL OR claimed_until < $1)
                 ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING ";
const PROGRESS: &str = "-- name: progress_erasure
            UPDATE erasures SET events = events + $2, deliveries = deliveries + $3, attempts = attempts + $4,
            updated_at = $5, claimed_until = $6, state = CASE WHEN $7 THEN 'succeeded' ELSE 'running' END,
            ended_at = CASE WHEN $7 THEN $5::timestamptz END
     WHERE id = $1 AND state = 'running' RETURNING events, deliveries, attempts";

const EMPTY_EVENT: &str = "-- name: empty_event
     UPDATE events SET payload = '', erased_at = $3
     WHERE id = $1 AND tenant_id = $2 AND erased_at IS NULL";
const CANCEL_OF_EVENT: &str = "-- name: cancel_deliveries_of_event
     UPDATE deliveries
     SET state = 'cancelled', reason = $6, due_at = NULL, sweep_at = NULL, updated_at = $5,
         step = least(step + 1, step | 65535)
     WHERE id >= $1 AND id < $2 AND event_id = $3 AND tenant_id = $4
       AND state NOT IN ('succeeded', 'exhausted', 'cancelled')";
const EMPTY_ATTEMPTS_OF_EVENT: &str = "-- name: empty_attempts_of_event
     UPDATE attempts SET request_body = '', payload_at = NULL, response_body = ''
     WHERE delivery_id >= $1 AND delivery_id < $2 AND event_id = $3 AND tenant_id = $4 AND id >= $5
       AND (request_body <> '' OR response_body <> '' OR payload_at IS NOT NULL)";

/// Removals from a tenant's events that are older than the erasure. Attempts come first, so that an event exists as
/// long as anything of it does.
const REMOVE: [Change; 3] = [
    Change {
        table: "attempts",
        mark: "attempts_to",
        which: "AND event_id < $5",
        sql: "DELETE FROM attempts WHERE {in_batch}",
    },
    Change {
        table: "deliveries",
        mark: "deliveries_to",
        which: "AND event_id < $5",
        sql: "DELETE FROM deliveries WHERE {in_batch}",
    },
    Change {
        table: "events",
        mark: "events_to",
        which: "AND id < $5",
        sql: "DELETE FROM events WHERE {in_batch}",
    },
];
const REMOVE_KEYS: &str = "-- name: remove_idempotency_keys
         WITH batch AS MATERIALIZED (
         SELECT key FROM idempotency_keys WHERE tenant_id = $1 AND key > $2 AND event_id < $4
         ORDER BY key LIMIT $3
     ), removed AS (DELETE FROM idempotency_keys WHERE tenant_id = $1 AND key IN (SELECT key FROM batch))
     SELECT max(key) AS last FROM batch";
// `FOR UPDATE` keeps a worker whose claim ran out from removing beside its successor.
const MARKS: &str = "-- name: read_erasure_marks
     SELECT attempts_to, deliveries_to, events_to, keys_to FROM erasures WHERE id = $1 FOR UPDATE";
const FORGET_MARKS: &str = "-- name: forget_erasure_marks
     UPDATE erasures SET attempts_to = NULL, deliveries_to = NULL, events_to = NULL, keys_to = NULL
     WHERE id = $1";

/// The last step when everything of a tenant is erased: older notices go, and older audit entries lose their details.
const REMOVE_BESIDES: [&str; 2] = [
    "/* name: remove_erased_notices */ DELETE FROM notices WHERE tenant_id = $1 AND id < $2",
    // That something was changed stays on record; what it was may name people.
    "-- name: empty_erased_audit_entries
     UPDATE audit SET before = NULL, after = NULL, remote_address = NULL, user_agent = NULL
     WHERE tenant_id = $1 AND id < $2",
];

const ERASED: &str = "-- name: read_erased_events
     SELECT asked.event_id FROM unnest($1::uuid[], $2::uuid[]) AS asked (tenant_id, event_id)
     WHERE EXISTS (SELECT FROM erasures e
                   WHERE e.tenant_id = asked.tenant_id AND e.event_id IS NULL AND e.id > asked.event_id)";
const REMOVE_REPLAYS: &str = "/* name: remove_replays */ DELETE FROM replays WHERE tenant_id = $1 AND id < $2";

const CLAIM_UPKEEP: &str = "-- name: claim_upkeep
     INSERT INTO upkeep AS known (what, process, claimed_until) VALUES ('ledger', $1, $3)
     ON CONFLICT (what) DO UPDATE SET process = excluded.process, claimed_until = excluded.claimed_until
     WHERE known.process = $1 OR known.claimed_until <= $2";
/// The process is forgotten, so that even it waits until the upkeep is due again.
const END_UPKEEP: &str = "-- name: end_upkeep
     UPDATE upkeep SET process = '00000000-0000-0000-0000-000000000000', claimed_until = $2
     WHERE what = 'ledger' AND process = $1";

#[async_trait]
impl Erasures for Postgres {
    async fn create_erasure(&self, erasure: &Erasure, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction
            .execute(
                INSERT,
                &[
                    &erasure.id.uuid(),
                    &erasure.tenant.uuid(),
                    &erasure.event.map(EventId::uuid),
                    &erasure.created_at,
                ],
            )
            .await?;
        write_audit(&*transaction, entry).await?;
        Ok(transaction.commit().await?)
    }

    async fn erasure(&self, id: ErasureId) -> Result<Option<Erasure>, StoreError> {
        let sql = format!("/* name: read_erasure */ SELECT {ERASURE} FROM erasures WHERE id = $1");
        let row = self.query_opt(&sql, &[&id.uuid()]).await?;
        row.as_ref().map(erasure).transpose()
    }

    async fn erasures(
        &self,
        tenant: Option<TenantId>,
        before: Option<ErasureId>,
        limit: u32,
    ) -> Result<Vec<Erasure>, StoreError> {
        let mut filter = Filter::default();
        filter.and_some("tenant_id = $", tenant.map(TenantId::uuid));
        filter.and_some("id < $", before.map(ErasureId::uuid));
        let rows = filter.newest(&self.reader().await?, ERASURE, "erasures", limit).await?;
        rows.iter().map(erasure).collect()
    }

    async fn claim_erasure(&self, now: Timestamp, lease: Duration) -> Result<Option<Erasure>, StoreError> {
        let sql = format!("{CLAIM}{ERASURE}");
        let row = self.query_opt(&sql, &[&now, &until(now, lease)]).await?;
        row.as_ref().map(erasure).transpose()
    }

    async fn erase_some(
        &self,
        erasure: &Erasure,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<(Removed, bool), StoreError> {
        let mut client = self.keeper().await?;
        let transaction = client.transaction().await?;
        let (removed, done) = match erasure.event {
            Some(event) => (erase_event(&transaction, event, erasure.tenant, now).await?, true),
            None => {
                let (removed, done) = remove_some(&transaction, erasure, limit).await?;
                if done {
                    for sql in REMOVE_BESIDES {
                        transaction
                            .execute(sql, &[&erasure.tenant.uuid(), &erasure.id.uuid()])
                            .await?;
                    }
                }
                (removed, done)
            }
        };
        let [events, deliveries, attempts] = [removed.events, removed.deliveries, removed.attempts].map(long);
        let row = transaction
            .query_opt(
                PROGRESS,
                &[
                    &erasure.id.uuid(),
                    &events,
                    &deliveries,
                    &attempts,
                    &now,
                    &until(now, lease),
                    &done,
                ],
            )
            .await?;
        transaction.commit().await?;
        match row {
            Some(row) => Ok((in_all(&row)?, done)),
            // Somebody else ended it.
            None => Ok((erasure.removed, true)),
        }
    }

    async fn release_erasure(&self, id: ErasureId) -> Result<(), StoreError> {
        let sql = "-- name: release_erasure
             UPDATE erasures SET claimed_until = NULL WHERE id = $1 AND state = 'running'";
        self.execute(sql, &[&id.uuid()]).await?;
        Ok(())
    }

    async fn drop_days_before(&self, before: Timestamp, now: Timestamp, _limit: u32) -> Result<u64, StoreError> {
        self.drop_days(before, now).await
    }

    async fn forget(&self, what: Forgetting, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.forget_some(what, now, limit).await
    }

    async fn claim_upkeep(&self, process: Uuid, now: Timestamp, lease: Duration) -> Result<bool, StoreError> {
        let claimed = self
            .execute(CLAIM_UPKEEP, &[&process, &now, &until(now, lease)])
            .await?;
        Ok(claimed == 1)
    }

    async fn end_upkeep(&self, process: Uuid, due: Timestamp) -> Result<(), StoreError> {
        self.execute(END_UPKEEP, &[&process, &due]).await?;
        Ok(())
    }
}

impl Postgres {
    /// Those of these events that are older than an erasure of everything of their tenant.
    pub(super) async fn erased_of(&self, events: &[(TenantId, EventId)]) -> Result<Vec<EventId>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let tenants: Vec<Uuid> = events.iter().map(|(tenant, _)| tenant.uuid()).collect();
        let ids: Vec<Uuid> = events.iter().map(|(_, event)| event.uuid()).collect();
        let rows = self.query(ERASED, &[&tenants, &ids]).await?;
        rows.iter().map(|row| Ok(EventId::from_uuid(row.try_get(0)?))).collect()
    }
}

/// Removes the content of one event, and what was not delivered of it.
async fn erase_event(
    transaction: &Transaction<'_>,
    event: EventId,
    tenant: TenantId,
    now: Timestamp,
) -> Result<Removed, StoreError> {
    let [from, to] = of_event(event);
    let (event_id, tenant) = (event.uuid(), tenant.uuid());
    let events = transaction.execute(EMPTY_EVENT, &[&event_id, &tenant, &now]).await?;
    let erased = CancelReason::Erased.as_str();
    let deliveries = transaction
        .execute(CANCEL_OF_EVENT, &[&from, &to, &event_id, &tenant, &now, &erased])
        .await?;
    let earliest = not_before(event.unix_millis()).uuid();
    let attempts = transaction
        .execute(EMPTY_ATTEMPTS_OF_EVENT, &[&from, &to, &event_id, &tenant, &earliest])
        .await?;
    Ok(Removed {
        events,
        deliveries,
        attempts,
    })
}

/// Removes some rows of a tenant, from where it was left; whether nothing is left. What came behind the marks meanwhile is
/// found by a last look from the beginning.
async fn remove_some(
    transaction: &Transaction<'_>,
    erasure: &Erasure,
    limit: u32,
) -> Result<(Removed, bool), StoreError> {
    let (id, tenant, limit) = (erasure.id.uuid(), erasure.tenant.uuid(), i64::from(limit));
    let Some(marks) = transaction.query_opt(MARKS, &[&id]).await? else {
        return Ok((Removed::default(), true));
    };
    // A replay that is under way is waited for: it would make deliveries of what is removed here.
    transaction.execute(REMOVE_REPLAYS, &[&tenant, &id]).await?;
    let within = |millis: u64| Uuid::from_u128(u128::from(erasure.id.unix_millis() + millis) << 80);
    // A delivery is in the millisecond of its event. An attempt that was recorded before the erasure was there to be seen
    // began before it, by whoever's clock.
    let bounds = [within(60_000), within(1), within(1)];
    let mut is_last_look = true;
    let mut removed = [0; 3];
    for ((change, bound), removed) in REMOVE.iter().zip(bounds).zip(&mut removed) {
        let mark: Option<Uuid> = marks.try_get(change.mark)?;
        is_last_look &= mark.is_none();
        let from = mark.unwrap_or(Uuid::nil());
        let walked = transaction
            .query_one(&change.statement(), &[&tenant, &from, &bound, &limit, &id])
            .await?;
        let walked = Walked::read(&walked)?;
        if let Some(last) = walked.last {
            let sql = format!(
                "/* name: write_erasure_mark */ UPDATE erasures SET {} = $2 WHERE id = $1",
                change.mark
            );
            transaction.execute(&sql, &[&id, &last]).await?;
            // One kind of row per transaction, so that each stays short.
            *removed = walked.rows;
            break;
        }
    }
    let [attempts, deliveries, events] = removed;
    let removed = Removed {
        events,
        deliveries,
        attempts,
    };
    if !removed.is_nothing() {
        return Ok((removed, false));
    }
    let mark: Option<&str> = marks.try_get("keys_to")?;
    is_last_look &= mark.is_none();
    let batch = transaction
        .query_one(REMOVE_KEYS, &[&tenant, &mark.unwrap_or_default(), &limit, &id])
        .await?;
    if let Some(last) = batch.try_get::<_, Option<&str>>("last")? {
        let sql = "/* name: write_erasure_keys_mark */ UPDATE erasures SET keys_to = $2 WHERE id = $1";
        transaction.execute(sql, &[&id, &last]).await?;
        return Ok((removed, false));
    }
    transaction.execute(FORGET_MARKS, &[&id]).await?;
    Ok((removed, is_last_look))
}

fn erasure(row: &Row) -> Result<Erasure, StoreError> {
    Ok(Erasure {
        id: ErasureId::from_uuid(row.try_get("id")?),
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        event: row.try_get::<_, Option<Uuid>>("event_id")?.map(EventId::from_uuid),
        removed: in_all(row)?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn in_all(row: &Row) -> Result<Removed, StoreError> {
    Ok(Removed {
        events: row.try_get::<_, i64>("events")?.unsigned_abs(),
        deliveries: row.try_get::<_, i64>("deliveries")?.unsigned_abs(),
        attempts: row.try_get::<_, i64>("attempts")?.unsigned_abs(),
    })
}
