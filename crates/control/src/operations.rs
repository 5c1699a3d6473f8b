//! The operations of control: each checks the caller's rights and every value, changes what is to be changed, and leaves an
//! entry in the audit log with the same commit.
//!
//! Two faces call them, `grpc` and `http`; an operation knows neither, nor protobuf: the log service and dispatchers are asked
//! through clients that take and give values of the domain.

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
pub(crate) mod send_test;
pub mod signature;
pub(crate) mod signing;
pub mod system;
pub mod tenants;
pub(crate) mod texts;
