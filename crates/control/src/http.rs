//! The same over HTTP and JSON, under `/api/v2`.
//!
//! Need: products in any language, and people with `curl`, manage endpoints and read logs. Mechanism: thin handlers over
//! the operations that the gRPC faces have too, with fields named as in the protos; `/api/v2/openapi.json` is made from
//! the handlers themselves. Limit: what is logged is asked of the log service in the caller's name, so with that away
//! everything else goes on.

mod answer;
mod catalogue;
mod config;
mod document;
mod endpoints;
mod keys;
mod logs;
mod request;
mod tenants;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router};
use http::Uri;
use tidings_dialect::Dialects;
use tidings_service::problem::{Kind, Problem};
use tidings_store::Access;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::endpoints::Endpoints;
use crate::logs::LogClient;
use crate::send_test::DispatcherClient;
use crate::tenants::Tenants;

/// Where everything is found.
const BASE: &str = "/api/v2";
/// The largest body of a request, bytes: the payload of a test and room for the rest.
const MAX_BODY: usize = 1024 * 1024;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) dialects: Dialects,
    pub(crate) dispatchers: DispatcherClient,
    pub(crate) logs: LogClient,
    pub(crate) access: Access,
}

/// Everything under `/api/v2`. `others` describes what another role serves there.
pub(crate) fn router(rest: Rest, others: OpenApi) -> Router {
    let operations = OpenApiRouter::new()
        .merge(endpoints::router())
        .merge(config::router())
        .merge(logs::router())
        .merge(tenants::router())
        .merge(keys::router())
        .merge(catalogue::router());
    let (router, mut api) = OpenApiRouter::with_openapi(document::about())
        .nest(BASE, operations)
        .split_for_parts();
    api.merge(others);
    document::complete(&mut api);
    let api = Json(api);
    router
        .route(&format!("{BASE}/openapi.json"), get(async || api))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_route)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(rest)
}

async fn unknown_route(uri: Uri) -> Problem {
    let detail = format!("there is nothing at `{}`: see {BASE}/openapi.json", uri.path());
    Problem::not_found("route_unknown", detail)
}

async fn wrong_method() -> Problem {
    let detail = "this path is there for other methods: see the header `Allow`";
    Problem::new(Kind::MethodNotAllowed, "method_not_allowed", detail)
}
