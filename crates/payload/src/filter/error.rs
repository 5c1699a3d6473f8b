//! Error of a text that is not a filter.

/// Reason why a text is not a filter, with a suggestion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FilterError {
    /// Line of the error, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// Description of the error and what to write instead.
    pub message: String,
}

impl FilterError {
    /// The longest part of a message that repeats what was written, in characters.
    const MAX_MESSAGE: usize = 300;

    /// An error about the text from this byte on.
    pub(super) fn at(text: &str, offset: usize, message: impl AsRef<str>) -> Self {
        let before = text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count();
        let column = before.chars().rev().take_while(|character| *character != '\n').count();
        Self::new(line as u32 + 1, column as u32 + 1, message.as_ref())
    }

    /// An error at a known place.
    pub(super) fn new(line: u32, column: u32, message: &str) -> Self {
        let message = message.chars().take(Self::MAX_MESSAGE).collect();
        Self { line, column, message }
    }

    /// An error about the text as a whole.
    pub(super) fn whole(message: impl AsRef<str>) -> Self {
        Self::new(1, 1, message.as_ref())
    }
}
