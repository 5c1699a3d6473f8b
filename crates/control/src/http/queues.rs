//! `/queues`: how messages wait, and what was put aside. The log service has the queue and decides who may see it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_proto::pb::settle_parked_request::Which;
use tidings_service::problem::Document;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::{Page, Refusal, text, time};
use super::logs::file;
use super::request::{Asked, At, limit};
use crate::call::Call;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(messages))
        .routes(routes!(message))
        .routes(routes!(body))
        .routes(routes!(requeue))
        .routes(routes!(discard))
        .routes(routes!(requeue_all))
        .routes(routes!(discard_all))
}

/// How it stands with one queue.
#[derive(Serialize, ToSchema)]
struct Queue {
    /// Its name.
    #[schema(example = "tidings.parked.v2")]
    name: String,
    /// What it is: `live`, `bulk` or `retry` (lanes), `delay`, `records`, `parked`, `unrouted`, or
    /// `other`.
    kind: String,
    /// How many messages wait.
    ready: u64,
    /// How many consumers it has.
    consumers: u32,
    /// How many messages of a delay queue have waited long enough and are not in their lane yet, as far as it is known.
    stuck: u64,
}

/// A message that was put aside.
#[derive(Serialize, ToSchema)]
struct Message {
    /// Names it, as long as it is there.
    id: String,
    /// Why it was put aside.
    reason: String,
    /// When; null if the broker did it, which does not say.
    #[schema(value_type = Option<String>, format = DateTime)]
    parked_at: Option<Timestamp>,
    /// What it is: `delivery` or `record`.
    kind: String,
    /// How long its body is, bytes.
    size: u64,
    /// The delivery that it is about, if it is one and can be read.
    delivery_id: Option<String>,
    /// The delivery's event.
    event_id: Option<String>,
    /// Whose it is.
    tenant_id: Option<String>,
    /// Where it goes.
    endpoint_id: Option<String>,
    /// The number of the attempt that it is for.
    attempt: Option<u32>,
}

/// What became of messages.
#[derive(Serialize, ToSchema)]
struct Settled {
    /// How many were requeued or discarded.
    done: u64,
    /// How many stay, because they can't be requeued.
    refused: u64,
    /// Why the last of those can't.
    refusal: Option<String>,
}

/// How many messages to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Part {
    /// How many at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Lists queues
///
/// Lanes, delay queues and what was put aside, with how many messages wait in each. Needs an operator's key with the scope
/// `read`.
#[utoipa::path(get, path = "/queues", operation_id = "list_queues", tag = "queues", responses(
    (status = 200, description = "The queues.", body = Page<Queue>)))]
async fn list(State(rest): State<Rest>, call: Call) -> Result<Json<Page<Queue>>, Refusal> {
    call.require_operator()?;
    let found = rest.logs.queues(&call.authorization).await?;
    Ok(Json(Page::all(found.queues.into_iter().map(Queue::from).collect())))
}

/// Lists messages that were put aside
///
/// The oldest, without their bodies. `parked` has what nobody could read or settle, `unrouted` what had no lane when its
/// wait was over. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/queues/{queue}/messages", operation_id = "list_messages", tag = "queues",
    params(("queue" = String, Path, description = "`parked` or `unrouted`."), Part),
    responses((status = 200, description = "The messages.", body = Page<Message>)))]
async fn messages(
    State(rest): State<Rest>,
    call: Call,
    At([queue]): At<1>,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<Message>>, Refusal> {
    call.require_operator()?;
    let question = pb::ListParkedRequest {
        queue,
        page_size: limit(part.limit)?,
    };
    let found = rest.logs.parked(&call.authorization, question).await?;
    Ok(Json(Page::all(found.messages.into_iter().map(Message::from).collect())))
}

/// Shows a message that was put aside
///
/// Its body is at `…/body`. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/queues/{queue}/messages/{message_id}", operation_id = "show_message", tag = "queues",
    params(
        ("queue" = String, Path, description = "`parked` or `unrouted`."),
        ("message_id" = String, Path, description = "The message's id."),
    ),
    responses((status = 200, description = "The message.", body = Message)))]
async fn message(State(rest): State<Rest>, call: Call, At([queue, id]): At<2>) -> Result<Json<Message>, Refusal> {
    call.require_operator()?;
    let found = rest
        .logs
        .parked_message(&call.authorization, pb::GetParkedRequest { queue, id });
    Ok(Json(found.await?.into()))
}

