//! The delivery protocol as a state machine, checked exhaustively for small sizes.
//!
//! Need: what several processes, a broker and a ledger make of crashes and outages together is more than tests can
//! try one by one. Mechanism: one delivery with everybody who handles it; every order of steps and faults is walked
//! through within [`Bounds`], and [`properties`] must hold in every state. Each action names the code that it stands
//! for. Limit: it is the protocol that is checked, as this crate tells it, and not the code; nothing larger than the
//! bounds is shown; one delivery stands for all, since deliveries share no state but gates and batches.

pub mod actions;
pub mod broker;
pub mod dispatcher;
pub mod ingest;
pub mod ledger;
pub mod log;
pub mod outside;
pub mod paths;
pub mod properties;
pub mod protocol;
pub mod state;

pub use protocol::{Bounds, Protocol, Rule};
pub use state::State;
