//! What every role serves to operators and their machines: `/metrics`, `/healthz`, `/readyz`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{TEXT_FORMAT, TextEncoder};
use serde::Serialize;

use crate::health::{Health, Missing};

/// The routes:
///
/// - `/metrics`: the process-wide Prometheus registry as text;
/// - `/healthz`: 200 while the process lives, whatever it misses, so that an outage elsewhere restarts nothing;
/// - `/readyz`: 200 when nothing is missing, otherwise 503 with what is, why and since when.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readiness))
        .with_state(health)
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    missing: Vec<Missing>,
}

async fn metrics() -> Response {
    match TextEncoder::new().encode_to_string(&prometheus::gather()) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn readiness(State(health): State<Health>) -> Response {
    let missing = health.missing();
    let ready = missing.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, missing })).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(health: &Health, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(health.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_says_what_is_missing() {
        let health = Health::new();
        let rabbitmq = health.component("rabbitmq");
        rabbitmq.down("connection refused");
        let (status, body) = get(&health, "/readyz").await;
        let since = health.missing()[0].since;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            format!(
                r#"{{"ready":false,"missing":[{{"component":"rabbitmq","reason":"connection refused","since":"{since}"}}]}}"#
            )
        );
        assert_eq!(get(&health, "/healthz").await, (StatusCode::OK, "ok".to_owned()));

        rabbitmq.up();
        assert_eq!(
            get(&health, "/readyz").await,
            (StatusCode::OK, r#"{"ready":true,"missing":[]}"#.to_owned())
        );
    }

    #[tokio::test]
    async fn metrics_are_those_of_the_process() {
        let counter = prometheus::register_int_counter!("monitor_test_total", "Counts in a test.").unwrap();
        counter.inc_by(3);
        let (status, body) = get(&Health::new(), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("\nmonitor_test_total 3\n"), "{body}");
        assert!(body.contains("process_resident_memory_bytes"), "{body}");
    }
}
