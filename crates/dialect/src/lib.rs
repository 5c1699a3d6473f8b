#![doc = include_str!("../README.md")]

pub mod canonical;
mod chat_escape;
mod compile;
mod config;
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

pub use config::Config;
pub use dialect::Dialect;
pub use dialects::Dialects;
pub use error::DialectError;
pub use file::RetryAfter;
pub use header_name::CasedHeaderName;
pub use options::{Form, OptionError, Properties, Setting};
pub use proof::Scheme;
pub use render::{Message, RenderError, Request};
