//! Filters and schemas: rules over payloads, written by tenants.
//!
//! The rules run on every event of a tenant, in the process that accepts everybody's events, so their cost is
//! bounded. A [`Filter`] is written in a subset of CEL, checked completely when it is configured and evaluated in
//! counted steps; a [`Schema`] is a JSON Schema without references to the outside. Both read an [`EventView`], which
//! parses the payload once, and only if needed. A rule can't change a payload, keep state or see anything but the
//! event.

#![allow(missing_docs, reason = "a name and type that say everything need no sentence")]

mod event;
mod filter;
mod schema;

pub use event::EventView;
pub use filter::{Decision, Filter, FilterError, Verdict};
pub use schema::{Schema, SchemaError, Violation};
