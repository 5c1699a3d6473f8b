//! View of an event for filters and schemas.

use std::cell::OnceCell;

use serde_json::Value as Json;
use tidings_domain::{EventType, Timestamp};

/// An event as rules see it. Its payload is read when the first rule looks, and once for all rules.
///
/// Of members with the same name the last counts. Whole numbers of 64 bits, with a sign or without, are exact, all others are
/// 64-bit floating point numbers. A payload nested more than 127 deep, or with a number beyond floating point, is valid
/// JSON but can't be read by rules.
#[derive(Debug)]
pub struct EventView<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) occurred_at: Timestamp,
    payload: &'a [u8],
    read: OnceCell<Result<Json, String>>,
}

impl<'a> EventView<'a> {
    /// Looks at an event; reads nothing yet.
    #[must_use]
    pub fn new(event_type: &'a EventType, occurred_at: Timestamp, payload: &'a [u8]) -> Self {
        Self {
            event_type: event_type.as_str(),
            occurred_at,
            payload,
            read: OnceCell::new(),
        }
    }

    /// The payload, or why rules can't read it.
    pub(crate) fn payload(&self) -> Result<&Json, &str> {
        let read = || serde_json::from_slice(self.payload).map_err(|error| error.to_string());
        self.read.get_or_init(read).as_ref().map_err(String::as_str)
    }
}
