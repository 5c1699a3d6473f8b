//! What pages draw of stored bytes and times. No I/O.

pub(crate) mod bytes;
pub(crate) mod curl;
pub(crate) mod json;
pub(crate) mod schedule;
