//! Statements on API keys.

use deadpool_postgres::GenericClient;
use tidings_domain::key::TokenHash;
use tidings_domain::{ApiKey, AuditEntry, KeyId, LinkOnce, TenantId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, audit};
use crate::error::StoreError;
use crate::lenient::{Lenient, Read, Unreadable, left_out};
use crate::postgres::error::corrupt;

/// Without when they were last used.
pub(super) const UNUSED_KEY: &str = "id, tenant_id, name, scopes, hint, token_hash, portal, link_hash, exchanged_at, \
                                     expires_at, created_at, NULL::timestamptz AS last_used_at";
const KEY: &str = "id, tenant_id, name, scopes, hint, token_hash, portal, link_hash, exchanged_at, expires_at, created_at, \
                   (SELECT last_used_at FROM key_uses WHERE key_id = api_keys.id)";
const INSERT: &str = "-- name: insert_api_key
     INSERT INTO api_keys (id, tenant_id, name, scopes, hint, token_hash, portal, link_hash, exchanged_at, expires_at,
                               created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const DELETE_EXPIRED: &str = "-- name: delete_expired_api_keys
     DELETE FROM api_keys WHERE tenant_id = $1 AND portal AND expires_at <= $2";
/// In one order, so that processes that note the same keys wait for each other and do not block each other. A use within
/// a minute of the last one is not worth a write: every process notes every key.
const NOTE_USES: &str = "-- name: note_key_uses
     INSERT INTO key_uses (key_id, last_used_at)
     SELECT api_keys.id, used.at FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at) JOIN api_keys USING (id)
     WHERE NOT EXISTS (SELECT FROM key_uses k WHERE k.key_id = used.id AND k.last_used_at > used.at - interval '1 minute')
     ORDER BY api_keys.id FOR KEY SHARE OF api_keys
     ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at
     WHERE key_uses.last_used_at < excluded.last_used_at";

