//! What can be wrong with a dialect file, said so that its author finds the place.

use std::path::PathBuf;

/// Why dialects could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DialectError {
    /// A file or the directory can't be read.
    #[error("can't read {path}: {source}", path = path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file says something that a dialect can't be.
    #[error("{file}:{line}: {problem}")]
    Invalid {
        /// The file, as it was found.
        file: String,
        /// The line of the mistake, counted from 1; 1 when the mistake is no single line's.
        line: usize,
        /// What is wrong, with the key it is wrong at.
        problem: String,
    },
}

/// The line, counted from 1, that a byte of the text stands in.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
