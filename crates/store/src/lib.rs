//! What is stored: the registry (tenants, keys, endpoints), the ledger (events, deliveries, attempts), the
//! idempotency keys and the notices.
//!
//! One seam, two implementations: [`postgres`] for many processes, [`sqlite`] for one. Both pass the same
//! contract suite (`tests/contract`). No other crate names a database client.

pub mod access;
pub mod cache;
mod error;
mod health;
pub mod idempotency;
pub mod ledger;
mod notices;
pub mod postgres;
pub mod registry;
pub mod seal;
pub mod sqlite;

pub use access::{Access, Caller};
pub use cache::RegistryCache;
pub use error::StoreError;
pub use idempotency::{Claim, ClaimToken, Idempotency};
pub use ledger::Ledger;
pub use notices::Notices;
pub use registry::Registry;

/// Everything that is stored, behind one handle.
pub trait Store: Registry + Ledger + Idempotency + Notices {}

impl<T: Registry + Ledger + Idempotency + Notices> Store for T {}
