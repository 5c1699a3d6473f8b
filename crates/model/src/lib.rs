//! The delivery protocol as a state machine, checked exhaustively for small sizes.
//!
//! Crashes and outages of several processes, a broker and a ledger combine in more ways than tests can try one by
//! one. The model has one delivery and everybody who handles it; the checker visits every order of steps and faults
//! within [`Bounds`], and [`properties`] must hold in every state. Each action names the code that it stands for.
//!
//! The model checks the protocol as this crate states it, not the code, and only up to the bounds. One delivery
//! stands for all, because deliveries share no state but limits and batches.

#![allow(missing_docs, reason = "a name and type that say everything need no sentence")]

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
