//! Publishing over HTTP and JSON: `POST /api/v2/events` and `/api/v2/events/batch`.
//!
//! A payload is cut out of the request as its original bytes: it is never parsed and re-encoded on the way to the
//! receiver.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_auth::{Access, Caller};
use tidings_domain::trace::TraceParent;
use tidings_domain::{Scope, TenantId, Timestamp};
use tidings_service::body::{FORM, check_headers};
use tidings_service::idempotency_key;
use tidings_service::limit::{limited, too_large};
use tidings_service::problem::{Document, Kind, Problem};
use tidings_service::request::json;
use utoipa::{OpenApi, ToSchema};

use crate::accept::{Accepted, Acceptor, KEY_REUSED};
use crate::flaw;
use crate::grpc::check_batch;
use crate::metrics::Transport;
use crate::validate::Draft;

#[derive(Clone)]
struct Ingest {
    acceptor: Arc<Acceptor>,
    access: Access,
}

/// An event to publish.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Event {
    /// Owning tenant; required with an operator's key.
    #[schema(value_type = Option<String>)]
    tenant_id: Option<TenantId>,
    /// Event type, such as `feedback.created`.
    #[schema(example = "feedback.created")]
    event_type: String,
    /// The content; receivers get it byte for byte.
    #[schema(value_type = serde_json::Value)]
    payload: Box<RawValue>,
    /// Time of the event (RFC 3339), at most 30 days ago; now if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<Timestamp>,
    /// Publishing again with the same key is answered with the first event.
    idempotency_key: Option<String>,
}

/// Events to publish together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Batch {
    /// The events; each is accepted or refused for itself.
    events: Vec<Event>,
}

/// Result of publishing an event.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedEvent)]
struct AcceptedBody {
    /// The event's id (`evt_…`).
    event_id: String,
    /// `true` if an event with the same idempotency key was accepted before.
    duplicate: bool,
    /// Number of endpoints that the event is delivered to.
    deliveries: u32,
    /// In what the payload is not as the schema of its event type says, where the tenant wants to be told of that, and
    /// which endpoints do not get the event because their content filters were stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
}

/// One result of a batch: the accepted event, or the problem document of one that was not.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum BatchResult {
    Accepted(AcceptedBody),
    Refused { error: Document },
}

/// Results of a batch, in the order of its events.
#[derive(Serialize, ToSchema)]
struct BatchResults {
    /// As many as there were events, in their order.
    results: Vec<BatchResult>,
}

#[derive(OpenApi)]
#[openapi(
    paths(publish, publish_batch),
    tags((name = "events", description = "What happened."))
)]
struct Described;

/// OpenAPI description of ingest's HTTP interface.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

pub(crate) fn router(acceptor: Arc<Acceptor>, access: Access) -> Router {
    let most = acceptor.config.max_request;
    let routes = Router::new()
        .route("/api/v2/events", post(publish))
        .route("/api/v2/events/batch", post(publish_batch));
    limited(routes, most).with_state(Ingest { acceptor, access })
}

/// Publishes an event
///
/// It is on record when this answers. Needs the scope `publish`.
#[utoipa::path(post, path = "/api/v2/events", operation_id = "publish", tag = "events", request_body = Event,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same as `idempotency_key`.")),
    responses(
        (status = 202, description = "The event was accepted.", body = AcceptedBody),
        (status = 404, description = "There is no such tenant.", body = Document,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is packed, or not JSON in UTF-8.", body = Document,
            content_type = "application/problem+json"),
        (status = 422, description = "The idempotency key stands for another event.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn publish(
    State(ingest): State<Ingest>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let caller = publisher(&ingest.access, &headers)?;
    let mut event: Event = read(&headers, body, &ingest.acceptor)?;
    if let Some(key) = key_of(&headers)? {
        let named = |other: &String| idempotency_key::read(other, "idempotency_key");
        let other = event.idempotency_key.as_ref().map(named).transpose()?;
        if other.is_some_and(|other| other != key) {
            let detail = "the header `Idempotency-Key` and the field `idempotency_key` differ: send one of them";
            return Err(Problem::invalid("idempotency_key_ambiguous", detail).at("idempotency_key"));
        }
        event.idempotency_key = Some(key);
    }
    let accepted = accept(&ingest, &caller, &headers, event).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedBody::from(accepted))).into_response())
}

