//! `/webhooks/logs`: every attempt that was made, for people who want to know what did or did not arrive.

mod counts;
mod export;
mod filter;
mod shown;
mod watch;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use tidings_domain::AttemptId;
use tidings_proto::pb;
use tidings_service::problem::Document;
use tonic::{Code, Status};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::counts::{Counts, Spans};
use self::filter::{Export, Filter, Nothing, Part, With};
use self::shown::LogEntry;
pub(super) use self::shown::{Attempt, Header};
use super::Rest;
use super::answer::{Page, Refusal};
use super::request::{Asked, Id};
use super::search::as_asked;
use crate::call::Call;
use crate::now;

/// Number of a page's attempts whose bodies are fetched concurrently.
const AT_ONCE: usize = 8;
/// Interval of comments in an idle stream, so that no proxy in between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(count))
        .routes(routes!(export))
        .routes(routes!(watch))
        .routes(routes!(show))
        .routes(routes!(request_body))
        .routes(routes!(response_body))
}

/// Lists attempts
///
/// Newest first. All given conditions must hold; values separated by commas are alternatives. A tenant's key sees that
/// tenant's attempts, an operator's key those of all tenants. The search of one page is bounded: it may have fewer
/// attempts than asked for, or none, with a `next` to go on. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs", operation_id = "list_logs", tag = "webhooks", params(Filter, Part), responses(
    (status = 200, description = "The attempts, with the beginnings of their bodies.", body = Page<LogEntry>),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn list(
    State(rest): State<Rest>,
    call: Call,
    Asked(asked): Asked<With<Part>>,
) -> Result<Json<Page<LogEntry>>, Refusal> {
    let has_bodies = asked.rest.bodies()?;
    let question = asked.into_message()?;
    let page = rest
        .logs
        .list_attempts(&call.authorization, question)
        .await
        .map_err(as_asked)?;
    let attempts = stream::iter(page.attempts)
        .map(async |attempt| match has_bodies {
            true => with_bodies(&rest, &call, attempt).await,
            false => Ok(attempt),
        })
        .buffered(AT_ONCE)
        .map_ok(LogEntry::from)
        .try_collect()
        .await?;
    Ok(Json(Page::new(attempts, page.next_page_token)))
}

/// Counts attempts
///
/// By outcome, in spans of time. All given conditions must hold; values separated by commas are alternatives. Counting
/// goes from the newest to the oldest attempt and is bounded in time: if it did not come to the end, `counted_since`
/// says how far it came. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/counts", operation_id = "count_logs", tag = "webhooks", params(Filter, Spans),
    responses(
        (status = 200, description = "The counts.", body = Counts),
        (status = 404, description = "There is no such tenant.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn count(
    State(rest): State<Rest>,
    call: Call,
    Asked(asked): Asked<With<Spans>>,
) -> Result<Json<Counts>, Refusal> {
    let (question, bounds) = asked.into_question(now())?;
    let counted = rest.logs.count_attempts(&call.authorization, question).await;
    Ok(Json(Counts::new(&bounds, counted.map_err(as_asked)?)))
}

/// Exports attempts
///
/// Writes all attempts that match the filter, newest first, without headers and bodies, to one file: a JSON document
/// per line, or CSV (RFC 4180) in which texts that a spreadsheet would take for formulas begin with an apostrophe. If
/// the log service goes away before the end, the connection is cut; go on with `after`. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/export", operation_id = "export_logs", tag = "webhooks",
    params(Filter, Export), responses(
    (status = 200, description = "The attempts.", content((String = "application/x-ndjson"), (String = "text/csv"))),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn export(State(rest): State<Rest>, call: Call, Asked(asked): Asked<With<Export>>) -> Result<Response, Refusal> {
    let format = asked.rest.format()?;
    let question = asked.into_message()?;
    // What is to be refused is refused before the file begins.
    let first = rest.logs.list_attempts(&call.authorization, question.clone()).await;
    let first = first.map_err(as_asked)?;
    Ok(export::file(rest.logs, call.authorization, question, first, format))
}

/// Watches attempts
///
/// Server-Sent Events: `attempt`, as in the list and with its id, for each attempt that is recorded from now on;
/// `missed`, with a `count`, where some came too fast. After `Last-Event-ID` the stream begins with what was recorded
/// since, at most 1,000 attempts. When the key is deleted, expires or loses its scope, the last event is `refused`,
/// with a problem document. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/watch", operation_id = "watch_logs", tag = "webhooks",
    params(Filter, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last attempt that was seen.")),
    responses(
        (status = 200, description = "The attempts, until either side ends it.", body = String,
            content_type = "text/event-stream"),
        (status = 404, description = "There is no such tenant.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn watch(
    State(rest): State<Rest>,
    call: Call,
    headers: HeaderMap,
    Asked(asked): Asked<With<Nothing>>,
) -> Result<impl IntoResponse, Refusal> {
    let seen = watch::last_seen(&headers)?;
    let filter = asked.filter.into_message()?;
    let events = watch::events(rest, call, filter, seen).await.map_err(as_asked)?;
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Shows an attempt
///
/// The answer has the whole request, and what was kept of the response. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/{attempt_id}", operation_id = "show_log", tag = "webhooks",
    params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses((status = 200, description = "The attempt.", body = Attempt)))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<AttemptId>) -> Result<Json<Attempt>, Refusal> {
    let attempt = rest.logs.get_attempt(&call.authorization, id.to_string()).await?;
    Ok(Json(attempt.into()))
}

/// Downloads a request's body
///
/// The bytes are those that were sent, and therefore those that were signed. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/{attempt_id}/request-body", operation_id = "download_request_body",
    tag = "webhooks", params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses((status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream")))]
async fn request_body(State(rest): State<Rest>, call: Call, Id(id): Id<AttemptId>) -> Result<Response, Refusal> {
    let attempt = rest.logs.get_attempt(&call.authorization, id.to_string()).await?;
    Ok(file(&format!("{id}-request"), attempt.request_body))
}

/// Downloads a response's body
///
/// The bytes are those that were kept: at most the first 64 KiB. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/{attempt_id}/response-body", operation_id = "download_response_body",
    tag = "webhooks", params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses((status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream")))]
async fn response_body(State(rest): State<Rest>, call: Call, Id(id): Id<AttemptId>) -> Result<Response, Refusal> {
    let attempt = rest.logs.get_attempt(&call.authorization, id.to_string()).await?;
    Ok(file(&format!("{id}-response"), attempt.response_body))
}

/// A download of bytes that others wrote: saved as a file and never opened as a page, whatever is in them.
pub(super) fn file(name: &str, bytes: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.bin\"")),
        (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

/// The attempt in full, or as it is if its time to be kept has just ended.
async fn with_bodies(rest: &Rest, call: &Call, attempt: pb::Attempt) -> Result<pb::Attempt, Status> {
    match rest.logs.get_attempt(&call.authorization, attempt.id.clone()).await {
        Err(status) if status.code() == Code::NotFound => Ok(attempt),
        found => found,
    }
}
