//! Renders one message at a fixed time and reads the request.

use std::collections::BTreeMap;
use std::fs;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tempfile::TempDir;
use tidings_dialect::{Dialects, Message, RenderError, Request};
use tidings_domain::{EventId, EventType, Secret, Timestamp};

pub(crate) struct Case {
    pub(crate) dialects: Dialects,
    pub(crate) event_id: EventId,
    pub(crate) properties: Vec<String>,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) occurred_at: Timestamp,
}

impl Case {
    pub(crate) fn of(dialects: Dialects) -> Self {
        Self {
            dialects,
            event_id: EventId::new(),
            properties: Vec::new(),
            settings: BTreeMap::new(),
            occurred_at: "2026-01-07T15:30:00.123987Z".parse().unwrap(),
        }
    }

    pub(crate) fn builtin() -> Self {
        Self::of(Dialects::builtin().unwrap())
    }

    /// A dialect of one's own beside those compiled in.
    pub(crate) fn with(name: &str, text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(format!("{name}.toml")), text).unwrap();
        Self::of(Dialects::with_directory(dir.path()).unwrap())
    }

    /// The dialect `mine` with these keys.
    pub(crate) fn body(text: &str) -> Self {
        Self::with(
            "mine",
            &format!("name = 'mine'\ndescription = ''\n{text}\n[samples]\n\"a.b\" = '{{}}'\n"),
        )
    }

    pub(crate) fn at(self, occurred_at: &str) -> Self {
        Self {
            occurred_at: occurred_at.parse().unwrap(),
            ..self
        }
    }

    pub(crate) fn choosing(self, properties: &[&str]) -> Self {
        Self {
            properties: properties.iter().map(|text| (*text).to_owned()).collect(),
            ..self
        }
    }

    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn try_render(
        &self,
        dialect: &str,
        event_type: &str,
        payload: &[u8],
        secrets: &[&str],
    ) -> Result<Request, RenderError> {
        let event_type: EventType = event_type.parse().unwrap();
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text).unwrap()).collect();
        let message = self.message(&event_type, payload);
        self.dialects.get(dialect).unwrap().render(&message, &secrets)
    }

    /// What the signatures of a message cover whose body was this.
    pub(crate) fn signed_texts(&self, dialect: &str, event_type: &str, payload: &str, body: &str) -> Vec<String> {
        let event_type: EventType = event_type.parse().unwrap();
        let message = self.message(&event_type, payload.as_bytes());
        self.dialects
            .get(dialect)
            .unwrap()
            .signed_texts(&message, body)
            .unwrap()
    }

    fn message<'a>(&'a self, event_type: &'a EventType, payload: &'a [u8]) -> Message<'a> {
        Message {
            event_id: self.event_id,
            event_type,
            occurred_at: self.occurred_at,
            sent_at: Timestamp::from_second(1_767_800_001).unwrap(),
            attempt: 2,
            payload,
            properties: &self.properties,
            settings: &self.settings,
        }
    }

    pub(crate) fn render(&self, dialect: &str, event_type: &str, payload: &str, secrets: &[&str]) -> Request {
        self.try_render(dialect, event_type, payload.as_bytes(), secrets)
            .unwrap()
    }

    /// The request for a sample of the dialect.
    pub(crate) fn render_sample(&self, dialect: &str, event_type: &str, secrets: &[&str]) -> Request {
        let samples = self.dialects.get(dialect).unwrap().samples();
        let payload = &samples[&event_type.parse::<EventType>().unwrap()];
        self.try_render(dialect, event_type, payload, secrets).unwrap()
    }
}

pub(crate) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request
        .headers
        .iter()
        .find(|(header, _)| header == name)
        .map(|(_, value)| value.to_str().unwrap())
}

pub(crate) fn headers(request: &Request) -> BTreeMap<&str, &str> {
    request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect()
}

pub(crate) fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

pub(crate) fn json(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

pub(crate) fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
