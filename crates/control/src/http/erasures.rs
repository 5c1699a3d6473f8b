//! `/erasures`: removing content for good.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_domain::{ErasureId, EventId, Scope, TenantId, Timestamp};
use tidings_proto::pb;
use tidings_service::problem::{Document, Problem};
use tidings_service::request::next_page;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Page, Refusal, location, text, time};
use super::request::{Asked, Body, Id, given, limit};
use crate::call::Call;
use crate::messages::jobs;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show))
}

/// Content to erase: of one event, or of a whole tenant. Exactly one field is given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewErasure {
    /// Event whose content is erased (`evt_…`): its payload, and request and response bodies of its attempts. That it
    /// happened stays on record; what was not delivered yet is cancelled.
    event_id: Option<String>,
    /// Tenant of whose log everything is erased (`ten_…`): events, deliveries, attempts, idempotency keys, replays. The
    /// tenant itself stays. Needs an operator's key.
    tenant_id: Option<String>,
}

/// A job that removes content from the log for good.
#[derive(Serialize, ToSchema)]
struct Erasure {
    /// The erasure's id: `ers_` and 32 hexadecimal digits.
    id: String,
    /// Tenant that the content belongs to (`ten_…`).
    tenant_id: String,
    /// Event whose content is erased (`evt_…`); null for everything of the tenant.
    event_id: Option<String>,
    /// State of the job: `running` or `succeeded`.
    state: String,
    /// Number of events erased so far.
    events: u64,
    /// Number of deliveries cancelled (one event) or removed (a tenant).
    deliveries: u64,
    /// Number of attempts emptied (one event) or removed (a tenant).
    attempts: u64,
    /// Time of the request that created it (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// Time of the last progress (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
    /// Time of the end (RFC 3339); null until then.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// Query of the list of erasures.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Tenant of the erasures (`ten_…`); with an operator's key, all tenants if left out.
    tenant_id: Option<String>,
    /// Maximum number of erasures on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^ers_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// Starts an erasure
///
/// Erased content can't be restored. Needs the scopes `manage` and `read`; everything of a tenant takes an operator's
/// key.
#[utoipa::path(post, path = "/erasures", operation_id = "create_erasure", tag = "erasures", request_body = NewErasure,
    responses(
        (status = 202, description = "The erasure.", body = Erasure, headers(
            ("Location" = String, description = "Path of the erasure."))),
        (status = 404, description = "There is no such event.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn create(
    State(rest): State<Rest>,
    call: Call,
    Body(asked): Body<NewErasure>,
) -> Result<impl IntoResponse, Refusal> {
    call.require(Scope::Manage)?;
    let event: Option<EventId> = given(asked.event_id.as_deref(), "event_id")?;
    let tenant: Option<TenantId> = given(asked.tenant_id.as_deref(), "tenant_id")?;
    let erasure = match (event, tenant) {
        (Some(event), None) => rest.erasures.of_event(&call, event).await?,
        (None, Some(tenant)) => rest.erasures.of_tenant(&call, tenant).await?,
        _ => {
            let detail = "give exactly one of `event_id` and `tenant_id`";
            return Err(Problem::invalid("target_ambiguous", detail).at("event_id").into());
        }
    };
    let headers = [location("erasures", &erasure.id)];
    Ok((
        StatusCode::ACCEPTED,
        headers,
        Json(Erasure::from(jobs::erasure(&erasure))),
    ))
}

/// Lists erasures
///
/// Newest first. Needs the scope `read`.
#[utoipa::path(get, path = "/erasures", operation_id = "list_erasures", tag = "erasures", params(Which), responses(
    (status = 200, description = "The erasures.", body = Page<Erasure>),
    (status = 404, description = "There is no such tenant.", body = Document, content_type = "application/problem+json"),
))]
async fn list(
    State(rest): State<Rest>,
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Erasure>>, Problem> {
    let tenant: Option<TenantId> = given(which.tenant_id.as_deref(), "tenant_id")?;
    let (limit, before) = (limit(which.limit)?, given(which.after.as_deref(), "after")?);
    let erasures = rest.erasures.list(&call, tenant, before, limit).await?;
    let next = next_page(&erasures, limit, |erasure| erasure.id.to_string());
    let erasures = erasures.iter().map(jobs::erasure).map(Erasure::from);
    Ok(Json(Page::new(erasures.collect(), next)))
}

/// Shows an erasure and what it removed
///
/// Needs the scope `read`.
#[utoipa::path(get, path = "/erasures/{erasure_id}", operation_id = "show_erasure", tag = "erasures",
    params(("erasure_id" = String, Path, description = "The erasure's id.")),
    responses((status = 200, description = "The erasure.", body = Erasure)))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<ErasureId>) -> Result<Json<Erasure>, Problem> {
    let erasure = rest.erasures.get(&call, id).await?;
    Ok(Json(jobs::erasure(&erasure).into()))
}

impl From<pb::Erasure> for Erasure {
    fn from(erasure: pb::Erasure) -> Self {
        Self {
            id: erasure.id,
            tenant_id: erasure.tenant_id,
            event_id: text(erasure.event_id),
            state: erasure.state,
            events: erasure.events,
            deliveries: erasure.deliveries,
            attempts: erasure.attempts,
            created_at: time(erasure.created_at),
            updated_at: time(erasure.updated_at),
            ended_at: time(erasure.ended_at),
        }
    }
}
