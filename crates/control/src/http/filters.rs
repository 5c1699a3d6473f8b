//! `/endpoints/{endpoint_id}/filters/try`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_domain::EndpointId;
use tidings_proto::pb;
use tidings_service::problem::Document;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Refusal, text};
use super::request::{Body, Id};
use crate::call::Call;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(try_filter))
}

/// What to try, and on which event.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FilterTrial {
    /// The content filter to try; the endpoint's own subscriptions are tried if left out.
    #[schema(example = "payload.rating <= 2")]
    filter: Option<String>,
    /// The event's type; if left out, one that the endpoint is subscribed to and its dialect has a sample of.
    #[schema(example = "feedback.created")]
    event_type: Option<String>,
    /// The event's content; the dialect's sample if left out.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<Box<RawValue>>,
    /// A past event of the tenant (`evt_…`) to try instead; then type and content are its own.
    event_id: Option<String>,
}

/// What an event would match.
#[derive(Serialize, ToSchema)]
struct FilterVerdict {
    /// Whether the filter holds; without one, whether the endpoint would get the event.
    matched: bool,
    /// Why the filter that was sent could not be evaluated, in which case it does not match.
    error: Option<String>,
    /// The type of the event that it was tried with.
    event_type: String,
    /// The endpoint's subscriptions one by one, if those were tried.
    subscriptions: Vec<TriedSubscription>,
}

/// How a subscription takes an event.
#[derive(Serialize, ToSchema)]
struct TriedSubscription {
    /// Its pattern.
    pattern: String,
    /// Whether it is off, and matches nothing.
    disabled: bool,
    /// Its filter.
    filter: Option<String>,
    /// Whether the pattern matches the type.
    type_matched: bool,
    /// Whether the filter holds; true if there is none.
    filter_matched: bool,
    /// Why the filter could not be evaluated.
    error: Option<String>,
}

/// Tries content filters
///
/// Says which of an endpoint's subscriptions an event matches, or whether a filter holds that it does not have yet.
/// Nothing is sent. Needs the scope `read`.
#[utoipa::path(post, path = "/endpoints/{endpoint_id}/filters/try", operation_id = "try_filter", tag = "endpoints",
    request_body = Option<FilterTrial>,
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses(
        (status = 200, description = "What the event would match.", body = FilterVerdict),
        (status = 409, description = "The past event's payload is not kept any more.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn try_filter(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    Body(asked): Body<Option<FilterTrial>>,
) -> Result<Json<FilterVerdict>, Refusal> {
    let asked = asked.unwrap_or_default();
    let payload = asked.payload.map(|payload| Box::<str>::from(payload).into_string());
    let request = pb::TryFilterRequest {
        endpoint_id: id.to_string(),
        filter: asked.filter.unwrap_or_default(),
        event_type: asked.event_type.unwrap_or_default(),
        payload: payload.unwrap_or_default().into_bytes(),
        event_id: asked.event_id.unwrap_or_default(),
    };
    let tried = rest.filters.try_out(&call, request).await?;
    Ok(Json(tried.into()))
}

impl From<pb::TryFilterResponse> for FilterVerdict {
    fn from(tried: pb::TryFilterResponse) -> Self {
        Self {
            matched: tried.matched,
            error: text(tried.error),
            event_type: tried.event_type,
            subscriptions: tried.subscriptions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<pb::TriedSubscription> for TriedSubscription {
    fn from(tried: pb::TriedSubscription) -> Self {
        Self {
            pattern: tried.pattern,
            disabled: tried.disabled,
            filter: text(tried.filter),
            type_matched: tried.type_matched,
            filter_matched: tried.filter_matched,
            error: text(tried.error),
        }
    }
}
