//! Catalogue of event types, kept by operators.

use jiff::Timestamp;

use crate::event::EventType;

/// One version of an event type: what its payloads are like. Versions are only added; the newest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTypeVersion {
    pub event_type: EventType,
    /// Version number, from 1.
    pub version: u32,
    /// Meaning of the event type, for people.
    pub description: String,
    /// The JSON Schema of its payloads, as JSON text; any payload will do if there is none.
    pub schema: Option<String>,
    pub created_at: Timestamp,
}
