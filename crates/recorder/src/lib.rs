//! Recorder: the client by which ingest and dispatcher write to the ledger and read from it.
//!
//! Everything accepted or attempted must be durable before it is acknowledged (guarantees G1 and G4), even while the
//! log service is away. [`Recorder`] sends records to the log service in batches; if that fails within its deadline,
//! each goes to the records queue by a confirmed publish (it is spilled), and the log service reads it later. Without
//! log service and queue the caller gets an error and must not acknowledge.

#![allow(missing_docs, reason = "a name and type that say everything need no sentence")]

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
