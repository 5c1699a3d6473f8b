#![doc = include_str!("../README.md")]

pub mod auth;
pub mod backoff;
pub mod body;
pub mod bucket;
pub mod client;
pub mod config;
pub mod failpoint;
pub mod fallback;
pub mod health;
pub mod idempotency_key;
pub mod limit;
pub mod metrics;
pub mod monitor;
pub mod problem;
pub mod process;
pub mod replicas;
pub mod request;
pub mod serve;
pub mod shutdown;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
pub mod trace;

pub use backoff::Backoff;
pub use bucket::Bucket;
pub use config::{ConfigError, SecretText};
pub use health::{Component, Health};
pub use problem::{Kind, Problem};
pub use supervisor::Supervisor;
