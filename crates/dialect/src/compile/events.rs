//! Compiles `[events]` and `[samples]`: the dialect's names of event types, and payloads that test it at load time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use minijinja::Value;
use tidings_domain::{EventId, EventPattern, EventType, Secret, Timestamp};
use toml::Spanned;

use super::Compiler;
use crate::dialect::{Dialect, Names};
use crate::error::DialectError;
use crate::json;
use crate::render::Message;

impl Compiler<'_> {
    pub(super) fn events(
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

    pub(super) fn sample(
        &self,
        name: &Spanned<String>,
        json: &Spanned<String>,
    ) -> Result<(EventType, Bytes), DialectError> {
        let event_type = name
            .get_ref()
            .parse()
            .map_err(|error| self.wrong(name.span(), format!("`samples`: {error}")))?;
        let payload = json.get_ref().trim();
        json::check(payload.as_bytes())
            .map_err(|error| self.wrong(json.span(), format!("`samples`: `{}` is {error}", name.get_ref())))?;
        Ok((event_type, payload.to_owned().into()))
    }

    /// A dialect that can't tell its own samples can't tell anything.
    pub(super) fn render_samples(
        &self,
        dialect: &Dialect,
        spans: &[Range<usize>],
        name: Range<usize>,
    ) -> Result<(), DialectError> {
        if dialect.samples.is_empty() {
            return Err(self.wrong(name, "`samples` needs at least one event type with its payload"));
        }
        let settings = BTreeMap::new();
        // Two, so that headers with room for several signatures are tried as well.
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
                properties: &[],
                settings: &settings,
            };
            let refused = |problem: String| self.wrong(span.clone(), format!("`samples`: `{event_type}`: {problem}"));
            let request = dialect
                .render(&message, &secrets)
                .map_err(|error| refused(error.to_string()))?;
            json::check(&request.body).map_err(|error| refused(format!("its body is {error}")))?;
        }
        Ok(())
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
}