pub(super) async fn create(store: &Postgres, key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError> {
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    // Nobody deletes portal keys by hand; each new one clears away those that have expired.
    if key.portal {
        let statement = transaction.prepare_cached(DELETE_EXPIRED).await?;
        let tenant = key.tenant.map(TenantId::uuid);
        transaction.execute(&statement, &[&tenant, &key.created_at]).await?;
    }
    insert(&*transaction, key).await?;
    audit::insert(&*transaction, entry).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn create_first_operator_key(
    store: &Postgres,
    key: &ApiKey,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    // Nobody else writes keys until the end; the next statement sees what was written before.
    transaction
        .batch_execute("/* name: lock_api_keys */ LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE")
        .await?;
    let exists = "/* name: check_operator_keys */ SELECT EXISTS (SELECT FROM api_keys WHERE tenant_id IS NULL)";
    if transaction.query_one(exists, &[]).await?.try_get(0)? {
        return Ok(false);
    }
    insert(&*transaction, key).await?;
    audit::insert(&*transaction, entry).await?;
    transaction.commit().await?;
    Ok(true)
}

pub(super) async fn rotate(
    store: &Postgres,
    old: KeyId,
    old_expires_at: Timestamp,
    new: &ApiKey,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    // `least` passes over nulls.
    let sql = "/* name: rotate_api_key */ UPDATE api_keys SET expires_at = least(expires_at, $2) WHERE id = $1";
    let statement = transaction.prepare_cached(sql).await?;
    if transaction.execute(&statement, &[&old.uuid(), &old_expires_at]).await? == 0 {
        return Ok(false);
    }
    insert(&*transaction, new).await?;
    audit::insert(&*transaction, entry).await?;
    transaction.commit().await?;
    Ok(true)
}

pub(super) async fn read(store: &Postgres, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
    let sql = format!("/* name: read_api_key */ SELECT {KEY} FROM api_keys WHERE id = $1");
    let row = store.query_opt(&sql, &[&id.uuid()]).await?;
    row.as_ref().map(readable).transpose()
}

pub(super) async fn list(
    store: &Postgres,
    tenant: Option<TenantId>,
    with_portal: bool,
) -> Result<Vec<ApiKey>, StoreError> {
    let listed = format!("/* name: list_api_keys */ SELECT {KEY} FROM api_keys WHERE (NOT portal OR $1) AND tenant_id");
    let rows = match tenant {
        Some(tenant) => {
            let sql = format!("{listed} = $2 ORDER BY id DESC");
            store.query(&sql, &[&with_portal, &tenant.uuid()]).await?
        }
        None => {
            let sql = format!("{listed} IS NULL ORDER BY id DESC");
            store.query(&sql, &[&with_portal]).await?
        }
    };
    rows.iter().map(readable).collect()
}

pub(super) async fn note_uses(store: &Postgres, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = uses.iter().map(|(id, _)| id.uuid()).collect();
    let times: Vec<Timestamp> = uses.iter().map(|(_, at)| *at).collect();
    store.execute(NOTE_USES, &[&ids, &times]).await?;
    Ok(())
}

/// Writes a key with what else the transaction does.
pub(super) async fn insert(client: &impl GenericClient, key: &ApiKey) -> Result<(), tokio_postgres::Error> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let statement = client.prepare_cached(INSERT).await?;
    client
        .execute(
            &statement,
            &[
                &key.id.uuid(),
                &key.tenant.map(TenantId::uuid),
                &key.name,
                &scopes,
                &key.hint,
                &&key.hash.as_bytes()[..],
                &key.portal,
                &key.link.as_ref().map(|link| &link.hash.as_bytes()[..]),
                &key.link.and_then(|link| link.exchanged_at),
                &key.expires_at,
                &key.created_at,
            ],
        )
        .await?;
    Ok(())
}

/// A row of the columns [`KEY`] or [`UNUSED_KEY`]. One whose expiry or owner can't be read is left out: it opens nothing.
pub(super) fn key(row: &Row) -> Result<Read<ApiKey>, Unreadable> {
    let id = KeyId::from_uuid(row.try_get("id").map_err(|error| left_out("key", "", error))?);
    let unusable = |error: tokio_postgres::Error| left_out("key", id, error);
    let hash = |bytes: &[u8]| {
        let bytes = bytes.try_into();
        bytes
            .map(TokenHash::from_bytes)
            .map_err(|_| left_out("key", id, "a token's hash has not 32 bytes"))
    };
    let link: Option<&[u8]> = row.try_get("link_hash").map_err(unusable)?;
    let exchanged_at = row.try_get("exchanged_at").map_err(unusable)?;
    let link = link.map(|bytes| {
        Ok(LinkOnce {
            hash: hash(bytes)?,
            exchanged_at,
        })
    });
    let scopes: Vec<&str> = row.try_get("scopes").map_err(unusable)?;
    let mut read = Lenient::default();
    let key = ApiKey {
        id,
        tenant: row
            .try_get::<_, Option<_>>("tenant_id")
            .map_err(unusable)?
            .map(TenantId::from_uuid),
        name: read.read("name", row.try_get("name"), String::new()),
        scopes: read.scopes(scopes.into_iter()),
        hint: read.read("hint", row.try_get("hint"), String::new()),
        hash: hash(row.try_get("token_hash").map_err(unusable)?)?,
        portal: row.try_get("portal").map_err(unusable)?,
        link: link.transpose()?,
        expires_at: row.try_get("expires_at").map_err(unusable)?,
        created_at: read.time("created_at", row.try_get("created_at")),
        last_used_at: read.read("last_used_at", row.try_get("last_used_at"), None),
    };
    let tenant = key.tenant;
    Ok((key, read.told("key", tenant, id)))
}

fn readable(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(key(row).map_err(|told| corrupt(told.why))?.0)
}
