//! `/endpoints/{endpoint_id}/filters/try`: content filters tried on an event, without sending it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_domain::EndpointId;
use tidings_service::problem::Document;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Refusal, text};
use super::request::{Body, Id};
use crate::call::Call;
use crate::filters::{self, Trial, Tried};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(try_filter))
}

/// A content filter to try, and the event to try it on.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FilterTrial {
    /// Content filter to try (`docs/filters.md`); the endpoint's own subscriptions are tried if left out.
    #[schema(example = "payload.rating <= 2")]
    filter: Option<String>,
    /// Type of the event; if left out, one that the endpoint is subscribed to and its dialect has a sample of.
    #[schema(example = "feedback.created")]
    event_type: Option<String>,
    /// Content of the event, any JSON; the dialect's sample if left out.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<Box<RawValue>>,
    /// A past event of the tenant (`evt_…`) to try instead; then type and content are its own.
    event_id: Option<String>,
}

/// Match of an event against a filter or subscriptions.
#[derive(Serialize, ToSchema)]
struct FilterVerdict {
    /// True if the filter matches; without a filter, if the endpoint would get the event.
    matched: bool,
    /// Error of evaluating the given filter, in which case it does not match; null if there was none.
    error: Option<String>,
    /// Type of the event that it was tried with.
    event_type: String,
    /// Results of the endpoint's subscriptions one by one, if those were tried.
    subscriptions: Vec<TriedSubscription>,
}

/// Match of an event against one subscription.
#[derive(Serialize, ToSchema)]
struct TriedSubscription {
    /// Pattern of the subscription: an event type, a prefix like `feedback.*`, or `*`.
    pattern: String,
    /// True if it is off, and matches nothing.
    disabled: bool,
    /// Content filter of the subscription; null if it has none.
    filter: Option<String>,
    /// True if the pattern matches the event's type.
    type_matched: bool,
    /// True if the filter matches, or if there is none.
    filter_matched: bool,
    /// Error of evaluating the filter; null if there was none.
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
        (status = 200, description = "The verdict of the filter on the event.", body = FilterVerdict),
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
    let trial = Trial {
        filter: asked.filter.and_then(text),
        event_type: asked.event_type.unwrap_or_default(),
        payload: payload.unwrap_or_default().into_bytes(),
        event_id: asked.event_id.unwrap_or_default(),
    };
    let tried = rest.filters.try_out(&call, id, trial).await?;
    Ok(Json(tried.into()))
}

impl From<Tried> for FilterVerdict {
    fn from(tried: Tried) -> Self {
        Self {
            matched: tried.matched,
            error: tried.error,
            event_type: tried.event_type.to_string(),
            subscriptions: tried.subscriptions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<filters::TriedSubscription> for TriedSubscription {
    fn from(tried: filters::TriedSubscription) -> Self {
        Self {
            pattern: tried.subscription.pattern.to_string(),
            disabled: !tried.subscription.enabled,
            filter: tried.subscription.filter,
            type_matched: tried.type_matched,
            filter_matched: tried.filter_matched,
            error: tried.error,
        }
    }
}
