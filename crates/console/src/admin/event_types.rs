//! `/admin/event-types`: the catalogue, and adding a version to it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;

use super::shapes::{EventType, Version, Versions};
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Checked, List};
use crate::show::bytes::{Body, View};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "admin/event_types.html")]
struct EventTypesPage<'a> {
    v: &'a Visitor,
    event_types: Vec<EventType>,
    next: Option<String>,
    fields: &'a Fields,
    refusal: Option<Refusal>,
}

#[derive(Template)]
#[template(path = "admin/event_type.html")]
struct EventTypePage<'a> {
    v: &'a Visitor,
    event_type: Versions,
    fields: &'a Fields,
    refusal: Option<Refusal>,
    /// The typed schema's verdict on the payload.
    checked: Option<Checked>,
    is_added: bool,
}

impl EventTypesPage<'_> {
    fn description(&self) -> &str {
        self.fields.raw("description")
    }

    fn schema(&self) -> &str {
        self.fields.raw("schema")
    }
}

impl EventTypePage<'_> {
    fn laid_out(&self, json: &RawValue) -> Body {
        Body::new(json.get().as_bytes(), View::LaidOut)
    }

    fn newest(&self) -> Option<&Version> {
        self.event_type.versions.first()
    }

    /// The typed text, or that of the newest version, since a new version mostly changes it.
    fn description(&self) -> &str {
        match self.fields.has("description") {
            true => self.fields.raw("description"),
            false => self.newest().map_or("", |newest| &newest.description),
        }
    }

    fn is_wrong(&self) -> bool {
        self.checked.as_ref().is_some_and(Checked::is_wrong)
    }

    fn payload(&self) -> String {
        let sample = self.event_type.sample.as_ref();
        match self.fields.given("payload") {
            Some(typed) => typed.to_owned(),
            None => sample
                .map(|sample| crate::show::json::text(sample.get()))
                .unwrap_or_default(),
        }
    }

    fn schema(&self) -> String {
        if self.fields.has("schema") {
            return self.fields.raw("schema").to_owned();
        }
        let newest = self.newest().and_then(|newest| newest.schema.as_ref());
        newest
            .map(|schema| crate::show::json::text(schema.get()))
            .unwrap_or_default()
    }
}

pub(super) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    show_list(&visitor, &fields, None).await
}

async fn show_list(visitor: &Visitor, fields: &Fields, refusal: Option<Refusal>) -> Result<Response, Response> {
    let query = fields.query(&["after"], &[("limit", "100")]);
    let list: List<EventType> = visitor.get(format!("/event-types?{query}")).await?;
    let page = EventTypesPage {
        v: visitor,
        event_types: list.data,
        next: list.next,
        fields,
        refusal,
    };
    Ok(visitor.page(visitor.status(page.refusal.as_ref()), &page))
}

pub(super) async fn show(visitor: Visitor, Path(name): Path<String>, fields: Fields) -> Result<Response, Response> {
    show_one(&visitor, &name, &fields, Ok(None)).await
}

async fn show_one(
    visitor: &Visitor,
    name: &str,
    fields: &Fields,
    checked: Result<Option<Checked>, Refusal>,
) -> Result<Response, Response> {
    let event_type: Versions = visitor.get(format!("/event-types/{name}")).await?;
    let (mut checked, refusal) = match checked {
        Ok(checked) => (checked, None),
        Err(refusal) => (None, Some(refusal)),
    };
    if let Some(checked) = &mut checked {
        // The typed schema is that of the version to come.
        let newest = event_type.versions.first().map_or(0, |newest| newest.version);
        checked.version = Some(newest.saturating_add(1));
    }
    let page = EventTypePage {
        v: visitor,
        event_type,
        fields,
        refusal,
        checked,
        is_added: fields.has("added"),
    };
    Ok(visitor.page(visitor.status(page.refusal.as_ref()), &page))
}

/// Adds a version, or tries its schema on a payload; the operation checks the schema. Of a new event type the form bears the name, of a known one the path.
pub(super) async fn add(
    visitor: Visitor,
    path: Option<Path<String>>,
    Form(fields): Form,
) -> Result<Response, Response> {
    let known = path.map(|Path(name)| name);
    if let Some(name) = known.as_deref().filter(|_| fields.has("check")) {
        return show_one(&visitor, name, &fields, try_payload(&visitor, name, &fields).await).await;
    }
    let name = known.as_deref().unwrap_or_else(|| fields.text("name"));
    let added = match schema(&visitor, &fields) {
        Ok(schema) => {
            let body = json!({ "name": name, "description": fields.text("description"), "schema": schema });
            visitor
                .send::<Version>(Method::POST, "/event-types", &body)
                .await
                .map(|_| ())
        }
        Err(refusal) => Err(refusal),
    };
    match (added, &known) {
        (Ok(()), _) => Ok(visitor.lead(format!("/event-types/{name}?added"))),
        (Err(refusal), Some(name)) => show_one(&visitor, name, &fields, Err(refusal)).await,
        (Err(refusal), None) => show_list(&visitor, &fields, Some(refusal)).await,
    }
}

/// The typed schema's verdict on the typed payload; nothing if one of them is missing.
async fn try_payload(visitor: &Visitor, name: &str, fields: &Fields) -> Result<Option<Checked>, Refusal> {
    let (schema, payload) = (schema(visitor, fields)?, visitor.typed_payload(fields)?);
    match schema.zip(payload) {
        Some((schema, payload)) => visitor.check(name, Some(&schema), &payload).await.map(Some),
        None => Ok(None),
    }
}

/// The schema that was typed, as it was: numbers and the order of members stay.
fn schema(visitor: &Visitor, fields: &Fields) -> Result<Option<Box<RawValue>>, Refusal> {
    let Some(text) = fields.given("schema") else {
        return Ok(None);
    };
    serde_json::from_str(text).map(Some).map_err(|error| Refusal {
        status: StatusCode::BAD_REQUEST.as_u16(),
        code: "schema_no_json".into(),
        detail: visitor.t1("schema-no-json", "error", error),
        field: Some("schema".into()),
    })
}
