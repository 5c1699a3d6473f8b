//! Marking endpoints as failing or recovered, and the notices of it.

use rusqlite::{Connection, OptionalExtension, params};
use tidings_domain::{DeliveryId, EndpointId, EventId, NoticeKind, TenantId, Timestamp};
use uuid::Uuid;

use super::row::{blob, id, length as span, micros};
use crate::error::StoreError;
use crate::health::{CALM, HealthChanges, REMEMBER_EVERY, TELL_EVERY};
use crate::registry::Of;

/// Updates the endpoints' health and returns the endpoints that changed.
pub(super) fn mark(connection: &Connection, changes: &HealthChanges<'_>) -> Result<Vec<Of>, StoreError> {
    let mut changed = Vec::new();
    for one in &changes.exhausted {
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
            && let Some(struck) = strike(connection, after.endpoint, after.at)?
        {
            if struck.tell {
                insert(connection, &notice(struck.tenant, NoticeKind::EndpointFailing))?;
            }
            if struck.begins {
                changed.push(Of::Endpoint(struck.tenant, after.endpoint));
            }
        }
        if somebody_listens(connection, after.tenant, after.endpoint)? {
            insert(connection, &notice(after.tenant, NoticeKind::DeliveryExhausted))?;
        }
    }
    if changes.answered.is_empty() || !any_fails(connection)? {
        return Ok(changed);
    }
    for (endpoint, at) in &changes.answered {
        let Some((tenant, told)) = recover(connection, *endpoint, *at)? else {
            continue;
        };
        let notice = Noticed {
            tenant,
            endpoint: *endpoint,
            delivery: None,
            at: *at,
            kind: NoticeKind::EndpointRecovered,
            detail: "",
        };
        if told {
            insert(connection, &notice)?;
        }
        changed.push(Of::Endpoint(tenant, *endpoint));
    }
    Ok(changed)
}

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
            "-- name: insert_notice
             INSERT INTO notices (id, tenant, endpoint, delivery, event, at, try_at, kind, detail)
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

/// An endpoint with an exhausted delivery.
struct Struck {
    tenant: TenantId,
    /// `true` if the endpoint was not failing before.
    begins: bool,
    /// `true` if the endpoint's people get a notice.
    tell: bool,
}

/// Marks an endpoint as failing after an exhausted delivery.
fn strike(connection: &Connection, endpoint: EndpointId, at: Timestamp) -> Result<Option<Struck>, StoreError> {
    let Some((tenant, failing_since, memory)) = remembered(connection, endpoint)? else {
        return Ok(None);
    };
    let at = micros(at);
    let (begins, since) = (failing_since.is_none(), failing_since.unwrap_or(at));
    let day_is_over = |memory: &Memory| memory.told_at.is_none_or(|told| at >= told + span(TELL_EVERY));
    let tell = match &memory {
        None => begins,
        Some(memory) if begins => day_is_over(memory),
        Some(memory) if memory.told_for == Some(since) => false,
        Some(memory) => {
            let silent = memory.answered_at.is_none_or(|answered| answered < since);
            silent && at >= since + span(CALM) || day_is_over(memory)
        }
    };
    // The statement gives `updated_at` a new time in any case: whoever replaces the endpoint now has to read it
    // again.
    if begins {
        connection
            .prepare_cached(
                "-- name: mark_endpoint_failing
                     UPDATE endpoints SET failing_since = ?2, updated_at = max(updated_at + 1, ?2) WHERE id = ?1",
            )?
            .execute(params![blob(endpoint.uuid()), at])?;
    }
    // It was told by a version that did not remember.
    let was_told = memory.is_none() && !begins;
    let long_ago = |memory: &Memory| at >= memory.last_failed_at + span(REMEMBER_EVERY);
    if tell || memory.as_ref().is_none_or(long_ago) {
        connection
            .prepare_cached(
                "-- name: note_failure
                 INSERT INTO endpoint_health AS known (endpoint, last_failed_at, told_at, told_for) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (endpoint) DO UPDATE
                 SET last_failed_at = max(last_failed_at, excluded.last_failed_at),
                     told_at = ifnull(excluded.told_at, told_at), told_for = ifnull(excluded.told_for, told_for)",
            )?
            .execute(params![
                blob(endpoint.uuid()),
                at,
                tell.then_some(at).or(was_told.then_some(since)),
                (tell || was_told).then_some(since),
            ])?;
    }
    Ok(Some(Struck { tenant, begins, tell }))
}

