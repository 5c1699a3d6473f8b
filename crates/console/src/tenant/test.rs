//! `/webhooks/endpoints/{id}/test`: sends a sample and shows request and response.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::json;

use super::attempt::Parts;
use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Attempt, Checked, Endpoint, EventType, List, TestPreview};
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
    /// The verdict of the event type's schema on the payload, if it was asked.
    checked: Option<Checked>,
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
    page(&visitor, &id, &fields, None, None, Shown::Nothing).await
}

/// Sends what the form has, unless the event type's schema says that it is wrong; then only "send all the same" does. The
/// button "check" stops there, and "show the request" shows what would be sent.
pub(crate) async fn send(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let payload = match visitor.typed_payload(&fields) {
        Ok(payload) => payload,
        Err(refusal) => return page(&visitor, &id, &fields, Some(refusal), None, Shown::Nothing).await,
    };
    let event_type = fields.given("event_type");
    let checked = match event_type.zip(payload.as_deref()) {
        Some((event_type, payload)) => match visitor.check(event_type, None, payload).await {
            Ok(checked) => Some(checked),
            Err(refusal) => return page(&visitor, &id, &fields, Some(refusal), None, Shown::Nothing).await,
        },
        None => None,
    };
    let is_wrong = checked.as_ref().is_some_and(Checked::is_wrong);
    if fields.has("check") || (is_wrong && !fields.has("preview") && !fields.has("anyway")) {
        return page(&visitor, &id, &fields, None, checked, Shown::Nothing).await;
    }
    let checked = checked.filter(|_| is_wrong);
    let body = json!({ "event_type": event_type, "payload": payload });
    if fields.has("preview") {
        let preview = visitor
            .send::<TestPreview>(Method::POST, format!("/endpoints/{id}/preview"), &body)
            .await;
        return match preview {
            Ok(preview) => page(&visitor, &id, &fields, None, checked, Shown::Preview(preview)).await,
            Err(refusal) => page(&visitor, &id, &fields, Some(refusal), checked, Shown::Nothing).await,
        };
    }
    let sent = visitor
        .send_once::<Attempt>(format!("/endpoints/{id}/test"), &body, &fields)
        .await;
    match sent {
        Ok(attempt) => {
            let result = Parts::of(&visitor, attempt, View::LaidOut).await?;
            page(&visitor, &id, &fields, None, checked, Shown::Result(Box::new(result))).await
        }
        Err(refusal) => page(&visitor, &id, &fields, Some(refusal), checked, Shown::Nothing).await,
    }
}

async fn page(
    visitor: &Visitor,
    id: &str,
    fields: &Fields,
    refusal: Option<Refusal>,
    checked: Option<Checked>,
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
        None => crate::show::json::text(sample),
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
        checked,
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
    /// The payload is not as its schema says.
    fn is_wrong(&self) -> bool {
        self.checked.as_ref().is_some_and(Checked::is_wrong)
    }

    /// A sample's payload was not sent yet: submitting twice sends once.
    fn once(&self) -> String {
        tidings_domain::EventId::new().to_string()
    }
}
