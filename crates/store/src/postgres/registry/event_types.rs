//! The catalogue of event types.

use tidings_domain::{AuditEntry, EventType, EventTypeVersion};
use tokio_postgres::Row;

use super::{Postgres, audit};
use crate::error::StoreError;
use crate::postgres::error::corrupt;
use crate::registry::NewEventTypeVersion;

pub(super) const NEWEST: &str =
    "SELECT DISTINCT ON (event_type) event_type, version, description, schema, created_at FROM event_types
     ORDER BY event_type, version DESC";
const INSERT: &str = "INSERT INTO event_types (event_type, version, description, schema, created_at)
     SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4 FROM event_types WHERE event_type = $1
     RETURNING version";
const LIST: &str =
    "SELECT DISTINCT ON (event_type) event_type, version, description, schema, created_at FROM event_types
     WHERE event_type > $1 ORDER BY event_type, version DESC LIMIT $2";
const VERSIONS: &str = "SELECT event_type, version, description, schema, created_at FROM event_types
     WHERE event_type = $1 ORDER BY version DESC";

pub(super) async fn create_version(
    store: &Postgres,
    new: &NewEventTypeVersion,
    entry: &AuditEntry,
) -> Result<EventTypeVersion, StoreError> {
    let mut client = store.client().await?;
    let transaction = client.transaction().await?;
    // Nobody else counts a version until the end; the next statement sees what was written before.
    transaction
        .batch_execute("LOCK TABLE event_types IN SHARE ROW EXCLUSIVE MODE")
        .await?;
    let statement = transaction.prepare_cached(INSERT).await?;
    let name = new.event_type.as_str();
    let row = transaction
        .query_one(&statement, &[&name, &new.description, &new.schema, &new.created_at])
        .await?;
    audit::insert(&transaction, entry).await?;
    transaction.commit().await?;
    Ok(new.numbered(row.try_get::<_, i32>("version")?.cast_unsigned()))
}

pub(super) async fn list(
    store: &Postgres,
    after: Option<&EventType>,
    limit: u32,
) -> Result<Vec<EventTypeVersion>, StoreError> {
    let after = after.map_or("", EventType::as_str);
    let rows = store.query(LIST, &[&after, &i64::from(limit)]).await?;
    rows.iter().map(version).collect()
}

pub(super) async fn versions(store: &Postgres, event_type: &EventType) -> Result<Vec<EventTypeVersion>, StoreError> {
    let rows = store.query(VERSIONS, &[&event_type.as_str()]).await?;
    rows.iter().map(version).collect()
}

pub(super) fn version(row: &Row) -> Result<EventTypeVersion, StoreError> {
    Ok(EventTypeVersion {
        event_type: row.try_get::<_, &str>("event_type")?.parse().map_err(corrupt)?,
        version: row.try_get::<_, i32>("version")?.cast_unsigned(),
        description: row.try_get("description")?,
        schema: row.try_get("schema")?,
        created_at: row.try_get("created_at")?,
    })
}
