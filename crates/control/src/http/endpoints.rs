//! `/endpoints`: receivers of tenants, with their settings and secrets.

mod asked;
mod authentication;
mod shown;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_domain::{Endpoint as Kept, EndpointId};
use tidings_proto::pb;
use tidings_service::problem::{Document, Problem};
use tidings_service::request::next_page;
use tidings_store::registry::EndpointQuery;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::asked::{EndpointPatch, NewEndpoint};
pub(crate) use self::shown::Endpoint;
use self::shown::{Preview, RotatedSecret, Secret};
use super::Rest;
use super::answer::{Page, Refusal, etag, location};
use super::logs::Attempt;
use super::request::{Asked, Body, Id, duration, given, limit};
use crate::call::Call;
use crate::endpoints::EndpointChange;
use crate::messages;
use crate::precondition::Precondition;
use crate::send_test;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, change, delete))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(secret))
        .routes(routes!(rotate_secret))
        .routes(routes!(test))
        .routes(routes!(preview))
}

/// Query of the list of endpoints: filter and page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Tenant of the endpoints (`ten_…`); with an operator's key, all tenants if left out.
    tenant_id: Option<String>,
    /// State of the endpoints: `on`, `failing` (on, and nothing has succeeded since a delivery was given up), `off` (by
    /// people) or `turned_off` (by Tidings).
    #[param(pattern = "^(on|failing|off|turned_off)$", example = "failing")]
    state: Option<String>,
    /// Host of the endpoints' URLs, without the port.
    #[param(example = "hooks.example.com")]
    host: Option<String>,
    /// Name of the dialect that the endpoints use.
    #[param(example = "slack")]
    dialect: Option<String>,
    /// Maximum number of endpoints on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^ep_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// Fate of deliveries that were held while an endpoint was off: `release` sends them at the endpoint's own pace,
/// `cancel` cancels those held at this moment, but not those held or sent again afterwards.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Held {
    /// The deliveries are sent, at the endpoint's own pace.
    #[default]
    Release,
    /// Deliveries held at this moment are cancelled; those held or sent again afterwards are not.
    Cancel,
}

/// Options of turning an endpoint on.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Enable {
    /// Fate of the held deliveries; they are sent if this is left out.
    #[serde(default)]
    held: Held,
}

/// Options of a secret's rotation.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// New secret; generated if left out, of the kind the endpoint has (`whsec_…` or `whsk_…`).
    secret: Option<String>,
    /// Time for which the old secret still signs: up to `7days`, `24h` if left out, `0s` for not at all.
    #[schema(example = "24h")]
    overlap: Option<String>,
}

/// Event to test an endpoint with.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Test {
    /// Event type that the dialect has a sample of, or with `payload` any; the dialect's first sample if left out.
    #[schema(example = "feedback.created")]
    event_type: Option<String>,
    /// Content of the event, any JSON; the dialect's sample if left out.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<Box<RawValue>>,
}

/// Makes an endpoint
///
/// The answer contains its secret. Needs the scope `manage`.
#[utoipa::path(post, path = "/endpoints", operation_id = "create_endpoint", tag = "endpoints", request_body = NewEndpoint, responses(
    (status = 201, description = "The endpoint, with its secret.", body = Endpoint, headers(
        ("ETag" = String, description = "The endpoint's state."),
        ("Location" = String, description = "Path of the endpoint."),
    )),
    (status = 404, description = "There is no such tenant.", body = Document, content_type = "application/problem+json"),
    (status = 429, description = "The tenant has as many endpoints as it may have.", body = Document,
        content_type = "application/problem+json"),
))]
async fn create(
    State(rest): State<Rest>,
    call: Call,
    Body(asked): Body<NewEndpoint>,
) -> Result<impl IntoResponse, Problem> {
    let (asked, enabled) = asked.into_message()?;
    let new = messages::asked::new_endpoint(asked, enabled)?;
    let endpoint = rest.endpoints.create(&call, new).await?;
    let headers = [etag(endpoint.updated_at), location("endpoints", &endpoint.id)];
    let shown = Endpoint::from(messages::shown::created(&endpoint, &rest.dialects));
    Ok((StatusCode::CREATED, headers, Json(shown)))
}

