#![doc = include_str!("../README.md")]
#![allow(missing_docs, reason = "a name and type that say everything need no sentence")]

mod event;
mod filter;
mod schema;

pub use event::EventView;
pub use filter::{Decision, Filter, FilterError, Verdict};
pub use schema::{Schema, SchemaError, Violation};
