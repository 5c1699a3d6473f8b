//! Dialects: formats of webhook requests.
//!
//! A dialect is data: a TOML file that describes headers, envelope, signature and responses of one kind of receiver
//! (`dialects/README.md` explains every key). The files in `dialects/` are built in; an operator's directory adds to
//! them or replaces them. A file is checked completely when it is loaded, down to rendering its samples, so that a
//! mistake prevents the start instead of a delivery.
//!
//! [`Dialect::render`] turns a message into a request. Sending the request and classifying the response is the
//! dispatcher's task.

#![allow(missing_docs, reason = "a name and type that say everything need no sentence")]

pub mod canonical;
mod chat_escape;
mod compile;
mod dialect;
mod dialects;
mod error;
mod file;
mod header_name;
mod json;
mod members;
mod options;
mod payload_value;
mod proof;
mod prune;
mod render;
mod summary;
mod url_match;
mod variables;

pub use dialect::Dialect;
pub use dialects::Dialects;
pub use error::DialectError;
pub use file::RetryAfter;
pub use header_name::CasedHeaderName;
pub use options::{Form, OptionError, Properties, Setting};
pub use proof::Scheme;
pub use render::{Message, RenderError, Request};
