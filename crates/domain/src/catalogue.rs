//! The operators' catalogue of event types.

use jiff::Timestamp;

use crate::event::EventType;

/// One version of an event type: what its payloads are like. Versions are only added; the newest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTypeVersion {
    /// The event type.
    pub event_type: EventType,
    /// Its number, from 1.
    pub version: u32,
    /// What it means, for people.
    pub description: String,
    /// The JSON Schema of its payloads, as JSON text; any payload will do if there is none.
    pub schema: Option<String>,
    /// When this version was made.
    pub created_at: Timestamp,
}
