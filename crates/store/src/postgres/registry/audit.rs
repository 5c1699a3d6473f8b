//! Statements on the audit log.

use deadpool_postgres::GenericClient;
use serde_json::Value;
use tidings_domain::{Actor, AuditEntry, AuditId, KeyId, TenantId};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::Postgres;
use crate::error::StoreError;
use crate::postgres::error::corrupt;
use crate::postgres::filter::Filter;
use crate::registry::AuditQuery;

const ENTRY: &str = "id, tenant_id, key_id, at, actor, action, target, before, after, remote_address, user_agent";
const INSERT: &str = "-- name: insert_audit_entry
     INSERT INTO audit (id, tenant_id, key_id, at, actor, action, target, before, after,
                            remote_address, user_agent)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// Writes an entry with what else the transaction does.
pub(in crate::postgres) async fn insert(
    client: &impl GenericClient,
    entry: &AuditEntry,
) -> Result<(), tokio_postgres::Error> {
    let statement = client.prepare_cached(INSERT).await?;
    client
        .execute(
            &statement,
            &[
                &entry.id.uuid(),
                &entry.tenant.map(TenantId::uuid),
                &entry.actor.key().map(KeyId::uuid),
                &entry.at,
                &entry.actor.name(),
                &entry.action,
                &entry.target,
                &entry.before.as_ref().map(Json),
                &entry.after.as_ref().map(Json),
                &entry.remote_address,
                &entry.user_agent,
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn list(store: &Postgres, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
    let mut filter = Filter::default();
    filter.and_some("tenant_id = $", query.tenant.map(TenantId::uuid));
    filter.and_some("key_id = $", query.key.map(KeyId::uuid));
    filter.and_some("action = $", query.exact_action());
    filter.and_some("starts_with(action, $)", query.action_prefix());
    filter.and_some("target = $", query.target.clone());
    filter.and_some("id >= $", query.since.map(|at| AuditId::floor(at).uuid()));
    filter.and_some("id < $", query.until.map(|at| AuditId::floor(at).uuid()));
    filter.and_some("id < $", query.before.map(AuditId::uuid));
    let rows = filter
        .newest(&store.reader().await?, ENTRY, "audit", query.limit)
        .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    let key = row.try_get::<_, Option<Uuid>>("key_id")?.map(KeyId::from_uuid);
    let json = |column| Ok::<_, StoreError>(row.try_get::<_, Option<Json<Value>>>(column)?.map(|json| json.0));
    Ok(AuditEntry {
        id: AuditId::from_uuid(row.try_get("id")?),
        at: row.try_get("at")?,
        tenant: row.try_get::<_, Option<Uuid>>("tenant_id")?.map(TenantId::from_uuid),
        actor: Actor::from_parts(row.try_get("actor")?, key).map_err(corrupt)?,
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        before: json("before")?,
        after: json("after")?,
        remote_address: row.try_get("remote_address")?,
        user_agent: row.try_get("user_agent")?,
    })
}
