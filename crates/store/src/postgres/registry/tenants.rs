//! Statements on tenants and their settings.

use serde_json::Value;
use tidings_domain::{ApiKey, AuditEntry, Tenant, TenantId, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::{Postgres, audit, keys};
use crate::error::StoreError;
use crate::lenient::{Lenient, Read, Unreadable, left_out};
use crate::postgres::error::corrupt;
use crate::postgres::filter::Filter;

pub(super) const TENANT: &str = "id, name, settings, created_at, updated_at";
const INSERT: &str = "-- name: insert_tenant
     INSERT INTO tenants (id, name, settings, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)";
const REPLACE: &str = "-- name: replace_tenant
     UPDATE tenants SET name = $2, settings = $3, updated_at = $4 WHERE id = $1 AND updated_at = $5";

pub(super) async fn create(
    store: &Postgres,
    tenant: &Tenant,
    first_key: &ApiKey,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(INSERT).await?;
    transaction
        .execute(
            &statement,
            &[
                &tenant.id.uuid(),
                &tenant.name,
                &Json(&tenant.settings),
                &tenant.created_at,
                &tenant.updated_at,
            ],
        )
        .await?;
    keys::insert(&*transaction, first_key).await?;
    audit::insert(&*transaction, entry).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn read(store: &Postgres, id: TenantId) -> Result<Option<Tenant>, StoreError> {
    let sql = format!("/* name: read_tenant */ SELECT {TENANT} FROM tenants WHERE id = $1");
    let row = store.query_opt(&sql, &[&id.uuid()]).await?;
    row.as_ref().map(readable).transpose()
}

pub(super) async fn list(store: &Postgres, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
    let mut filter = Filter::default();
    filter.and_some("id < $", before.map(TenantId::uuid));
    let rows = filter.newest(&store.reader().await?, TENANT, "tenants", limit).await?;
    rows.iter().map(readable).collect()
}

pub(super) async fn replace(
    store: &Postgres,
    tenant: &Tenant,
    was: Timestamp,
    entry: &AuditEntry,
) -> Result<bool, StoreError> {
    let settings = Json(&tenant.settings);
    store
        .change(
            REPLACE,
            &[&tenant.id.uuid(), &tenant.name, &settings, &tenant.updated_at, &was],
            entry,
        )
        .await
}

/// A row of the columns [`TENANT`]; what can't be read of it is as in a new tenant.
pub(super) fn tenant(row: &Row) -> Result<Read<Tenant>, Unreadable> {
    let id = TenantId::from_uuid(row.try_get("id").map_err(|error| left_out("tenant", "", error))?);
    let mut read = Lenient::default();
    let tenant = Tenant {
        id,
        name: read.read("name", row.try_get("name"), String::new()),
        settings: read.settings(row.try_get::<_, Json<Value>>("settings").map(|json| json.0)),
        created_at: read.time("created_at", row.try_get("created_at")),
        updated_at: read.time("updated_at", row.try_get("updated_at")),
    };
    Ok((tenant, read.told("tenant", Some(id), id)))
}

fn readable(row: &Row) -> Result<Tenant, StoreError> {
    Ok(tenant(row).map_err(|told| corrupt(told.why))?.0)
}
