#![doc = include_str!("../README.md")]

mod event;
mod filter;
mod schema;

pub use event::EventView;
pub use filter::{Decision, Filter, FilterError, Verdict};
pub use schema::{Schema, SchemaError, Violation};