/// Downloads the body of a message that was put aside
///
/// Byte for byte. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/queues/{queue}/messages/{message_id}/body", operation_id = "download_message_body",
    tag = "queues",
    params(
        ("queue" = String, Path, description = "`parked` or `unrouted`."),
        ("message_id" = String, Path, description = "The message's id."),
    ),
    responses((status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream")))]
async fn body(State(rest): State<Rest>, call: Call, At([queue, id]): At<2>) -> Result<Response, Refusal> {
    call.require_operator()?;
    let found = rest
        .logs
        .parked_message(&call.authorization, pb::GetParkedRequest { queue, id });
    Ok(file("message", found.await?.body.into()))
}

/// Requeues a message that was put aside
///
/// It is published where it came from; one that can't be read stays. The audit log has it. Needs an operator's key with the
/// scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/messages/{message_id}/requeue", operation_id = "requeue_message",
    tag = "queues",
    params(
        ("queue" = String, Path, description = "`parked` or `unrouted`."),
        ("message_id" = String, Path, description = "The message's id."),
    ),
    responses((status = 200, description = "What became of it.", body = Settled)))]
async fn requeue(State(rest): State<Rest>, call: Call, At([queue, id]): At<2>) -> Result<Json<Settled>, Refusal> {
    call.require_operator()?;
    let settled = rest.logs.requeue(&call, one(queue, id)).await?;
    Ok(Json(settled.into()))
}

/// Throws a message away that was put aside
///
/// The ledger keeps what it knows of its delivery, and the sweeper publishes an open one again; a record is lost. The audit
/// log has it. Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/messages/{message_id}/discard", operation_id = "discard_message",
    tag = "queues",
    params(
        ("queue" = String, Path, description = "`parked` or `unrouted`."),
        ("message_id" = String, Path, description = "The message's id."),
    ),
    responses((status = 200, description = "What became of it.", body = Settled)))]
async fn discard(State(rest): State<Rest>, call: Call, At([queue, id]): At<2>) -> Result<Json<Settled>, Refusal> {
    call.require_operator()?;
    let settled = rest.logs.discard(&call, one(queue, id)).await?;
    Ok(Json(settled.into()))
}

/// Requeues all messages that were put aside
///
/// Those that are there now. What can't be read stays. Should it fail in between, what was requeued by then stays so. Needs
/// an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/requeue", operation_id = "requeue_messages", tag = "queues",
    params(("queue" = String, Path, description = "`parked` or `unrouted`.")),
    responses(
        (status = 200, description = "What became of them.", body = Settled),
        (status = 503, description = "The queue is away.", body = Document, content_type = "application/problem+json"),
    ))]
async fn requeue_all(State(rest): State<Rest>, call: Call, At([queue]): At<1>) -> Result<Json<Settled>, Refusal> {
    call.require_operator()?;
    let settled = rest.logs.requeue(&call, all(queue)).await?;
    Ok(Json(settled.into()))
}

/// Throws all messages away that were put aside
///
/// Those that are there now. Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/discard", operation_id = "discard_messages", tag = "queues",
    params(("queue" = String, Path, description = "`parked` or `unrouted`.")),
    responses(
        (status = 200, description = "What became of them.", body = Settled),
        (status = 503, description = "The queue is away.", body = Document, content_type = "application/problem+json"),
    ))]
async fn discard_all(State(rest): State<Rest>, call: Call, At([queue]): At<1>) -> Result<Json<Settled>, Refusal> {
    call.require_operator()?;
    let settled = rest.logs.discard(&call, all(queue)).await?;
    Ok(Json(settled.into()))
}

fn one(queue: String, id: String) -> pb::SettleParkedRequest {
    pb::SettleParkedRequest {
        queue,
        which: Some(Which::Id(id)),
    }
}

fn all(queue: String) -> pb::SettleParkedRequest {
    pb::SettleParkedRequest {
        queue,
        which: Some(Which::All(true)),
    }
}

impl From<pb::QueueDepth> for Queue {
    fn from(depth: pb::QueueDepth) -> Self {
        Self {
            name: depth.name,
            kind: depth.kind,
            ready: depth.ready,
            consumers: depth.consumers,
            stuck: depth.stuck,
        }
    }
}

impl From<pb::ParkedMessage> for Message {
    fn from(message: pb::ParkedMessage) -> Self {
        Self {
            id: message.id,
            reason: message.reason,
            parked_at: time(message.parked_at),
            kind: message.kind,
            size: message.size,
            delivery_id: text(message.delivery_id),
            event_id: text(message.event_id),
            tenant_id: text(message.tenant_id),
            endpoint_id: text(message.endpoint_id),
            attempt: Some(message.attempt).filter(|attempt| *attempt > 0),
        }
    }
}

impl From<pb::SettleParkedResponse> for Settled {
    fn from(settled: pb::SettleParkedResponse) -> Self {
        Self {
            done: settled.done,
            refused: settled.refused,
            refusal: text(settled.refusal),
        }
    }
}
