//! Tenants.

use rusqlite::{Connection, Row, params};
use tidings_domain::{Tenant, TenantId, Timestamp};
use uuid::Uuid;

use super::{all, execute, one};
use crate::error::StoreError;
use crate::sqlite::row::{blob, from_json, id, json, micros, time};

pub(super) const TENANT: &str = "id, name, settings, created_at, updated_at";

pub(super) fn insert(connection: &Connection, tenant: &Tenant) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!("INSERT INTO tenants ({TENANT}) VALUES (?1, ?2, ?3, ?4, ?5)"))?
        .execute(params![
            blob(tenant.id.uuid()),
            tenant.name,
            json(&tenant.settings)?,
            micros(tenant.created_at),
            micros(tenant.updated_at),
        ])?;
    Ok(())
}

pub(super) fn read(connection: &Connection, id: TenantId) -> Result<Option<Tenant>, StoreError> {
    let sql = format!("SELECT {TENANT} FROM tenants WHERE id = ?1");
    one(connection, &sql, [blob(id.uuid())], tenant)
}

pub(super) fn list(connection: &Connection, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
    let sql = format!("SELECT {TENANT} FROM tenants WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let before = blob(before.map_or(Uuid::max(), TenantId::uuid));
    all(connection, &sql, params![before, limit], tenant)
}

pub(super) fn replace(connection: &Connection, tenant: &Tenant, was: Timestamp) -> Result<Option<()>, StoreError> {
    let sql = "UPDATE tenants SET name = ?2, settings = ?3, updated_at = ?4 WHERE id = ?1 AND updated_at = ?5";
    let values = params![
        blob(tenant.id.uuid()),
        tenant.name,
        json(&tenant.settings)?,
        micros(tenant.updated_at),
        micros(was),
    ];
    execute(connection, sql, values)
}

pub(super) fn delete(connection: &Connection, id: TenantId) -> Result<Option<()>, StoreError> {
    execute(connection, "DELETE FROM tenants WHERE id = ?1", [blob(id.uuid())])
}

/// A row of the columns [`TENANT`].
pub(super) fn tenant(row: &Row<'_>) -> rusqlite::Result<Tenant> {
    Ok(Tenant {
        id: id(row, 0, TenantId::from_uuid)?,
        name: row.get(1)?,
        settings: from_json(row, 2)?,
        created_at: time(row, 3)?,
        updated_at: time(row, 4)?,
    })
}
