//! The same over HTTP and JSON: `POST /api/v2/events` and `/api/v2/events/batch`.
//!
//! A payload is taken out of the request as the bytes that stand there: nothing is parsed and printed again on
//! the way to the receiver.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_domain::trace::TraceParent;
use tidings_domain::{Scope, TenantId, Timestamp};
use tidings_service::problem::{Document, Problem};
use tidings_store::{Access, Caller};

use crate::accept::{Accepted, Acceptor};
use crate::grpc::check_batch;
use crate::validate::Draft;

#[derive(Clone)]
struct Ingest {
    acceptor: Arc<Acceptor>,
    access: Access,
}

/// An event as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    tenant_id: Option<TenantId>,
    event_type: String,
    payload: Box<RawValue>,
    occurred_at: Option<Timestamp>,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    events: Vec<Event>,
}

#[derive(Serialize)]
struct AcceptedBody {
    event_id: String,
    duplicate: bool,
    deliveries: u32,
}

/// One result of a batch: the accepted event, or the problem document of one that was not.
#[derive(Serialize)]
#[serde(untagged)]
enum BatchResult {
    Accepted(AcceptedBody),
    Refused { error: Document },
}

pub(crate) fn router(acceptor: Arc<Acceptor>, access: Access) -> Router {
    let limit = DefaultBodyLimit::max(acceptor.config.max_request);
    Router::new()
        .route("/api/v2/events", post(publish))
        .route("/api/v2/events/batch", post(publish_batch))
        .layer(limit)
        .with_state(Ingest { acceptor, access })
}

async fn publish(
    State(ingest): State<Ingest>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let caller = publisher(&ingest.access, &headers)?;
    let mut event: Event = read(&body_of(body, &ingest.acceptor)?)?;
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().unwrap_or_default().to_owned();
        if event.idempotency_key.as_ref().is_some_and(|other| *other != key) {
            let detail = "the header `Idempotency-Key` and the field `idempotency_key` differ: send one of them";
            return Err(Problem::invalid("idempotency_key_ambiguous", detail).at("idempotency_key"));
        }
        event.idempotency_key = Some(key);
    }
    let accepted = accept(&ingest, &caller, &headers, event).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedBody::from(accepted))).into_response())
}

/// 202 if every event was accepted, 207 if some were not.
async fn publish_batch(
    State(ingest): State<Ingest>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let caller = publisher(&ingest.access, &headers)?;
    let batch: Batch = read(&body_of(body, &ingest.acceptor)?)?;
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
    let results: Vec<_> = results
        .into_iter()
        .map(|result| match result {
            Ok(accepted) => BatchResult::Accepted(accepted.into()),
            Err(problem) => BatchResult::Refused {
                error: Document::from(&problem),
            },
        })
        .collect();
    Ok((status, Json(serde_json::json!({ "results": results }))).into_response())
}

fn publisher(access: &Access, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = access.caller(headers)?;
    caller.require(Scope::Publish)?;
    Ok(caller)
}

fn body_of(body: Result<Bytes, BytesRejection>, acceptor: &Acceptor) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("a request has at most {} bytes", acceptor.config.max_request);
            Problem::too_large("request_too_large", detail)
        }
        _ => Problem::invalid("request_unreadable", rejection.body_text()),
    })
}

/// Reads a JSON body; serde's message names the field that is missing, unknown or of the wrong kind.
fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = error.to_string();
        let field = detail
            .split('`')
            .nth(1)
            .filter(|_| detail.contains("field"))
            .map(str::to_owned);
        let problem = if detail.starts_with("unknown field") {
            Problem::invalid("field_unknown", detail)
        } else if detail.starts_with("missing field") {
            Problem::invalid("field_missing", detail)
        } else {
            Problem::invalid("request_invalid", detail)
        };
        match field {
            Some(field) => problem.at(field),
            None => problem,
        }
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
    ingest.acceptor.accept(caller, draft).await
}

impl From<Accepted> for AcceptedBody {
    fn from(accepted: Accepted) -> Self {
        Self {
            event_id: accepted.event.to_string(),
            duplicate: accepted.duplicate,
            deliveries: accepted.deliveries,
        }
    }
}
