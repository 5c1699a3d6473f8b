//! Variables of templates. Each is computed when a template uses it; the payload is examined only for `data` and
//! `digest`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use minijinja::value::{Object, ObjectRepr, Value};
use tidings_domain::{EventId, EventType};

use crate::dialect::Names;
use crate::payload_value::payload_value;
use crate::summary::Summary;

pub(crate) const NAMES: [&str; 10] = [
    "id",
    "type",
    "event",
    "occurred_at",
    "sent_at",
    "attempt",
    "payload",
    "data",
    "digest",
    "settings",
];
/// The variable that only header templates have.
pub(crate) const SECRET: &str = "secret";
/// The variable that only the templates of what is signed have.
pub(crate) const BODY: &str = "body";

/// Variables of one message.
pub(crate) struct Variables {
    pub(crate) id: EventId,
    pub(crate) event: EventNames,
    pub(crate) occurred_at: Timestamp,
    pub(crate) sent_at: Timestamp,
    pub(crate) attempt: u32,
    /// The payload as published.
    pub(crate) whole: Value,
    /// Without what the dialect leaves out. Marked safe, so that it is printed as it stands.
    pub(crate) payload: Value,
    pub(crate) settings: Value,
    pub(crate) data: OnceLock<Value>,
    pub(crate) digest: OnceLock<Value>,
}

impl Variables {
    /// Tells if a template has examined the payload.
    pub(crate) fn payload_was_read(&self) -> bool {
        self.data.get().is_some() || self.digest.get().is_some()
    }

    pub(crate) fn whole(&self) -> &str {
        self.whole.as_str().unwrap_or_default()
    }

    fn data(&self) -> Value {
        self.data.get_or_init(|| payload_value(self.whole())).clone()
    }

    fn digest(&self) -> Value {
        let digest = || Value::from_object(Summary::of(&self.event.event_type, self.whole()));
        self.digest.get_or_init(digest).clone()
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
            "digest" => self.digest(),
            "settings" => self.settings.clone(),
            _ => return None,
        })
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

/// Hides the payload, which must not appear in logs.
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

/// The dialect's names of the event. `name` defaults to the event type.
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
