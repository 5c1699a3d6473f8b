//! Content filters: checked when they are configured, tried out, and holding back what they do not match.

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone, Tenant, endpoint};
use tidings_proto::pb;
use tidings_testkit::Receiver;
use tonic::Code;

use crate::commands::tidings;
use crate::endpoints::{create, get, update};
use crate::{invalid, refused};

/// The subscription of those who want bad ratings.
fn bad_ratings() -> pb::Subscription {
    pb::Subscription {
        pattern: "feedback.*".into(),
        filter: "payload.rating <= 2".into(),
        ..pb::Subscription::default()
    }
}

/// A system with a tenant that has an endpoint for bad ratings.
struct Case {
    system: Standalone,
    tenant: Tenant,
    receiver: Receiver,
    endpoint: pb::Endpoint,
}

impl Case {
    async fn start() -> Self {
        let system = Standalone::start().await;
        let receiver = Receiver::start().await;
        let tenant = system.operator.create_tenant("filters").await;
        let asked = pb::Endpoint {
            subscriptions: vec![bad_ratings()],
            ..endpoint(&tenant, &receiver.url())
        };
        let endpoint = system.operator.create_endpoint(asked).await;
        Self {
            system,
            tenant,
            receiver,
            endpoint,
        }
    }

    async fn publish(&self, payload: Value) -> String {
        self.system
            .operator
            .publish(&self.tenant, "feedback.created", payload)
            .await
    }

    fn asked(&self, filter: &str) -> pb::TryFilterRequest {
        pb::TryFilterRequest {
            endpoint_id: self.endpoint.id.clone(),
            filter: filter.to_owned(),
            ..pb::TryFilterRequest::default()
        }
    }

    async fn tried(&self, asked: pb::TryFilterRequest) -> pb::TryFilterResponse {
        let mut endpoints = self.system.client(&self.tenant.token).endpoints();
        endpoints.try_filter(asked).await.unwrap().into_inner()
    }
}

#[tokio::test]
async fn only_what_a_filter_holds_for_is_sent() {
    let case = Case::start().await;
    let operator = &case.system.operator;
    let good = case.publish(json!({"rating": 5})).await;
    let silent = case.publish(json!({"text": "hm"})).await;
    let bad = case.publish(json!({"rating": 1})).await;
    operator.wait_for_state(&bad, "succeeded").await;
    for event in [&good, &silent] {
        let deliveries = operator.wait_for_state(event, "cancelled").await;
        assert_eq!(deliveries[0].reason, "filtered");
        let request = pb::ExplainEventRequest {
            event_id: event.clone(),
        };
        let explained = operator
            .explanations()
            .explain_event(request)
            .await
            .unwrap()
            .into_inner();
        let sentences = explained.deliveries[0].sentences.join(" ");
        assert!(sentences.contains("content filter did not match"), "{sentences}");
    }
    let requests = case.receiver.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].body.windows(10).any(|part| part == b"\"rating\":1"));
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_where_it_is_configured() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("filters").await;
    let mut endpoints = system.client(&tenant.token).endpoints();
    let filtered = |filter: &str| create(&tenant, |e| e.subscriptions[0].filter = filter.to_owned());
    for (filter, words) in [
        ("payload.rating <=", "the filter of `*`: line 1, column"),
        ("true &&\n nonsense(1)", "line 2, column 2"),
        (&format!("payload.a == '{}'", "x".repeat(2_000)), "2000"),
    ] {
        invalid(
            endpoints.create_endpoint(filtered(filter)).await,
            "filter_invalid",
            "subscriptions",
            words,
        );
    }
    let operational = create(&tenant, |e| {
        e.operational = true;
        e.subscriptions[0].filter = "true".into();
    });
    invalid(
        endpoints.create_endpoint(operational).await,
        "filter_invalid",
        "subscriptions",
        "leave `filter` out",
    );

    let made = endpoints
        .create_endpoint(filtered("payload.rating <= 2"))
        .await
        .unwrap()
        .into_inner();
    let shown = endpoints.get_endpoint(get(&made.id)).await.unwrap().into_inner();
    assert_eq!(shown.subscriptions[0].filter, "payload.rating <= 2");
    let wrong = pb::Endpoint {
        subscriptions: vec![pb::Subscription {
            filter: "1 +".into(),
            ..bad_ratings()
        }],
        ..made
    };
    let answer = endpoints.update_endpoint(update(wrong, &["subscriptions"])).await;
    invalid(answer, "filter_invalid", "subscriptions", "the filter of `feedback.*`");
}

