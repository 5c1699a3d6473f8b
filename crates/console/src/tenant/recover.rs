//! `/webhooks/endpoints/{id}/recover`: sends again what an endpoint missed, after saying how much that is.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;
use tidings_domain::Timestamp;

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::shapes::{Endpoint, Preview, Replay};
use crate::visitor::Visitor;

/// The reach of the form, in hours.
const REACH: [i64; 5] = [1, 6, 24, 72, 168];

#[derive(Template)]
#[template(path = "recover.html")]
struct RecoverPage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    hours: i64,
    since: Timestamp,
    preview: Option<Preview>,
    once: String,
}

impl RecoverPage<'_> {
    fn reach(&self) -> [i64; 5] {
        REACH
    }
}

/// Counts first; the count is of given-up deliveries, of which those that arrived otherwise are left out later.
pub(crate) async fn ask(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let hours = hours(&fields);
    let since = since(hours);
    let rows = json!({ "rows": { "deliveries": {
        "endpoint_id": id, "states": ["exhausted"], "since": since.to_string(),
    } }, "tenant_id": endpoint.tenant_id });
    let preview = visitor
        .send::<Preview>(http::Method::POST, "/replays/preview", &rows)
        .await;
    let page = RecoverPage {
        v: &visitor,
        endpoint: &endpoint,
        hours,
        since,
        preview: preview.ok(),
        once: tidings_domain::EventId::new().to_string(),
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(crate) async fn start(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let body = json!({ "since": fields.text("since") });
    let started = visitor
        .send_once::<Replay>(format!("/endpoints/{id}/recover"), &body, &fields)
        .await;
    let refused = |refusal: Refusal| visitor.refused(&refusal);
    let replay = started.map_err(refused)?;
    Ok(visitor.lead(format!("/replays/{}", replay.id)))
}

fn hours(fields: &Fields) -> i64 {
    let asked = fields.text("hours").parse().ok();
    asked.filter(|hours| REACH.contains(hours)).unwrap_or(24)
}

fn since(hours: i64) -> Timestamp {
    let at = Timestamp::now().checked_sub(SignedDuration::from_hours(hours));
    at.unwrap_or(Timestamp::UNIX_EPOCH)
}