/// Ends the failing mark of an endpoint at which a delivery succeeded, if it is time. Returns its tenant, and `true` if
/// it had been announced as failing.
fn recover(
    connection: &Connection,
    endpoint: EndpointId,
    at: Timestamp,
) -> Result<Option<(TenantId, bool)>, StoreError> {
    let at = micros(at);
    let (tenant, memory) = match remembered(connection, endpoint)? {
        Some((tenant, Some(since), memory)) if since < at => (tenant, memory.map(|memory| (since, memory))),
        _ => return Ok(None),
    };
    let told = memory
        .as_ref()
        .is_none_or(|(since, memory)| memory.told_for == Some(*since));
    let calm = memory
        .as_ref()
        .is_none_or(|(_, memory)| memory.last_failed_at < at - span(CALM));
    if !told && !calm {
        connection
            .prepare_cached(
                "-- name: note_answer
                     UPDATE endpoint_health SET answered_at = ?2 WHERE endpoint = ?1 AND ifnull(answered_at <= ?3, 1)",
            )?
            .execute(params![blob(endpoint.uuid()), at, at - span(REMEMBER_EVERY)])?;
        return Ok(None);
    }
    connection
        .prepare_cached(
            "-- name: recover_endpoint
                 UPDATE endpoints SET failing_since = NULL, updated_at = max(updated_at + 1, ?2) WHERE id = ?1",
        )?
        .execute(params![blob(endpoint.uuid()), at])?;
    Ok(Some((tenant, told)))
}

/// The stored history of an endpoint that failed. Times are microseconds.
struct Memory {
    last_failed_at: i64,
    answered_at: Option<i64>,
    told_at: Option<i64>,
    told_for: Option<i64>,
}

/// The tenant of an endpoint, the start of its failing mark, and its stored history.
type Remembered = (TenantId, Option<i64>, Option<Memory>);

/// Reads the health of an endpoint; `None` if it was deleted.
fn remembered(connection: &Connection, endpoint: EndpointId) -> Result<Option<Remembered>, StoreError> {
    let found = connection
        .prepare_cached(
            "-- name: read_endpoint_health
             SELECT tenant, failing_since, last_failed_at, answered_at, told_at, told_for
             FROM endpoints LEFT JOIN endpoint_health ON endpoint = id WHERE id = ?1",
        )?
        .query_row([blob(endpoint.uuid())], |row| {
            let memory = match row.get(2)? {
                None => None,
                Some(last_failed_at) => Some(Memory {
                    last_failed_at,
                    answered_at: row.get(3)?,
                    told_at: row.get(4)?,
                    told_for: row.get(5)?,
                }),
            };
            Ok((id(row, 0, TenantId::from_uuid)?, row.get(1)?, memory))
        })
        .optional()?;
    Ok(found)
}

fn any_fails(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "-- name: check_failing_endpoints
         SELECT EXISTS (SELECT 1 FROM endpoints WHERE failing_since IS NOT NULL)";
    Ok(connection.prepare_cached(sql)?.query_row((), |row| row.get(0))?)
}

/// `true` if the tenant has an operational endpoint and this one is none. Deliveries to operational endpoints leave no
/// notices: each would cause another, without end.
fn somebody_listens(connection: &Connection, tenant: TenantId, endpoint: EndpointId) -> Result<bool, StoreError> {
    let sql = "-- name: check_operational_endpoints
                  SELECT EXISTS (SELECT 1 FROM endpoints WHERE tenant = ?1 AND operational)
                  AND NOT EXISTS (SELECT 1 FROM endpoints WHERE id = ?2 AND operational)";
    let ids: [[u8; 16]; 2] = [tenant.uuid(), endpoint.uuid()].map(Uuid::into_bytes);
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![ids[0], ids[1]], |row| row.get(0))?)
}
