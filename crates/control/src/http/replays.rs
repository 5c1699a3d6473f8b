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

/// Request for a replay: the rows of the log to send again, the target and the rate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReplayBody {
    /// Tenant of the events (`ten_…`); required with an operator's key.
    tenant_id: Option<String>,
    /// Rows of the log to send again: each is an event and the endpoint it went to.
    rows: Rows,
    /// Endpoint that receives everything (`ep_…`); if left out, each event goes where it went before. Required with
    /// rows of `events`.
    endpoint_id: Option<String>,
    /// True to skip events that the endpoint has received by now.
    #[serde(default)]
    only_undelivered: bool,
    /// Maximum number of deliveries created per second. Endpoints' own limits hold as always.
    #[schema(minimum = 1, maximum = 10_000, default = 200)]
    per_second: Option<u32>,
}

/// Rows of the log that a replay would process.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewBody {
    /// Tenant of the events (`ten_…`); required with an operator's key.
    tenant_id: Option<String>,
    /// Rows of the log to count.
    rows: Rows,
}

/// Number of rows that a replay would process.
#[derive(Serialize, ToSchema)]
struct Preview {
    /// Number of matching rows right now.
    rows: u64,
    /// True if there are more rows than were counted.
    at_least: bool,
}

/// Time range in which an endpoint missed events.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Recovery {
    /// Events accepted at or after this time (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Events accepted before this time (RFC 3339); now if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Maximum number of deliveries created per second.
    #[schema(minimum = 1, maximum = 10_000, default = 200)]
    per_second: Option<u32>,
}

/// A job that sends events again, as new deliveries.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replay {
    /// The replay's id: `rpl_` and 32 hexadecimal digits.
    id: String,
    /// Tenant that the events belong to (`ten_…`).
    tenant_id: String,
    /// Rows of the log that it processes, newest first.
    rows: Rows,
    /// Endpoint that receives everything (`ep_…`); null if each event goes where it went before.
    endpoint_id: Option<String>,
    /// True if events that the endpoint has received by now are skipped.
    only_undelivered: bool,
    /// Maximum number of deliveries created per second.
    per_second: u32,
    /// State: `running` or `paused`; at the end `succeeded`, `cancelled` or `failed`.
    state: String,
    /// Known number of rows: those counted at creation, or those processed if they are more.
    matched: u64,
    /// True if there may be more rows than `matched`.
    matched_at_least: bool,
    /// Number of rows processed so far.
    walked: u64,
    /// Number of deliveries created from those rows.
    deliveries: u64,
    /// Number of rows skipped: delivered by now, made already, tests, or without an endpoint or content.
    skipped: u64,
    /// Reason of the failure; null unless `state` is `failed`.
    error: Option<String>,
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

/// Result of sending one delivery again.
#[derive(Serialize, ToSchema)]
struct Retry {
    /// Delivery to look at (`dlv_…`): a new one, or the same whose wait was ended.
    delivery_id: String,
    /// Result: `sent_again` (a new delivery), `due_now` (its wait was ended), `already_due` (it was not waiting any
    /// more) or `under_way` (its attempt was on its way). The last two changed nothing.
    #[schema(example = "due_now")]
    result: &'static str,
    /// The result in an English sentence.
    note: &'static str,
}

/// Query of the list of replays.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Tenant of the replays (`ten_…`); required with an operator's key.
    tenant_id: Option<String>,
    /// Maximum number of replays on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^rpl_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// Starts a replay
///
/// Each row of the log is an event, and the endpoint it went to, to send again: as a new delivery of the same event, so
/// receivers see the same event id. A replay goes on after restarts of Tidings, and processes the newest rows first.
/// Needs the scopes `manage` and `read`.
#[utoipa::path(post, path = "/replays", operation_id = "create_replay", tag = "replays", request_body = NewReplayBody,
    responses(
        (status = 201, description = "The replay.", body = Replay, headers(
            ("Location" = String, description = "Path of the replay."))),
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
        rows: asked.rows.into_rows(asked.tenant_id)?,
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
        (status = 200, description = "The number of matching rows.", body = Preview),
        (status = 404, description = "There is no such tenant.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn preview(
    State(rest): State<Rest>,
    call: Call,
    Body(asked): Body<PreviewBody>,
) -> Result<Json<Preview>, Refusal> {
    call.require(Scope::Read)?;
    let rows = asked.rows.into_rows(asked.tenant_id)?;
    let counted = rest.replays.preview(&call, &rows).await?;
    Ok(Json(Preview {
        rows: counted.rows,
        at_least: counted.at_least,
    }))
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
            ("Location" = String, description = "Path of the replay."))),
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
/// It is sent at once. A delivery that has ended is sent as a new delivery of the same event; one that waits is due
/// now. Needs the scopes `manage` and `read`.
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
        delivery_id: retried.delivery.to_string(),
        result: retried.result,
        note: retried.note,
    };
    Ok((StatusCode::ACCEPTED, Json(retry)))
}

/// Reads the requested rate; 0 in the result stands for the default. A requested 0 is refused (`rate_invalid`).
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
