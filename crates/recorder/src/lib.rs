#![doc = include_str!("../README.md")]

mod backlogs;
mod batch;
mod client;
mod fetcher;
mod lags;
mod metrics;
mod recorder;

pub use backlogs::BackloggedEndpoints;
pub use client::{Config, LogClient, MAX_MESSAGE};
pub use fetcher::{FetchError, Fetched, Fetcher, Found, Gone, Sought};
pub use lags::Lags;
pub use metrics::register as register_metrics;
pub use recorder::{Durable, RecordError, Recorder};
