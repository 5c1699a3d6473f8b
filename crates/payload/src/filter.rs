//! Content filters: conditions on an event's content, written by tenants.
//!
//! The language is a subset of the Common Expression Language, parsed by the `cel` crate. The syntax tree is compiled
//! into [`rule::Rule`]s with all variables and functions resolved, and these are evaluated on the payload as it was
//! read, without copies, in counted steps. A filter that exceeds [`Filter::MAX_STEPS`] does not match.
//! `docs/filters.md` describes the language for its users.

mod arithmetic;
mod compile;
mod error;
mod evaluate;
mod failure;
mod parse;
mod rule;
mod value;

pub use error::FilterError;

#[cfg(test)]
mod tests;

use crate::EventView;
use evaluate::Evaluation;
use failure::Failure;
use rule::Rule;

/// A content filter, checked and ready.
#[derive(Debug)]
pub struct Filter {
    rule: Rule,
    memory: usize,
}

/// Result of a filter on an event, with its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The filter matches.
    pub matched: bool,
    /// Error of the evaluation; the filter then does not match.
    pub error: Option<String>,
}

/// Result of a filter within a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The event is wanted.
    Wanted,
    /// It is not, or the filter can't be evaluated on it.
    Unwanted,
    /// Nobody knows: the steps were used up before there was an answer.
    Undecided,
}

impl Filter {
    /// The longest filter, bytes.
    pub const MAX_LENGTH: usize = 2_000;
    /// Maximum nesting of a filter.
    pub const MAX_DEPTH: usize = 24;
    /// The largest regular expression, bytes of its compiled form.
    pub const MAX_REGEX: usize = 64 * 1024;
    /// Maximum steps of an evaluation. A step examines one part of the filter, one element of a list or 32 bytes of
    /// text (one byte for a regular expression); the slowest steps take about 20 ns.
    pub const MAX_STEPS: u32 = 50_000;

    /// Checks a filter.
    ///
    /// # Errors
    ///
    /// [`FilterError`] says where the text is not a filter and what to write instead.
    pub fn compile(text: &str) -> Result<Self, FilterError> {
        let rule = parse::parse(text)?;
        let regexes = text.matches("matches").count();
        Ok(Self {
            rule,
            // A rule has 64 bytes or so, and no text gives more than one for each two bytes.
            memory: 32 * text.len() + regexes * Self::MAX_REGEX,
        })
    }

    /// About how much memory it takes at most, bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Tells if the filter matches. A filter that can't be evaluated on this event does not match.
    #[must_use]
    pub fn matches(&self, event: &EventView<'_>) -> bool {
        self.evaluate(event) == Ok(true)
    }

    /// As [`Filter::matches`], with the reason if the filter can't be evaluated.
    #[must_use]
    pub fn verdict(&self, event: &EventView<'_>) -> Verdict {
        match self.evaluate(event) {
            Ok(matched) => Verdict { matched, error: None },
            Err(failure) => Verdict {
                matched: false,
                error: Some(failure.to_string()),
            },
        }
    }

    /// Evaluates the filter within `budget`, from which the steps used are subtracted; never more than
    /// [`Filter::MAX_STEPS`].
    #[must_use]
    pub fn decide(&self, event: &EventView<'_>, budget: &mut u32) -> Decision {
        let steps = Self::MAX_STEPS.min(*budget);
        let mut evaluation = Evaluation::of(event, steps);
        let truth = evaluation.truth(&self.rule);
        *budget -= steps - evaluation.steps_left();
        match truth {
            Ok(true) => Decision::Wanted,
            Err(Failure::TooManySteps) => Decision::Undecided,
            Ok(false) | Err(_) => Decision::Unwanted,
        }
    }

    fn evaluate<'a>(&'a self, event: &'a EventView<'_>) -> Result<bool, Failure<'a>> {
        Evaluation::of(event, Self::MAX_STEPS).truth(&self.rule)
    }
}
