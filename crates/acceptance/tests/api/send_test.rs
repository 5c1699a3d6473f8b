//! `SendTest`: a sample event sent at once.

use std::time::Duration;

use tidings_acceptance::{Client, Standalone, System, endpoint};
use tidings_dialect::Dialects;
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver};
use tonic::Code;

use crate::{invalid, refused};

fn test_of(endpoint: &pb::Endpoint, event_type: &str) -> pb::SendTestRequest {
    pb::SendTestRequest {
        endpoint_id: endpoint.id.clone(),
        event_type: event_type.into(),
        payload: Vec::new(),
    }
}

async fn send(client: &Client, request: pb::SendTestRequest) -> pb::Attempt {
    let answer = client.endpoints().send_test(request).await.unwrap().into_inner();
    answer.attempt.unwrap()
}

async fn get(client: &Client, endpoint: &pb::Endpoint) -> pb::Endpoint {
    let request = pb::GetEndpointRequest {
        endpoint_id: endpoint.id.clone(),
    };
    client.endpoints().get_endpoint(request).await.unwrap().into_inner()
}

/// A test is answered with what was sent and received, is on record as one, and leaves nothing behind.
async fn is_shown_recorded_and_never_tried_again(client: &Client) {
    let receiver = Receiver::start().await;
    let tenant = client.create_tenant("tests").await;
    let asked = pb::CreateEndpointRequest {
        endpoint: Some(endpoint(&tenant, &receiver.url())),
        disabled: true,
    };
    let made = client.endpoints().create_endpoint(asked).await.unwrap().into_inner();

    let attempt = send(client, test_of(&made, "feedback.created")).await;
    let [request] = &receiver.requests()[..] else {
        panic!("one request was sent")
    };
    assert!(attempt.test);
    assert_eq!(
        (attempt.outcome.as_str(), attempt.status_code, attempt.number),
        ("succeeded", 200, 1)
    );
    assert_eq!(attempt.request_body, request.body);
    assert_eq!(request.header("webhook-id"), Some(attempt.event_id.as_str()));
    let signature = request.header("webhook-signature").unwrap();
    let recorded = attempt
        .request_headers
        .iter()
        .find(|header| header.name == "webhook-signature");
    assert_eq!(recorded.unwrap().value, signature);

    receiver.answer_always(Answer::full(500, &[("x-why", "broken")], "out of order"));
    let attempt = send(client, test_of(&made, "")).await;
    assert_eq!(
        (attempt.outcome.as_str(), attempt.status_code),
        ("failed_retryable", 500)
    );
    assert_eq!(attempt.response_body, b"out of order");
    assert!(attempt.response_headers.iter().any(|header| header.value == "broken"));
    assert_eq!(attempt.next_attempt_at, None);
    assert_eq!(receiver.count(), 2);

    let request = pb::GetAttemptRequest {
        attempt_id: attempt.id.clone(),
    };
    let shown = client.log().get_attempt(request).await.unwrap().into_inner();
    assert_eq!((shown.test, &shown.request_body), (true, &attempt.request_body));
    let request = pb::GetEventRequest {
        event_id: attempt.event_id.clone(),
    };
    let event = client.log().get_event(request).await.unwrap().into_inner();
    assert!(event.event.unwrap().test);
    assert_eq!(event.deliveries[0].state, "exhausted");
    let found = get(client, &made).await;
    assert_eq!((found.enabled, found.failing_since), (false, None));
}

#[tokio::test]
async fn a_test_is_shown_recorded_and_never_tried_again() {
    let system = Standalone::start().await;
    is_shown_recorded_and_never_tried_again(&system.operator).await;
    let system = System::start().await;
    is_shown_recorded_and_never_tried_again(&system.operator).await;
}

#[tokio::test]
async fn every_dialect_tests_with_every_sample_it_has() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let receiver = Receiver::start().await;
    let tenant = client.create_tenant("samples").await;
    let dialects = Dialects::builtin().unwrap();
    for name in dialects.names() {
        let asked = pb::Endpoint {
            dialect: name.into(),
            ..endpoint(&tenant, &receiver.url())
        };
        let made = client.create_endpoint(asked).await;
        for event_type in dialects.get(name).unwrap().samples().keys() {
            let attempt = send(client, test_of(&made, event_type.as_str())).await;
            assert_eq!(attempt.outcome, "succeeded", "{name}: {event_type}: {}", attempt.error);
            assert_eq!(
                (attempt.dialect.as_str(), attempt.event_type.as_str()),
                (name, event_type.as_str())
            );
            let request = receiver.requests().pop().unwrap();
            assert_eq!(request.body, attempt.request_body, "{name}: {event_type}");
        }
    }
}

