//! Conversion between operations and the messages of `tidings.v1`, which both interfaces use: gRPC as they are, HTTP as
//! JSON.

pub(crate) mod asked;
pub(crate) mod authentication;
pub(crate) mod explained;
pub(crate) mod jobs;
pub(crate) mod records;
pub(crate) mod rows;
pub(crate) mod shown;
