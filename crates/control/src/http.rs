//! The REST operations, under `/api/v2`.
//!
//! Need: products in any language, and people with `curl`, manage endpoints and read logs. Mechanism: thin handlers over
//! the operations that the gRPC faces have too, with fields named as in the protos; `/api/v2/openapi.json` is made from
//! the handlers themselves. Limit: what is logged is asked of the log service in the caller's name, so with that away
//! everything else goes on.

mod answer;
mod audit;
mod catalogue;
mod config;
mod deliveries;
mod document;
pub(crate) mod endpoints;
mod erasures;
mod event_types;
mod events;
mod explain;
mod filters;
pub(crate) mod keys;
mod logs;
mod once;
mod queues;
pub(crate) mod replays;
mod request;
mod search;
mod signature;
mod system;
pub(crate) mod tenants;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use tidings_dialect::Dialects;
use tidings_service::fallback;
use tidings_service::limit::limited;
use tidings_store::Answers;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::audit::AuditLog;
use crate::call::Callers;
use crate::dispatchers::DispatcherClient;
use crate::endpoints::Endpoints;
use crate::erasures::Erasures;
use crate::event_types::EventTypes;
use crate::explain::Explainer;
use crate::filters::Filters;
use crate::keys::Keys;
use crate::logs::LogClient;
use crate::replays::Replays;
use crate::signature::Signatures;
use crate::system::System;
use crate::tenants::Tenants;

/// Path in front of every operation.
const BASE: &str = "/api/v2";
/// Largest body of a request, in bytes: the payload of a test and room for the rest.
const MAX_BODY: usize = 1024 * 1024;

/// Operations and clients that the handlers work with.
#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) filters: Arc<Filters>,
    pub(crate) event_types: Arc<EventTypes>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) replays: Arc<Replays>,
    pub(crate) explainer: Arc<Explainer>,
    pub(crate) erasures: Arc<Erasures>,
    pub(crate) signatures: Arc<Signatures>,
    pub(crate) system: Arc<System>,
    pub(crate) dialects: Dialects,
    pub(crate) dispatchers: DispatcherClient,
    pub(crate) logs: LogClient,
    pub(crate) shutdown: CancellationToken,
    pub(crate) callers: Callers,
    pub(crate) answers: Arc<dyn Answers>,
}

/// Everything under `/api/v2`. `others` describes what another role serves there.
pub(crate) fn router(rest: Rest, others: OpenApi) -> Router {
    let operations = OpenApiRouter::new()
        .merge(endpoints::router())
        .merge(filters::router())
        .merge(config::router())
        .merge(replays::router())
        .merge(explain::router())
        .merge(erasures::router())
        .merge(logs::router())
        .merge(signature::router())
        .merge(events::router())
        .merge(deliveries::router())
        .merge(tenants::router())
        .merge(keys::router())
        .merge(audit::router())
        .merge(event_types::router())
        .merge(catalogue::router())
        .merge(queues::router())
        .merge(system::router());
    let (router, mut api) = OpenApiRouter::with_openapi(document::about())
        .nest(BASE, operations)
        .split_for_parts();
    document::describe_keys(&mut api);
    api.merge(others);
    document::complete(&mut api);
    let api = Json(api);
    let router = router
        // Around routes only: what no route serves claims no idempotency key.
        .route_layer(from_fn_with_state(rest.clone(), once::once))
        .route(&format!("{BASE}/openapi.json"), get(async || api))
        .method_not_allowed_fallback(fallback::wrong_method)
        .fallback(fallback::unknown_route);
    limited(router, MAX_BODY).with_state(rest)
}
