//! Statements on the catalogue of event types.

use rusqlite::{Connection, Row, params};
use tidings_domain::{EventType, EventTypeVersion, Timestamp};

use super::{all, execute};
use crate::error::StoreError;
use crate::lenient::{Read, Unreadable, divide, left_out};
use crate::registry::NewEventTypeVersion;
use crate::sqlite::row::{micros, time};

const VERSION: &str = "event_type, version, description, schema, created_at";

/// Stores the next version of an event type and returns its number.
pub(super) fn insert(connection: &Connection, new: &NewEventTypeVersion) -> Result<u32, StoreError> {
    let sql = format!(
        "-- name: insert_event_type
         INSERT INTO event_types ({VERSION})
         SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3, ?4 FROM event_types WHERE event_type = ?1
         RETURNING version"
    );
    let values = params![
        new.event_type.as_str(),
        new.description,
        new.schema,
        micros(new.created_at)
    ];
    Ok(connection.prepare_cached(&sql)?.query_row(values, |row| row.get(0))?)
}

/// The newest version of each event type behind `after`.
pub(super) fn newest(
    connection: &Connection,
    after: Option<&EventType>,
    limit: u32,
    told: &mut Vec<Unreadable>,
) -> Result<Vec<EventTypeVersion>, StoreError> {
    let sql = format!(
        "-- name: read_newest_event_types
         SELECT {VERSION} FROM event_types AS one
         WHERE event_type > ?1
           AND version = (SELECT max(version) FROM event_types WHERE event_type = one.event_type)
         ORDER BY event_type LIMIT ?2"
    );
    let after = after.map_or("", EventType::as_str);
    let rows = all(connection, &sql, params![after, limit], |row| Ok(version(row)))?;
    Ok(divide(rows.into_iter(), told))
}

pub(super) fn versions(connection: &Connection, event_type: &EventType) -> Result<Vec<EventTypeVersion>, StoreError> {
    let sql = format!(
        "-- name: list_event_type_versions
         SELECT {VERSION} FROM event_types WHERE event_type = ?1 ORDER BY version DESC"
    );
    let rows = all(connection, &sql, [event_type.as_str()], |row| Ok(version(row)))?;
    Ok(divide(rows.into_iter(), &mut Vec::new()))
}

pub(super) fn delete(connection: &Connection, event_type: &EventType) -> Result<Option<()>, StoreError> {
    let sql = "/* name: delete_event_type */ DELETE FROM event_types WHERE event_type = ?1";
    execute(connection, sql, [event_type.as_str()])
}

/// A row of the catalogue. One whose name is no event type is left out: no event has it.
fn version(row: &Row<'_>) -> Result<Read<EventTypeVersion>, Unreadable> {
    let name: String = row.get(0).map_err(|error| left_out("event_type", "", error))?;
    let unusable = |error: rusqlite::Error| left_out("event_type", &name, error);
    let version = EventTypeVersion {
        event_type: name.parse().map_err(|error| left_out("event_type", &name, error))?,
        version: row.get(1).map_err(unusable)?,
        description: row.get(2).map_err(unusable)?,
        schema: row.get(3).map_err(unusable)?,
        created_at: time(row, 4).unwrap_or(Timestamp::UNIX_EPOCH),
    };
    Ok((version, None))
}
