//! The variable `data`: a payload's members for templates.
//!
//! The top level is indexed at first use, and a member is parsed when a template uses it. So `data.url` costs little
//! in a large payload, and deep nesting elsewhere does no harm.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind};

use crate::json::{Container, JsonError, Token, Tokens};
use crate::members::{decoded, items, members};

/// Maximum nesting of a member that templates may use, because the template engine recurses.
const MAX_DEPTH: usize = 128;

/// The value of `data` for a valid payload.
pub(crate) fn payload_value(payload: &str) -> Value {
    if let Some(members) = members(payload) {
        let texts = members
            .into_iter()
            .map(|member| (member.key.into_owned(), member.value.to_owned()));
        Value::from_object(Members(texts.collect()))
    } else if let Some(items) = items(payload) {
        Value::from_object(Items(items.into_iter().map(str::to_owned).collect()))
    } else {
        read(payload)
    }
}

/// An object's keys and the texts of their values. A repeated key has its last value.
struct Members(IndexMap<String, String>);

impl Object for Members {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).map(|text| read(text))
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(Value::from).collect())
    }
}

/// Hides the payload, which must not appear in logs.
impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} members", self.0.len())
    }
}

/// The texts of an array's items.
struct Items(Vec<String>);

impl Object for Items {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).map(|text| read(text))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

/// Hides the payload, which must not appear in logs.
impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} items", self.0.len())
    }
}

/// A value, or the error that the engine meets when it uses it.
fn read(text: &str) -> Value {
    parse(text).unwrap_or_else(Value::from)
}

enum Building {
    Array(Vec<Value>),
    /// The members so far and the key of the one being read.
    Object(Vec<(String, Value)>, String),
}

/// A JSON text as a value of the template engine.
fn parse(text: &str) -> Result<Value, Error> {
    let mut open: Vec<Building> = Vec::new();
    let mut root = Value::UNDEFINED;
    for token in Tokens::of(text) {
        let value = match token.map_err(not_json)? {
            Token::Key(written) => {
                if let Some(Building::Object(_, key)) = open.last_mut() {
                    *key = decoded(written).into_owned();
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
            Token::String(written) => Value::from(&*decoded(written)),
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

    fn printed(value: Value) -> serde_json::Value {
        let mut environment = minijinja::Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Json);
        let text = environment.render_str("{{ v }}", minijinja::context! { v => value });
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    #[test]
    fn a_payload_reads_as_serde_json_reads_it() {
        let text = r#" {"b":[1,-2.5,1e3,18446744073709551615,true,null,"\u00e9\ud83d\ude00\n"],"a":{},"b2":[[]],"a":{"x":""}} "#;
        let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(printed(parse(text).unwrap()), theirs);
        assert_eq!(printed(payload_value(text)), theirs);
        assert_eq!(
            printed(payload_value(r#" ["a",{"b":[]}] "#)),
            serde_json::json!(["a", {"b": []}])
        );
    }

    #[test]
    fn a_member_too_deep_to_look_into_says_so_and_leaves_the_others_alone() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        let error = parse(&nested(MAX_DEPTH + 1)).unwrap_err();
        assert!(error.to_string().contains("deeper than 128"), "{error}");

        let data = payload_value(&format!(r#"{{"deep":{},"url":"x"}}"#, nested(100_000)));
        assert_eq!(data.get_attr("url").unwrap(), Value::from("x"));
    }
}