/// Lists endpoints
///
/// Newest first, without their secrets. A tenant's key sees that tenant's endpoints, an operator's key those of all
/// tenants. Needs the scope `read`.
#[utoipa::path(get, path = "/endpoints", operation_id = "list_endpoints", tag = "endpoints", params(Which), responses(
    (status = 200, description = "The endpoints.", body = Page<Endpoint>),
    (status = 404, description = "There is no such tenant.", body = Document, content_type = "application/problem+json"),
))]
async fn list(
    State(rest): State<Rest>,
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Endpoint>>, Problem> {
    let limit = limit(which.limit)?;
    let query = EndpointQuery {
        tenant: given(which.tenant_id.as_deref(), "tenant_id")?,
        state: which.state.as_deref().map(messages::asked::state).transpose()?,
        host: which.host,
        dialect: which.dialect,
        before: given(which.after.as_deref(), "after")?,
        limit,
    };
    let endpoints = rest.endpoints.search(&call, query).await?;
    let next = next_page(&endpoints, limit, |endpoint| endpoint.id.to_string());
    let endpoints = endpoints
        .iter()
        .map(|endpoint| messages::shown::show(endpoint, &rest.dialects));
    Ok(Json(Page::new(endpoints.map(Endpoint::from).collect(), next)))
}

/// Shows an endpoint
///
/// Without its secret. Needs the scope `read`.
#[utoipa::path(get, path = "/endpoints/{endpoint_id}", operation_id = "show_endpoint", tag = "endpoints",
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses((status = 200, description = "The endpoint.", body = Endpoint, headers(
        ("ETag" = String, description = "The endpoint's state.")))))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<EndpointId>) -> Result<impl IntoResponse, Problem> {
    Ok(shown(&rest, &rest.endpoints.get(&call, id).await?))
}

