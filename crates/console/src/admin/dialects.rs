//! `/admin/dialects`: what each offers, and the request that a sample becomes in it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;

use super::shapes::{Dialect, Previewed};
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{EventType, List};
use crate::show::bytes::{Body, View};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "admin/dialects.html")]
struct DialectsPage<'a> {
    v: &'a Visitor,
    dialects: Vec<Dialect>,
}

#[derive(Template)]
#[template(path = "admin/dialect.html")]
struct DialectPage<'a> {
    v: &'a Visitor,
    dialect: Dialect,
    event_type: String,
    payload: String,
    secret: &'a str,
    preview: Option<Previewed>,
    refusal: Option<Refusal>,
}

impl DialectPage<'_> {
    fn laid_out(&self, preview: &Previewed) -> Body {
        Body::new(preview.body.as_bytes(), View::Raw)
    }
}

pub(super) async fn list(visitor: Visitor) -> Result<Response, Response> {
    let list: List<Dialect> = visitor.get("/dialects").await?;
    let page = DialectsPage {
        v: &visitor,
        dialects: list.data,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(super) async fn show(visitor: Visitor, Path(name): Path<String>, fields: Fields) -> Result<Response, Response> {
    page(&visitor, &name, &fields).await
}

pub(super) async fn preview(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(fields): Form,
) -> Result<Response, Response> {
    page(&visitor, &name, &fields).await
}

/// The dialect with what was typed, or its sample, written in it.
async fn page(visitor: &Visitor, name: &str, fields: &Fields) -> Result<Response, Response> {
    let dialect: Dialect = visitor.get(format!("/dialects/{name}")).await?;
    let samples: List<EventType> = visitor.get(format!("/event-types?limit=200&dialect={name}")).await?;
    let first = samples.data.first().map(|sample| sample.name.as_str());
    let event_type = fields.given("event_type").or(first).unwrap_or_default().to_owned();
    let sample = samples.data.iter().find(|sample| sample.name == event_type);
    let sample = sample
        .and_then(|sample| sample.sample.as_ref())
        .map(|sample| sample.get());
    let payload = fields.given("payload").or(sample).unwrap_or("{}").to_owned();
    let secret = fields.text("secret");
    let previewed = match serde_json::from_str::<Box<RawValue>>(&payload) {
        Ok(payload) => {
            let body = json!({
                "event_type": event_type,
                "payload": payload,
                "secret": Some(secret).filter(|secret| !secret.is_empty()),
            });
            visitor
                .send::<Previewed>(Method::POST, format!("/dialects/{name}/preview"), &body)
                .await
        }
        Err(_) => Err(Refusal {
            status: StatusCode::BAD_REQUEST.as_u16(),
            code: "payload_no_json".into(),
            detail: visitor.t("test-no-json"),
            field: Some("payload".into()),
        }),
    };
    let (preview, refusal) = match previewed {
        Ok(preview) => (Some(preview), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let page = DialectPage {
        v: visitor,
        dialect,
        event_type,
        payload,
        secret,
        preview,
        refusal,
    };
    Ok(visitor.page(visitor.status(page.refusal.as_ref()), &page))
}
