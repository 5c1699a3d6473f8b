//! The recorder: how ingest and dispatcher write to the ledger and read from it.
//!
//! Need: whatever was accepted or attempted is durable before anybody is told so (guarantees G1 and G4), whether
//! or not the log service is there. Mechanism: records go to the log service in batches; when that fails within
//! its deadline each goes to the records queue by a confirmed publish, from where the log service takes it later.
//! Limit: with neither, the caller gets an error and nothing may be acknowledged.

mod backlogs;
mod batch;
mod client;
mod fetcher;
mod metrics;
mod recorder;

pub use backlogs::Backlogs;
pub use client::{Config, LogClient, MAX_MESSAGE};
pub use fetcher::{FetchError, Fetched, Fetcher, Found, Gone, Sought};
pub use metrics::register as register_metrics;
pub use recorder::{Durable, RecordError, Recorder};
