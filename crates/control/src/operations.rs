//! The operations of control: each checks the caller's rights and every value, changes what is to be changed, and leaves an
//! entry in the audit log with the same commit.
//!
//! Two faces call them, `grpc` and `http`; an operation knows neither. Where it asks the log service or a dispatcher it still
//! speaks their messages.

pub mod audit;
pub mod endpoints;
pub mod erasures;
pub mod event_types;
pub mod explain;
pub mod filters;
pub mod keys;
pub(crate) mod preview;
pub mod replays;
pub mod retention;
pub mod send_test;
pub mod signature;
pub(crate) mod signing;
pub mod system;
pub mod tenants;
pub(crate) mod texts;
