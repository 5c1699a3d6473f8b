#![doc = include_str!("../README.md")]

pub mod actions;
pub mod broker;
pub mod dispatcher;
pub mod ingest;
pub mod ledger;
pub mod log;
pub mod outside;
pub mod paths;
pub mod properties;
pub mod protocol;
pub mod state;

pub use protocol::{Bounds, Protocol, Rule};
pub use state::State;
