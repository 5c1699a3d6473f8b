//! The pages for operators and their machines that every role serves: `/metrics`, `/healthz`, `/readyz`, `/status`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{TEXT_FORMAT, TextEncoder};
use serde::Serialize;

use crate::health::{Health, Missing, Status};
use crate::metrics;

/// The routes:
///
/// - `/metrics`: the process-wide Prometheus registry as text;
/// - `/healthz`: 200 while the process lives, whatever it misses, so that an outage elsewhere restarts nothing;
/// - `/readyz`: 200 while the process is able to do its job, otherwise 503; what is missing is named in either case, why
///   and since when;
/// - `/status`: how everything stands that the process depends upon, with its background tasks.
pub fn router(health: Health) -> Router {
    let more = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/status", get(status))
        .with_state(health.clone());
    public(health).merge(more)
}

/// `/healthz` and `/readyz` alone, for a port that strangers reach as well.
pub fn public(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readiness))
        .with_state(health)
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    missing: Vec<Missing>,
}

async fn show_metrics() -> Response {
    match TextEncoder::new().encode_to_string(&metrics::gather()) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn readiness(State(health): State<Health>) -> Response {
    let (ready, missing) = (health.is_ready(), health.missing());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, missing })).into_response()
}

async fn status(State(health): State<Health>) -> Json<Status> {
    Json(health.status())
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
    async fn status_tells_of_everything_and_readiness_of_what_the_job_takes() {
        let health = Health::new();
        health.require(&[&["registry"], &["rabbitmq", "log"]]);
        health.component("rabbitmq").down("connection refused");
        health.component("log").up();
        health.component("registry").up();
        let (status, body) = get(&health, "/readyz").await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            body.starts_with(r#"{"ready":true,"missing":[{"component":"rabbitmq""#),
            "{body}"
        );

        let (status, body) = get(&health, "/status").await;
        let mut body: serde_json::Value = serde_json::from_str(&body).unwrap();
        for component in body["components"].as_array_mut().unwrap() {
            assert!(component.as_object_mut().unwrap().remove("since").is_some());
        }
        let expected = serde_json::json!({
            "ready": true,
            "stopping": false,
            "needs": [["registry"], ["rabbitmq", "log"]],
            "components": [
                { "component": "log", "up": true },
                { "component": "rabbitmq", "up": false, "reason": "connection refused" },
                { "component": "registry", "up": true },
            ],
        });
        assert_eq!((status, body), (StatusCode::OK, expected));

        health.stop();
        assert_eq!(get(&health, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        let response = public(health).oneshot(Request::get("/metrics").body(Body::empty()).unwrap());
        assert_eq!(response.await.unwrap().status(), StatusCode::NOT_FOUND);
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