/// Publishes several events
///
/// Each is accepted or refused for itself. Needs the scope `publish`.
#[utoipa::path(post, path = "/api/v2/events/batch", operation_id = "publish_batch", tag = "events",
    request_body = Batch, responses(
        (status = 202, description = "Every event was accepted.", body = BatchResults),
        (status = 207, description = "Some events were not accepted.", body = BatchResults),
    ))]
async fn publish_batch(
    State(ingest): State<Ingest>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let caller = publisher(&ingest.access, &headers)?;
    let batch: Batch = read(&headers, body, &ingest.acceptor)?;
    check_batch(batch.events.len(), ingest.acceptor.config.max_batch)?;
    let results = batch
        .events
        .into_iter()
        .map(|event| accept(&ingest, &caller, &headers, event));
    let results = futures::future::join_all(results).await;
    let status = if results.iter().all(Result::is_ok) {
        StatusCode::ACCEPTED
    } else {
        StatusCode::MULTI_STATUS
    };
    let results = results
        .into_iter()
        .map(|result| match result {
            Ok(accepted) => BatchResult::Accepted(accepted.into()),
            Err(problem) => BatchResult::Refused {
                error: Document::from(&problem),
            },
        })
        .collect();
    Ok((status, Json(BatchResults { results })).into_response())
}

fn publisher(access: &Access, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = access.caller(headers)?;
    caller.require(Scope::Publish)?;
    Ok(caller)
}

/// The idempotency key of the header, if there is one.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let key = values.next().map(|key| key.to_str().unwrap_or_default());
    // Two keys are none.
    let key = key.map(|key| if values.next().is_none() { key } else { "" });
    key.map(|key| idempotency_key::read(key, "idempotency_key")).transpose()
}

/// A body as JSON. A payload in it that is none is refused in the same words as one that comes over gRPC.
fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    acceptor: &Acceptor,
) -> Result<T, Problem> {
    check_headers(headers, &[FORM])?;
    let body = body_of(body, acceptor)?;
    json(&body).map_err(|problem| flaw::in_payload(&body).unwrap_or(problem))
}

fn body_of(body: Result<Bytes, BytesRejection>, acceptor: &Acceptor) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(acceptor.config.max_request),
        _ => Problem::invalid("request_unreadable", rejection.body_text()),
    })
}

async fn accept(ingest: &Ingest, caller: &Caller, headers: &HeaderMap, event: Event) -> Result<Accepted, Problem> {
    let draft = Draft {
        tenant: event.tenant_id,
        event_type: event.event_type,
        payload: Bytes::from(Box::<str>::from(event.payload).into_string()),
        occurred_at: event.occurred_at,
        idempotency_key: event.idempotency_key,
        traceparent: headers
            .get("traceparent")
            .and_then(|v| v.to_str().ok())
            .and_then(TraceParent::parse),
    };
    let accepted = ingest.acceptor.accept(Transport::Http, caller, draft).await;
    accepted.map_err(|problem| match problem.code {
        // Over HTTP this has a status of its own, on every route; gRPC has no such code.
        KEY_REUSED => Problem {
            kind: Kind::Unprocessable,
            ..problem
        },
        _ => problem,
    })
}

impl From<Accepted> for AcceptedBody {
    fn from(accepted: Accepted) -> Self {
        Self {
            event_id: accepted.event.to_string(),
            duplicate: accepted.duplicate,
            deliveries: accepted.deliveries,
            warnings: accepted.warnings,
        }
    }
}
