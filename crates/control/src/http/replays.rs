//! `/replays`, `/endpoints/{id}/recover` and `/deliveries/{id}/retry`: sending again.

mod rows;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_domain::{DeliveryId, EndpointId, ReplayId, Scope, TenantId, Timestamp};
use tidings_proto::pb;
use tidings_service::problem::{Document, Problem};
use tidings_service::request::next_page;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::rows::Rows;
use super::Rest;
use super::answer::{Page, Refusal, location, text, time};
use super::request::{Asked, Body, Id, given, limit};
use crate::call::Call;
use crate::messages::jobs;
use crate::replays::NewReplay;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(preview))
        .routes(routes!(show))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .routes(routes!(recover))
        .routes(routes!(retry))
}

/// What to send again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReplayBody {
    /// Whose events; required with an operator's key.
    tenant_id: Option<String>,
    /// Which rows of the log.
    rows: Rows,
    /// The endpoint that everything goes to; where each went before if left out. Required with `events`.
    endpoint_id: Option<String>,
    /// Whether events that the endpoint got by now are left out.
    #[serde(default)]
    only_undelivered: bool,
    /// At most so many deliveries are made per second. Endpoints' own limits hold as always.
    #[schema(minimum = 1, maximum = 10_000, default = 200)]
    per_second: Option<u32>,
}

/// What would be gone through.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewBody {
    /// Whose events; required with an operator's key.
    tenant_id: Option<String>,
    /// Which rows of the log.
    rows: Rows,
}

/// How much a replay would go through.
#[derive(Serialize, ToSchema)]
struct Preview {
    /// How many rows there are now.
    rows: u64,
    /// Whether there are more than were counted.
    at_least: bool,
}

/// Since when an endpoint has missed something.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Recovery {
    /// Events accepted at or after this time (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Events accepted before this time; now if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// At most so many deliveries are made per second.
    #[schema(minimum = 1, maximum = 10_000, default = 200)]
    per_second: Option<u32>,
}

/// A job that sends again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replay {
    /// Its id (`rpl_…`).
    id: String,
    /// Whose events (`ten_…`).
    tenant_id: String,
    /// Which rows of the log, newest first.
    rows: Rows,
    /// The endpoint that everything goes to; null for where each went before.
    endpoint_id: Option<String>,
    /// Whether events that the endpoint got by now are left out.
    only_undelivered: bool,
    /// At most so many deliveries are made per second.
    per_second: u32,
    /// `running` or `paused`; at the end `succeeded`, `cancelled` or `failed`.
    state: String,
    /// How many rows there were when it was made.
    matched: u64,
    /// Whether there were more than were counted.
    matched_at_least: bool,
    /// How many rows were gone through.
    walked: u64,
    /// How many deliveries were made of them.
    deliveries: u64,
    /// How many rows were left out: delivered by now, made already, tests, or without an endpoint or content.
    skipped: u64,
    /// Why it failed.
    error: Option<String>,
    /// When it was asked for.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// When it last got on.
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// Where a delivery is sent again.
#[derive(Serialize, ToSchema)]
struct Retry {
    /// The delivery to look at: a new one, or the same whose wait was ended.
    delivery_id: String,
    /// What came of it: `sent_again` (a new delivery), `due_now` (its wait was ended), `already_due` or `under_way` (nothing
    /// changed).
    #[schema(example = "due_now")]
    result: String,
    /// The same in a sentence.
    note: String,
}

/// Which replays to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Whose; required with an operator's key.
    tenant_id: Option<String>,
    /// How many at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where the last page ended: its `next`.
    #[param(pattern = "^rpl_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// Starts a replay