#[tokio::test]
async fn a_test_may_bring_its_own_payload_and_410_turns_nothing_off() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let receiver = Receiver::start().await;
    let tenant = client.create_tenant("own payload").await;
    let made = client.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    receiver.answer_always(Answer::full(410, &[], ""));
    let attempt = send(
        client,
        pb::SendTestRequest {
            payload: br#"{"mine": true}"#.to_vec(),
            ..test_of(&made, "billing.paid")
        },
    )
    .await;
    assert_eq!(attempt.outcome, "failed_final");
    assert_eq!(receiver.requests()[0].json()["data"]["mine"], true);
    assert!(get(client, &made).await.enabled);

    let unreachable = pb::Endpoint {
        url: "http://127.0.0.1:1/".into(),
        ..endpoint(&tenant, "")
    };
    let unreachable = client.create_endpoint(unreachable).await;
    let attempt = send(client, test_of(&unreachable, "")).await;
    assert_eq!((attempt.failure_reason.as_str(), attempt.status_code), ("connect", 0));
}

#[tokio::test]
async fn what_can_not_be_tested_says_why() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let receiver = Receiver::start().await;
    let tenant = client.create_tenant("refusals").await;
    let made = client.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    let try_with = async |request| client.endpoints().send_test(request).await;

    let unknown = try_with(test_of(&made, "billing.paid")).await;
    invalid(
        unknown,
        "sample_unknown",
        "event_type",
        "give a payload, or name one of",
    );
    invalid(
        try_with(test_of(&made, "no type!")).await,
        "event_type_invalid",
        "event_type",
        "is not an event type",
    );
    let broken = pb::SendTestRequest {
        payload: b"{".to_vec(),
        ..test_of(&made, "a.b")
    };
    invalid(
        try_with(broken).await,
        "payload_invalid",
        "payload",
        "not JSON at byte 1",
    );
    let large = pb::SendTestRequest {
        payload: format!("\"{}\"", "x".repeat(300_000)).into_bytes(),
        ..test_of(&made, "a.b")
    };
    invalid(try_with(large).await, "payload_too_large", "payload", "at most");
    let nobodys = pb::SendTestRequest {
        endpoint_id: tidings_domain::EndpointId::new().to_string(),
        ..test_of(&made, "")
    };
    refused(
        try_with(nobodys).await,
        Code::NotFound,
        "endpoint_unknown",
        "endpoint_id",
        "there is no endpoint",
    );
    let other = client.create_tenant("other").await;
    let answer = system
        .client(&other.token)
        .endpoints()
        .send_test(test_of(&made, ""))
        .await;
    refused(
        answer,
        Code::NotFound,
        "endpoint_unknown",
        "endpoint_id",
        "there is no endpoint",
    );
    assert_eq!(receiver.count(), 0);

    // Four at a time, each as long as its endpoint takes.
    receiver.answer_always(Answer::full(200, &[], "").after(Duration::from_secs(3)));
    let tests = (0..6).map(|_| try_with(test_of(&made, "")));
    let answers = futures::future::join_all(tests).await;
    let (sent, too_many): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((sent.len(), too_many.len()), (4, 2));
    for answer in too_many {
        refused(
            answer,
            Code::ResourceExhausted,
            "too_many_tests",
            "",
            "wait for one to end",
        );
    }
}

#[tokio::test]
async fn without_a_dispatcher_a_test_says_so() {
    let mut system = System::start().await;
    let tenant = system.operator.create_tenant("alone").await;
    let made = system
        .operator
        .create_endpoint(endpoint(&tenant, "http://127.0.0.1:1/"))
        .await;
    system.dispatcher.kill9();
    let answer = system.operator.endpoints().send_test(test_of(&made, "")).await;
    refused(
        answer,
        Code::Unavailable,
        "dispatcher_unavailable",
        "",
        "no dispatcher can be reached",
    );
}
