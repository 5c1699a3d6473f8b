//! `/events`: the events that were published. Publishing itself is ingest's.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_domain::{EventId, TenantId, Timestamp};
use tidings_proto::pb;
use tidings_service::problem::{Document, Problem};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Page, Refusal, text, time};
use super::deliveries::Delivery;
use super::request::{Asked, Id, limit};
use super::search::{as_asked, id, listed, since, until};
use crate::call::Call;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Query of the list of events: filter and page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Tenant of the events (`ten_…`); with an operator's key, all tenants if left out.
    tenant_id: Option<String>,
    /// Events of these types, separated by commas.
    #[param(example = "submission.created")]
    event_type: Option<String>,
    /// Event that was published with this key.
    idempotency_key: Option<String>,
    /// Events accepted at or after this time (RFC 3339), or on or after this day (UTC).
    #[param(example = "2024-03-15T10:30:00Z")]
    since: Option<String>,
    /// Events accepted before this time (RFC 3339), or on or before this day (UTC).
    #[param(example = "2024-03-15")]
    until: Option<String>,
    /// Maximum number of events on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^evt_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// An event that was published, without its content.
#[derive(Serialize, ToSchema)]
#[schema(as = PublishedEvent)]
struct Event {
    /// The event's id, `evt_` and 32 hexadecimal digits: the `webhook-id` that receivers see.
    id: String,
    /// Tenant that the event belongs to (`ten_…`).
    tenant_id: String,
    /// Type of the event, like `feedback.created`.
    event_type: String,
    /// Time of the event, as published (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    occurred_at: Option<Timestamp>,
    /// Time of its acceptance (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Option<Timestamp>,
    /// Idempotency key that the publisher gave; null if it gave none.
    idempotency_key: Option<String>,
    /// Number of endpoints that it went to when it was published.
    delivery_count: u32,
    /// True for a test of an endpoint.
    test: bool,
    /// Time at which its content was erased (RFC 3339); null if it was not.
    #[schema(value_type = Option<String>, format = DateTime)]
    erased_at: Option<Timestamp>,
}

/// An event that was published, with its content and its deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = PublishedEventInFull)]
struct FullEvent {
    #[serde(flatten)]
    event: Event,
    /// Content of the event; null once it is erased or not kept any more.
    #[schema(value_type = serde_json::Value)]
    payload: Option<Box<RawValue>>,
    /// Deliveries of the event, at most 1,000.
    deliveries: Vec<Delivery>,
}

/// Lists events
///
/// Newest first. A tenant's key sees that tenant's events, an operator's key those of all tenants. A page may have
/// fewer than asked for, with a `next` to go on. Needs the scope `read`.
#[utoipa::path(get, path = "/events", operation_id = "list_events", tag = "events", params(Which), responses(
    (status = 200, description = "The events, without their content.", body = Page<Event>),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn list(State(rest): State<Rest>, call: Call, Asked(which): Asked<Which>) -> Result<Json<Page<Event>>, Refusal> {
    if which.idempotency_key.as_deref() == Some("") {
        let detail = "no event is published with an empty key";
        return Err(Problem::invalid("idempotency_key_empty", detail)
            .at("idempotency_key")
            .into());
    }
    let question = pb::ListEventsRequest {
        tenant_id: id::<TenantId>(which.tenant_id.as_deref(), "tenant_id")?,
        event_types: listed(which.event_type),
        idempotency_key: which.idempotency_key.unwrap_or_default(),
        since: since(which.since.as_deref())?,
        until: until(which.until.as_deref())?,
        page_size: limit(which.limit)?,
        page_token: id::<EventId>(which.after.as_deref(), "after")?,
    };
    let page = rest
        .logs
        .list_events(&call.authorization, question)
        .await
        .map_err(as_asked)?;
    let events = page.events.into_iter().map(Event::from).collect();
    Ok(Json(Page::new(events, page.next_page_token)))
}

/// Shows an event
///
/// The answer includes its content and its deliveries. Needs the scope `read`.
#[utoipa::path(get, path = "/events/{event_id}", operation_id = "show_event", tag = "events",
    params(("event_id" = String, Path, description = "The event's id.")),
    responses((status = 200, description = "The event.", body = FullEvent)))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<EventId>) -> Result<Json<FullEvent>, Refusal> {
    let found = rest.logs.get_event(&call.authorization, id.to_string()).await?;
    let mut event = found.event.unwrap_or_default();
    let payload = String::from_utf8(std::mem::take(&mut event.payload)).ok();
    Ok(Json(FullEvent {
        payload: payload.and_then(|payload| RawValue::from_string(payload).ok()),
        event: event.into(),
        deliveries: found.deliveries.into_iter().map(Delivery::from).collect(),
    }))
}

impl From<pb::Event> for Event {
    fn from(event: pb::Event) -> Self {
        Self {
            id: event.id,
            tenant_id: event.tenant_id,
            event_type: event.event_type,
            occurred_at: time(event.occurred_at),
            accepted_at: time(event.accepted_at),
            idempotency_key: text(event.idempotency_key),
            delivery_count: event.delivery_count,
            test: event.test,
            erased_at: time(event.erased_at),
        }
    }
}
