//! Storage: the registry (tenants, keys, endpoints), the ledger (events, deliveries, attempts), idempotency keys and
//! notices.
//!
//! One seam, two implementations: [`postgres`] for many processes, [`sqlite`] for one. Both pass the same contract
//! suite (`tests/contract`). No other crate names a database client.

pub mod answers;
pub mod cache;
pub mod erasures;
mod error;
mod health;
pub mod idempotency;
pub mod ledger;
mod lenient;
mod metrics;
mod notices;
pub mod postgres;
pub mod registry;
pub mod replays;
pub mod seal;
mod sealed;
pub mod sqlite;
pub mod watch;

pub use answers::Answers;
pub use cache::RegistryCache;
pub use erasures::Erasures;
pub use error::StoreError;
pub use idempotency::{Claim, ClaimToken, Idempotency};
pub use ledger::Ledger;
pub use lenient::Unreadable;
pub use metrics::register as register_metrics;
pub use notices::Notices;
pub use registry::Registry;
pub use replays::Replays;
pub use watch::Watch;

/// Everything that is stored, behind one handle.
pub trait Store: Registry + Ledger + Idempotency + Answers + Notices + Replays + Erasures + Watch {}

impl<T: Registry + Ledger + Idempotency + Answers + Notices + Replays + Erasures + Watch> Store for T {}
