#![doc = include_str!("../README.md")]

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