/// Changes an endpoint
///
/// Fields that are sent are replaced, all others stay; null restores the value that a new endpoint has when the field
/// is left out. Needs the scope `manage`.
#[utoipa::path(patch, path = "/endpoints/{endpoint_id}", operation_id = "change_endpoint", tag = "endpoints", request_body = EndpointPatch,
    params(
        ("endpoint_id" = String, Path, description = "The endpoint's id."),
        ("If-Match" = Option<String>, Header, description = "Changes it only if this is still its `ETag`."),
    ),
    responses(
        (status = 200, description = "The endpoint as it is now.", body = Endpoint, headers(
            ("ETag" = String, description = "The endpoint's state."))),
        (status = 409, description = "Others keep changing it.", body = Document,
            content_type = "application/problem+json"),
        (status = 412, description = "It is no longer as `If-Match` says.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn change(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    precondition: Precondition,
    Body(patch): Body<EndpointPatch>,
) -> Result<impl IntoResponse, Problem> {
    let (asked, fields) = patch.into_message()?;
    let change = EndpointChange {
        precondition,
        ..messages::asked::change(&asked, &fields)?
    };
    Ok(shown(&rest, &rest.endpoints.update(&call, id, change).await?))
}

/// Deletes an endpoint
///
/// Its open deliveries are cancelled; its log stays. Needs the scope `manage`.
#[utoipa::path(delete, path = "/endpoints/{endpoint_id}", operation_id = "delete_endpoint", tag = "endpoints",
    params(
        ("endpoint_id" = String, Path, description = "The endpoint's id."),
        ("If-Match" = Option<String>, Header, description = "Deletes it only if this is still its `ETag`."),
    ),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It is no longer as `If-Match` says.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn delete(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    precondition: Precondition,
) -> Result<StatusCode, Problem> {
    rest.endpoints.delete(&call, id, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Turns deliveries on
///
/// What was held is sent, or cancelled if so asked. Needs the scope `manage`.
#[utoipa::path(post, path = "/endpoints/{endpoint_id}/enable", operation_id = "enable_endpoint", tag = "endpoints", request_body = Option<Enable>,
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses(
        (status = 200, description = "The endpoint as it is now.", body = Endpoint),
        (status = 409, description = "Others keep changing it.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn enable(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    Body(asked): Body<Option<Enable>>,
) -> Result<impl IntoResponse, Problem> {
    let change = EndpointChange {
        enabled: Some(true),
        cancel_held: asked.unwrap_or_default().held == Held::Cancel,
        ..EndpointChange::default()
    };
    Ok(shown(&rest, &rest.endpoints.update(&call, id, change).await?))
}

/// Turns deliveries off
///
/// They are held until the endpoint is enabled. Needs the scope `manage`.
#[utoipa::path(post, path = "/endpoints/{endpoint_id}/disable", operation_id = "disable_endpoint", tag = "endpoints",
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses(
        (status = 200, description = "The endpoint as it is now.", body = Endpoint),
        (status = 409, description = "Others keep changing it.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn disable(State(rest): State<Rest>, call: Call, Id(id): Id<EndpointId>) -> Result<impl IntoResponse, Problem> {
    let change = EndpointChange {
        enabled: Some(false),
        ..EndpointChange::default()
    };
    Ok(shown(&rest, &rest.endpoints.update(&call, id, change).await?))
}

/// Shows an endpoint's secret
///
/// Needs the scope `manage`.
#[utoipa::path(get, path = "/endpoints/{endpoint_id}/secret", operation_id = "show_secret", tag = "endpoints",
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses((status = 200, description = "The secret.", body = Secret)))]
async fn secret(State(rest): State<Rest>, call: Call, Id(id): Id<EndpointId>) -> Result<Json<Secret>, Problem> {
    let secret = rest.endpoints.secret(&call, id).await?;
    Ok(Json(Secret {
        secret: secret.map(|secret| secret.reveal().to_owned()),
    }))
}

/// Replaces an endpoint's secret
///
/// The old secret goes on signing for a while. Where the dialect has room for several signatures, both sign; elsewhere
/// the old one signs until then and the new one afterwards. Needs the scope `manage`.
#[utoipa::path(post, path = "/endpoints/{endpoint_id}/rotate-secret", operation_id = "rotate_secret", tag = "endpoints",
    request_body = Option<Rotation>,
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses(
        (status = 200, description = "The new secret.", body = RotatedSecret),
        (status = 409, description = "Requests to it are not signed, or others keep changing it.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn rotate_secret(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    Body(asked): Body<Option<Rotation>>,
) -> Result<Json<RotatedSecret>, Problem> {
    let asked = asked.unwrap_or_default();
    let overlap = asked.overlap.map(|text| duration(&text, "overlap")).transpose()?;
    let (secret, overlap) = messages::asked::rotation(&pb::RotateEndpointSecretRequest {
        endpoint_id: id.to_string(),
        secret: asked.secret.unwrap_or_default(),
        overlap,
    })?;
    let endpoint = rest.endpoints.rotate_secret(&call, id, secret, overlap).await?;
    Ok(Json(messages::shown::rotated(&endpoint, &rest.dialects).into()))
}

/// Sends a test to an endpoint
///
/// The test is sent at once, also to an endpoint that is off, and it is never retried. Needs the scope `manage`.
#[utoipa::path(post, path = "/endpoints/{endpoint_id}/test", operation_id = "send_test", tag = "endpoints", request_body = Option<Test>,
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses(
        (status = 200, description = "The attempt with its request and response, successful or not.", body = Attempt),
        (status = 429, description = "Several tests of the tenant are under way.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn test(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    Body(asked): Body<Option<Test>>,
) -> Result<Json<Attempt>, Refusal> {
    let asked = asked.unwrap_or_default();
    let payload = asked.payload.map(|payload| Box::<str>::from(payload).into_string());
    let payload = payload.unwrap_or_default().into_bytes();
    let event_type = asked.event_type.unwrap_or_default();
    let sent = send_test::send(&rest.endpoints, &rest.dispatchers, &call, id, event_type, payload).await?;
    Ok(Json(messages::records::show_attempt_in_full(sent).into()))
}

/// Shows what a test would send
///
/// Renders and signs the request of a test without sending it; secrets in it are masked. Needs the scope `manage`.
#[utoipa::path(post, path = "/endpoints/{endpoint_id}/preview", operation_id = "preview_test", tag = "endpoints",
    request_body = Option<Test>,
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")),
    responses(
        (status = 200, description = "The request.", body = Preview),
        (status = 409, description = "The dialect can't make a request of this for this endpoint.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn preview(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    Body(asked): Body<Option<Test>>,
) -> Result<Json<Preview>, Problem> {
    let asked = asked.unwrap_or_default();
    let payload = asked.payload.map(|payload| Box::<str>::from(payload).into_string());
    let payload = payload.unwrap_or_default().into_bytes();
    let event_type = asked.event_type.unwrap_or_default();
    let preview = rest.signatures.preview(&call, id, &event_type, payload).await?;
    Ok(Json(preview.into()))
}

fn shown(rest: &Rest, endpoint: &Kept) -> impl IntoResponse + use<> {
    let shown = Endpoint::from(messages::shown::show(endpoint, &rest.dialects));
    ([etag(endpoint.updated_at)], Json(shown))
}
