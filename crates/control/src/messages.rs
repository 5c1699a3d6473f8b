//! Between operations on endpoints and the messages of `tidings.v1.EndpointService`, which either face speaks: gRPC as
//! they are, HTTP as JSON.

pub(crate) mod asked;
pub(crate) mod shown;
