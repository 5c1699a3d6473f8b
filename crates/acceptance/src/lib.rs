//! Fixtures for tests of the whole system: the real `tidings`, one process per role or all in one.
//!
//! [`System`] runs the roles apart on a database and a virtual host of its own, [`Standalone`] runs one process on a
//! directory of its own; either has a [`Client`] that speaks gRPC with an operator's key. Every process ends when its
//! value is dropped. As in the testkit, a fixture that can't be made panics.

mod client;
mod collector;
mod load;
mod role;
mod standalone;
mod system;

pub use client::{Client, Key, Servers, Tenant, endpoint, problem_code, request};
pub use collector::{Collector, Span};
pub use load::{Load, Published};
pub use role::{Response, Role, get, run_to_end};
pub use standalone::Standalone;
pub use system::System;

use std::time::Duration;

/// Longer than anything here takes on a loaded machine; a test that waits this long has failed.
pub const SOON: Duration = Duration::from_secs(30);
