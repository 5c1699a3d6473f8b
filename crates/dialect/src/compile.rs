//! From a dialect file to a dialect, with everything checked that can be checked before an event is there.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::{HeaderName, HeaderValue};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use tidings_domain::outcome::StatusRule;
use tidings_domain::{EventId, EventPattern, EventType, Secret, Timestamp};
use toml::Spanned;

use crate::chosen::UrlPattern;
use crate::dialect::{BODY_TEMPLATE, Dialect, Header, Names, Signature};
use crate::error::{DialectError, line_at};
use crate::file::{File, SignatureTable, Timeout};
use crate::json;
use crate::render::{Message, header_value};
use crate::variables::{BODY, NAMES, SECRET};

/// The longest deadline that a dialect may give one attempt: it holds a place in the dispatcher as long.
const MAX_TIMEOUT: Duration = Duration::from_secs(300);

/// Reads the text of a dialect file. `file` is its path; the stem must be the dialect's name.
pub(crate) fn compile(file: &str, text: &str) -> Result<Dialect, DialectError> {
    let read: File = toml::from_str(text).map_err(|error| DialectError::Invalid {
        file: file.into(),
        line: error.span().map_or(1, |span| line_at(text, span.start)),
        problem: error.message().into(),
    })?;
    Compiler {
        file,
        text,
        templates: environment(),
        headers: HashSet::new(),
    }
    .dialect(read)
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
                .map(|text| self.url_pattern(text))
                .collect::<Result<_, _>>()?,
            content_type: self.content_type(&file.content_type)?,
            user_agent_value: self.header_value("user_agent", &file.user_agent)?,
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
            schedule: file.schedule,
            timeout: self.timeout(&file.timeout)?,
            events: self.events(&file.events)?,
            samples: file
                .samples
                .iter()
                .map(|(name, json)| self.sample(name, json))
                .collect::<Result<_, _>>()?,
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

    fn url_pattern(&self, text: &Spanned<String>) -> Result<UrlPattern, DialectError> {
        UrlPattern::parse(text.get_ref()).ok_or_else(|| {
            let problem = format!(
                "`chosen_for`: `{}` is no host and path: write it like `hooks.slack.com/*`",
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

    fn header_value(&self, key: &str, text: &Spanned<String>) -> Result<HeaderValue, DialectError> {
        header_value(text.get_ref())
            .ok_or_else(|| self.wrong(text.span(), format!("`{key}` may have visible ASCII characters only")))
    }

    fn header(&mut self, name: &str, value: &Spanned<String>) -> Result<Header, DialectError> {
        let template = format!("headers.{name}");
        let header = self.header_name(name, value.span())?;
        let used = self.template(&template, value, &[SECRET])?;
        Ok(Header {
            name: header,
            template,
            secret: used.contains(SECRET),
        })
    }

    fn signature(&mut self, table: SignatureTable) -> Result<Signature, DialectError> {
        let header = self.header_name(table.header.get_ref(), table.header.span())?;
        let around = format!("{}{}", table.prefix, table.separator.as_deref().unwrap_or_default());
        if header_value(&around).is_none() {
            let problem = "`prefix` and `separator` may have visible ASCII characters only";
            return Err(self.wrong(table.header.span(), problem));
        }
        let template = format!("signatures.{header}.signed");
        self.template(&template, &table.signed, &[BODY])?;
        Ok(Signature {
            header,
            prefix: table.prefix,
            encoding: table.encoding,
            template,
            separator: table.separator,
        })
    }

    fn header_name(&mut self, name: &str, span: Range<usize>) -> Result<HeaderName, DialectError> {
        // These are the client's, or have keys of their own.
        const RESERVED: [HeaderName; 11] = [
            CONNECTION,
            CONTENT_ENCODING,
            CONTENT_LENGTH,
            CONTENT_TYPE,
            EXPECT,
            HOST,
            TE,
            TRAILER,
            TRANSFER_ENCODING,
            UPGRADE,
            USER_AGENT,
        ];
        let header: HeaderName = name
            .parse()
            .map_err(|_| self.wrong(span.clone(), format!("`{name}` can't be the name of a header")))?;
        if RESERVED.contains(&header) {
            return Err(self.wrong(span, format!("the header `{name}` is not a dialect's to set here")));
        }
        if !self.headers.insert(header.clone()) {
            return Err(self.wrong(span, format!("the header `{name}` is set twice")));
        }
        Ok(header)
    }

    fn timeout(&self, timeout: &Spanned<Timeout>) -> Result<Duration, DialectError> {
        let length = timeout.get_ref().0;
        if length < Duration::from_secs(1) || length > MAX_TIMEOUT {
            return Err(self.wrong(timeout.span(), "`timeout` must be between 1s and 5m"));
        }
        Ok(length)
    }

    fn events(
        &self,
        tables: &BTreeMap<Spanned<String>, BTreeMap<String, Spanned<toml::Value>>>,
    ) -> Result<Vec<(EventPattern, Names)>, DialectError> {
        let mut events = Vec::with_capacity(tables.len());
        for (key, table) in tables {
            let pattern = key
                .get_ref()
                .parse()
                .map_err(|error| self.wrong(key.span(), format!("`events`: {error}")))?;
            let names = table
                .iter()
                .map(|(key, value)| Ok((key.clone(), self.scalar(key, value)?)));
            events.push((
                pattern,
                Arc::new(names.collect::<Result<BTreeMap<_, _>, DialectError>>()?),
            ));
        }
        events.sort_by_key(|(pattern, _)| match pattern {
            EventPattern::Exact(_) => 0,
            EventPattern::Under(prefix) => EventType::MAX_LENGTH + 1 - prefix.as_str().len(),
            EventPattern::Any => usize::MAX,
        });
        Ok(events)
    }

    fn scalar(&self, key: &str, value: &Spanned<toml::Value>) -> Result<Value, DialectError> {
        match value.get_ref() {
            toml::Value::String(text) => Ok(text.into()),
            toml::Value::Integer(number) => Ok((*number).into()),
            toml::Value::Float(number) => Ok((*number).into()),
            toml::Value::Boolean(yes) => Ok((*yes).into()),
            _ => Err(self.wrong(
                value.span(),
                format!("`events`: `{key}` must be a text, a number, true or false"),
            )),
        }
    }

    fn sample(&self, name: &Spanned<String>, json: &Spanned<String>) -> Result<(EventType, Bytes), DialectError> {
        let event_type = name
            .get_ref()
            .parse()
            .map_err(|error| self.wrong(name.span(), format!("`samples`: {error}")))?;
        let payload = json.get_ref().trim();
        json::check(payload.as_bytes())
            .map_err(|error| self.wrong(json.span(), format!("`samples`: `{}` is {error}", name.get_ref())))?;
        Ok((event_type, payload.to_owned().into()))
    }

    /// Compiles a template; gives the variables that it uses.
    fn template(
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
                let line = self.line_of_template(source.span()) + error.line().unwrap_or(1).saturating_sub(1);
                self.wrong_at(line, format!("`{name}`: {}{detail}", error.kind()))
            })?;
        let used = template.undeclared_variables(false);
        let known = |variable: &str| {
            NAMES.contains(&variable)
                || more.contains(&variable)
                || self.templates.globals().any(|(global, _)| global == variable)
        };
        if let Some(unknown) = used.iter().filter(|variable| !known(variable)).min() {
            let names = NAMES.iter().chain(more).copied().collect::<Vec<_>>().join("`, `");
            let problem = format!("`{name}`: there is no variable `{unknown}` here; there are `{names}`");
            return Err(self.wrong(source.span(), problem));
        }
        Ok(used)
    }

    /// Where a template's first line is. A line break right after `'''` is not part of the text.
    fn line_of_template(&self, span: Range<usize>) -> usize {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let begins_below = ["'''\n", "'''\r\n", "\"\"\"\n", "\"\"\"\r\n"]
            .iter()
            .any(|quotes| written.starts_with(quotes));
        line_at(self.text, span.start) + usize::from(begins_below)
    }

    /// A dialect that can't tell its own samples can't tell anything.
    fn render_samples(
        &self,
        dialect: &Dialect,
        spans: &[Range<usize>],
        name: Range<usize>,
    ) -> Result<(), DialectError> {
        if dialect.samples.is_empty() {
            return Err(self.wrong(name, "`samples` needs at least one event type with its payload"));
        }
        let secrets = [Secret::generate(), Secret::generate()];
        for ((event_type, payload), span) in dialect.samples.iter().zip(spans) {
            let now = Timestamp::now();
            let message = Message {
                event_id: EventId::new(),
                event_type,
                occurred_at: now,
                sent_at: now,
                attempt: 1,
                payload,
            };
            let refused = |problem: String| self.wrong(span.clone(), format!("`samples`: `{event_type}`: {problem}"));
            let request = dialect
                .render(&message, &secrets)
                .map_err(|error| refused(error.to_string()))?;
            json::check(&request.body).map_err(|error| refused(format!("its body is {error}")))?;
        }
        Ok(())
    }

    fn wrong(&self, span: Range<usize>, problem: impl Into<String>) -> DialectError {
        self.wrong_at(line_at(self.text, span.start), problem)
    }

    fn wrong_at(&self, line: usize, problem: impl Into<String>) -> DialectError {
        DialectError::Invalid {
            file: self.file.into(),
            line,
            problem: problem.into(),
        }
    }
}

/// Values are printed as JSON in the body and as plain text elsewhere. What a payload doesn't have is undefined,
/// `null` in JSON and nothing in text, at any depth: `data.user.name` needs no `user`.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|name| {
        if name == BODY_TEMPLATE {
            AutoEscape::Json
        } else {
            AutoEscape::None
        }
    });
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    // Both would print every variable.
    environment.set_debug(false);
    environment.remove_global("debug");
    environment
}
