//! Statements on tenants and their settings.

use rusqlite::{Connection, Row, params};
use tidings_domain::{Tenant, TenantId, Timestamp};
use uuid::Uuid;

use super::{all, execute, one};
use crate::error::StoreError;
use crate::lenient::{Lenient, Read, Unreadable, left_out};
use crate::sqlite::row::{blob, from_json, id, json, micros, time};

pub(super) const TENANT: &str = "id, name, settings, created_at, updated_at";

pub(super) fn insert(connection: &Connection, tenant: &Tenant) -> Result<(), StoreError> {
    connection
        .prepare_cached(&format!(
            "/* name: insert_tenant */ INSERT INTO tenants ({TENANT}) VALUES (?1, ?2, ?3, ?4, ?5)"
        ))?
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
    let sql = format!("/* name: read_tenant */ SELECT {TENANT} FROM tenants WHERE id = ?1");
    let found = one(connection, &sql, [blob(id.uuid())], |row| Ok(tenant(row)))?;
    found.map(readable).transpose()
}

pub(super) fn list(connection: &Connection, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
    let sql = format!("/* name: list_tenants */ SELECT {TENANT} FROM tenants WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let before = blob(before.map_or(Uuid::max(), TenantId::uuid));
    let found = all(connection, &sql, params![before, limit], |row| Ok(tenant(row)))?;
    found.into_iter().map(readable).collect()
}

pub(super) fn replace(connection: &Connection, tenant: &Tenant, was: Timestamp) -> Result<Option<()>, StoreError> {
    let sql = "-- name: replace_tenant
         UPDATE tenants SET name = ?2, settings = ?3, updated_at = ?4 WHERE id = ?1 AND updated_at = ?5";
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
    execute(
        connection,
        "/* name: delete_tenant */ DELETE FROM tenants WHERE id = ?1",
        [blob(id.uuid())],
    )
}

/// A row of the columns [`TENANT`]; what can't be read of it is as in a new tenant.
pub(super) fn tenant(row: &Row<'_>) -> Result<Read<Tenant>, Unreadable> {
    let tenant = id(row, 0, TenantId::from_uuid).map_err(|error| left_out("tenant", "", error))?;
    let mut read = Lenient::default();
    let found = Tenant {
        id: tenant,
        name: read.read("name", row.get(1), String::new()),
        settings: read.settings(from_json(row, 2)),
        created_at: read.time("created_at", time(row, 3)),
        updated_at: read.time("updated_at", time(row, 4)),
    };
    Ok((found, read.told("tenant", Some(tenant), tenant)))
}

fn readable(read: Result<Read<Tenant>, Unreadable>) -> Result<Tenant, StoreError> {
    let (tenant, _) = read.map_err(|told| StoreError::Corrupt(told.why))?;
    Ok(tenant)
}
