//! What templates can name. Everything is computed when a template asks for it; the payload is parsed only for
//! one that touches `data`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind};
use tidings_domain::{EventId, EventType};

use crate::dialect::Names;
use crate::json::{Container, JsonError, Piece, Token, Tokens, pieces};

/// The variables of every template.
pub(crate) const NAMES: [&str; 8] = [
    "id",
    "type",
    "event",
    "occurred_at",
    "sent_at",
    "attempt",
    "payload",
    "data",
];
/// The variable that only header templates have.
pub(crate) const SECRET: &str = "secret";
/// The variable that only the templates of what is signed have.
pub(crate) const BODY: &str = "body";

/// One message's variables.
pub(crate) struct Variables {
    pub(crate) id: EventId,
    pub(crate) event: EventNames,
    pub(crate) occurred_at: Timestamp,
    pub(crate) sent_at: Timestamp,
    pub(crate) attempt: u32,
    /// Marked safe, so that it is printed as it stands.
    pub(crate) payload: Value,
    pub(crate) data: OnceLock<Value>,
}

impl Variables {
    /// Whether a template asked for a part of the payload.
    pub(crate) fn data_was_used(&self) -> bool {
        self.data.get().is_some()
    }

    fn data(&self) -> Value {
        let parsed = || parse(self.payload.as_str().unwrap_or_default()).unwrap_or_else(Value::from);
        self.data.get_or_init(parsed).clone()
    }
}

impl Object for Variables {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(match key {
            "id" => self.id.to_string().into(),
            "type" => self.event.event_type.as_str().into(),
            "event" => Value::from_object(self.event.clone()),
            "occurred_at" => Value::from_object(Moment(self.occurred_at)),
            "sent_at" => Value::from_object(Moment(self.sent_at)),
            "attempt" => self.attempt.into(),
            "payload" => self.payload.clone(),
            "data" => self.data(),
            _ => return None,
        })
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

/// Payloads are not for logs.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variables({})", self.id)
    }
}

/// A message's variables and one more.
pub(crate) struct With {
    pub(crate) variables: Arc<Variables>,
    pub(crate) name: &'static str,
    pub(crate) value: Value,
}

impl Object for With {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == self.name {
            Some(self.value.clone())
        } else {
            self.variables.get_value_by_str(key)
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

/// The value may be a secret.
impl fmt::Debug for With {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "With({}, {:?})", self.name, self.variables)
    }
}

/// What the dialect calls the event. Its `name` is the event type where the dialect has no other.
#[derive(Debug, Clone)]
pub(crate) struct EventNames {
    pub(crate) names: Option<Names>,
    pub(crate) event_type: EventType,
}

impl Object for EventNames {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let own = self.names.as_ref().and_then(|names| names.get(key).cloned());
        own.or_else(|| (key == "name").then(|| self.event_type.as_str().into()))
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

/// A time in the forms that receivers expect: `unix`, `iso`, `iso_ms`; by itself it prints as `iso`. Fractions
/// that a form has no place for are cut off.
#[derive(Debug)]
struct Moment(Timestamp);

const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(match key {
            "unix" => self.0.as_second().into(),
            "iso" => SECONDS.timestamp_to_string(&self.0).into(),
            "iso_ms" => MILLISECONDS.timestamp_to_string(&self.0).into(),
            _ => return None,
        })
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&SECONDS.timestamp_to_string(&self.0))
    }
}

/// How deep a payload may be nested for a template to look inside. The template engine recurses.
const MAX_DEPTH: usize = 128;

enum Building {
    Array(Vec<Value>),
    /// The members so far and the key of the one being read.
    Object(Vec<(String, Value)>, String),
}

/// A JSON text as a value of the template engine. Lone surrogates, which it can't hold, become U+FFFD.
fn parse(text: &str) -> Result<Value, Error> {
    let mut open: Vec<Building> = Vec::new();
    let mut root = Value::UNDEFINED;
    for token in Tokens::of(text) {
        let value = match token.map_err(not_json)? {
            Token::Key(written) => {
                if let Some(Building::Object(_, key)) = open.last_mut() {
                    *key = string(written);
                }
                continue;
            }
            Token::Open(container) => {
                if open.len() == MAX_DEPTH {
                    let problem = format!("the payload is nested deeper than {MAX_DEPTH}, too deep to look inside");
                    return Err(Error::new(ErrorKind::InvalidOperation, problem));
                }
                open.push(match container {
                    Container::Array => Building::Array(Vec::new()),
                    Container::Object => Building::Object(Vec::new(), String::new()),
                });
                continue;
            }
            Token::Close => match open.pop() {
                Some(Building::Array(items)) => Value::from(items),
                Some(Building::Object(members, _)) => Value::from_pairs(members),
                None => continue,
            },
            Token::String(written) => string(written).into(),
            Token::Number(written) => number(written),
            Token::Word("true") => true.into(),
            Token::Word("false") => false.into(),
            Token::Word(_) => ().into(),
        };
        match open.last_mut() {
            Some(Building::Array(items)) => items.push(value),
            Some(Building::Object(members, key)) => members.push((std::mem::take(key), value)),
            None => root = value,
        }
    }
    Ok(root)
}

fn string(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    for piece in pieces(written) {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Char(character) => text.push(character),
            Piece::Lone(_) => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    text
}

fn number(written: &str) -> Value {
    let integer = written
        .parse::<i64>()
        .map(Value::from)
        .or_else(|_| written.parse::<u64>().map(Value::from));
    integer.unwrap_or_else(|_| written.parse::<f64>().unwrap_or(f64::NAN).into())
}

fn not_json(error: JsonError) -> Error {
    Error::new(ErrorKind::InvalidOperation, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_reads_as_serde_json_reads_it() {
        let text = r#" {"b":[1,-2.5,1e3,18446744073709551615,true,null,"\u00e9\ud83d\ude00\n"],"a":{},"b2":[[]],"a":{"x":""}} "#;
        let ours = minijinja::Environment::new().render_named_str(
            "x.json",
            "{{ v }}",
            minijinja::context! { v => parse(text).unwrap() },
        );
        let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&ours.unwrap()).unwrap(),
            theirs
        );
    }

    #[test]
    fn half_an_emoji_does_not_stop_a_delivery() {
        assert_eq!(parse(r#""cut \ud83d""#).unwrap(), Value::from("cut \u{fffd}"));
    }

    #[test]
    fn a_payload_too_deep_to_look_into_says_so() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(
            parse(&nested(MAX_DEPTH + 1))
                .unwrap_err()
                .to_string()
                .contains("deeper than 128")
        );
    }
}
