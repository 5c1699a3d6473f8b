//! Statements on the audit log.

use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Row, params};
use tidings_domain::{Actor, AuditEntry, AuditId, KeyId};
use uuid::Uuid;

use super::tenant_or_none;
use crate::error::StoreError;
use crate::registry::AuditQuery;
use crate::sqlite::filter::{Filter, uuid};
use crate::sqlite::row::{blob, from_json, id, json, micros, time, unreadable};

const ENTRY: &str = "id, tenant, key, at, actor, action, target, before, after, remote_address, user_agent";

/// Writes an entry with what else the transaction does.
pub(in crate::sqlite) fn insert(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "-- name: insert_audit_entry
                 INSERT INTO audit ({ENTRY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        ))?
        .execute(params![
            blob(entry.id.uuid()),
            entry.tenant.map(|id| blob(id.uuid())),
            entry.actor.key().map(|id| blob(id.uuid())),
            micros(entry.at),
            entry.actor.name(),
            entry.action,
            entry.target,
            entry.before.as_ref().map(json).transpose()?,
            entry.after.as_ref().map(json).transpose()?,
            entry.remote_address,
            entry.user_agent,
        ])?;
    Ok(())
}

pub(super) fn list(connection: &Connection, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
    // SQLite would have to guess which index is the narrowest.
    let index = match query {
        AuditQuery { target: Some(_), .. } => "INDEXED BY audit_by_target",
        AuditQuery { tenant: Some(_), .. } => "INDEXED BY audit_by_tenant",
        _ => "",
    };
    let mut filter = Filter::default();
    filter.and("tenant = ?", query.tenant.map(|id| uuid(id.uuid())));
    filter.and("key = ?", query.key.map(|id| uuid(id.uuid())));
    filter.and("action = ?", query.exact_action().map(Value::from));
    filter.and("instr(action, ?) = 1", query.action_prefix().map(Value::from));
    filter.and("target = ?", query.target.clone().map(Value::from));
    filter.and("id >= ?", query.since.map(|at| uuid(AuditId::floor(at).uuid())));
    filter.and("id < ?", query.until.map(|at| uuid(AuditId::floor(at).uuid())));
    filter.and("id < ?", query.before.map(|id| uuid(id.uuid())));
    let select = format!("/* name: list_audit_entries */ SELECT {ENTRY} FROM audit {index}");
    filter.list(connection, &select, query.limit, entry)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let key: Option<[u8; 16]> = row.get(2)?;
    let key = key.map(|bytes| KeyId::from_uuid(Uuid::from_bytes(bytes)));
    let actor = Actor::from_parts(row.get_ref(4)?.as_str()?, key);
    Ok(AuditEntry {
        id: id(row, 0, AuditId::from_uuid)?,
        at: time(row, 3)?,
        tenant: tenant_or_none(row, 1)?,
        actor: actor.map_err(|error| unreadable(4, Type::Text, error))?,
        action: row.get(5)?,
        target: row.get(6)?,
        before: json_or_none(row, 7)?,
        after: json_or_none(row, 8)?,
        remote_address: row.get(9)?,
        user_agent: row.get(10)?,
    })
}

fn json_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<serde_json::Value>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(_) => from_json(row, column).map(Some),
        None => Ok(None),
    }
}
