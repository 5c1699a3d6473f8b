#![doc = include_str!("../README.md")]

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
