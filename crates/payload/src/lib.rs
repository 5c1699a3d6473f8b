//! Rules over payloads: which events an endpoint wants by their content, and what events of a type must look like.
//!
//! Need: rules are written by customers and run on every event of theirs, in the process that takes in everybody's.
//! Mechanism: a [`Filter`] is written in a subset of CEL, checked as a whole when it is configured and evaluated in counted steps; a
//! [`Schema`] is a JSON Schema that refers to nothing outside itself. Both look at an [`EventView`], which reads the
//! payload once, and only if somebody asks. Limit: a rule can't change a payload, keep state or learn anything but the event.

mod event;
mod filter;
mod schema;

pub use event::EventView;
pub use filter::{Decision, Filter, FilterError, Verdict};
pub use schema::{Schema, SchemaError, Violation};
