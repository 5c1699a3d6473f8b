//! Marking endpoints as failing or recovered, and the notices of it.

use rusqlite::{Connection, OptionalExtension, params};
use tidings_domain::{DeliveryId, EndpointId, EventId, NoticeKind, TenantId, Timestamp};
use uuid::Uuid;

use super::row::{blob, id, micros};
use crate::error::StoreError;
use crate::health::Signs;
use crate::registry::Of;

/// Marks what the signs say; gives the endpoints that changed.
pub(super) fn mark(connection: &Connection, signs: &Signs<'_>) -> Result<Vec<Of>, StoreError> {
    let mut changed = Vec::new();
    for one in &signs.exhausted {
        let (after, detail) = (one.after, one.attempt.summary.error.as_str());
        let notice = |tenant, kind| Noticed {
            tenant,
            endpoint: after.endpoint,
            delivery: Some((after.id, after.event)),
            at: after.at,
            kind,
            detail,
        };
        if one.marks
            && let Some(tenant) = begin_to_fail(connection, after.endpoint, after.at)?
        {
            insert(connection, &notice(tenant, NoticeKind::EndpointFailing))?;
            changed.push(Of::Endpoint(tenant, after.endpoint));
        }
        if somebody_listens(connection, after.tenant, after.endpoint)? {
            insert(connection, &notice(after.tenant, NoticeKind::DeliveryExhausted))?;
        }
    }
    if signs.answered.is_empty() || !any_fails(connection)? {
        return Ok(changed);
    }
    for (endpoint, at) in &signs.answered {
        if let Some(tenant) = recover(connection, *endpoint, *at)? {
            let notice = Noticed {
                tenant,
                endpoint: *endpoint,
                delivery: None,
                at: *at,
                kind: NoticeKind::EndpointRecovered,
                detail: "",
            };
            insert(connection, &notice)?;
            changed.push(Of::Endpoint(tenant, *endpoint));
        }
    }
    Ok(changed)
}

/// A notice to be written.
pub(super) struct Noticed<'a> {
    pub(super) tenant: TenantId,
    pub(super) endpoint: EndpointId,
    pub(super) delivery: Option<(DeliveryId, EventId)>,
    pub(super) at: Timestamp,
    pub(super) kind: NoticeKind,
    pub(super) detail: &'a str,
}

pub(super) fn insert(connection: &Connection, notice: &Noticed<'_>) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO notices (id, tenant, endpoint, delivery, event, at, try_at, kind, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)",
        )?
        .execute(params![
            blob(EventId::at(notice.at).uuid()),
            blob(notice.tenant.uuid()),
            blob(notice.endpoint.uuid()),
            notice.delivery.map(|(delivery, _)| blob(delivery.uuid())),
            notice.delivery.map(|(_, event)| blob(event.uuid())),
            micros(notice.at),
            notice.kind.as_str(),
            notice.detail,
        ])?;
    Ok(())
}

fn begin_to_fail(connection: &Connection, endpoint: EndpointId, at: Timestamp) -> Result<Option<TenantId>, StoreError> {
    let sql = "UPDATE endpoints SET failing_since = ?2, updated_at = max(updated_at + 1, ?2)
               WHERE id = ?1 AND failing_since IS NULL RETURNING tenant";
    changed_tenant(connection, sql, endpoint, at)
}

fn recover(connection: &Connection, endpoint: EndpointId, at: Timestamp) -> Result<Option<TenantId>, StoreError> {
    let sql = "UPDATE endpoints SET failing_since = NULL, updated_at = max(updated_at + 1, ?2)
               WHERE id = ?1 AND failing_since < ?2 RETURNING tenant";
    changed_tenant(connection, sql, endpoint, at)
}

fn changed_tenant(
    connection: &Connection,
    sql: &str,
    endpoint: EndpointId,
    at: Timestamp,
) -> Result<Option<TenantId>, StoreError> {
    let tenant = connection
        .prepare_cached(sql)?
        .query_row(params![blob(endpoint.uuid()), micros(at)], |row| {
            id(row, 0, TenantId::from_uuid)
        })
        .optional()?;
    Ok(tenant)
}

fn any_fails(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM endpoints WHERE failing_since IS NOT NULL)";
    Ok(connection.prepare_cached(sql)?.query_row((), |row| row.get(0))?)
}

/// Nobody is told of single deliveries but operational endpoints, and those not of their own: that would never end.
fn somebody_listens(connection: &Connection, tenant: TenantId, endpoint: EndpointId) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM endpoints WHERE tenant = ?1 AND operational)
                  AND NOT EXISTS (SELECT 1 FROM endpoints WHERE id = ?2 AND operational)";
    let ids: [[u8; 16]; 2] = [tenant.uuid(), endpoint.uuid()].map(Uuid::into_bytes);
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![ids[0], ids[1]], |row| row.get(0))?)
}
