//! Statements on API keys.

use rusqlite::{Connection, Row, params};
use tidings_domain::key::TokenHash;
use tidings_domain::{ApiKey, KeyId, LinkOnce, TenantId, Timestamp};

use super::{all, execute, one, tenant_or_none};
use crate::error::StoreError;
use crate::lenient::{Lenient, Read, Unreadable, left_out};
use crate::registry::Of;
use crate::sqlite::row::{blob, id, micros, time, time_or_none};

/// Without when they were last used.
pub(super) const UNUSED_KEY: &str = "id, tenant, name, scopes, hint, hash, portal, link_hash, exchanged_at, expires_at, \
                                     created_at, NULL";
const KEY: &str = "id, tenant, name, scopes, hint, hash, portal, link_hash, exchanged_at, expires_at, created_at, \
                   last_used_at";

/// The part of the registry that a key of this tenant, or an operator's, belongs to.
pub(super) fn part(tenant: Option<TenantId>) -> Of {
    tenant.map_or(Of::Operators, Of::Tenant)
}

pub(super) fn insert(connection: &Connection, key: &ApiKey) -> Result<(), StoreError> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    connection
        .prepare_cached(&format!(
            "-- name: insert_api_key
                 INSERT INTO api_keys ({KEY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, NULL)"
        ))?
        .execute(params![
            blob(key.id.uuid()),
            key.tenant.map(|id| blob(id.uuid())),
            key.name,
            scopes.join(" "),
            key.hint,
            key.hash.as_bytes(),
            key.portal,
            key.link.as_ref().map(|link| link.hash.as_bytes()),
            key.link.and_then(|link| link.exchanged_at).map(micros),
            key.expires_at.map(micros),
            micros(key.created_at),
        ])?;
    Ok(())
}

/// Stores an operator key if there is none yet.
pub(super) fn insert_first(connection: &Connection, key: &ApiKey) -> Result<Option<()>, StoreError> {
    let sql = "/* name: check_operator_keys */ SELECT EXISTS (SELECT 1 FROM api_keys WHERE tenant IS NULL)";
    if connection.prepare_cached(sql)?.query_row((), |row| row.get(0))? {
        return Ok(None);
    }
    insert(connection, key).map(Some)
}

/// Removes keys of portal links that have expired.
pub(super) fn delete_expired(
    connection: &Connection,
    tenant: Option<TenantId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "-- name: delete_expired_api_keys
         DELETE FROM api_keys WHERE tenant = ?1 AND portal AND expires_at <= ?2";
    let tenant = tenant.map(|id| blob(id.uuid()));
    execute(connection, sql, params![tenant, micros(now)])?;
    Ok(())
}

pub(super) fn rotate(
    connection: &Connection,
    old: KeyId,
    old_expires_at: Timestamp,
    new: &ApiKey,
) -> Result<Option<()>, StoreError> {
    let sql = "-- name: rotate_api_key
         UPDATE api_keys SET expires_at = min(coalesce(expires_at, ?2), ?2) WHERE id = ?1";
    let expires = execute(connection, sql, params![blob(old.uuid()), micros(old_expires_at)])?;
    expires.map(|()| insert(connection, new)).transpose()
}

pub(super) fn read(connection: &Connection, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
    let sql = format!("/* name: read_api_key */ SELECT {KEY} FROM api_keys WHERE id = ?1");
    let found = one(connection, &sql, [blob(id.uuid())], |row| Ok(key(row)))?;
    found.map(readable).transpose()
}

pub(super) fn list(
    connection: &Connection,
    tenant: Option<TenantId>,
    with_portal: bool,
) -> Result<Vec<ApiKey>, StoreError> {
    let sql = format!(
        "-- name: list_api_keys
         SELECT {KEY} FROM api_keys WHERE tenant IS ?1 AND (NOT portal OR ?2) ORDER BY id DESC"
    );
    let tenant = tenant.map(|id| blob(id.uuid()));
    let found = all(connection, &sql, params![tenant, with_portal], |row| Ok(key(row)))?;
    found.into_iter().map(readable).collect()
}

