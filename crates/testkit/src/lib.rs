//! Test fixtures: a database, a virtual host, a receiver (ours, or one in a customer's language), a running `tidings`.
//!
//! Everything is real (PostgreSQL, RabbitMQ, sockets, processes), private to one test, and gone when its value is
//! dropped, so tests run side by side and in any order. A fixture that can't be made panics and says how to mend that:
//! this is test code, and nothing but tests may depend upon it.

pub mod address;
pub mod binary;
pub mod chromium;
pub mod database;
pub mod foreign;
pub mod languages;
pub mod proxy;
pub mod receiver;
pub mod services;
pub mod vhost;
pub mod wait;

pub use address::Reserved;
pub use binary::Binary;
pub use database::TestDatabase;
pub use foreign::{ForeignReceiver, Judged};
pub use proxy::FaultProxy;
pub use receiver::{Answer, Received, Receiver};
pub use vhost::TestVhost;
pub use wait::wait_until;
