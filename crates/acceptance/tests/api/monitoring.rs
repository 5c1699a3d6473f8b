//! What monitors and other tools ask of a running system.

use serde_json::json;
use tidings_acceptance::{SOON, Standalone, endpoint};
use tidings_testkit::{Answer, Receiver, wait_until};
use tokio_stream::{StreamExt as _, once};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const SERVICES: [&str; 4] = [
    "tidings.v1.AttemptLogService",
    "tidings.v1.EndpointService",
    "tidings.v1.EventService",
    "tidings.v1.TenantService",
];

/// The metrics that the documentation names.
const METRICS: [&str; 12] = [
    "tidings_events_total",
    "tidings_event_acceptance_duration_seconds",
    "tidings_queue_confirm_duration_seconds",
    "tidings_deliveries_total",
    "tidings_attempt_duration_seconds",
    "tidings_first_attempt_lag_seconds",
    "tidings_attempts_in_flight",
    "tidings_deferrals_total",
    "tidings_retries_total",
    "tidings_records_written_total",
    "tidings_records_spilled_total",
    "tidings_queue_depth",
];

#[tokio::test]
async fn reflection_lists_the_services() {
    let system = Standalone::start().await;
    let server = Endpoint::from_shared(system.servers.ingest.clone()).expect("an address");
    let mut reflection = ServerReflectionClient::new(server.connect_lazy());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = reflection
        .server_reflection_info(once(request))
        .await
        .expect("reflection is on");
    let answer = answers.into_inner().next().await.expect("an answer").expect("no error");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("not a list: {answer:?}");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for service in SERVICES {
        assert!(names.contains(&service), "{service} is missing in {names:?}");
    }
}

#[tokio::test]
async fn health_says_serving() {
    let system = Standalone::start().await;
    let server = Endpoint::from_shared(system.servers.ingest.clone()).expect("an address");
    let mut health = HealthClient::new(server.connect_lazy());
    let request = HealthCheckRequest { service: String::new() };
    let status = health
        .check(request)
        .await
        .expect("health is served")
        .into_inner()
        .status;
    assert_eq!(status, ServingStatus::Serving as i32);
    assert_eq!(system.process.get("/healthz").await.status, 200);
    let readiness = system.process.get("/readyz").await;
    assert_eq!(readiness.body, json!({ "ready": true, "missing": [] }).to_string());
}

#[tokio::test]
async fn metrics_are_there_from_the_start_and_count() {
    let system = Standalone::start().await;
    for name in METRICS {
        let line = format!("# TYPE {name} ");
        let shown = async || system.process.get("/metrics").await.body.contains(&line);
        wait_until(SOON, &format!("{name} before traffic"), shown).await;
    }
    assert_eq!(system.process.metric("tidings_deliveries_total").await, 0.0);

    let receiver = Receiver::start().await;
    receiver.answer_next([Answer::Status(503)]);
    let tenant = system.operator.create_tenant("monitoring").await;
    let mut retried = endpoint(&tenant, &receiver.url());
    retried.schedule = vec![prost_types::Duration {
        seconds: 0,
        nanos: 1_000_000,
    }];
    system.operator.create_endpoint(retried).await;
    let event = system.operator.publish(&tenant, "a", json!(1)).await;
    system.operator.wait_for_state(&event, "succeeded").await;
    for (metric, value) in [
        ("tidings_events_total{code=\"\",outcome=\"accepted\"}", 1.0),
        ("tidings_event_acceptance_duration_seconds_count", 1.0),
        ("tidings_deliveries_total{state=\"succeeded\"}", 1.0),
        ("tidings_deliveries_total{state=\"scheduled\"}", 1.0),
        ("tidings_attempt_duration_seconds_count{outcome=\"succeeded\"}", 1.0),
        (
            "tidings_attempt_duration_seconds_count{outcome=\"failed_retryable\"}",
            1.0,
        ),
        ("tidings_first_attempt_lag_seconds_count", 1.0),
        ("tidings_retry_lag_seconds_count", 1.0),
        ("tidings_delivery_duration_seconds_count{state=\"succeeded\"}", 1.0),
        (
            "tidings_attempts_total{outcome=\"failed_retryable\",reason=\"status\",status=\"5xx\"}",
            1.0,
        ),
        (
            "tidings_grpc_calls_total{code=\"Ok\",method=\"Publish\",service=\"tidings.v1.EventService\"}",
            1.0,
        ),
        ("tidings_endpoints{state=\"active\"}", 1.0),
        ("tidings_tenants", 1.0),
        ("tidings_overdue_deliveries", 0.0),
        ("tidings_messages_in_hand", 0.0),
        ("tidings_attempts_in_flight", 0.0),
        ("tidings_deferrals_total", 0.0),
        ("tidings_retries_total{attempt=\"2\"}", 1.0),
        ("tidings_records_written_total", 3.0),
        ("tidings_records_spilled_total", 0.0),
    ] {
        let shown = async || system.process.metric(metric).await == value;
        wait_until(SOON, &format!("{metric} to be {value}"), shown).await;
    }
    assert!(
        system
            .process
            .metric("tidings_queue_confirm_duration_seconds_count")
            .await
            >= 1.0
    );
}
