//! Answers where nothing is served: problem documents, as everywhere else.

use axum::Router;
use axum::http::Uri;

use crate::problem::{Kind, Problem};

/// The routes of a role that serves no others beside them.
pub fn alone(router: Router) -> Router {
    router.method_not_allowed_fallback(wrong_method).fallback(unknown_route)
}

/// A path that leads nowhere (404 `route_unknown`).
pub async fn unknown_route(uri: Uri) -> Problem {
    let path = uri.path();
    let detail = format!("there is nothing at `{path}`: control's `/api/v2/openapi.json` says what there is");
    Problem::not_found("route_unknown", detail)
}

/// A method that a path does not know (405 `method_not_allowed`).
pub async fn wrong_method() -> Problem {
    let detail = "this path is there for other methods: see the header `Allow`";
    Problem::new(Kind::MethodNotAllowed, "method_not_allowed", detail)
}
