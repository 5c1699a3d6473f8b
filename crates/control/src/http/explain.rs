//! `/events/{id}/explain` and `/deliveries/{id}/explain`: the reasons why something did or did not arrive, and what
//! comes next.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tidings_domain::{DeliveryId, EventId, Timestamp};
use tidings_proto::pb;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Refusal, text, time};
use super::logs::Attempt;
use super::request::Id;
use crate::call::Call;
use crate::messages::explained;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(delivery)).routes(routes!(event))
}

/// Explanation of a delivery, or of the lack of one at an endpoint.
#[derive(Serialize, ToSchema)]
struct DeliveryExplanation {
    /// Delivery that is explained (`dlv_…`); null where there is none because the endpoint did not want the event.
    delivery_id: Option<String>,
    /// Endpoint of the delivery (`ep_…`).
    endpoint_id: String,
    /// Display name of the endpoint, or its URL's host if it has no name; null if it is gone.
    endpoint_name: Option<String>,
    /// Verdict, for programs: `delivered`, `given_up`, `cancelled`, `waiting`, `under_way` or `held`; without a
    /// delivery `not_subscribed`, `subscription_off`, `subscribed_later`, `made_later` or `operational`.
    #[schema(example = "waiting")]
    verdict: String,
    /// History of the delivery, in English sentences.
    sentences: Vec<String>,
    /// The same as `sentences`, for programs and for other languages.
    facts: Vec<Fact>,
    /// The next step, in an English sentence; null if there is none.
    next: Option<String>,
    /// The same as `next`, for programs and for other languages.
    next_facts: Vec<Fact>,
    /// Time at which the next attempt is due (RFC 3339); null if none is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Timestamp>,
    /// Attempts of the delivery, oldest first, without headers and bodies; at most 50.
    attempts: Vec<Attempt>,
}

/// Something that is said of a delivery or an event.
#[derive(Serialize, ToSchema)]
struct Fact {
    /// Stable name of the fact, for programs.
    #[schema(example = "attempt_failed")]
    code: String,
    /// Parameters of the fact, by name; times are RFC 3339, and what is not known is `none`.
    #[schema(example = json!({ "number": "1", "all": "6", "status": "503" }))]
    arguments: BTreeMap<String, String>,
    /// The fact as an English sentence.
    sentence: String,
}

/// Explanation of an event: the endpoints it went to, and those it did not.
#[derive(Serialize, ToSchema)]
struct EventExplanation {
    /// Event that is explained (`evt_…`).
    event_id: String,
    /// Type of the event, like `feedback.created`.
    #[schema(example = "feedback.created")]
    event_type: String,
    /// Time of its acceptance (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    accepted_at: Option<Timestamp>,
    /// History of the event, in English sentences.
    sentences: Vec<String>,
    /// The same as `sentences`, for programs and for other languages.
    facts: Vec<Fact>,
    /// Explanations of every delivery of the event, and of every other endpoint of the tenant.
    deliveries: Vec<DeliveryExplanation>,
}

/// Explains a delivery
///
/// Says what happened to the delivery and what comes next, in sentences and as facts for programs. Needs the scope
/// `read`.
#[utoipa::path(get, path = "/deliveries/{delivery_id}/explain", operation_id = "explain_delivery", tag = "deliveries",
    params(("delivery_id" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The state of the delivery, explained.", body = DeliveryExplanation)))]
async fn delivery(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<DeliveryId>,
) -> Result<Json<DeliveryExplanation>, Refusal> {
    let explained = rest.explainer.delivery(&call, id).await?;
    Ok(Json(explained::delivery(explained).into()))
}

/// Explains where an event went and where not
///
/// Says which endpoints the event went to, which it did not, and the reasons. Needs the scope `read`.
#[utoipa::path(get, path = "/events/{event_id}/explain", operation_id = "explain_event", tag = "events",
    params(("event_id" = String, Path, description = "The event's id.")),
    responses((status = 200, description = "The event and its deliveries, explained.", body = EventExplanation)))]
async fn event(State(rest): State<Rest>, call: Call, Id(id): Id<EventId>) -> Result<Json<EventExplanation>, Refusal> {
    let explained = explained::event(rest.explainer.event(&call, id).await?);
    let event = explained.event.unwrap_or_default();
    Ok(Json(EventExplanation {
        event_id: event.id,
        event_type: event.event_type,
        accepted_at: time(event.accepted_at),
        sentences: explained.sentences,
        facts: explained.facts.into_iter().map(Fact::from).collect(),
        deliveries: explained
            .deliveries
            .into_iter()
            .map(DeliveryExplanation::from)
            .collect(),
    }))
}

impl From<pb::DeliveryExplanation> for DeliveryExplanation {
    fn from(explained: pb::DeliveryExplanation) -> Self {
        let delivery = explained.delivery.unwrap_or_default();
        Self {
            delivery_id: text(delivery.id),
            endpoint_id: explained.endpoint_id,
            endpoint_name: text(explained.endpoint_name),
            verdict: explained.verdict,
            sentences: explained.sentences,
            facts: explained.facts.into_iter().map(Fact::from).collect(),
            next_facts: explained.next_facts.into_iter().map(Fact::from).collect(),
            next: text(explained.next),
            due_at: time(delivery.due_at),
            attempts: explained.attempts.into_iter().map(Attempt::from).collect(),
        }
    }
}

impl From<pb::Fact> for Fact {
    fn from(fact: pb::Fact) -> Self {
        Self {
            code: fact.code,
            arguments: fact.arguments.into_iter().collect(),
            sentence: fact.sentence,
        }
    }
}
