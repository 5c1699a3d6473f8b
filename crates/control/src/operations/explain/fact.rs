//! Facts: a code with arguments, for programs and translations, and the same as an English sentence.

use std::collections::BTreeMap;
use std::fmt::Display;

use tidings_domain::Timestamp;

/// The value of an absent argument, so that each code always has the same arguments.
const NONE: &str = "none";

/// One statement of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// A stable name for programs, such as `attempt_failed`.
    pub(crate) code: &'static str,
    /// Values in the sentence, by name; what is not known is `none`.
    pub(crate) arguments: BTreeMap<&'static str, String>,
    /// The same for people, in English.
    pub(crate) sentence: String,
}

impl Fact {
    pub(crate) fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            code,
            arguments: BTreeMap::new(),
            sentence: sentence.into(),
        }
    }

    /// Names something that it is about.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.arguments.insert(name, value.to_string());
        self
    }

    /// Names something that it may be about.
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self.with(name, NONE),
        }
    }

    /// Names a time, if it is known.
    pub(crate) fn at(self, name: &'static str, time: Option<Timestamp>) -> Self {
        self.with_some(name, time)
    }

    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }
}

/// The sentences of what is said.
pub(crate) fn sentences(facts: &[Fact]) -> Vec<String> {
    facts.iter().map(|fact| fact.sentence.clone()).collect()
}

/// All that is said as one text.
pub(crate) fn text(facts: &[Fact]) -> String {
    sentences(facts).join(" ")
}
