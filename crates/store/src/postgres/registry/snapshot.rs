//! The registry, or a part of it, at one moment.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::{Postgres, endpoints, event_types, keys, tenants};
use crate::error::StoreError;
use crate::registry::{Of, Snapshot};

pub(super) async fn read(store: &Postgres, of: Of) -> Result<Snapshot, StoreError> {
    let mut client = store.client().await?;
    // One transaction, so that the tables are seen at one moment.
    let transaction = client.moment().await?;
    let mut snapshot = Snapshot::default();
    if matches!(of, Of::Everything | Of::Tenant(_)) {
        let rows = select(&transaction, tenants::TENANT, "tenants", of, "id").await?;
        snapshot.tenants = rows.iter().map(tenants::tenant).collect::<Result<_, _>>()?;
        let rows = select(&transaction, endpoints::ENDPOINT, "endpoints", of, "tenant_id").await?;
        snapshot.endpoints = rows
            .iter()
            .filter_map(|row| endpoints::usable(store, row).transpose())
            .collect::<Result<_, _>>()?;
    }
    if of != Of::EventTypes {
        let rows = select(&transaction, keys::UNUSED_KEY, "api_keys", of, "tenant_id").await?;
        snapshot.keys = rows.iter().map(keys::key).collect::<Result<_, _>>()?;
    }
    if matches!(of, Of::Everything | Of::EventTypes) {
        let statement = transaction.prepare_cached(event_types::NEWEST).await?;
        let rows = transaction.query(&statement, &[]).await?;
        snapshot.event_types = rows.iter().map(event_types::version).collect::<Result<_, _>>()?;
    }
    Ok(snapshot)
}

/// The rows of a table of tenants' things that belong to a part of the registry; `tenant` is the column that names
/// whose they are.
async fn select(
    client: &impl GenericClient,
    columns: &str,
    table: &str,
    of: Of,
    tenant: &str,
) -> Result<Vec<Row>, StoreError> {
    let all = format!("SELECT {columns} FROM {table}");
    let rows = match of {
        Of::Everything | Of::EventTypes => client.query(&client.prepare_cached(&all).await?, &[]).await,
        Of::Operators => {
            let sql = format!("{all} WHERE {tenant} IS NULL");
            client.query(&client.prepare_cached(&sql).await?, &[]).await
        }
        Of::Tenant(id) => {
            let statement = client.prepare_cached(&format!("{all} WHERE {tenant} = $1")).await?;
            client.query(&statement, &[&id.uuid()]).await
        }
    };
    Ok(rows?)
}
