//! The size of requests: one that says that it is too large is refused before it is read.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_LENGTH;

use crate::problem::Problem;

/// The routes with bodies of at most so many bytes (413 `request_too_large`). What comes without a length is read that far.
pub fn limited<S: Clone + Send + Sync + 'static>(router: Router<S>, most: usize) -> Router<S> {
    router
        .layer(DefaultBodyLimit::max(most))
        .layer(from_fn(move |request: Request, next: Next| check(most, request, next)))
}

/// The problem of a request that is larger.
pub fn too_large(most: usize) -> Problem {
    Problem::too_large("request_too_large", format!("a request has at most {most} bytes"))
}

async fn check(most: usize, request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return too_large(most).into_response();
    }
    next.run(request).await
}
