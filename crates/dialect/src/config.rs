//! The configuration of dialects.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::dialects::Dialects;
use crate::error::DialectError;

/// Dialects of the operator's own (`[dialects]`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A directory of dialect files besides the built-in ones.
    pub directory: Option<PathBuf>,
}

impl Config {
    /// Loads the built-in dialects and those of the directory.
    ///
    /// # Errors
    /// [`DialectError`] at the first file that can't be read or is not a dialect.
    pub fn load(&self) -> Result<Dialects, DialectError> {
        match &self.directory {
            None => Dialects::builtin(),
            Some(directory) => Dialects::with_directory(directory),
        }
    }
}
