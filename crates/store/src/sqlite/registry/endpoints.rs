//! Statements on endpoints.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};
use tidings_domain::{AuditEntry, DisabledReason, Endpoint, EndpointId, NoticeKind, TenantId, Timestamp};
use uuid::Uuid;

use super::{all, audit, execute, one};
use crate::error::StoreError;
use crate::health::late_in;
use crate::lenient::{Lenient, Read, Unreadable, left_out};
use crate::registry::{EndpointQuery, turned_off, unreadable_url};
use crate::sealed::{Columns, previous_until};
use crate::sqlite::filter::{Filter, uuid};
use crate::sqlite::health::{self, Noticed};
use crate::sqlite::row::{blob, from_json, id, json, length, micros, text, time, time_or_none};

pub(super) const ENDPOINT: &str = "id, tenant, name, url, dialect, secret, subscriptions, enabled, overrides, \
     created_at, updated_at, cancel_held_before, previous_secret, previous_secret_until, contact, operational, \
     failing_since, disabled_reason, authentication";

pub(super) fn insert(connection: &Connection, endpoint: &Endpoint, sealed: &Columns) -> Result<(), StoreError> {
    let sql = format!(
        "-- name: insert_endpoint
         INSERT INTO endpoints ({ENDPOINT})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?19, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
    );
    write(connection, &sql, endpoint, sealed, endpoint.created_at)?;
    Ok(())
}

pub(super) fn read(connection: &Connection, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
    let sql = format!("/* name: read_endpoint */ SELECT {ENDPOINT} FROM endpoints WHERE id = ?1");
    let found = one(connection, &sql, [blob(id.uuid())], |row| Ok(closed(row)))?;
    found.map(readable).transpose()
}

/// `true` if an endpoint has this id, readable or not.
pub(super) fn exists(connection: &Connection, id: EndpointId) -> Result<bool, StoreError> {
    let sql = "/* name: check_endpoint */ SELECT 1 FROM endpoints WHERE id = ?1";
    Ok(one(connection, sql, [blob(id.uuid())], |_| Ok(()))?.is_some())
}

pub(super) fn list(
    connection: &Connection,
    tenant: TenantId,
    before: Option<EndpointId>,
    limit: u32,
) -> Result<Vec<Endpoint>, StoreError> {
    let sql = format!(
        "-- name: list_endpoints
         SELECT {ENDPOINT} FROM endpoints WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
    );
    let (tenant, before) = (blob(tenant.uuid()), blob(before.map_or(Uuid::max(), EndpointId::uuid)));
    let found = all(connection, &sql, params![tenant, before, limit], |row| Ok(closed(row)))?;
    found.into_iter().map(readable).collect()
}

pub(super) fn search(connection: &Connection, query: &EndpointQuery) -> Result<Vec<Endpoint>, StoreError> {
    // The host ends where the path or the port begins.
    const OF_HOST: &str = "(SELECT substr(url, instr(url, '://') + 3, length(host) + 1) IN (host || '/', host || ':')
                            FROM (SELECT ? AS host))";
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("dialect = ?", query.dialect.clone().map(Value::from));
    filter.and(OF_HOST, query.host.clone().map(Value::from));
    filter.and("id < ?", query.before.map(|id| uuid(id.uuid())));
    if let Some(state) = query.state {
        filter.and_partial(state.condition());
    }
    let select = format!("SELECT {ENDPOINT} FROM endpoints");
    let found = filter.list(connection, &select, query.limit, |row| Ok(closed(row)))?;
    found.into_iter().map(readable).collect()
}

pub(super) fn replace(
    connection: &Connection,
    endpoint: &Endpoint,
    sealed: &Columns,
    was: Timestamp,
) -> Result<Option<()>, StoreError> {
    let sql = "-- name: replace_endpoint
                  UPDATE endpoints SET name = ?3, url = ?4, dialect = ?5, secret = ?6, subscriptions = ?7,
                  enabled = ?8, overrides = ?9, updated_at = ?10, cancel_held_before = ?11, previous_secret = ?12,
                  previous_secret_until = ?13, contact = ?14, operational = ?15, failing_since = ?16,
                  disabled_reason = ?17, authentication = ?18
               WHERE id = ?1 AND tenant = ?2 AND updated_at = ?19";
    write(connection, sql, endpoint, sealed, was)
}

/// Removes an endpoint and returns its tenant.
pub(super) fn delete(
    connection: &Connection,
    endpoint: EndpointId,
    was: Option<Timestamp>,
) -> Result<Option<TenantId>, StoreError> {
    let sql = "-- name: delete_endpoint
         DELETE FROM endpoints WHERE id = ?1 AND updated_at = coalesce(?2, updated_at) RETURNING tenant";
    one(
        connection,
        sql,
        params![blob(endpoint.uuid()), was.map(micros)],
        |row| id(row, 0, TenantId::from_uuid),
    )
}

