#![doc = include_str!("../README.md")]

mod convert;

pub use convert::{
    WireError, attempt_made, duration, duration_from, micros, time_from_micros, timestamp, timestamp_from, timing,
    timing_of, uuid,
};

/// The messages and services of `proto/tidings/v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated; documented in the protos"
)]
pub mod pb {
    tonic::include_proto!("tidings.v1");
}

/// The descriptors of every proto, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
