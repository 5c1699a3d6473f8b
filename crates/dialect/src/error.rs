//! Errors in dialect files, with their position.

use std::path::PathBuf;

/// Reason why dialects could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DialectError {
    /// A file or the directory can't be read.
    #[error("can't read {path}: {source}", path = path.display())]
    Read {
        /// The unreadable file or directory.
        path: PathBuf,
        source: std::io::Error,
    },
    /// A file says something that a dialect can't be.
    #[error("{file}:{line}:{column}: {problem}")]
    Invalid {
        /// The file, as it was found.
        file: String,
        /// The line of the mistake, counted from 1; 1 when the mistake is no single line's.
        line: usize,
        /// The column of the mistake, in characters and counted from 1.
        column: usize,
        /// Description with the key at fault.
        problem: String,
    },
}

/// The line and the column, both counted from 1, that a byte of the text stands in.
pub(crate) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    (line, 1 + before[line_start..].chars().count())
}

/// The known name that was probably meant.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        // A third of the letters may be wrong; a name that is further away would only mislead.
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}