///
/// Each row of the log is an event, and the endpoint it went to, to send again: as a new delivery of the same event, so
/// receivers see the same event id. Goes on although processes die; newest rows come first. Needs the scopes `manage` and
/// `read`.
#[utoipa::path(post, path = "/replays", operation_id = "create_replay", tag = "replays", request_body = NewReplayBody,
    responses(
        (status = 201, description = "The replay.", body = Replay, headers(
            ("Location" = String, description = "Where it is found."))),
        (status = 404, description = "There is no such tenant or endpoint.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn create(
    State(rest): State<Rest>,
    call: Call,
    Body(asked): Body<NewReplayBody>,
) -> Result<impl IntoResponse, Refusal> {
    call.require(Scope::Manage)?;
    let new = NewReplay {
        rows: asked.rows.into_message(asked.tenant_id)?,
        to: given(asked.endpoint_id.as_deref(), "endpoint_id")?,
        only_undelivered: asked.only_undelivered,
        per_second: per_second(asked.per_second)?,
    };
    let replay = rest.replays.create(&call, new).await?;
    let headers = [location("replays", &replay.id)];
    Ok((StatusCode::CREATED, headers, Json(Replay::from(jobs::replay(&replay)))))
}

/// Counts what a replay would go through
///
/// Needs the scope `read`.
#[utoipa::path(post, path = "/replays/preview", operation_id = "preview_replay", tag = "replays",
    request_body = PreviewBody, responses(
        (status = 200, description = "How much there is.", body = Preview),
        (status = 404, description = "There is no such tenant.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn preview(
    State(rest): State<Rest>,
    call: Call,
    Body(asked): Body<PreviewBody>,
) -> Result<Json<Preview>, Refusal> {
    call.require(Scope::Read)?;
    let rows = asked.rows.into_message(asked.tenant_id)?;
    let (rows, at_least) = rest.replays.preview(&call, rows).await?;
    Ok(Json(Preview { rows, at_least }))
}

/// Lists a tenant's replays
///
/// Newest first. Needs the scope `read`.
#[utoipa::path(get, path = "/replays", operation_id = "list_replays", tag = "replays", params(Which), responses(
    (status = 200, description = "The replays.", body = Page<Replay>),
    (status = 404, description = "There is no such tenant.", body = Document, content_type = "application/problem+json"),
))]
async fn list(State(rest): State<Rest>, call: Call, Asked(which): Asked<Which>) -> Result<Json<Page<Replay>>, Problem> {
    let tenant: Option<TenantId> = given(which.tenant_id.as_deref(), "tenant_id")?;
    let (limit, before) = (limit(which.limit)?, given(which.after.as_deref(), "after")?);
    let replays = rest.replays.list(&call, tenant, before, limit).await?;
    let next = next_page(&replays, limit, |replay| replay.id.to_string());
    let replays = replays.iter().map(jobs::replay).map(Replay::from);
    Ok(Json(Page::new(replays.collect(), next)))
}

/// Shows a replay and how far it is
///
/// Needs the scope `read`.
#[utoipa::path(get, path = "/replays/{replay_id}", operation_id = "show_replay", tag = "replays",
    params(("replay_id" = String, Path, description = "The replay's id.")),
    responses((status = 200, description = "The replay.", body = Replay)))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<ReplayId>) -> Result<Json<Replay>, Problem> {
    let replay = rest.replays.get(&call, id).await?;
    Ok(Json(jobs::replay(&replay).into()))
}

/// Stops a replay until it is resumed
///
/// Deliveries that were made already are sent. Needs the scope `manage`.
#[utoipa::path(post, path = "/replays/{replay_id}/pause", operation_id = "pause_replay", tag = "replays",
    params(("replay_id" = String, Path, description = "The replay's id.")), responses(
        (status = 200, description = "The replay.", body = Replay),
        (status = 409, description = "It has ended.", body = Document, content_type = "application/problem+json"),
    ))]
async fn pause(State(rest): State<Rest>, call: Call, Id(id): Id<ReplayId>) -> Result<Json<Replay>, Problem> {
    let replay = rest.replays.pause(&call, id).await?;
    Ok(Json(jobs::replay(&replay).into()))
}

/// Lets a paused replay go on
///
/// Needs the scope `manage`.
#[utoipa::path(post, path = "/replays/{replay_id}/resume", operation_id = "resume_replay", tag = "replays",
    params(("replay_id" = String, Path, description = "The replay's id.")), responses(
        (status = 200, description = "The replay.", body = Replay),
        (status = 409, description = "It has ended.", body = Document, content_type = "application/problem+json"),
    ))]
