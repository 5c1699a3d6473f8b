//! Compiles templates and checks everything that can be known before a payload is there.
//!
//! The engine is built without inclusion, inheritance and macros and has no loader, so a template can't reach a file.
//! Instructions and nesting are limited here, output in `render.rs`. An author can still waste memory by doubling a
//! text repeatedly: dialect files are configuration, and their authors are trusted that far.

use std::collections::HashSet;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use toml::Spanned;

use super::Compiler;
use crate::chat_escape::add_filters;
use crate::dialect::BODY_TEMPLATE;
use crate::error::{DialectError, did_you_mean};
use crate::variables::NAMES;

/// Maximum instructions per rendering; the largest built-in template needs a few hundred.
const FUEL: u64 = 100_000;
/// Maximum nesting of expressions and values during rendering.
const MAX_RECURSION: usize = 200;

impl Compiler<'_> {
    /// Compiles a template; gives the variables that it uses.
    pub(super) fn template(
        &mut self,
        name: &str,
        source: &Spanned<String>,
        more: &[&str],
    ) -> Result<HashSet<String>, DialectError> {
        let added = self
            .templates
            .add_template_owned(name.to_owned(), source.get_ref().clone());
        let template = added
            .and_then(|()| self.templates.get_template(name))
            .map_err(|error| {
                let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
                let line = error.line().unwrap_or(1).saturating_sub(1);
                let start = error
                    .range()
                    .map_or_else(|| start_of_line(source.get_ref(), line), |range| range.start);
                self.wrong_at(
                    self.offset_in_file(source, start),
                    format!("`{name}`: {}{detail}", error.kind()),
                )
            })?;
        let used = template.undeclared_variables(false);
        let globals: Vec<&str> = self.templates.globals().map(|(name, _)| name).collect();
        let known: Vec<&str> = NAMES.iter().chain(more).chain(&globals).copied().collect();
        if let Some(unknown) = used.iter().filter(|variable| !known.contains(&variable.as_str())).min() {
            let hint = match did_you_mean(unknown, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("there are `{}`", [&NAMES, more].concat().join("`, `")),
            };
            let problem = format!("`{name}`: there is no variable `{unknown}` here; {hint}");
            let start = source.get_ref().find(unknown.as_str()).unwrap_or_default();
            return Err(self.wrong_at(self.offset_in_file(source, start), problem));
        }
        Ok(used)
    }

    /// Offset in the file of a byte of a template. For a text with TOML escapes it is the start of the text.
    fn offset_in_file(&self, source: &Spanned<String>, offset: usize) -> usize {
        let span = source.span();
        let written = self.text.get(span.clone()).unwrap_or_default();
        match written.find(source.get_ref().as_str()) {
            Some(quotes) => span.start + quotes + offset,
            None => span.start,
        }
    }
}

fn start_of_line(source: &str, line: usize) -> usize {
    source.split_inclusive('\n').take(line).map(str::len).sum()
}

/// Values are printed as JSON in the body and as plain text elsewhere. What a payload doesn't have is undefined,
/// `null` in JSON and nothing in text, at any depth: `data.user.name` needs no `user`.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|name| {
        if name == BODY_TEMPLATE {
            AutoEscape::Json
        } else {
            AutoEscape::None
        }
    });
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    add_filters(&mut environment);
    // Both would print every variable.
    environment.set_debug(false);
    environment.remove_global("debug");
    environment
}
