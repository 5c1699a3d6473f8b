//! `/webhooks/endpoints/{id}/settings`: which events, how they are written, when they are tried again.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Dialect, Endpoint, EventType, List, Setting};
use crate::visitor::Visitor;

/// The most properties that an endpoint can have sent beside what its dialect sends.
const MAX_PROPERTIES: usize = 10;

/// The choices that forms offer.
pub(crate) struct Choices {
    pub(crate) dialects: Vec<Dialect>,
    pub(crate) event_types: Vec<EventType>,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    choices: &'a Choices,
    /// The submitted fields after a refusal; otherwise the stored values are shown.
    fields: Option<&'a Fields>,
    refusal: Option<&'a Refusal>,
    is_saved: bool,
}

impl Choices {
    /// Reads the choices; the event types of the chosen dialect come first.
    pub(crate) async fn of(visitor: &Visitor, dialect: &str) -> Result<Self, Response> {
        let dialects: List<Dialect> = visitor.get("/dialects").await?;
        let is_known = dialects
            .data
            .iter()
            .any(|known| known.name == dialect && !known.event_types.is_empty());
        let of_dialect = if is_known {
            format!("&dialect={dialect}")
        } else {
            String::new()
        };
        let event_types: List<EventType> = visitor.get(format!("/event-types?limit=200{of_dialect}")).await?;
        Ok(Self {
            dialects: dialects.data,
            event_types: event_types.data,
        })
    }

    pub(crate) fn dialect(&self, name: &str) -> Option<&Dialect> {
        self.dialects.iter().find(|dialect| dialect.name == name)
    }
}

/// The subscriptions that a form asks for: ticked event types and typed patterns, each once.
pub(crate) fn pattern_list(fields: &Fields) -> impl Iterator<Item = String> {
    let typed = fields.raw("patterns").split([',', '\n', ' ']).map(str::trim);
    let patterns: BTreeSet<String> = fields
        .all("event")
        .chain(typed.filter(|pattern| !pattern.is_empty()))
        .map(str::to_owned)
        .collect();
    patterns.into_iter()
}

impl SettingsPage<'_> {
    fn text(&self, name: &str, kept: &str) -> String {
        self.fields.map_or(kept, |fields| fields.raw(name)).to_owned()
    }

    fn is_at(&self, field: &str) -> bool {
        self.refusal.and_then(|refusal| refusal.field.as_deref()) == Some(field)
    }

    /// True if the event type is ticked.
    fn is_on(&self, name: &str) -> bool {
        match self.fields {
            Some(fields) => fields.all("event").any(|event| event == name),
            None => self.subscribed().any(|pattern| pattern == name),
        }
    }

    fn subscribed(&self) -> impl Iterator<Item = &str> {
        let plain = self.endpoint.subscriptions.iter();
        plain
            .filter(|subscription| !subscription.disabled && subscription.filter.is_none())
            .map(|subscription| subscription.pattern.as_str())
    }

    /// The patterns that are no event types of the list.
    fn patterns(&self) -> String {
        let is_listed = |pattern: &&str| self.choices.event_types.iter().any(|known| known.name == *pattern);
        let others = self
            .subscribed()
            .filter(|pattern| *pattern != "*" && !is_listed(pattern));
        let others: Vec<_> = others.collect();
        self.text("patterns", &others.join("\n"))
    }

    /// Subscriptions that are kept as they are: this form has no fields for them.
    fn special(&self) -> impl Iterator<Item = &crate::shapes::Subscription> {
        let all = self.endpoint.subscriptions.iter();
        all.filter(|subscription| subscription.disabled || subscription.filter.is_some())
    }

    fn schedule(&self) -> String {
        let chosen = self.endpoint.schedule.as_ref().map(|waits| waits.join(" "));
        self.text("schedule", &chosen.unwrap_or_default())
    }

    fn properties(&self) -> String {
        self.text("properties", &self.endpoint.properties.join("\n"))
    }

    fn usual_schedule(&self) -> String {
        self.dialect()
            .map_or_else(String::new, |dialect| dialect.schedule.join(" "))
    }

    fn usual_timeout(&self) -> &str {
        self.dialect().map_or("", |dialect| &dialect.timeout)
    }

    fn dialect(&self) -> Option<&Dialect> {
        self.choices.dialect(&self.endpoint.dialect)
    }

    fn dialect_settings(&self) -> Vec<(&String, &Setting)> {
        self.dialect()
            .map_or_else(Vec::new, |dialect| dialect.settings.iter().collect())
    }

    fn setting_value(&self, name: &str) -> String {
        let kept = self.endpoint.settings.get(name).map_or("", String::as_str);
        self.text(&format!("setting.{name}"), kept)
    }

    fn number(&self, name: &str, kept: &Option<u32>) -> String {
        self.text(name, &kept.map_or_else(String::new, |number| number.to_string()))
    }

    fn max_properties(&self) -> usize {
        MAX_PROPERTIES
    }
}

