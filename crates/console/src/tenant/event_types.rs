//! `/webhooks/event-types`: what can happen, what it looks like, and who is told.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_domain::{EventPattern, EventType as Name, Timestamp};

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Checked, Endpoint, List};
use crate::show::bytes::{Body, View};
use crate::show::diff::{self, Line};
use crate::show::json;
use crate::show::schema::{self, Field};
use crate::visitor::Visitor;

/// The endpoints that are looked through for who is told.
const ENDPOINTS: usize = 200;

#[derive(Template)]
#[template(path = "event_types.html")]
struct EventTypesPage<'a> {
    v: &'a Visitor,
    types: Vec<Listed>,
    endpoints: Vec<Endpoint>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "event_type.html")]
struct EventTypePage<'a> {
    v: &'a Visitor,
    event_type: EventType,
    endpoints: Vec<Endpoint>,
    /// The payload to check: the sample, or what was typed.
    payload: String,
    checked: Option<Checked>,
    refusal: Option<Refusal>,
}

/// An event type of the list.
#[derive(Deserialize)]
struct Listed {
    name: String,
    version: Option<u32>,
    description: Option<String>,
    dialects: Vec<String>,
}

/// An event type with its versions, newest first.
#[derive(Deserialize)]
struct EventType {
    name: String,
    versions: Vec<Version>,
    dialects: Vec<String>,
    sample: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
    description: String,
    schema: Option<Box<RawValue>>,
    created_at: Timestamp,
}

impl EventTypesPage<'_> {
    fn subscribers(&self, name: &str) -> usize {
        subscribers(&self.endpoints, name).count()
    }
}

impl EventTypePage<'_> {
    fn subscribers(&self) -> Vec<&Endpoint> {
        subscribers(&self.endpoints, &self.event_type.name).collect()
    }

    fn newest(&self) -> Option<&Version> {
        self.event_type.versions.first()
    }

    /// The newest version if it has a schema.
    fn described(&self) -> Option<&Version> {
        self.newest().filter(|newest| newest.schema.is_some())
    }

    fn is_wrong(&self) -> bool {
        self.checked.as_ref().is_some_and(Checked::is_wrong)
    }

    fn sample(&self) -> Option<Body> {
        let sample = self.event_type.sample.as_ref()?;
        Some(Body::new(sample.get().as_bytes(), View::LaidOut))
    }

    /// The difference from the version before.
    fn changes(&self, version: &Version) -> Vec<Line> {
        let before = self
            .event_type
            .versions
            .iter()
            .find(|other| other.version + 1 == version.version);
        before.map_or_else(Vec::new, |before| diff::lines(&before.text(), &version.text()))
    }
}

impl Version {
    fn fields(&self) -> Vec<Field> {
        self.schema
            .as_ref()
            .map_or_else(Vec::new, |schema| schema::fields(schema.get()))
    }

    /// The schema in lines.
    fn text(&self) -> String {
        let Some(schema) = &self.schema else {
            return String::new();
        };
        let tokens = json::laid_out(schema.get().as_bytes(), usize::MAX).unwrap_or_default();
        tokens.into_iter().map(|token| token.text).collect()
    }
}

/// The endpoints that are told of events of a type, filters apart.
fn subscribers<'a>(endpoints: &'a [Endpoint], name: &str) -> impl Iterator<Item = &'a Endpoint> {
    let name = name.parse::<Name>().ok();
    endpoints.iter().filter(move |endpoint| {
        let mut wanted = endpoint
            .subscriptions
            .iter()
            .filter(|subscription| !subscription.disabled);
        wanted.any(|subscription| {
            let pattern = subscription.pattern.parse::<EventPattern>().ok();
            pattern
                .zip(name.as_ref())
                .is_some_and(|(pattern, name)| pattern.matches(name))
        })
    })
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let path = format!("/event-types?{}", fields.query(&["after"], &[("limit", "100")]));
    let list: List<Listed> = visitor.get(path).await?;
    let page = EventTypesPage {
        v: &visitor,
        types: list.data,
        endpoints: endpoints(&visitor).await,
        next: list
            .next
            .map(|after| Fields::default().query(&[], &[("after", after.as_str())])),
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(crate) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Response> {
    page(&visitor, &name, &Fields::default(), Ok(None)).await
}

/// Checks the payload that was typed against the newest schema.
pub(crate) async fn check(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(fields): Form,
) -> Result<Response, Response> {
    let checked = match visitor.typed_payload(&fields) {
        Ok(Some(payload)) => visitor.check(&name, None, &payload).await.map(Some),
        Ok(None) => Ok(None),
        Err(refusal) => Err(refusal),
    };
    page(&visitor, &name, &fields, checked).await
}

async fn page(
    visitor: &Visitor,
    name: &str,
    fields: &Fields,
    checked: Result<Option<Checked>, Refusal>,
) -> Result<Response, Response> {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let event_type: EventType = visitor.get(format!("/event-types/{name}")).await?;
    let sample = event_type.sample.as_ref().map_or("{}", |sample| sample.get());
    let payload = fields
        .given("payload")
        .map_or_else(|| json::text(sample), str::to_owned);
    let (checked, refusal) = match checked {
        Ok(checked) => (checked, None),
        Err(refusal) => (None, Some(refusal)),
    };
    let page = EventTypePage {
        v: visitor,
        event_type,
        endpoints: endpoints(visitor).await,
        payload,
        checked,
        refusal,
    };
    Ok(visitor.page(visitor.status(page.refusal.as_ref()), &page))
}

/// The tenant's endpoints. While they can't be listed the rest is worth seeing.
async fn endpoints(visitor: &Visitor) -> Vec<Endpoint> {
    let list = visitor
        .try_get::<List<Endpoint>>(format!("/endpoints?limit={ENDPOINTS}"))
        .await;
    list.map(|list| list.data).unwrap_or_default()
}
