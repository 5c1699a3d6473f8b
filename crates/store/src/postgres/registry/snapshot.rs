//! The registry, or a part of it, at one moment.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use tidings_domain::TenantId;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Postgres, endpoints, event_types, keys, tenants};
use crate::error::StoreError;
use crate::lenient::divide;
use crate::registry::{Mark, Of, Snapshot};

/// A row's `xmin` is the transaction that wrote it: later ones are greater, so the sum over as many rows differs after
/// any change.
const MARKS: &str = "-- name: read_registry_marks
    SELECT tenant, count(*) AS rows, sum(version)::bigint AS versions FROM (
    SELECT id AS tenant, xmin::text::bigint AS version FROM tenants
    UNION ALL SELECT tenant_id, xmin::text::bigint FROM api_keys
    UNION ALL SELECT tenant_id, xmin::text::bigint FROM endpoints
) AS everything WHERE tenant BETWEEN $1 AND $2 GROUP BY tenant";

/// Tenants by their ids, both ends included.
type Range = (Uuid, Uuid);

const ALL: Range = (Uuid::nil(), Uuid::max());

pub(super) async fn read(store: &Postgres, of: Of) -> Result<Snapshot, StoreError> {
    let mut client = store.client().await?;
    // One transaction, so that the tables are seen at one moment.
    let transaction = client.moment().await?;
    let mut snapshot = Snapshot::default();
    match of {
        Of::Everything => {
            read_tenants(&*transaction, ALL, u32::MAX, &mut snapshot).await?;
            read_operators(&*transaction, &mut snapshot).await?;
            read_event_types(&*transaction, &mut snapshot).await?;
        }
        Of::Tenant(id) => read_tenants(&*transaction, (id.uuid(), id.uuid()), 1, &mut snapshot).await?,
        Of::Endpoint(tenant, id) => {
            let sql = format!(
                "/* name: read_snapshot_endpoint */ SELECT {} FROM endpoints WHERE tenant_id = $1 AND id = $2",
                endpoints::ENDPOINT
            );
            let rows = select(&*transaction, &sql, &[&tenant.uuid(), &id.uuid()]).await?;
            snapshot.endpoints = divide(rows.iter().map(endpoints::closed), &mut snapshot.unreadable);
        }
        Of::Operators => read_operators(&*transaction, &mut snapshot).await?,
        Of::EventTypes => read_event_types(&*transaction, &mut snapshot).await?,
    }
    transaction.commit().await?;
    Ok(snapshot)
}

pub(super) async fn read_page(store: &Postgres, after: Option<TenantId>, limit: u32) -> Result<Snapshot, StoreError> {
    let first = after.map_or(Uuid::nil(), |after| {
        Uuid::from_u128(after.uuid().as_u128().saturating_add(1))
    });
    let mut client = store.client().await?;
    let transaction = client.moment().await?;
    let mut snapshot = Snapshot::default();
    read_tenants(&*transaction, (first, Uuid::max()), limit, &mut snapshot).await?;
    transaction.commit().await?;
    Ok(snapshot)
}

pub(super) async fn marks(store: &Postgres) -> Result<HashMap<TenantId, Mark>, StoreError> {
    let mut client = store.client().await?;
    let transaction = client.moment().await?;
    let marks = read_marks(&*transaction, ALL).await?;
    transaction.commit().await?;
    Ok(marks)
}

/// The first tenants of a range with their keys and endpoints.
async fn read_tenants(
    client: &impl GenericClient,
    (first, last): Range,
    limit: u32,
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let sql = format!(
        "-- name: read_snapshot_tenants
             SELECT {} FROM tenants WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3",
        tenants::TENANT
    );
    let rows = select(client, &sql, &[&first, &last, &i64::from(limit)]).await?;
    let is_last = rows.len() < limit as usize;
    let told = &mut snapshot.unreadable;
    snapshot.tenants = divide(rows.iter().map(tenants::tenant), told);
    snapshot.next = snapshot.tenants.last().map(|tenant| tenant.id).filter(|_| !is_last);
    let last = snapshot.next.map_or(last, TenantId::uuid);

    let of_these = |columns: &str, table: &str| {
        format!("/* name: read_snapshot_parts */ SELECT {columns} FROM {table} WHERE tenant_id BETWEEN $1 AND $2")
    };
    let sql = of_these(endpoints::ENDPOINT, "endpoints");
    let rows = select(client, &sql, &[&first, &last]).await?;
    snapshot.endpoints = divide(rows.iter().map(endpoints::closed), told);
    let sql = of_these(keys::UNUSED_KEY, "api_keys");
    let rows = select(client, &sql, &[&first, &last]).await?;
    snapshot.keys = divide(rows.iter().map(keys::key), told);
    snapshot.marks = read_marks(client, (first, last)).await?;
    Ok(())
}

async fn read_operators(client: &impl GenericClient, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let sql = format!(
        "/* name: read_operator_keys */ SELECT {} FROM api_keys WHERE tenant_id IS NULL",
        keys::UNUSED_KEY
    );
    let rows = select(client, &sql, &[]).await?;
    let keys = divide(rows.iter().map(keys::key), &mut snapshot.unreadable);
    snapshot.keys.extend(keys);
    Ok(())
}

async fn read_event_types(client: &impl GenericClient, snapshot: &mut Snapshot) -> Result<(), StoreError> {
    let rows = select(client, event_types::NEWEST, &[]).await?;
    snapshot.event_types = divide(rows.iter().map(event_types::version), &mut snapshot.unreadable);
    Ok(())
}

async fn read_marks(client: &impl GenericClient, (first, last): Range) -> Result<HashMap<TenantId, Mark>, StoreError> {
    let rows = select(client, MARKS, &[&first, &last]).await?;
    let mark = |row: &Row| {
        let mark = Mark {
            rows: row.try_get("rows")?,
            versions: row.try_get("versions")?,
        };
        Ok((TenantId::from_uuid(row.try_get("tenant")?), mark))
    };
    rows.iter().map(mark).collect()
}

async fn select(
    client: &impl GenericClient,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    Ok(client.query(&client.prepare_cached(sql).await?, values).await?)
}
