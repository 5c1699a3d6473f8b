//! The catalogue of event types.
//!
//! A product describes once what events of a type mean and contain. Versions are only added, and the newest applies, so
//! events published under an older version stay documented. Schemas are checked here, and payloads at publishing if the
//! tenant chooses. A type need not be in the catalogue to be published.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;
use tidings_domain::{EventType, EventTypeVersion, Scope};
use tidings_payload::{EventView, Schema, Violation};
use tidings_service::problem::Problem;
use tidings_store::registry::NewEventTypeVersion;

use crate::call::Call;
use crate::{Book, now, texts};

/// Longest description of an event type, in characters.
const MAX_DESCRIPTION: usize = 2_000;

/// Operations on the catalogue of event types.
pub struct EventTypes {
    pub(crate) book: Book,
}

/// The verdict of a schema on a payload.
#[derive(Debug, Default)]
pub struct Checked {
    /// The version of the event type that the payload was checked against; none if it has no schema, or another was given.
    pub version: Option<u32>,
    /// The first ways in which the payload is not as the schema says; none if it is.
    pub violations: Vec<Violation>,
}

impl EventTypes {
    /// Adds a version of an event type.
    pub async fn add(
        &self,
        call: &Call,
        event_type: EventType,
        description: &str,
        schema: Option<String>,
    ) -> Result<EventTypeVersion, Problem> {
        call.require_operator()?;
        call.require(Scope::Manage)?;
        let new = NewEventTypeVersion {
            event_type,
            description: checked_description(description)?,
            schema: schema.map(checked_schema).transpose()?,
            created_at: now(),
        };
        let after = json!({
            "name": new.event_type.as_str(),
            "description": new.description,
            "schema": new.schema.as_deref().and_then(as_json),
        });
        let entry = call.entry("event_type.version_created", &new.event_type, None, None, Some(after));
        let added = self.book.registry.create_event_type_version(&new, &entry).await?;
        self.book.catalogue_changed().await;
        Ok(added)
    }

    /// Event types by name, each in its newest version.
    pub async fn list(
        &self,
        call: &Call,
        after: Option<EventType>,
        limit: u32,
    ) -> Result<Vec<EventTypeVersion>, Problem> {
        call.require(Scope::Read)?;
        Ok(self.book.registry.event_types(after, limit).await?)
    }

    /// The newest version of an event type, as this process knows it.
    pub(crate) fn newest(&self, event_type: &EventType) -> Option<Arc<EventTypeVersion>> {
        self.book.cache.schema(event_type)
    }

    /// Checks a payload as publishing does for tenants that validate theirs: against this schema, or that of the newest
    /// version of the event type.
    pub fn check(
        &self,
        call: &Call,
        event_type: &EventType,
        schema: Option<&str>,
        payload: &[u8],
    ) -> Result<Checked, Problem> {
        call.require(Scope::Read)?;
        let event = EventView::new(event_type, now(), payload);
        if let Some(schema) = schema {
            return Ok(Checked {
                version: None,
                violations: compiled(schema)?.check(&event).err().unwrap_or_default(),
            });
        }
        let newest = self.newest(event_type);
        let described = newest
            .as_ref()
            .and_then(|newest| Some((newest.version, newest.schema.as_deref()?)));
        let Some((version, schema)) = described else {
            return Ok(Checked::default());
        };
        let schema = Schema::compile(schema).map_err(|error| {
            // It was checked when it was put into the catalogue, by another version of Tidings then.
            let detail =
                format!("version {version} of the schema of {event_type} no longer compiles, add another one: {error}");
            Problem::conflict("schema_unusable", detail).at("name")
        })?;
        Ok(Checked {
            version: Some(version),
            violations: schema.check(&event).err().unwrap_or_default(),
        })
    }

    /// The versions of an event type, newest first; none if it is not in the catalogue.
    pub async fn versions(&self, call: &Call, event_type: &EventType) -> Result<Vec<EventTypeVersion>, Problem> {
        call.require(Scope::Read)?;
        Ok(self.book.registry.event_type_versions(event_type).await?)
    }

    /// Removes an event type with all its versions.
    pub async fn delete(&self, call: &Call, event_type: &EventType) -> Result<(), Problem> {
        call.require_operator()?;
        call.require(Scope::Manage)?;
        let versions = self.book.registry.event_type_versions(event_type).await?;
        let before = versions.first().map(|newest| {
            json!({
                "name": event_type.as_str(),
                "version": newest.version,
                "description": newest.description,
                "schema": newest.schema.as_deref().and_then(as_json),
            })
        });
        let entry = call.entry("event_type.deleted", event_type, None, before, None);
        if !self.book.registry.delete_event_type(event_type, &entry).await? {
            return Err(unknown(event_type));
        }
        self.book.catalogue_changed().await;
        Ok(())
    }
}

/// The event type of this name.
pub(crate) fn named(name: &str, field: &'static str) -> Result<EventType, Problem> {
    name.parse()
        .map_err(|error| Problem::invalid("event_type_invalid", format!("{error}")).at(field))
}

/// The refusal where an event type is not in the catalogue.
pub(crate) fn unknown(event_type: &EventType) -> Problem {
    let detail = format!("`{event_type}` is not in the catalogue of event types");
    Problem::not_found("event_type_unknown", detail).at("name")
}

/// A schema as it stands, so that its keywords keep their order.
pub(crate) fn as_json(schema: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(schema.to_owned()).ok()
}

fn checked_description(description: &str) -> Result<String, Problem> {
    let (description, max) = (description.trim(), MAX_DESCRIPTION);
    let length = description.chars().count();
    if length > max || description.contains('\0') {
        let detail = format!("a description has at most {max} characters and no NUL, this one has {length}");
        return Err(Problem::invalid("description_invalid", detail).at("description"));
    }
    Ok(description.to_owned())
}

fn checked_schema(schema: String) -> Result<String, Problem> {
    texts::check_json(&schema, "schema")?;
    compiled(&schema)?;
    Ok(schema)
}

fn compiled(schema: &str) -> Result<Schema, Problem> {
    Schema::compile(schema).map_err(|error| Problem::invalid("schema_invalid", error.to_string()).at("schema"))
}
