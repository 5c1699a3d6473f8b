//! Compiles a dialect file into a [`Dialect`], with every check that needs no event.

mod events;
mod headers;
mod templates;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue};
use minijinja::Environment;
use tidings_domain::outcome::StatusRule;
use toml::Spanned;

use self::templates::environment;
use crate::dialect::{BODY_TEMPLATE, Dialect};
use crate::error::{DialectError, did_you_mean, place};
use crate::file::{File, PropertiesTable, RefusedTable, SettingTable, Timeout};
use crate::options::{Properties, Setting};
use crate::url_match::{Refused, UrlPattern};

/// The longest deadline that a dialect may give one attempt: it holds a place in the dispatcher as long.
const MAX_TIMEOUT: Duration = Duration::from_secs(300);

/// Reads the text of a dialect file. `file` is its path; the stem must be the dialect's name.
pub(crate) fn compile(file: &str, text: &str) -> Result<Dialect, DialectError> {
    let compiler = Compiler {
        file,
        text,
        templates: environment(),
        headers: HashSet::new(),
    };
    match toml::from_str(text) {
        Ok(read) => compiler.dialect(read),
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            Err(compiler.wrong_at(start, with_suggestion(error.message())))
        }
    }
}

struct Compiler<'a> {
    file: &'a str,
    text: &'a str,
    templates: Environment<'static>,
    /// The headers so far, to notice a second of the same name.
    headers: HashSet<HeaderName>,
}

