//! Drawings of stored bytes and times. No I/O.

pub(crate) mod bytes;
pub(crate) mod chart;
pub(crate) mod command;
pub(crate) mod curl;
pub(crate) mod diff;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod schedule;
pub(crate) mod schema;
pub(crate) mod timeline;
