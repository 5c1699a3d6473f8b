//! Endpoints.

use std::time::Duration;

use tidings_domain::{
    AuditEntry, Authentication, DisabledReason, Endpoint, EndpointId, EventId, Overrides, Subscription, TenantId,
    Timestamp,
};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Postgres;
use crate::error::StoreError;
use crate::health::late_in;
use crate::postgres::error::corrupt;
use crate::postgres::filter::Filter;
use crate::registry::{Deletion, turned_off};
use crate::sealed::Sealed;

pub(super) const ENDPOINT: &str = "id, tenant_id, name, url, dialect, secret_sealed, subscriptions, enabled, overrides, created_at, updated_at, \
     cancel_held_before, previous_secret_sealed, previous_secret_until, contact, operational, failing_since, \
     disabled_reason, authentication_sealed";
const INSERT: &str = "INSERT INTO endpoints (id, tenant_id, name, url, dialect, secret_sealed, subscriptions,
                            enabled, overrides, updated_at, cancel_held_before, previous_secret_sealed,
                            previous_secret_until, contact, operational, failing_since, disabled_reason,
                            authentication_sealed, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
const REPLACE: &str = "UPDATE endpoints SET name = $3, url = $4, dialect = $5, secret_sealed = $6,
            subscriptions = $7, enabled = $8, overrides = $9, updated_at = $10, cancel_held_before = $11,
            previous_secret_sealed = $12, previous_secret_until = $13, contact = $14, operational = $15,
            failing_since = $16, disabled_reason = $17, authentication_sealed = $18
     WHERE id = $1 AND tenant_id = $2 AND updated_at = $19";
const DELETE: &str = "DELETE FROM endpoints WHERE id = $1 AND updated_at = coalesce($2, updated_at)";
const DISABLE: &str = "WITH disabled AS (
    UPDATE endpoints SET enabled = false, disabled_reason = $2,
        updated_at = greatest(updated_at + interval '1 microsecond', $3)
    WHERE id = $1 AND enabled
    RETURNING id, tenant_id
), noticed AS (
    INSERT INTO notices (id, tenant_id, endpoint_id, at, try_at, kind, detail)
    SELECT $4, tenant_id, id, $3, $3, 'endpoint.disabled', $5 FROM disabled
)
INSERT INTO audit (id, tenant_id, at, actor, action, target, before, after)
SELECT $6, tenant_id, $3, $7, $8, $9, $10, $11 FROM disabled";

pub(super) async fn create(store: &Postgres, endpoint: &Endpoint, entry: &AuditEntry) -> Result<(), StoreError> {
    write(store, INSERT, endpoint, endpoint.created_at, entry).await?;
    Ok(())
}

pub(super) async fn read(store: &Postgres, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
    let sql = format!("SELECT {ENDPOINT} FROM endpoints WHERE id = $1");
    let row = store.query_opt(&sql, &[&id.uuid()]).await?;
    row.map(|row| endpoint(store, &row)).transpose()
}

pub(super) async fn list(
    store: &Postgres,
    tenant: TenantId,
    before: Option<EndpointId>,
    limit: u32,
) -> Result<Vec<Endpoint>, StoreError> {
    let mut filter = Filter::default();
    filter.and("tenant_id = $", tenant.uuid());
    filter.and_some("id < $", before.map(EndpointId::uuid));
    let rows = filter
        .newest(&store.reader().await?, ENDPOINT, "endpoints", limit)
        .await?;
    rows.iter().map(|row| endpoint(store, row)).collect()
}

pub(super) async fn replace(
    store: &Postgres,
    endpoint: &Endpoint,
    was: Timestamp,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    write(store, REPLACE, endpoint, was, entry).await
}

pub(super) async fn delete(
    store: &Postgres,
    id: EndpointId,
    was: Option<Timestamp>,
    entry: &AuditEntry,
) -> Result<Deletion, StoreError> {
    if store.change(DELETE, &[&id.uuid(), &was], entry).await? {
        return Ok(Deletion::Deleted);
    }
    let exists = "SELECT FROM endpoints WHERE id = $1";
    match store.query_opt(exists, &[&id.uuid()]).await? {
        Some(_) if was.is_some() => Ok(Deletion::Changed),
        _ => Ok(Deletion::Gone),
    }
}

