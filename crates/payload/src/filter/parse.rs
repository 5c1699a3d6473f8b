//! Parses a filter's text into a rule.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use cel::{Env, ParseErrors};

use super::compile::Compiler;
use super::rule::Rule;
use super::{Filter, FilterError};

/// Room for the parser, which goes down once for every `.` and `+` of the longest filter; 2,000 of them take less than
/// half of this without optimisation. Memory that is not reached is not used.
const STACK: usize = 32 * 1024 * 1024;

/// Parses and compiles a filter; the error names the line.
pub(super) fn parse(text: &str) -> Result<Rule, FilterError> {
    if text.len() > Filter::MAX_LENGTH {
        let message = format!(
            "this filter has {} bytes; at most {} are allowed",
            text.len(),
            Filter::MAX_LENGTH
        );
        return Err(FilterError::whole(message));
    }
    if text.trim().is_empty() {
        return Err(FilterError::whole("a filter is a condition like `payload.rating <= 2`"));
    }
    thread::scope(|scope| {
        let parser = thread::Builder::new().name("filter parser".into()).stack_size(STACK);
        let parsed = parser.spawn_scoped(scope, || parse_here(text));
        let parsed =
            parsed.map_err(|error| FilterError::whole(format!("no thread to parse it: {error}; try again")))?;
        parsed.join().unwrap_or_else(|_| Err(not_understood()))
    })
}

fn parse_here(text: &str) -> Result<Rule, FilterError> {
    // Without its macros the parser leaves has(), exists() and all() as they are written.
    let parser = Env::default()
        .with_optional_support(false)
        .parser()
        .max_recursion_depth(Filter::MAX_DEPTH as u16);
    // The parser is not ours and reads what customers write: its panic must not end the request's process.
    let parsed = catch_unwind(AssertUnwindSafe(|| parser.parse_with_source_info(text)));
    let (expression, source) = parsed
        .map_err(|_| not_understood())?
        .map_err(|errors| syntax_error(text, &errors))?;
    let rule = Compiler::new(text, &source).compile(&expression)?;
    if !rule.may_be_truth() {
        let message = "this gives a value, and a filter says yes or no: compare it, as in `payload.rating <= 2`";
        return Err(FilterError::whole(message));
    }
    Ok(rule)
}

pub(super) fn not_understood() -> FilterError {
    FilterError::whole("this is not a CEL expression: write a condition like `payload.rating <= 2`")
}

/// The first thing that the parser could not read.
fn syntax_error(text: &str, errors: &ParseErrors) -> FilterError {
    let Some(first) = errors.errors.first() else {
        return not_understood();
    };
    let found = first.msg.trim_start_matches("Syntax error: ");
    // What it expects instead is a list of every kind of token.
    let found = found.split(" expecting ").next().unwrap_or(found);
    let (line, column) = first.pos;
    let place = (u32::try_from(line), u32::try_from(column));
    let (Ok(line @ 1..), Ok(column @ 1..)) = place else {
        return FilterError::whole(format!("this is nested too deep, or is not CEL: {found}"));
    };
    let written = text.lines().nth(line as usize - 1).unwrap_or_default();
    let rest: String = written.chars().skip(column as usize - 1).collect();
    FilterError::new(line, column, &format!("{found}{}", hint(&rest)))
}

/// Suggestion for a common mistake by users of other languages.
fn hint(rest: &str) -> &'static str {
    let word = |word: &str| {
        rest.strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    if rest.starts_with('=') {
        "; write `==` to compare"
    } else if word("and") || word("AND") || rest.starts_with('&') {
        "; write `&&`"
    } else if word("or") || word("OR") || rest.starts_with('|') {
        "; write `||`"
    } else if word("not") || word("NOT") {
        "; write `!`"
    } else {
        ""
    }
}