#[tokio::test]
async fn filters_are_tried_out_on_samples_payloads_and_past_events() {
    let case = Case::start().await;
    let sample = case
        .tried(case.asked("type == 'feedback.created' && has(payload.message)"))
        .await;
    assert_eq!(sample.event_type, "feedback.created");
    assert!(sample.error.is_empty(), "{sample:?}");

    let with = |filter: &str, payload: &str| pb::TryFilterRequest {
        payload: payload.into(),
        ..case.asked(filter)
    };
    assert!(case.tried(with("payload.a > 1", r#"{"a": 2}"#)).await.matched);
    let missing = case.tried(with("payload.b > 1", r#"{"a": 2}"#)).await;
    assert!(!missing.matched && missing.error.contains('b'), "{missing:?}");

    // Without a filter the endpoint's own subscriptions are tried.
    let good = case.publish(json!({"rating": 5})).await;
    let bad = case.publish(json!({"rating": 1})).await;
    for (event, matched) in [(&good, false), (&bad, true)] {
        case.system
            .operator
            .wait_for_state(event, if matched { "succeeded" } else { "cancelled" })
            .await;
        let asked = |filter| pb::TryFilterRequest {
            event_id: event.clone(),
            ..case.asked(filter)
        };
        let tried = case.tried(asked("")).await;
        let subscription = &tried.subscriptions[0];
        assert_eq!((tried.matched, subscription.filter_matched), (matched, matched));
        assert!(subscription.type_matched && !subscription.disabled);
        assert_eq!(subscription.filter, "payload.rating <= 2");
        assert_eq!(case.tried(asked("payload.rating == 5")).await.matched, !matched);
    }
    let other_type = pb::TryFilterRequest {
        event_type: "issue.created".into(),
        ..with("", r#"{"rating": 1}"#)
    };
    let tried = case.tried(other_type).await;
    assert!(!tried.matched && !tried.subscriptions[0].type_matched && tried.subscriptions[0].filter_matched);
    case.receiver.wait_for(1, SOON).await;
    assert_eq!(case.receiver.count(), 1, "trying sends nothing");
}

#[tokio::test]
async fn what_cannot_be_tried_is_refused() {
    let case = Case::start().await;
    let stranger = case.system.operator.create_tenant("stranger").await;
    let event = case.publish(json!({"rating": 1})).await;
    case.system.operator.wait_for_state(&event, "succeeded").await;
    let of_other = case
        .system
        .operator
        .publish(&stranger, "feedback.created", json!({}))
        .await;
    let mut endpoints = case.system.operator.endpoints();
    let asked = |filter: &str, event_type: &str, payload: &str, event_id: &str| pb::TryFilterRequest {
        event_type: event_type.into(),
        payload: payload.into(),
        event_id: event_id.into(),
        ..case.asked(filter)
    };
    for (asked, code, field, words) in [
        (asked("1 +", "", "", ""), "filter_invalid", "filter", "line 1"),
        (asked("", "a b", "", ""), "event_type_invalid", "event_type", "a b"),
        (
            asked("", "no.sample", "", ""),
            "sample_unknown",
            "event_type",
            "give a payload",
        ),
        (asked("", "", "{", ""), "payload_invalid", "payload", "the payload is"),
        (
            asked("", "a.b", "", &event),
            "event_contradiction",
            "event_id",
            "leave `event_type`",
        ),
        (asked("", "", "", "evt_1"), "id_invalid", "event_id", "evt_1"),
    ] {
        invalid(endpoints.try_filter(asked).await, code, field, words);
    }
    tidings_testkit::wait_until(SOON, "the other tenant's event to be known", async || {
        let request = pb::GetEventRequest {
            event_id: of_other.clone(),
        };
        case.system.operator.log().get_event(request).await.is_ok()
    })
    .await;
    let answer = endpoints.try_filter(asked("", "", "", &of_other)).await;
    refused(answer, Code::NotFound, "event_unknown", "event_id", &of_other);
    let mut theirs = case.system.client(&stranger.token).endpoints();
    let answer = theirs.try_filter(case.asked("true")).await;
    refused(
        answer,
        Code::NotFound,
        "endpoint_unknown",
        "endpoint_id",
        &case.endpoint.id,
    );
}

#[tokio::test]
async fn filters_can_be_set_and_tried_on_the_command_line() {
    let case = Case::start().await;
    let variables = [
        ("TIDINGS_SERVER", case.system.servers.control.as_str()),
        ("TIDINGS_KEY", case.tenant.token.as_str()),
    ];
    let id = case.endpoint.id.as_str();
    let wanted = "feedback.* if payload.rating >= 4";
    let output = tidings(&["endpoint", "update", id, "--subscribe", wanted], &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(wanted), "{text}");
    let output = tidings(
        &["filter", "try", id, "--payload", "{\"rating\": 4}", "-o", "json"],
        &variables,
    )
    .await;
    let tried: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&tried["matched"], &tried["subscriptions"][0]["filter"]),
        (&json!(true), &json!("payload.rating >= 4"))
    );
    let output = tidings(
        &["filter", "try", id, "--filter", "payload.no == 1", "--payload", "{}"],
        &variables,
    )
    .await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("does not match: "), "{text}");
}
