//! `/api/v2` of control: endpoints, webhooks, tenants and keys over HTTP and JSON.

mod actions;
mod audit;
mod authentication;
mod config;
mod document;
mod endpoints;
mod event_types;
mod events;
mod exports;
mod filters;
mod keys;
mod logs;
mod once;
mod operating;
mod refusals;
mod settings;
mod signatures;
mod strangers;
mod tenants;

use std::collections::HashMap;

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone};
use tokio::task::spawn_blocking;

/// Somebody with a key who speaks HTTP.
#[derive(Debug, Clone)]
struct Caller {
    base: String,
    key: String,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    /// Null if there is none.
    body: Value,
}

impl Caller {
    /// A caller with this key, or with none.
    fn new(system: &Standalone, key: &str) -> Self {
        Self {
            base: format!("{}/api/v2", system.servers.rest),
            key: key.to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], "").await
    }

    /// Sends JSON; null is no body at all.
    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        match body {
            Value::Null => self.call(method, path, &[], "").await,
            body => {
                let headers = [("content-type", "application/json")];
                self.call(method, path, &headers, body.to_string()).await
            }
        }
    }

    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        spawn_blocking(move || answer(request)).await.unwrap()
    }
}

fn answer(request: ureq::http::Request<Vec<u8>>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(SOON))
        .build()
        .into();
    let answer = agent.run(request).expect("HTTP is answered");
    let headers: HashMap<String, String> = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let status = answer.status().as_u16();
    let text = answer.into_body().read_to_string().unwrap();
    let is_json = headers.get("content-type").is_some_and(|value| value.contains("json"));
    let body = match text.as_str() {
        "" => Value::Null,
        text if !is_json => Value::from(text),
        text => serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")),
    };
    Answer { status, headers, body }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The body of an answer with this status.
    #[track_caller]
    fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// Asserts that it is a problem document (RFC 9457) with this status and code, for this field (none if empty), in
    /// words that contain these.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str, field: &str, words: &str) {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.body["field"].as_str().unwrap_or_default(), field, "{self:?}");
        assert_eq!(self.body["type"], "about:blank");
        let detail = self.body["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{words:?} is missing in {detail:?}");
    }
}

/// The ids of a page, in its order.
#[track_caller]
fn ids(page: &Value) -> Vec<&str> {
    let things = page["data"].as_array().unwrap().iter();
    things.map(|thing| thing["id"].as_str().unwrap()).collect()
}

/// An endpoint that wants everything.
fn everything() -> Value {
    json!({ "url": "https://example.com/webhooks", "subscriptions": [{ "pattern": "*" }] })
}