pub(crate) async fn ask(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let choices = Choices::of(&visitor, &endpoint.dialect).await?;
    let page = SettingsPage {
        v: &visitor,
        endpoint: &endpoint,
        choices: &choices,
        fields: None,
        refusal: None,
        is_saved: fields.has("saved"),
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(crate) async fn save(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let changed = match changes(&endpoint, &fields, &visitor) {
        Ok(changes) => {
            visitor
                .send::<Endpoint>(Method::PATCH, format!("/endpoints/{id}"), &changes)
                .await
        }
        Err(refusal) => Err(refusal),
    };
    let refusal = match changed {
        Ok(_) => return Ok(visitor.lead(format!("/endpoints/{id}/settings?saved=1"))),
        Err(refusal) => refusal,
    };
    let choices = Choices::of(&visitor, &endpoint.dialect).await?;
    let page = SettingsPage {
        v: &visitor,
        endpoint: &endpoint,
        choices: &choices,
        fields: Some(&fields),
        refusal: Some(&refusal),
        is_saved: false,
    };
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    Ok(visitor.page(status, &page))
}

/// The fields to replace. What somebody else changed since the form was shown is not overwritten unseen.
fn changes(endpoint: &Endpoint, fields: &Fields, visitor: &Visitor) -> Result<Value, Refusal> {
    let invalid = |field: &str, detail: String| Refusal {
        status: StatusCode::BAD_REQUEST.as_u16(),
        code: "field_invalid".into(),
        detail,
        field: Some(field.into()),
    };
    if fields.text("seen") != endpoint.updated_at.to_string() {
        return Err(Refusal {
            status: StatusCode::CONFLICT.as_u16(),
            code: "endpoint_changed".into(),
            detail: visitor.t("settings-conflict"),
            field: None,
        });
    }
    let mut subscriptions: Vec<Value> = pattern_list(fields)
        .map(|pattern| json!({ "pattern": pattern }))
        .collect();
    for kept in &endpoint.subscriptions {
        if kept.disabled || kept.filter.is_some() {
            subscriptions.push(json!({ "pattern": kept.pattern, "disabled": kept.disabled, "filter": kept.filter }));
        }
    }
    let properties: Vec<_> = fields.raw("properties").split_whitespace().collect();
    if properties.len() > MAX_PROPERTIES {
        return Err(invalid(
            "properties",
            visitor.t1("settings-too-many-properties", "n", MAX_PROPERTIES),
        ));
    }
    let number = |name: &str| match fields.given(name).map(str::parse::<u32>) {
        None => Ok(Value::Null),
        Some(Ok(number)) => Ok(number.into()),
        Some(Err(_)) => Err(invalid(name, visitor.t("settings-number"))),
    };
    let settings: Map<String, Value> = endpoint_settings(endpoint, fields);
    let schedule = fields
        .given("schedule")
        .map(|waits| waits.split([' ', ',']).filter(|wait| !wait.is_empty()));
    Ok(json!({
        "name": fields.text("name"),
        "url": fields.text("url"),
        "subscriptions": subscriptions,
        "contact": fields.given("contact"),
        "schedule": schedule.map(Iterator::collect::<Vec<_>>),
        "timeout": fields.given("timeout"),
        "concurrency": number("concurrency")?,
        "rate_per_second": number("rate_per_second")?,
        "properties": properties,
        "settings": settings,
    }))
}

/// The dialect's settings as the form has them; those that it has no field for stay.
fn endpoint_settings(endpoint: &Endpoint, fields: &Fields) -> Map<String, Value> {
    let mut settings: Map<String, Value> = endpoint
        .settings
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    for name in fields.all("setting") {
        match fields.given(&format!("setting.{name}")) {
            Some(value) => settings.insert(name.to_owned(), value.into()),
            None => settings.remove(name),
        };
    }
    settings
}
