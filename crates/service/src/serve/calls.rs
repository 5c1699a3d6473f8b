//! Metrics of calls and requests by method and route: their number, their outcome, their duration.
//!
//! Labels are the methods in the protos and the routes in the code, never what a caller made up.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::MatchedPath;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Frame, SizeHint};
use prometheus::{HistogramVec, IntCounterVec};
use tonic::Code;

use crate::metrics;

static GRPC: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "gRPC calls that ended, by method and code. Those that the caller gave up count as Cancelled.";
    metrics::counters("tidings_grpc_calls_total", help, &["service", "method", "code"])
});
static GRPC_DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "How long gRPC calls took that are no streams, seconds.";
    metrics::histograms(
        "tidings_grpc_call_duration_seconds",
        help,
        &["service", "method"],
        &metrics::SECONDS,
    )
});
static HTTP: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "HTTP requests that were answered, by route and class of status; without a route, those that none matches, \
                or that were refused before.";
    let labels = &["listener", "method", "route", "class"];
    metrics::counters("tidings_http_requests_total", help, labels)
});
static HTTP_DURATION: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "How long it took until HTTP requests were answered with a status, seconds.";
    metrics::histograms(
        "tidings_http_request_duration_seconds",
        help,
        &["listener", "route"],
        &metrics::SECONDS,
    )
});

/// Makes the metrics of this part.
pub(super) fn register() {
    LazyLock::force(&GRPC);
    LazyLock::force(&GRPC_DURATION);
    LazyLock::force(&HTTP);
    LazyLock::force(&HTTP_DURATION);
}

/// A gRPC call under way; counted when it is dropped.
pub(super) struct Call {
    service: String,
    method: String,
    /// True if a side of it is a stream, which lasts as long as its ends want.
    stream: bool,
    begun: Instant,
    code: Option<Code>,
}

impl Call {
    /// A call of this path, which is `/service/method` of something that is served, or unknown.
    pub(super) fn begin(path: Option<&str>, stream: bool) -> Self {
        let known = path.and_then(|path| path.strip_prefix('/')?.split_once('/'));
        let (service, method) = known.unwrap_or(("unknown", "unknown"));
        Self {
            service: service.to_owned(),
            method: method.to_owned(),
            stream,
            begun: Instant::now(),
            code: None,
        }
    }

    /// The answer, which ends the call when it has been sent.
    pub(super) fn answered(mut self, response: Response) -> Response {
        self.code = code(response.headers());
        response.map(|body| Body::new(Answer { body, call: self }))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let code = format!("{:?}", self.code.unwrap_or(Code::Cancelled));
        GRPC.with_label_values(&[&self.service, &self.method, &code]).inc();
        if !self.stream {
            GRPC_DURATION
                .with_label_values(&[&self.service, &self.method])
                .observe(self.begun.elapsed().as_secs_f64());
        }
    }
}

/// The code that an answer ends with, if these headers or trailers say so.
fn code(headers: &HeaderMap) -> Option<Code> {
    Some(Code::from_bytes(headers.get("grpc-status")?.as_bytes()))
}

/// An answer that looks for the code in its trailers.
struct Answer {
    body: Body,
    call: Call,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(found) = frame.trailers_ref().and_then(code) {
                    self.call.code = Some(found);
                }
            }
            Some(Err(_)) => self.call.code = Some(Code::Unknown),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The route that a request took, which it leaves with its answer.
#[derive(Clone)]
struct Route(MatchedPath);

/// Leaves the route with the answer.
pub(super) async fn note_route(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

/// Counts an HTTP request that was answered.
pub(super) fn answered(listener: &str, method: &Method, response: &Response, begun: Instant) {
    let route = response
        .extensions()
        .get::<Route>()
        .map_or("", |route| route.0.as_str());
    let (method, class) = (known(method), class(response.status()));
    HTTP.with_label_values(&[listener, method, route, class]).inc();
    HTTP_DURATION
        .with_label_values(&[listener, route])
        .observe(begun.elapsed().as_secs_f64());
}

fn known(method: &Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => name,
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    fn calls(method: &str, code: &str) -> u64 {
        GRPC.with_label_values(&["tests.Service", method, code]).get()
    }

    #[tokio::test]
    async fn a_call_ends_with_the_code_of_its_trailers_or_of_its_headers() {
        let trailers =
            |status: &'static str| HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        let body = axum::body::Body::new(
            http_body_util::Full::new(Bytes::from_static(b"answer"))
                .with_trailers(std::future::ready(Some(Ok(trailers("5"))))),
        );
        let call = Call::begin(Some("/tests.Service/Found"), false);
        let answered = call.answered(Response::new(body));
        assert_eq!(calls("Found", "NotFound"), 0, "it is under way");
        answered.into_body().collect().await.unwrap();
        assert_eq!(calls("Found", "NotFound"), 1);

        let mut refused = Response::new(Body::empty());
        refused.headers_mut().extend(trailers("16"));
        drop(Call::begin(Some("/tests.Service/Refused"), false).answered(refused));
        assert_eq!(calls("Refused", "Unauthenticated"), 1);
        drop(Call::begin(Some("/tests.Service/GivenUp"), false));
        assert_eq!(calls("GivenUp", "Cancelled"), 1);
        drop(Call::begin(None, false));
        assert!(GRPC.with_label_values(&["unknown", "unknown", "Cancelled"]).get() >= 1);
    }

    #[tokio::test]
    async fn a_request_counts_to_its_route_and_not_to_its_path() {
        let nested = Router::new().route("/{id}", get(|| async { StatusCode::NOT_FOUND }));
        let router = Router::new()
            .nest("/things", nested)
            .layer(axum::middleware::from_fn(note_route));
        for (path, route) in [
            ("/things/a", "/things/{id}"),
            ("/things/b", "/things/{id}"),
            ("/nowhere", ""),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let counted = HTTP.with_label_values(&["tests", "GET", route, "4xx"]);
            let before = counted.get();
            answered("tests", &Method::GET, &response, Instant::now());
            assert_eq!(counted.get() - before, 1, "{path}");
        }
        assert_eq!(known(&Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