async fn resume(State(rest): State<Rest>, call: Call, Id(id): Id<ReplayId>) -> Result<Json<Replay>, Problem> {
    let replay = rest.replays.resume(&call, id).await?;
    Ok(Json(jobs::replay(&replay).into()))
}

/// Ends a replay
///
/// Deliveries that were made already are sent. Needs the scope `manage`.
#[utoipa::path(post, path = "/replays/{replay_id}/cancel", operation_id = "cancel_replay", tag = "replays",
    params(("replay_id" = String, Path, description = "The replay's id.")), responses(
        (status = 200, description = "The replay.", body = Replay),
        (status = 409, description = "It has ended.", body = Document, content_type = "application/problem+json"),
    ))]
async fn cancel(State(rest): State<Rest>, call: Call, Id(id): Id<ReplayId>) -> Result<Json<Replay>, Problem> {
    let replay = rest.replays.cancel(&call, id).await?;
    Ok(Json(jobs::replay(&replay).into()))
}

/// Sends what an endpoint did not get
///
/// Starts a replay of the deliveries that were given up since a time, without the events that the endpoint got later.
/// Needs the scopes `manage` and `read`.
#[utoipa::path(post, path = "/endpoints/{endpoint_id}/recover", operation_id = "recover_endpoint", tag = "endpoints",
    params(("endpoint_id" = String, Path, description = "The endpoint's id.")), request_body = Recovery, responses(
        (status = 201, description = "The replay.", body = Replay, headers(
            ("Location" = String, description = "Where it is found."))),
    ))]
async fn recover(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<EndpointId>,
    Body(asked): Body<Recovery>,
) -> Result<impl IntoResponse, Refusal> {
    let per_second = per_second(asked.per_second)?;
    let replay = rest
        .replays
        .recover(&call, id, Some(asked.since), asked.until, per_second)
        .await?;
    let headers = [location("replays", &replay.id)];
    Ok((StatusCode::CREATED, headers, Json(Replay::from(jobs::replay(&replay)))))
}

/// Sends one delivery again
///
/// At once: one that ended as a new delivery of the same event, one that waits by ending its wait. Needs the scopes
/// `manage` and `read`.
#[utoipa::path(post, path = "/deliveries/{delivery_id}/retry", operation_id = "retry_delivery", tag = "deliveries",
    params(("delivery_id" = String, Path, description = "The delivery's id.")), responses(
        (status = 202, description = "It is sent again.", body = Retry),
        (status = 409, description = "Its endpoint is off, or its event's content was erased.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn retry(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<DeliveryId>,
) -> Result<(StatusCode, Json<Retry>), Refusal> {
    let retried = rest.replays.retry(&call, id).await?;
    let retry = Retry {
        delivery_id: retried.delivery_id,
        result: retried.result,
        note: retried.note,
    };
    Ok((StatusCode::ACCEPTED, Json(retry)))
}

/// The rate that is asked for; 0 for the usual one.
fn per_second(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        Some(0) => {
            let detail = "a replay that makes nothing never ends: pause it instead";
            Err(Problem::invalid("rate_invalid", detail).at("per_second"))
        }
        asked => Ok(asked.unwrap_or(0)),
    }
}

impl From<pb::Replay> for Replay {
    fn from(replay: pb::Replay) -> Self {
        Self {
            id: replay.id,
            tenant_id: replay.tenant_id,
            rows: replay.rows.unwrap_or_default().into(),
            endpoint_id: text(replay.endpoint_id),
            only_undelivered: replay.only_undelivered,
            per_second: replay.per_second,
            state: replay.state,
            matched: replay.matched,
            matched_at_least: replay.matched_at_least,
            walked: replay.walked,
            deliveries: replay.deliveries,
            skipped: replay.skipped,
            error: text(replay.error),
            created_at: time(replay.created_at),
            updated_at: time(replay.updated_at),
            ended_at: time(replay.ended_at),
        }
    }
}
