//! `/webhooks/events`: what was published, and what became of it at every endpoint, also where it was not wanted.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;

use crate::form::Fields;
use crate::shapes::{Event, EventExplanation, List};
use crate::show::bytes::{Body, View};
use crate::visitor::Visitor;

const FILTERS: [&str; 5] = ["tenant_id", "event_type", "idempotency_key", "since", "until"];

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage<'a> {
    v: &'a Visitor,
    fields: &'a Fields,
    events: Vec<Event>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage<'a> {
    v: &'a Visitor,
    event: &'a Event,
    payload: Body,
    explanation: EventExplanation,
}

pub(crate) async fn list(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let names = [&FILTERS[..], &["after"]].concat();
    let list: List<Event> = visitor.get(format!("/events?{}", fields.query(&names, &[]))).await?;
    let next = list
        .next
        .map(|after| fields.query(&FILTERS, &[("after", after.as_str())]));
    let page = EventsPage {
        v: &visitor,
        fields: &fields,
        events: list.data,
        next,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>) -> Result<Response, Response> {
    let event: Event = visitor.get(format!("/events/{id}")).await?;
    let explanation: EventExplanation = visitor.get(format!("/events/{id}/explain")).await?;
    let payload = event.payload.as_ref().map_or("", |payload| payload.get());
    let page = EventPage {
        v: &visitor,
        event: &event,
        payload: Body::new(payload.as_bytes(), View::LaidOut),
        explanation,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}
