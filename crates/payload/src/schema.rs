//! JSON Schemas of event types, and validation of payloads against them.
//!
//! The `jsonschema` crate validates, with its linear-time regular expressions and without any way to fetch
//! references. A validator does as much work as its schema says, and `$ref` lets a short schema say a great deal. So
//! [`complexity`] counts a schema's parts with every reference followed and refuses cycles, and the product of
//! complexity and payload size is bounded.

mod complexity;

#[cfg(test)]
mod tests;

use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value as Json;

use crate::EventView;

/// A JSON Schema, checked and ready.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    complexity: usize,
}

/// Reason why a text is not a schema, with a remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is too long.
    #[error("this schema has {0} bytes; at most {max} are allowed", max = Schema::MAX_LENGTH)]
    TooLong(usize),
    /// It is not JSON, or nested more than 127 deep.
    #[error("a schema is a JSON object, or true or false: {0}")]
    NotJson(String),
    /// It uses something that is refused here.
    #[error("{path}: {message}")]
    Refused {
        /// JSON Pointer into the schema.
        path: String,
        /// The remedy.
        message: String,
    },
    /// It is not a schema of its draft.
    #[error("{path}: {message}")]
    Invalid {
        /// JSON Pointer into the schema.
        path: String,
        /// Description of the error.
        message: String,
    },
}

/// One way in which a payload is not as its schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer into the payload; empty for the payload itself.
    pub path: String,
    /// Description of the violation, without the value itself.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl Schema {
    /// The longest schema, bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;
    /// Maximum number of a schema's parts, with every `$ref` replaced by its target. A regular expression counts for
    /// twenty.
    pub const MAX_COMPLEXITY: usize = 5_000;
    /// The largest regular expression, bytes of its compiled form.
    pub const MAX_REGEX: usize = crate::Filter::MAX_REGEX;
    /// Maximum work on one payload: parts of the schema times values of the payload, where a text counts once per 16
    /// bytes. The slowest schemas that we could construct take 20 ms for it.
    pub const MAX_WORK: usize = 5_000_000;
    /// Part of that work up to which violations are listed. The validator gathers every violation before it
    /// gives the first, and each takes as long as a dozen that are none.
    pub const MAX_TOLD_WORK: usize = 200_000;
    /// Maximum number of reported violations.
    pub const MAX_VIOLATIONS: usize = 10;
    /// Maximum length of a violation's texts, in characters.
    pub const MAX_TEXT: usize = 200;

    /// Checks a schema. Without `$schema` it is one of draft 2020-12; 2019-09 and draft-07 are known as well.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] says what is wrong with it or refused, and where.
    pub fn compile(text: &str) -> Result<Self, SchemaError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(SchemaError::TooLong(text.len()));
        }
        let mut schema: Json = serde_json::from_str(text).map_err(|error| SchemaError::NotJson(error.to_string()))?;
        let complexity = complexity::measure(&schema)?;
        if let Some(members) = schema.as_object_mut() {
            // With the name of a well-known schema, `#/…` would refer to parts of that one.
            members.shift_remove("$id");
        }
        let regex = PatternOptions::regex().size_limit(Self::MAX_REGEX);
        let validator = jsonschema::options()
            // A reference that is fetched would let a customer's schema make requests from here.
            .offline()
            .with_pattern_options(regex)
            .build(&schema)
            .map_err(|error| SchemaError::Invalid {
                path: bounded(error.instance_path().as_str()),
                message: bounded(&error.to_string()),
            })?;
        Ok(Self { validator, complexity })
    }

    /// Checks an event's payload.
    ///
    /// # Errors
    ///
    /// The first violations, at most [`Schema::MAX_VIOLATIONS`].
    pub fn check(&self, event: &EventView<'_>) -> Result<(), Vec<Violation>> {
        let whole = |message: String| {
            vec![Violation {
                path: String::new(),
                message: bounded(&message),
            }]
        };
        let payload = match event.payload() {
            Ok(payload) => payload,
            Err(error) => return Err(whole(format!("the payload can't be checked: {error}"))),
        };
        let work = self.complexity.saturating_mul(size(payload));
        if work > Self::MAX_WORK {
            return Err(whole("the payload has too many values for so large a schema".into()));
        }
        // First the quick question; violations are gathered only where there are some.
        if self.validator.is_valid(payload) {
            return Ok(());
        }
        if work > Self::MAX_TOLD_WORK {
            return Err(whole(
                "the payload is not as its schema says, and has too many values to say where".into(),
            ));
        }
        let errors = self.validator.iter_errors(payload).take(Self::MAX_VIOLATIONS);
        Err(errors
            .map(|error| Violation {
                path: bounded(error.instance_path().as_str()),
                // Without the value, which may be personal and would end up in answers and logs.
                message: bounded(&error.masked().to_string()),
            })
            .collect())
    }
}

/// Number of values in a payload; a text counts once per 16 bytes.
fn size(payload: &Json) -> usize {
    let text = |text: &str| 1 + text.len() / 16;
    match payload {
        Json::Null | Json::Bool(_) | Json::Number(_) => 1,
        Json::String(value) => text(value),
        Json::Array(list) => 1 + list.iter().map(size).sum::<usize>(),
        Json::Object(map) => 1 + map.iter().map(|(name, value)| text(name) + size(value)).sum::<usize>(),
    }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(Schema::MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
