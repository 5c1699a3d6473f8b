//! How a delivery looks on the wire.
//!
//! A dialect is data: one TOML file that says which headers, envelope, signature and answers a kind of receiver
//! expects (`dialects/README.md` explains every key). The files of `dialects/` are compiled in; an operator's
//! directory adds to them or replaces them. Everything in a file is checked when it is loaded, down to rendering
//! its samples, so that a mistake stops the start and not a delivery.
//!
//! [`Dialect::render`] makes a request from a message. Sending it, and judging what comes back, is the
//! dispatcher's business.

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