/// Disables an enabled endpoint and returns its tenant.
pub(super) fn disable(
    connection: &Connection,
    endpoint: EndpointId,
    reason: DisabledReason,
    detail: &str,
    at: Option<&str>,
    now: Timestamp,
) -> Result<Option<TenantId>, StoreError> {
    let sql = "-- name: disable_endpoint
               UPDATE endpoints SET enabled = 0, disabled_reason = ?2, updated_at = max(updated_at + 1, ?3)
               WHERE id = ?1 AND enabled AND url = coalesce(?4, url) RETURNING tenant";
    let values = params![blob(endpoint.uuid()), reason.as_str(), micros(now), at];
    let disabled = one(connection, sql, values, |row| id(row, 0, TenantId::from_uuid))?;
    if let Some(tenant) = disabled {
        let notice = Noticed {
            tenant,
            endpoint,
            delivery: None,
            at: now,
            kind: NoticeKind::EndpointDisabled,
            detail,
        };
        health::insert(connection, &notice)?;
        let entry = AuditEntry {
            tenant: Some(tenant),
            ..turned_off(endpoint, reason, detail, now)
        };
        audit::insert(connection, &entry)?;
    }
    Ok(disabled)
}

pub(super) fn failing_for(
    connection: &Connection,
    period: Duration,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<EndpointId>, StoreError> {
    let sql = "-- name: list_failing_endpoints
               SELECT id FROM endpoints JOIN endpoint_health ON endpoint = id
               WHERE failing_since < ?1 AND enabled AND ifnull(answered_at < ?1, 1)
                 AND last_failed_at >= max(failing_since, ifnull(answered_at, 0)) + ?3
               ORDER BY failing_since LIMIT ?2";
    let before = micros(now).saturating_sub(length(period));
    all(
        connection,
        sql,
        params![before, limit, length(late_in(period))],
        |row| id(row, 0, EndpointId::from_uuid),
    )
}

/// A row of the columns [`ENDPOINT`], sealed as it is; what can't be read of it is as in a new endpoint.
pub(super) fn closed(row: &Row<'_>) -> Result<Read<Endpoint>, Unreadable> {
    let unusable = |error: rusqlite::Error| left_out("endpoint", "", error);
    let endpoint = id(row, 0, EndpointId::from_uuid).map_err(unusable)?;
    let tenant = id(row, 1, TenantId::from_uuid).map_err(unusable)?;
    let mut read = Lenient::default();
    let sealed = Columns {
        secret: read.read("secret", row.get(5), None),
        previous_secret: read.read("previous_secret", row.get(12), None),
        authentication: read.read("authentication", row.get(18), None),
    };
    let mut closed = Endpoint {
        id: endpoint,
        name: read.read("name", row.get(2), String::new()),
        dialect: read.read("dialect", row.get(4), String::new()),
        sealed: sealed.closed(read.read("previous_secret_until", time_or_none(row, 13), None)),
        subscriptions: read.subscriptions(from_json(row, 6)),
        operational: read.read("operational", row.get(15), false),
        contact: read.read("contact", row.get(14), None),
        enabled: read.read("enabled", row.get(7), true),
        disabled_reason: read
            .read("disabled_reason", row.get::<_, Option<String>>(17), None)
            .and_then(|name| DisabledReason::from_name(&name)),
        failing_since: read.read("failing_since", time_or_none(row, 16), None),
        overrides: read.overrides(from_json(row, 8)),
        cancel_held_before: read.read("cancel_held_before", time_or_none(row, 11), None),
        updated_at: read.time("updated_at", time(row, 10)),
        ..Endpoint::new(
            tenant,
            read.read("url", text(row, 3), unreadable_url()),
            String::new(),
            read.time("created_at", time(row, 9)),
        )
    };
    closed.unreadable = read.unreadable();
    Ok((closed, read.told("endpoint", Some(tenant), endpoint)))
}

fn readable(read: Result<Read<Endpoint>, Unreadable>) -> Result<Endpoint, StoreError> {
    let (endpoint, _) = read.map_err(|told| StoreError::Corrupt(told.why))?;
    Ok(endpoint)
}

/// Runs a statement that inserts or replaces an endpoint and takes one time more.
fn write(
    connection: &Connection,
    sql: &str,
    endpoint: &Endpoint,
    sealed: &Columns,
    time: Timestamp,
) -> Result<Option<()>, StoreError> {
    let values = params![
        blob(endpoint.id.uuid()),
        blob(endpoint.tenant.uuid()),
        endpoint.name,
        endpoint.url.as_str(),
        endpoint.dialect,
        sealed.secret,
        json(&endpoint.subscriptions)?,
        endpoint.enabled,
        json(&endpoint.overrides)?,
        micros(endpoint.updated_at),
        endpoint.cancel_held_before.map(micros),
        sealed.previous_secret,
        previous_until(endpoint).map(micros),
        endpoint.contact,
        endpoint.operational,
        endpoint.failing_since.map(micros),
        endpoint.disabled_reason.map(DisabledReason::as_str),
        sealed.authentication,
        micros(time),
    ];
    execute(connection, sql, values)
}