impl Compiler<'_> {
    fn dialect(mut self, file: File) -> Result<Dialect, DialectError> {
        let sample_spans: Vec<Range<usize>> = file.samples.values().map(Spanned::span).collect();
        let dialect = Dialect {
            name: self.name(&file.name)?,
            description: file.description,
            chosen_for: file
                .chosen_for
                .iter()
                .map(|text| self.url_pattern("chosen_for", text))
                .collect::<Result<_, _>>()?,
            refused: file
                .refused
                .into_iter()
                .map(|table| self.refused(table))
                .collect::<Result<_, _>>()?,
            fixed: [
                (CONTENT_TYPE.into(), self.content_type(&file.content_type)?),
                (USER_AGENT.into(), self.header_value("user_agent", &file.user_agent)?),
            ],
            user_agent: file.user_agent.into_inner(),
            headers: file
                .headers
                .iter()
                .map(|(name, value)| self.header(name, value))
                .collect::<Result<_, _>>()?,
            canonical: file.canonical,
            signatures: file
                .signatures
                .into_iter()
                .map(|table| self.signature(table))
                .collect::<Result<_, _>>()?,
            status_rule: StatusRule {
                success: file.success,
                final_: file.final_,
            },
            retry_after: file.retry_after,
            schedule: file.schedule,
            timeout: self.timeout(&file.timeout)?,
            events: self.events(&file.events)?,
            omit: file.omit,
            properties: file.properties.map(|table| self.properties(table)).transpose()?,
            settings: file
                .settings
                .into_iter()
                .map(|(name, table)| self.setting(name, table))
                .collect::<Result<_, _>>()?,
            samples: file
                .samples
                .iter()
                .map(|(name, json)| self.sample(name, json))
                .collect::<Result<_, _>>()?,
            // Last, because headers and signatures have added their templates by now.
            templates: {
                self.template(BODY_TEMPLATE, &file.body, &[])?;
                std::mem::replace(&mut self.templates, Environment::empty())
            },
        };
        self.render_samples(&dialect, &sample_spans, file.name.span())?;
        Ok(dialect)
    }

    fn name(&self, name: &Spanned<String>) -> Result<String, DialectError> {
        let valid = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !(1..=64).contains(&name.get_ref().len()) || !name.get_ref().bytes().all(valid) {
            return Err(self.wrong(name.span(), "`name` has 1 to 64 lower-case letters, digits and `-`"));
        }
        if Path::new(self.file).file_stem() != Some(name.get_ref().as_ref()) {
            let problem = format!(
                "`name` must be the file's: call the file `{}.toml`, or change the name",
                name.get_ref()
            );
            return Err(self.wrong(name.span(), problem));
        }
        Ok(name.get_ref().clone())
    }

    fn refused(&self, table: RefusedTable) -> Result<Refused, DialectError> {
        let patterns = table.urls.iter().map(|text| self.url_pattern("urls", text));
        Ok(Refused {
            patterns: patterns.collect::<Result<_, _>>()?,
            reason: table.reason,
        })
    }

    fn url_pattern(&self, key: &str, text: &Spanned<String>) -> Result<UrlPattern, DialectError> {
        UrlPattern::parse(text.get_ref()).ok_or_else(|| {
            let problem = format!(
                "`{key}`: `{}` is no host and path: write it like `hooks.slack.com/*`",
                text.get_ref()
            );
            self.wrong(text.span(), problem)
        })
    }

    fn content_type(&self, text: &Spanned<String>) -> Result<HeaderValue, DialectError> {
        let essence = text.get_ref().split(';').next().unwrap_or_default().trim();
        if !essence.ends_with("/json") && !essence.ends_with("+json") {
            let problem = format!("`content_type`: `{essence}` is not JSON, and bodies are");
            return Err(self.wrong(text.span(), problem));
        }
        self.header_value("content_type", text)
    }

    fn timeout(&self, timeout: &Spanned<Timeout>) -> Result<Duration, DialectError> {
        let length = timeout.get_ref().0;
        if length < Duration::from_secs(1) || length > MAX_TIMEOUT {
            return Err(self.wrong(timeout.span(), "`timeout` must be between 1s and 5m"));
        }
        Ok(length)
    }

    fn properties(&self, table: PropertiesTable) -> Result<Properties, DialectError> {
        let span = table.always.span();
        let always = table.always.into_inner();
        if table.max == 0 || always.is_empty() {
            let problem = "`properties`: `max` is at least 1, and `always` names at least one object";
            return Err(self.wrong(span, problem));
        }
        match always.keys().find(|object| object.is_empty() || object.contains('.')) {
            Some(object) => Err(self.wrong(
                span,
                format!("`properties`: `{object}` can't be an object: it has a dot"),
            )),
            None => Ok(Properties::new(table.max, always)),
        }
    }

    fn setting(&self, name: Spanned<String>, table: SettingTable) -> Result<(String, Setting), DialectError> {
        let valid = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if !(1..=64).contains(&name.get_ref().len()) || !name.get_ref().bytes().all(valid) {
            let problem = "`settings`: a name has 1 to 64 lower-case letters, digits and `_`";
            return Err(self.wrong(name.span(), problem));
        }
        let span = table.default.as_ref().map(Spanned::span);
        let setting = Setting {
            description: table.description,
            default: table.default.map(Spanned::into_inner),
            form: table.form,
        };
        if let (Some(span), Some(Err(expected))) = (span, setting.default.as_deref().map(|text| setting.check(text))) {
            return Err(self.wrong(span, format!("`settings`: `{}` must be {expected}", name.get_ref())));
        }
        Ok((name.into_inner(), setting))
    }

    fn wrong(&self, span: Range<usize>, problem: impl Into<String>) -> DialectError {
        self.wrong_at(span.start, problem)
    }

    fn wrong_at(&self, offset: usize, problem: impl Into<String>) -> DialectError {
        let (line, column) = place(self.text, offset);
        DialectError::Invalid {
            file: self.file.into(),
            line,
            column,
            problem: problem.into(),
        }
    }
}

/// The reader's message on an unknown key lists those that it knows; the one that was probably meant is said at the end.
fn with_suggestion(message: &str) -> String {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let nearest = match names.split_first() {
        Some((name, known)) if message.starts_with("unknown ") => did_you_mean(name, known.iter().copied()),
        _ => None,
    };
    match nearest {
        Some(nearest) => format!("{message}: did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}
