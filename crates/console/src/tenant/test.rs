//! `/webhooks/endpoints/{id}/test`: sends a sample and shows request and response.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;

use super::attempt::Parts;
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Attempt, Endpoint, EventType, List, TestPreview};
use crate::show::bytes::{Body, View};
use crate::show::curl;
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "test.html")]
struct TestPage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    samples: Vec<EventType>,
    event_type: String,
    payload: String,
    is_made: bool,
    refusal: Option<Refusal>,
    shown: Shown,
}

/// The result of the form.
enum Shown {
    Nothing,
    /// The request as it would go.
    Preview(TestPreview),
    /// The request and the response.
    Result(Box<Parts>),
}

pub(crate) async fn ask(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    page(&visitor, &id, &fields, None, Shown::Nothing).await
}

/// Sends what the form has; with the button "show the request" it only shows what would be sent.
pub(crate) async fn send(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let payload = RawValue::from_string(fields.text("payload").to_owned()).ok();
    if payload.is_none() && fields.given("payload").is_some() {
        let refusal = Refusal {
            status: StatusCode::BAD_REQUEST.as_u16(),
            code: "payload_invalid".into(),
            detail: visitor.t("test-no-json"),
            field: Some("payload".into()),
        };
        return page(&visitor, &id, &fields, Some(refusal), Shown::Nothing).await;
    }
    let body = json!({ "event_type": fields.given("event_type"), "payload": payload });
    if fields.has("preview") {
        let preview = visitor
            .send::<TestPreview>(Method::POST, format!("/endpoints/{id}/preview"), &body)
            .await;
        return match preview {
            Ok(preview) => page(&visitor, &id, &fields, None, Shown::Preview(preview)).await,
            Err(refusal) => page(&visitor, &id, &fields, Some(refusal), Shown::Nothing).await,
        };
    }
    let sent = visitor
        .send_once::<Attempt>(format!("/endpoints/{id}/test"), &body, fields.text("once"))
        .await;
    match sent {
        Ok(attempt) => {
            let result = Parts::of(&visitor, attempt, View::LaidOut).await?;
            page(&visitor, &id, &fields, None, Shown::Result(Box::new(result))).await
        }
        Err(refusal) => page(&visitor, &id, &fields, Some(refusal), Shown::Nothing).await,
    }
}

async fn page(
    visitor: &Visitor,
    id: &str,
    fields: &Fields,
    refusal: Option<Refusal>,
    shown: Shown,
) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let samples = samples(visitor, &endpoint.dialect).await?;
    let chosen = fields.given("event_type").map(str::to_owned);
    let event_type = chosen.or_else(|| samples.first().map(|sample| sample.name.clone()));
    let event_type = event_type.unwrap_or_default();
    let sample = samples.iter().find(|sample| sample.name == event_type);
    let sample = sample
        .and_then(|sample| sample.sample.as_ref())
        .map_or("{}", |sample| sample.get());
    let payload = match fields.given("payload") {
        Some(typed) => typed.to_owned(),
        None => laid_out(sample),
    };
    let status = refusal.as_ref().map_or(200, |refusal| refusal.status);
    let page = TestPage {
        v: visitor,
        endpoint: &endpoint,
        samples,
        event_type,
        payload,
        is_made: fields.has("made"),
        refusal,
        shown,
    };
    Ok(visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page))
}

/// The dialect's samples, or everybody's where it has none.
async fn samples(visitor: &Visitor, dialect: &str) -> Result<Vec<EventType>, Response> {
    let own = visitor
        .try_get::<List<EventType>>(format!("/event-types?limit=200&dialect={dialect}"))
        .await;
    if let Ok(own) = own
        && !own.data.is_empty()
    {
        return Ok(own.data);
    }
    let all: List<EventType> = visitor.get("/event-types?limit=200").await?;
    Ok(all.data.into_iter().filter(|known| known.sample.is_some()).collect())
}

fn laid_out(json: &str) -> String {
    let tokens = crate::show::json::laid_out(json.as_bytes(), usize::MAX);
    tokens.map_or_else(
        || json.to_owned(),
        |tokens| tokens.into_iter().map(|token| token.text).collect(),
    )
}

impl TestPreview {
    /// The body as it would go.
    fn body(&self) -> Body {
        Body::new(self.request_body.as_bytes(), View::Raw)
    }

    /// The request as a command line.
    pub(super) fn curl(&self) -> String {
        curl::command(&self.url, &self.request_headers, self.request_body.as_bytes())
    }
}

impl TestPage<'_> {
    /// A sample's payload was not sent yet: submitting twice sends once.
    fn once(&self) -> String {
        tidings_domain::EventId::new().to_string()
    }
}