/// Changes a key's expiry and returns its owner.
pub(super) fn replace_expiry(
    connection: &Connection,
    id: KeyId,
    expires_at: Option<Timestamp>,
) -> Result<Option<Option<TenantId>>, StoreError> {
    let sql = "-- name: replace_api_key_expiry
         UPDATE api_keys SET expires_at = ?2 WHERE id = ?1 RETURNING tenant";
    let values = params![blob(id.uuid()), expires_at.map(micros)];
    one(connection, sql, values, |row| tenant_or_none(row, 0))
}

/// Keeps a key as an exchange makes it, if it is the first one, and returns its owner.
pub(super) fn exchange(connection: &Connection, exchanged: &ApiKey) -> Result<Option<Option<TenantId>>, StoreError> {
    let sql = "-- name: exchange_api_key
         UPDATE api_keys SET hash = ?2, exchanged_at = ?3
         WHERE id = ?1 AND link_hash IS NOT NULL AND exchanged_at IS NULL RETURNING tenant";
    let exchanged_at = exchanged.link.and_then(|link| link.exchanged_at).map(micros);
    let values = params![blob(exchanged.id.uuid()), exchanged.hash.as_bytes(), exchanged_at];
    one(connection, sql, values, |row| tenant_or_none(row, 0))
}

/// Removes a key and returns its owner.
pub(super) fn delete(connection: &Connection, id: KeyId) -> Result<Option<Option<TenantId>>, StoreError> {
    let sql = "/* name: delete_api_key */ DELETE FROM api_keys WHERE id = ?1 RETURNING tenant";
    one(connection, sql, [blob(id.uuid())], |row| tenant_or_none(row, 0))
}

pub(super) fn note_uses(connection: &Connection, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
    // A use within a minute of the last one is not worth a write.
    let sql = "-- name: note_key_uses
         UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1 AND coalesce(last_used_at, 0) <= ?2 - 60000000";
    for (id, at) in uses {
        execute(connection, sql, params![blob(id.uuid()), micros(*at)])?;
    }
    Ok(())
}

/// A row of the columns [`KEY`] or [`UNUSED_KEY`]. One whose expiry or owner can't be read is left out: it opens nothing.
pub(super) fn key(row: &Row<'_>) -> Result<Read<ApiKey>, Unreadable> {
    let key = id(row, 0, KeyId::from_uuid).map_err(|error| left_out("key", "", error))?;
    let unusable = |error: rusqlite::Error| left_out("key", key, error);
    let scopes: String = row.get(3).map_err(unusable)?;
    let tenant = tenant_or_none(row, 1).map_err(unusable)?;
    let link: Option<[u8; 32]> = row.get(7).map_err(unusable)?;
    let exchanged_at = time_or_none(row, 8).map_err(unusable)?;
    let mut read = Lenient::default();
    let found = ApiKey {
        id: key,
        tenant,
        name: read.read("name", row.get(2), String::new()),
        scopes: read.scopes(scopes.split_whitespace()),
        hint: read.read("hint", row.get(4), String::new()),
        hash: TokenHash::from_bytes(row.get(5).map_err(unusable)?),
        portal: row.get(6).map_err(unusable)?,
        link: link.map(|hash| LinkOnce {
            hash: TokenHash::from_bytes(hash),
            exchanged_at,
        }),
        expires_at: time_or_none(row, 9).map_err(unusable)?,
        created_at: read.time("created_at", time(row, 10)),
        last_used_at: read.read("last_used_at", time_or_none(row, 11), None),
    };
    Ok((found, read.told("key", tenant, key)))
}

fn readable(read: Result<Read<ApiKey>, Unreadable>) -> Result<ApiKey, StoreError> {
    let (key, _) = read.map_err(|told| StoreError::Corrupt(told.why))?;
    Ok(key)
}
