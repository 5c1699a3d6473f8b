//! Findings of a comparison: a code for programs and a sentence for people.

use std::collections::BTreeMap;

/// One result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A stable code such as `body_reprinted`.
    pub(crate) code: &'static str,
    /// `true` if it keeps the signature from being verified.
    pub(crate) is_fault: bool,
    pub(crate) detail: String,
    /// Values in the sentence: places, numbers, names of headers.
    pub(crate) values: BTreeMap<&'static str, String>,
}

impl Finding {
    /// Something that keeps a signature from being verified.
    pub(super) fn fault(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            is_fault: true,
            detail: detail.into(),
            values: BTreeMap::new(),
        }
    }

    /// Something that is as it should be.
    pub(super) fn fine(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            is_fault: false,
            ..Self::fault(code, detail)
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.values.insert(name, value.to_string());
        self
    }
}
