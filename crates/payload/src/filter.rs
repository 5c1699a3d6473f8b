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

/// What a filter says about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the endpoint wants the event.
    pub matched: bool,
    /// Why the filter could not be evaluated, in which case it does not match.
    pub error: Option<String>,
}

/// What came of asking a filter within a budget.
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
    /// How deep the parts of a filter may be nested.
    pub const MAX_DEPTH: usize = 24;
    /// The largest regular expression, bytes of its compiled form.
    pub const MAX_REGEX: usize = 64 * 1024;
    /// How many steps an evaluation may take. A step is looking at one part of the filter, at one element of a list
    /// or at 32 bytes of text (of a regular expression: at one); the slowest take about 20 ns.
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

    /// Whether the event is wanted. A filter that can't be evaluated on this event does not want it.
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

    /// What the filter says about an event within a budget of steps, of which it takes what it needs. It never takes more
    /// than [`Filter::MAX_STEPS`].
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
