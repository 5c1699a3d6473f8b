//! `/deliveries`: the state of each event for each endpoint.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tidings_domain::{DeliveryId, EndpointId, EventId, TenantId, Timestamp};
use tidings_proto::pb;
use tidings_service::problem::Document;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Page, Refusal, text, time};
use super::request::{Asked, Id, limit};
use super::search::{as_asked, id, listed, since, until};
use crate::call::Call;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Query of the list of deliveries: filter and page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Tenant of the deliveries (`ten_…`); with an operator's key, all tenants if left out.
    tenant_id: Option<String>,
    /// Deliveries for this endpoint (`ep_…`).
    endpoint_id: Option<String>,
    /// Deliveries of this event (`evt_…`).
    event_id: Option<String>,
    /// Deliveries in these states, separated by commas: `pending`, `scheduled`, `held`, `succeeded`, `exhausted`,
    /// `cancelled`.
    #[param(example = "exhausted,cancelled")]
    state: Option<String>,
    /// Deliveries of events accepted at or after this time (RFC 3339), or on or after this day (UTC).
    #[param(example = "2024-03-15T10:30:00Z")]
    since: Option<String>,
    /// Deliveries of events accepted before this time (RFC 3339), or on or before this day (UTC).
    #[param(example = "2024-03-15")]
    until: Option<String>,
    /// Maximum number of deliveries on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^dlv_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// One event for one endpoint, with the state of its delivery.
#[derive(Serialize, ToSchema)]
pub(super) struct Delivery {
    /// The delivery's id: `dlv_` and 32 hexadecimal digits.
    id: String,
    /// Event that is delivered (`evt_…`).
    event_id: String,
    /// Tenant that the event belongs to (`ten_…`).
    tenant_id: String,
    /// Endpoint that it is delivered to (`ep_…`).
    endpoint_id: String,
    /// State: `pending`, `scheduled`, `held`; at the end `succeeded`, `exhausted` or `cancelled`.
    state: String,
    /// Reason for holding or cancelling it, such as `endpoint_disabled` or `by_request`; null in other states.
    reason: Option<String>,
    /// Time at which the next attempt is due (RFC 3339); null if none is scheduled.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Timestamp>,
    /// Number of attempts made so far.
    attempts: u32,
    /// Time of the last change (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    updated_at: Option<Timestamp>,
}

/// Lists deliveries
///
/// Those of the newest events first. A tenant's key sees that tenant's deliveries, an operator's key those of all
/// tenants. A page may have fewer than asked for, with a `next` to go on. Needs the scope `read`.
#[utoipa::path(get, path = "/deliveries", operation_id = "list_deliveries", tag = "deliveries", params(Which), responses(
    (status = 200, description = "The deliveries.", body = Page<Delivery>),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn list(
    State(rest): State<Rest>,
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Delivery>>, Refusal> {
    let question = pb::ListDeliveriesRequest {
        tenant_id: id::<TenantId>(which.tenant_id.as_deref(), "tenant_id")?,
        endpoint_id: id::<EndpointId>(which.endpoint_id.as_deref(), "endpoint_id")?,
        event_id: id::<EventId>(which.event_id.as_deref(), "event_id")?,
        states: listed(which.state),
        since: since(which.since.as_deref())?,
        until: until(which.until.as_deref())?,
        page_size: limit(which.limit)?,
        page_token: id::<DeliveryId>(which.after.as_deref(), "after")?,
    };
    let page = rest.logs.list_deliveries(&call.authorization, question).await;
    let page = page.map_err(as_asked)?;
    let deliveries = page.deliveries.into_iter().map(Delivery::from).collect();
    Ok(Json(Page::new(deliveries, page.next_page_token)))
}

/// Shows a delivery
///
/// Its attempts are `/webhooks/logs?delivery_id=…`. Needs the scope `read`.
#[utoipa::path(get, path = "/deliveries/{delivery_id}", operation_id = "show_delivery", tag = "deliveries",
    params(("delivery_id" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The delivery.", body = Delivery)))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<DeliveryId>) -> Result<Json<Delivery>, Refusal> {
    let delivery = rest.logs.get_delivery(&call.authorization, id.to_string()).await?;
    Ok(Json(delivery.into()))
}

impl From<pb::Delivery> for Delivery {
    fn from(delivery: pb::Delivery) -> Self {
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            tenant_id: delivery.tenant_id,
            endpoint_id: delivery.endpoint_id,
            state: delivery.state,
            reason: text(delivery.reason),
            due_at: time(delivery.due_at),
            attempts: delivery.attempts,
            updated_at: time(delivery.updated_at),
        }
    }
}
