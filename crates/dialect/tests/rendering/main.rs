//! What receivers get of each dialect, and what no payload, setting or template can do to it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod bounds;
mod case;
mod chat;
mod chat_limits;
mod choices;
mod payloads;
mod products;
mod signing;
