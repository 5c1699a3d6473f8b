//! Rows of the log, as replays are asked for them.

use std::time::Duration;

use tidings_domain::Timestamp;

/// Rows of the log, of one kind. The log service reads the ids and names in it, and says what is wrong with them.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The tenant of the events; empty for the caller's own.
    pub tenant_id: String,
    /// Of events accepted, or attempts begun, at or after this time.
    pub since: Option<Timestamp>,
    /// Of events accepted, or attempts begun, before this time.
    pub until: Option<Timestamp>,
    pub filter: Filter,
}

/// The kind of rows, with conditions. All that are set must hold; lists are alternatives.
#[derive(Debug, Clone)]
pub enum Filter {
    Deliveries(DeliveryFilter),
    Attempts(AttemptFilter),
    Events { event_types: Vec<String> },
}

#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub endpoint_id: String,
    pub event_id: String,
    /// Names of states.
    pub states: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct AttemptFilter {
    pub endpoint_id: String,
    pub event_id: String,
    pub delivery_id: String,
    pub event_types: Vec<String>,
    pub status_codes: Vec<u32>,
    /// Classes of statuses: 2 for 2xx; 0 means no response.
    pub status_classes: Vec<u32>,
    /// Names of outcomes.
    pub outcomes: Vec<String>,
    /// Names of reasons.
    pub failure_reasons: Vec<String>,
    pub min_duration: Option<Duration>,
    pub max_duration: Option<Duration>,
    /// A text that the error contains; empty for any error.
    pub error_contains: String,
}
