//! Statements on the catalogue of event types.

use tidings_domain::{AuditEntry, EventType, EventTypeVersion, Timestamp};
use tokio_postgres::Row;

use super::{Postgres, audit};
use crate::error::StoreError;
use crate::lenient::{Read, Unreadable, divide, left_out};
use crate::registry::NewEventTypeVersion;

pub(super) const NEWEST: &str = "-- name: read_newest_event_types
     SELECT DISTINCT ON (event_type) event_type, version, description, schema, created_at FROM event_types
     ORDER BY event_type, version DESC";
const INSERT: &str = "-- name: insert_event_type
     INSERT INTO event_types (event_type, version, description, schema, created_at)
     SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4 FROM event_types WHERE event_type = $1
     RETURNING version";
const LIST: &str = "-- name: list_event_types
     SELECT DISTINCT ON (event_type) event_type, version, description, schema, created_at FROM event_types
     WHERE event_type > $1 ORDER BY event_type, version DESC LIMIT $2";
const VERSIONS: &str = "-- name: list_event_type_versions
     SELECT event_type, version, description, schema, created_at FROM event_types
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
        .batch_execute("/* name: lock_event_types */ LOCK TABLE event_types IN SHARE ROW EXCLUSIVE MODE")
        .await?;
    let statement = transaction.prepare_cached(INSERT).await?;
    let name = new.event_type.as_str();
    let row = transaction
        .query_one(&statement, &[&name, &new.description, &new.schema, &new.created_at])
        .await?;
    audit::insert(&*transaction, entry).await?;
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
    Ok(divide(rows.iter().map(version), &mut Vec::new()))
}

pub(super) async fn versions(store: &Postgres, event_type: &EventType) -> Result<Vec<EventTypeVersion>, StoreError> {
    let rows = store.query(VERSIONS, &[&event_type.as_str()]).await?;
    Ok(divide(rows.iter().map(version), &mut Vec::new()))
}

/// A row of the catalogue. One whose name is no event type is left out: no event has it.
pub(super) fn version(row: &Row) -> Result<Read<EventTypeVersion>, Unreadable> {
    let name: &str = row
        .try_get("event_type")
        .map_err(|error| left_out("event_type", "", error))?;
    let unusable = |error: tokio_postgres::Error| left_out("event_type", name, error);
    let version = EventTypeVersion {
        event_type: name.parse().map_err(|error| left_out("event_type", name, error))?,
        version: row.try_get::<_, i32>("version").map_err(unusable)?.cast_unsigned(),
        description: row.try_get("description").map_err(unusable)?,
        schema: row.try_get("schema").map_err(unusable)?,
        created_at: row.try_get("created_at").unwrap_or(Timestamp::UNIX_EPOCH),
    };
    Ok((version, None))
}
