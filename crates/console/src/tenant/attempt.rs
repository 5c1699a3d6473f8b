//! `/webhooks/logs/{id}`: one attempt with everything that was sent and received, byte for byte.

use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use tidings_domain::Timestamp;

use crate::form::Fields;
use crate::shapes::{Attempt, Delivery, Dialect, Endpoint, Header, List};
use crate::show::bytes::{Body, View};
use crate::show::schedule::{Planned, planned};
use crate::show::timeline::{self, Line};
use crate::show::{curl, markdown};
use crate::visitor::Visitor;

/// The most attempts of a delivery that the timeline shows.
const TIMELINE: usize = 50;

#[derive(Template)]
#[template(path = "attempt.html")]
struct AttemptPage<'a> {
    v: &'a Visitor,
    parts: Parts,
    /// The endpoint; none if it was deleted.
    endpoint: Option<Endpoint>,
    delivery: Option<Delivery>,
    timeline: Timeline,
    view: View,
}

/// An attempt with its bodies laid out.
pub(crate) struct Parts {
    pub(crate) attempt: Attempt,
    pub(crate) request: Body,
    pub(crate) response: Body,
    pub(crate) curl: String,
    pub(crate) markdown: String,
}

/// The attempts of a delivery: those that were made, oldest first, and those that are planned.
pub(crate) struct Timeline {
    pub(crate) made: Vec<Attempt>,
    pub(crate) planned: Vec<Planned>,
}

impl Parts {
    pub(crate) async fn of(visitor: &Visitor, attempt: Attempt, view: View) -> Result<Self, Response> {
        let path = format!("/webhooks/logs/{}", attempt.id);
        let (request, response) = futures::join!(
            visitor.bytes(format!("{path}/request-body")),
            visitor.bytes(format!("{path}/response-body")),
        );
        Ok(Self::laid_out(attempt, &request?, &response?, view))
    }

    pub(crate) fn request_headers(&self) -> &[Header] {
        &self.attempt.request_headers
    }

    pub(crate) fn response_headers(&self) -> &[Header] {
        &self.attempt.response_headers
    }

    fn laid_out(attempt: Attempt, request: &Bytes, response: &Bytes, view: View) -> Self {
        Self {
            markdown: markdown::attempt(&attempt, request, response),
            curl: curl::command(&attempt.url, &attempt.request_headers, request),
            request: Body::new(request, view),
            response: Body::new(response, view),
            attempt,
        }
    }
}

impl Timeline {
    /// The timeline of a delivery. While the log is away it is empty, for the rest is worth seeing.
    pub(crate) async fn of(visitor: &Visitor, delivery: &Delivery, endpoint: Option<&Endpoint>) -> Self {
        let path = format!(
            "/webhooks/logs?delivery_id={}&limit={TIMELINE}&bodies=false",
            delivery.id
        );
        let list = visitor.try_get::<List<Attempt>>(path).await;
        let mut made = list.map(|list| list.data).unwrap_or_default();
        made.reverse();
        let planned = match (delivery.due_at, endpoint) {
            (Some(due_at), Some(endpoint)) if delivery.state == "scheduled" => {
                planned(&schedule(visitor, endpoint).await, delivery.attempts, due_at)
            }
            _ => Vec::new(),
        };
        Self { made, planned }
    }
}

impl Timeline {
    /// The attempts on a line, with the present time among them.
    pub(crate) fn line(&self) -> Line {
        let made = self
            .made
            .iter()
            .filter_map(|made| Some((made.outcome.as_str(), made.number, made.started_at?)));
        let planned = self
            .planned
            .iter()
            .map(|planned| ("planned", planned.number, planned.at));
        timeline::line(made.chain(planned), Timestamp::now())
    }
}

/// The waits between the attempts for an endpoint.
async fn schedule(visitor: &Visitor, endpoint: &Endpoint) -> Vec<String> {
    if let Some(schedule) = &endpoint.schedule {
        return schedule.clone();
    }
    let dialects = visitor.try_get::<List<Dialect>>("/dialects").await;
    let dialects = dialects.map(|list| list.data).unwrap_or_default();
    let dialect = dialects.into_iter().find(|dialect| dialect.name == endpoint.dialect);
    dialect.map(|dialect| dialect.schedule).unwrap_or_default()
}

impl AttemptPage<'_> {
    fn attempt(&self) -> &Attempt {
        &self.parts.attempt
    }

    fn endpoint_name(&self) -> &str {
        match self.endpoint.as_ref().map(|endpoint| endpoint.name.as_str()) {
            None | Some("") => &self.parts.attempt.url,
            Some(name) => name,
        }
    }

    /// The attempt before or after this one.
    fn neighbour(&self, by: i32) -> Option<&Attempt> {
        let wanted = self.parts.attempt.number.checked_add_signed(by)?;
        self.timeline.made.iter().find(|attempt| attempt.number == wanted)
    }

    /// True if the delivery can be attempted again.
    fn may_retry(&self) -> bool {
        !self.parts.attempt.test && self.endpoint.is_some()
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let attempt: Attempt = visitor.get(format!("/webhooks/logs/{id}")).await?;
    let (delivery_id, endpoint_id) = (attempt.delivery_id.clone(), attempt.endpoint_id.clone());
    let view = View::named(fields.text("view"));
    let (parts, delivery, endpoint) = futures::join!(
        Parts::of(&visitor, attempt, view),
        visitor.try_get::<Delivery>(format!("/deliveries/{delivery_id}")),
        visitor.try_get::<Endpoint>(format!("/endpoints/{endpoint_id}")),
    );
    let (delivery, endpoint) = (delivery.ok(), endpoint.ok());
    let timeline = match &delivery {
        Some(delivery) => Timeline::of(&visitor, delivery, endpoint.as_ref()).await,
        None => Timeline {
            made: Vec::new(),
            planned: Vec::new(),
        },
    };
    let page = AttemptPage {
        v: &visitor,
        parts: parts?,
        endpoint,
        delivery,
        timeline,
        view,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// A body as a file: never as a page, whatever is in it.
pub(crate) async fn body(visitor: Visitor, Path((id, part)): Path<(String, String)>) -> Response {
    visitor.answer(format!("/webhooks/logs/{id}/{part}")).await
}
