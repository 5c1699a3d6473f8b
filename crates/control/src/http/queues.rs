//! `/queues`: queues with their waiting messages, and the messages that were set aside. The log service has the queue
//! and decides who may see it.

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
use crate::logs::QueueState;

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

/// State of one queue: its kind, messages and consumers.
#[derive(Serialize, ToSchema)]
struct Queue {
    /// Name of the queue, at the broker.
    #[schema(example = "tidings.parked.v2")]
    name: String,
    /// Kind: `live`, `bulk` or `retry` (lanes), `delay`, `records`, `parked`, `unrouted`, or `other`.
    kind: String,
    /// Number of waiting messages. The embedded queue counts unsettled and delayed messages with their lane.
    ready: u64,
    /// Number of consumers connected to it.
    consumers: u32,
    /// Number of messages of a delay queue whose delay has passed and that are not in their lane yet, as far as the
    /// process that answers knows.
    stuck: u64,
}

/// A message that was set aside.
#[derive(Serialize, ToSchema)]
struct Message {
    /// Id of the message, valid for as long as it is there.
    id: String,
    /// Reason for which it was set aside.
    reason: String,
    /// Time at which it was set aside (RFC 3339); null if the broker did it, which records no time.
    #[schema(value_type = Option<String>, format = DateTime)]
    parked_at: Option<Timestamp>,
    /// Content of the message: `delivery` or `record`.
    kind: String,
    /// Size of the body, in bytes.
    size: u64,
    /// Delivery that it is about (`dlv_…`); null if it is a record or can't be read, and then the next fields are null
    /// too.
    delivery_id: Option<String>,
    /// Event of the delivery (`evt_…`).
    event_id: Option<String>,
    /// Tenant of the delivery (`ten_…`).
    tenant_id: Option<String>,
    /// Endpoint of the delivery (`ep_…`).
    endpoint_id: Option<String>,
    /// Number of the attempt that it is for; the first is 1.
    attempt: Option<u32>,
}

/// Result of requeueing or discarding messages.
#[derive(Serialize, ToSchema)]
struct Settled {
    /// Number of messages that were requeued or discarded.
    done: u64,
    /// Number of messages that stay because they can't be requeued.
    refused: u64,
    /// Reason for the last of those; null if there are none.
    refusal: Option<String>,
}

/// Query of the list of messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Part {
    /// Maximum number of messages, the oldest ones.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Lists queues
///
/// Lanes, delay queues and the queues of messages that were set aside, with the number of messages waiting in each.
/// Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/queues", operation_id = "list_queues", tag = "queues", responses(
    (status = 200, description = "The queues.", body = Page<Queue>)))]
async fn list(State(rest): State<Rest>, call: Call) -> Result<Json<Page<Queue>>, Refusal> {
    call.require_operator()?;
    let found = rest.logs.queues(&call).await?;
    Ok(Json(Page::all(found.queues.into_iter().map(Queue::from).collect())))
}

/// Lists messages that were set aside
///
/// The oldest messages, without their bodies. `parked` holds those that nobody could read or settle, `unrouted` those
/// that had no lane when their wait was over. Needs an operator's key with the scope `read`.
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

/// Shows a message that was set aside
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

/// Downloads the body of a message that was set aside
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

/// Requeues a message that was set aside
///
/// It is published where it came from; a message that can't be read stays. The audit log records it. Needs an
/// operator's key with the scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/messages/{message_id}/requeue", operation_id = "requeue_message",
    tag = "queues",
    params(
        ("queue" = String, Path, description = "`parked` or `unrouted`."),
        ("message_id" = String, Path, description = "The message's id."),
    ),
    responses((status = 200, description = "The numbers of messages settled and refused.", body = Settled)))]
async fn requeue(State(rest): State<Rest>, call: Call, At([queue, id]): At<2>) -> Result<Json<Settled>, Refusal> {
    call.require_operator()?;
    let settled = rest.logs.requeue(&call, one(queue, id)).await?;
    Ok(Json(settled.into()))
}

/// Discards a message that was set aside
///
/// The ledger keeps what it knows of the message's delivery, and the sweeper publishes an open one again; a record is
/// lost. The audit log records it. Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/messages/{message_id}/discard", operation_id = "discard_message",
    tag = "queues",
    params(
        ("queue" = String, Path, description = "`parked` or `unrouted`."),
        ("message_id" = String, Path, description = "The message's id."),
    ),
    responses((status = 200, description = "The numbers of messages settled and refused.", body = Settled)))]
async fn discard(State(rest): State<Rest>, call: Call, At([queue, id]): At<2>) -> Result<Json<Settled>, Refusal> {
    call.require_operator()?;
    let settled = rest.logs.discard(&call, one(queue, id)).await?;
    Ok(Json(settled.into()))
}

/// Requeues all messages that were set aside
///
/// Requeues the messages that are there now; those that can't be read stay. If it fails halfway, messages that were
/// requeued until then stay requeued. Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/requeue", operation_id = "requeue_messages", tag = "queues",
    params(("queue" = String, Path, description = "`parked` or `unrouted`.")),
    responses(
        (status = 200, description = "The numbers of messages settled and refused.", body = Settled),
        (status = 503, description = "The queue is away.", body = Document, content_type = "application/problem+json"),
    ))]
async fn requeue_all(State(rest): State<Rest>, call: Call, At([queue]): At<1>) -> Result<Json<Settled>, Refusal> {
    call.require_operator()?;
    let settled = rest.logs.requeue(&call, all(queue)).await?;
    Ok(Json(settled.into()))
}

/// Discards all messages that were set aside
///
/// Discards the messages that are there now. Needs an operator's key with the scope `manage`.
#[utoipa::path(post, path = "/queues/{queue}/discard", operation_id = "discard_messages", tag = "queues",
    params(("queue" = String, Path, description = "`parked` or `unrouted`.")),
    responses(
        (status = 200, description = "The numbers of messages settled and refused.", body = Settled),
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

impl From<QueueState> for Queue {
    fn from(queue: QueueState) -> Self {
        Self {
            name: queue.name,
            kind: queue.kind,
            ready: queue.ready,
            consumers: queue.consumers,
            stuck: queue.stuck,
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
