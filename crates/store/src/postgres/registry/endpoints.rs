//! Statements on endpoints.

use std::time::Duration;

use serde_json::Value;
use tidings_domain::{AuditEntry, DisabledReason, Endpoint, EndpointId, EventId, TenantId, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use url::Url;

use super::Postgres;
use crate::error::StoreError;
use crate::health::late_in;
use crate::lenient::{Lenient, Read, Unreadable, left_out};
use crate::postgres::error::corrupt;
use crate::postgres::filter::Filter;
use crate::registry::{Deletion, EndpointQuery, turned_off, unreadable_url};
use crate::sealed::{Columns, open_what_opens, previous_until};

pub(super) const ENDPOINT: &str = "id, tenant_id, name, url, dialect, secret_sealed, subscriptions, enabled, overrides, created_at, updated_at, \
     cancel_held_before, previous_secret_sealed, previous_secret_until, contact, operational, failing_since, \
     disabled_reason, authentication_sealed";
const INSERT: &str = "-- name: insert_endpoint
     INSERT INTO endpoints (id, tenant_id, name, url, dialect, secret_sealed, subscriptions,
                            enabled, overrides, updated_at, cancel_held_before, previous_secret_sealed,
                            previous_secret_until, contact, operational, failing_since, disabled_reason,
                            authentication_sealed, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
const REPLACE: &str = "-- name: replace_endpoint
            UPDATE endpoints SET name = $3, url = $4, dialect = $5, secret_sealed = $6,
            subscriptions = $7, enabled = $8, overrides = $9, updated_at = $10, cancel_held_before = $11,
            previous_secret_sealed = $12, previous_secret_until = $13, contact = $14, operational = $15,
            failing_since = $16, disabled_reason = $17, authentication_sealed = $18
     WHERE id = $1 AND tenant_id = $2 AND updated_at = $19";
const DELETE: &str = "-- name: delete_endpoint
     DELETE FROM endpoints WHERE id = $1 AND updated_at = coalesce($2, updated_at)";
const DISABLE: &str = "-- name: disable_endpoint
    WITH disabled AS (
    UPDATE endpoints SET enabled = false, disabled_reason = $2,
        updated_at = greatest(updated_at + interval '1 microsecond', $3)
    WHERE id = $1 AND enabled AND url = coalesce($12, url)
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
    let sql = format!("/* name: read_endpoint */ SELECT {ENDPOINT} FROM endpoints WHERE id = $1");
    let row = store.query_opt(&sql, &[&id.uuid()]).await?;
    row.map(|row| opened(store, &row)).transpose()
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
    rows.iter().map(|row| opened(store, row)).collect()
}

/// The expression of the index on the host of URLs, as in `migrations/0010_endpoints_by_state.sql`.
const HOST: &str = r"substring(url from '^https?://(\[[^]]*\]|[^/:]*)')";

pub(super) async fn search(store: &Postgres, query: &EndpointQuery) -> Result<Vec<Endpoint>, StoreError> {
    let mut filter = Filter::default();
    filter.and_some("tenant_id = $", query.tenant.map(TenantId::uuid));
    filter.and_some(&format!("{HOST} = $"), query.host.clone());
    filter.and_some("dialect = $", query.dialect.clone());
    filter.and_some("id < $", query.before.map(EndpointId::uuid));
    if let Some(state) = query.state {
        filter.and_partial(state.condition());
    }
    let rows = filter
        .newest(&store.client().await?, ENDPOINT, "endpoints", query.limit)
        .await?;
    rows.iter().map(|row| opened(store, row)).collect()
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
    let exists = "/* name: check_endpoint */ SELECT FROM endpoints WHERE id = $1";
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
    at: Option<&str>,
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
                &at,
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
    let sql = "-- name: list_failing_endpoints
               SELECT id FROM endpoints JOIN endpoint_health ON endpoint_id = id
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

/// The sealed columns of a row.
pub(super) fn columns(row: &Row) -> Result<Columns, StoreError> {
    Ok(Columns {
        secret: row.try_get("secret_sealed")?,
        previous_secret: row.try_get("previous_secret_sealed")?,
        authentication: row.try_get("authentication_sealed")?,
    })
}

/// A row of the columns [`ENDPOINT`], sealed as it is; what can't be read of it is as in a new endpoint.
pub(super) fn closed(row: &Row) -> Result<Read<Endpoint>, Unreadable> {
    let required = |column| row.try_get(column).map_err(|error| left_out("endpoint", "", error));
    let (id, tenant) = (
        EndpointId::from_uuid(required("id")?),
        TenantId::from_uuid(required("tenant_id")?),
    );
    let sealed = columns(row).map_err(|error| left_out("endpoint", id, error))?;
    let json = |column| row.try_get::<_, Json<Value>>(column).map(|json| json.0);
    let mut read = Lenient::default();
    let url = match row.try_get::<_, &str>("url") {
        Ok(text) => text.parse::<Url>().map_err(corrupt),
        Err(error) => Err(error.into()),
    };
    let mut endpoint = Endpoint {
        id,
        name: read.read("name", row.try_get("name"), String::new()),
        dialect: read.read("dialect", row.try_get("dialect"), String::new()),
        sealed: sealed.closed(read.read("previous_secret_until", row.try_get("previous_secret_until"), None)),
        subscriptions: read.subscriptions(json("subscriptions")),
        operational: read.read("operational", row.try_get("operational"), false),
        contact: read.read("contact", row.try_get("contact"), None),
        enabled: read.read("enabled", row.try_get("enabled"), true),
        disabled_reason: read
            .read(
                "disabled_reason",
                row.try_get::<_, Option<&str>>("disabled_reason"),
                None,
            )
            .and_then(DisabledReason::from_name),
        failing_since: read.read("failing_since", row.try_get("failing_since"), None),
        overrides: read.overrides(json("overrides")),
        cancel_held_before: read.read("cancel_held_before", row.try_get("cancel_held_before"), None),
        updated_at: read.time("updated_at", row.try_get("updated_at")),
        ..Endpoint::new(
            tenant,
            read.read("url", url, unreadable_url()),
            String::new(),
            read.time("created_at", row.try_get("created_at")),
        )
    };
    endpoint.unreadable = read.unreadable();
    Ok((endpoint, read.told("endpoint", Some(tenant), id)))
}

/// A row of the columns [`ENDPOINT`] with what opens of its secrets.
fn opened(store: &Postgres, row: &Row) -> Result<Endpoint, StoreError> {
    let (endpoint, _) = closed(row).map_err(|told| corrupt(told.why))?;
    Ok(open_what_opens(endpoint, &store.sealer))
}

/// Runs a statement that inserts or replaces an endpoint and takes one time more.
async fn write(
    store: &Postgres,
    sql: &str,
    endpoint: &Endpoint,
    time: Timestamp,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let sealed = Columns::of(endpoint, &store.sealer)?;
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
                &previous_until(endpoint),
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
