//! The registry, or a part of it, at one moment.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use tidings_domain::TenantId;
use uuid::Uuid;

use super::endpoints::{self, ENDPOINT};
use super::keys::{self, UNUSED_KEY};
use super::tenants::{self, TENANT};
use super::{all, event_types};
use crate::error::StoreError;
use crate::lenient::divide;
use crate::registry::{Mark, Of, Snapshot};
use crate::sqlite::row::{blob, id};

/// Tenants by their ids, both ends included.
type Range = (Uuid, Uuid);

const ALL: Range = (Uuid::nil(), Uuid::max());

pub(super) fn read(connection: &Connection, of: Of) -> Result<Snapshot, StoreError> {
    let mut snapshot = Snapshot::default();
    match of {
        Of::Everything => {
            read_tenants(connection, ALL, u32::MAX, &mut snapshot)?;
            read_operators(connection, &mut snapshot)?;
            read_event_types(connection, &mut snapshot)?;
        }
        Of::Tenant(id) => read_tenants(connection, (id.uuid(), id.uuid()), 1, &mut snapshot)?,
        Of::Endpoint(tenant, id) => {
            let sql = format!(
                "/* name: read_snapshot_endpoint */ SELECT {ENDPOINT} FROM endpoints WHERE tenant = ?1 AND id = ?2"
            );
            let ids = [blob(tenant.uuid()), blob(id.uuid())];
            let rows = all(connection, &sql, ids, |row| Ok(endpoints::closed(row)))?;
            snapshot.endpoints = divide(rows.into_iter(), &mut snapshot.unreadable);
        }
        Of::Operators => read_operators(connection, &mut snapshot)?,
        Of::EventTypes => read_event_types(connection, &mut snapshot)?,
    }
    Ok(snapshot)
}

pub(super) fn read_page(connection: &Connection, after: Option<TenantId>, limit: u32) -> Result<Snapshot, StoreError> {
    let first = after.map_or(Uuid::nil(), |after| {
        Uuid::from_u128(after.uuid().as_u128().saturating_add(1))
    });
    let mut snapshot = Snapshot::default();
    read_tenants(connection, (first, Uuid::max()), limit, &mut snapshot)?;
    Ok(snapshot)
}

pub(super) fn marks(connection: &Connection) -> Result<HashMap<TenantId, Mark>, StoreError> {
    read_marks(connection, ALL)
}

/// The first tenants of a range with their keys and endpoints.
fn read_tenants(
    connection: &Connection,
    (first, last): Range,
    limit: u32,
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let sql = format!(
        "-- name: read_snapshot_tenants
         SELECT {TENANT} FROM tenants WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3"
    );
    let rows = all(connection, &sql, params![blob(first), blob(last), limit], |row| {
        Ok(tenants::tenant(row))
    })?;
    let is_last = rows.len() < limit as usize;
    let told = &mut snapshot.unreadable;
    snapshot.tenants = divide(rows.into_iter(), told);
    snapshot.next = snapshot.tenants.last().map(|tenant| tenant.id).filter(|_| !is_last);
    let last = snapshot.next.map_or(last, TenantId::uuid);

    let range = [blob(first), blob(last)];
    let sql = format!(
        "-- name: read_snapshot_endpoints
         SELECT {ENDPOINT} FROM endpoints WHERE tenant BETWEEN ?1 AND ?2"
    );
    let rows = all(connection, &sql, range, |row| Ok(endpoints::closed(row)))?;
    snapshot.endpoints = divide(rows.into_iter(), told);
    let sql =
        format!("/* name: read_snapshot_keys */ SELECT {UNUSED_KEY} FROM api_keys WHERE tenant BETWEEN ?1 AND ?2");
    let rows = all(connection, &sql, range, |row| Ok(keys::key(row)))?;
    snapshot.keys = divide(rows.into_iter(), told);
    snapshot.marks = read_marks(connection, (first, last))?;
    Ok(())
}

fn read_operators(connection: &Connection, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let sql = format!("/* name: read_operator_keys */ SELECT {UNUSED_KEY} FROM api_keys WHERE tenant IS NULL");
    let rows = all(connection, &sql, (), |row| Ok(keys::key(row)))?;
    let keys = divide(rows.into_iter(), &mut snapshot.unreadable);
    snapshot.keys.extend(keys);
    Ok(())
}

fn read_event_types(connection: &Connection, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    snapshot.event_types = event_types::newest(connection, None, u32::MAX, &mut snapshot.unreadable)?;
    Ok(())
}

/// Each row's version is a hash of all it says: this database is small, and somebody may write to it by hand.
fn read_marks(connection: &Connection, (first, last): Range) -> Result<HashMap<TenantId, Mark>, StoreError> {
    let mut marks: HashMap<TenantId, Mark> = HashMap::new();
    let tables = [
        ("id", TENANT, "tenants"),
        ("tenant", UNUSED_KEY, "api_keys"),
        ("tenant", ENDPOINT, "endpoints"),
    ];
    for (owner, columns, table) in tables {
        let sql = format!(
            "-- name: read_registry_marks
             SELECT {owner}, {columns} FROM {table} WHERE {owner} BETWEEN ?1 AND ?2"
        );
        let rows = all(connection, &sql, [blob(first), blob(last)], |row| {
            Ok((id(row, 0, TenantId::from_uuid)?, version(row)?))
        })?;
        for (tenant, version) in rows {
            let mark = marks.entry(tenant).or_insert(Mark { rows: 0, versions: 0 });
            mark.rows += 1;
            mark.versions = mark.versions.wrapping_add(version);
        }
    }
    Ok(marks)
}

fn version(row: &Row<'_>) -> rusqlite::Result<i64> {
    let mut hasher = DefaultHasher::new();
    for column in 0..row.as_ref().column_count() {
        match row.get_ref(column)? {
            ValueRef::Null => 0_u8.hash(&mut hasher),
            ValueRef::Integer(number) => number.hash(&mut hasher),
            ValueRef::Real(number) => number.to_bits().hash(&mut hasher),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.hash(&mut hasher),
        }
    }
    Ok(hasher.finish().cast_signed())
}