pub(super) async fn disable(
    store: &Postgres,
    id: EndpointId,
    reason: DisabledReason,
    detail: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let notice = EventId::at(now).uuid();
    let entry = turned_off(id, reason, detail, now);
    let written = store
        .execute(
            DISABLE,
            &[
                &id.uuid(),
                &reason.as_str(),
                &now,
                &notice,
                &detail,
                &entry.id.uuid(),
                &entry.actor.name(),
                &entry.action,
                &entry.target,
                &Json(&entry.before),
                &Json(&entry.after),
            ],
        )
        .await?;
    Ok(written == 1)
}

pub(super) async fn failing_for(
    store: &Postgres,
    period: Duration,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<EndpointId>, StoreError> {
    let sql = "SELECT id FROM endpoints JOIN endpoint_health ON endpoint_id = id
               WHERE failing_since < $1 AND enabled AND greatest(failing_since, answered_at) < $1
                 AND last_failed_at >= greatest(failing_since, answered_at) + make_interval(secs => $3)
               ORDER BY failing_since LIMIT $2";
    let before = now.checked_sub(period).unwrap_or(Timestamp::UNIX_EPOCH);
    let late = late_in(period).as_secs_f64();
    let rows = store.query(sql, &[&before, &i64::from(limit), &late]).await?;
    rows.iter()
        .map(|row| Ok(EndpointId::from_uuid(row.try_get(0)?)))
        .collect()
}

/// Reads a row of the columns [`ENDPOINT`]; gives none, with a warning, if its secrets can't be read: one secret sealed
/// with a lost key must not keep all others from being used.
pub(super) fn usable(store: &Postgres, row: &Row) -> Result<Option<Endpoint>, StoreError> {
    match endpoint(store, row) {
        Ok(endpoint) => Ok(Some(endpoint)),
        Err(StoreError::Corrupt(error)) => {
            let endpoint = EndpointId::from_uuid(row.try_get("id")?);
            tracing::warn!(%endpoint, error, "endpoint {endpoint} is left out");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The sealed columns of a row.
pub(super) fn sealed(row: &Row) -> Result<Sealed, StoreError> {
    Ok(Sealed {
        secret: row.try_get("secret_sealed")?,
        previous_secret: row.try_get("previous_secret_sealed")?,
        authentication: row.try_get("authentication_sealed")?,
    })
}

/// Runs a statement that inserts or replaces an endpoint and takes one time more.
async fn write(
    store: &Postgres,
    sql: &str,
    endpoint: &Endpoint,
    time: Timestamp,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let sealed = Sealed::of(endpoint, &store.sealer)?;
    store
        .change(
            sql,
            &[
                &endpoint.id.uuid(),
                &endpoint.tenant.uuid(),
                &endpoint.name,
                &endpoint.url.as_str(),
                &endpoint.dialect,
                &sealed.secret,
                &Json(&endpoint.subscriptions),
                &endpoint.enabled,
                &Json(&endpoint.overrides),
                &endpoint.updated_at,
                &endpoint.cancel_held_before,
                &sealed.previous_secret,
                &endpoint.previous_secret.as_ref().map(|previous| previous.until),
                &endpoint.contact,
                &endpoint.operational,
                &endpoint.failing_since,
                &endpoint.disabled_reason.map(DisabledReason::as_str),
                &sealed.authentication,
                &time,
            ],
            entry,
        )
        .await
}

fn endpoint(store: &Postgres, row: &Row) -> Result<Endpoint, StoreError> {
    let mut endpoint = Endpoint {
        id: EndpointId::from_uuid(row.try_get("id")?),
        tenant: TenantId::from_uuid(row.try_get("tenant_id")?),
        name: row.try_get("name")?,
        url: row.try_get::<_, &str>("url")?.parse().map_err(corrupt)?,
        dialect: row.try_get("dialect")?,
        secret: None,
        previous_secret: None,
        authentication: Authentication::default(),
        subscriptions: row.try_get::<_, Json<Vec<Subscription>>>("subscriptions")?.0,
        operational: row.try_get("operational")?,
        contact: row.try_get("contact")?,
        enabled: row.try_get("enabled")?,
        disabled_reason: row
            .try_get::<_, Option<&str>>("disabled_reason")?
            .and_then(DisabledReason::from_name),
        failing_since: row.try_get("failing_since")?,
        overrides: row.try_get::<_, Json<Overrides>>("overrides")?.0,
        cancel_held_before: row.try_get("cancel_held_before")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    sealed(row)?.open_into(&mut endpoint, row.try_get("previous_secret_until")?, &store.sealer)?;
    Ok(endpoint)
}
