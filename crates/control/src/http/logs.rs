//! `/webhooks/logs`: every attempt that was made, for people who want to know what did or did not arrive.

mod filter;
mod shown;

use axum::Json;
use axum::extract::State;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tidings_domain::AttemptId;
use tidings_proto::pb;
use tidings_service::problem::Document;
use tonic::{Code, Status};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::filter::Filter;
pub(super) use self::shown::Attempt;
use self::shown::LogEntry;
use super::Rest;
use super::answer::{Page, Refusal};
use super::request::{Asked, Id, Known};

/// How many attempts of a page are asked for at once.
const AT_ONCE: usize = 8;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Lists attempts
///
/// Newest first. Everything given must hold; what is separated by commas are alternatives. A tenant's key sees that
/// tenant's attempts, an operator's key those of all tenants. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs", operation_id = "list_logs", tag = "webhooks", params(Filter), responses(
    (status = 200, description = "The attempts, with the beginnings of their bodies.", body = Page<LogEntry>),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn list(
    State(rest): State<Rest>,
    known: Known,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Page<LogEntry>>, Refusal> {
    let question = filter.into_message()?;
    let page = rest.logs.list(&known.authorization, question).await;
    let page = page.map_err(filter::as_asked)?;
    let attempts = stream::iter(page.attempts)
        .map(|attempt| with_bodies(&rest, &known, attempt))
        .buffered(AT_ONCE)
        .map_ok(LogEntry::from)
        .try_collect()
        .await?;
    Ok(Json(Page::new(attempts, page.next_page_token)))
}

/// Shows an attempt
///
/// All that was sent and all that was kept of the answer. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/{attempt_id}", operation_id = "show_log", tag = "webhooks",
    params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses((status = 200, description = "The attempt.", body = Attempt)))]
async fn show(State(rest): State<Rest>, known: Known, Id(id): Id<AttemptId>) -> Result<Json<Attempt>, Refusal> {
    let attempt = rest.logs.get(&known.authorization, id.to_string()).await?;
    Ok(Json(attempt.into()))
}

/// The attempt in full, or as it is if its time to be kept has just ended.
async fn with_bodies(rest: &Rest, known: &Known, attempt: pb::Attempt) -> Result<pb::Attempt, Status> {
    match rest.logs.get(&known.authorization, attempt.id.clone()).await {
        Err(status) if status.code() == Code::NotFound => Ok(attempt),
        found => found,
    }
}
