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
mod choice;
mod chosen;
mod compile;
mod config;
mod cut;
mod data;
mod dialect;
mod dialects;
mod digest;
mod error;
mod file;
mod json;
mod members;
mod name;
mod proof;
mod render;
mod text;
mod variables;

pub use choice::{ChoiceError, Form, Properties, Setting};
pub use config::Config;
pub use dialect::Dialect;
pub use dialects::Dialects;
pub use error::DialectError;
pub use file::RetryAfter;
pub use name::SpelledName;
pub use proof::Scheme;
pub use render::{Message, RenderError, Request};
