//! Sending again: one delivery, what an endpoint missed, and what the log can find.

use prost_types::Timestamp;
use serde_json::json;
use tidings_acceptance::{Client, SOON, Standalone, System, Tenant, endpoint};
use tidings_proto::pb;
use tidings_proto::pb::log_rows;
use tidings_testkit::{Answer, Receiver, wait_until};
use tonic::Code;

use crate::{invalid, refused};

const BEFORE_ALL: Timestamp = Timestamp { seconds: 0, nanos: 0 };

/// A tenant with an endpoint of which 404 is final, and the receiver behind it.
async fn set_up(client: &Client) -> (Tenant, pb::Endpoint, Receiver) {
    let receiver = Receiver::start().await;
    let tenant = client.create_tenant("replays").await;
    let asked = pb::Endpoint {
        final_statuses: vec!["404".into()],
        ..endpoint(&tenant, &receiver.url())
    };
    let made = client.create_endpoint(asked).await;
    (tenant, made, receiver)
}

async fn publish(client: &Client, tenant: &Tenant, count: usize, state: &str) -> Vec<String> {
    let mut events = Vec::new();
    for number in 0..count {
        events.push(
            client
                .publish(tenant, "feedback.created", json!({ "number": number }))
                .await,
        );
    }
    for event in &events {
        client.wait_for_state(event, state).await;
    }
    events
}

fn deliveries(tenant: &Tenant, states: &[&str]) -> pb::LogRows {
    pb::LogRows {
        rows: Some(log_rows::Rows::Deliveries(pb::DeliveryFilter {
            tenant_id: tenant.id.clone(),
            states: states.iter().map(ToString::to_string).collect(),
            ..pb::DeliveryFilter::default()
        })),
    }
}

async fn replay(client: &Client, request: pb::CreateReplayRequest) -> pb::Replay {
    client.replays().create_replay(request).await.unwrap().into_inner()
}

/// Recovers an endpoint that was out of order; what it got meanwhile does not come again.
async fn an_endpoint_gets_what_it_missed(client: &Client) {
    let (tenant, made, receiver) = set_up(client).await;
    receiver.answer_always(Answer::Status(404));
    let missed = publish(client, &tenant, 30, "exhausted").await;
    receiver.answer_always(Answer::Status(200));
    publish(client, &tenant, 5, "succeeded").await;
    let before = receiver.count();

    let retried = client.deliveries_of(&missed[0]).await.remove(0);
    let request = pb::RetryDeliveryRequest {
        delivery_id: retried.id.clone(),
    };
    let again = client
        .replays()
        .retry_delivery(request)
        .await
        .unwrap()
        .into_inner()
        .delivery_id;
    assert_ne!(again, retried.id);
    receiver.wait_for(before + 1, SOON).await;
    wait_until(SOON, "the retried delivery to succeed", async || {
        let all = client.deliveries_of(&missed[0]).await;
        all.iter()
            .any(|delivery| delivery.id == again && delivery.state == "succeeded")
    })
    .await;

    let request = pb::RecoverEndpointRequest {
        endpoint_id: made.id.clone(),
        since: Some(BEFORE_ALL),
        until: None,
        per_second: 1_000,
    };
    let started = client.replays().recover_endpoint(request).await.unwrap().into_inner();
    assert_eq!((started.state.as_str(), started.matched), ("running", 30));
    let ended = client.wait_for_replay(&started).await;
    assert_eq!(
        (ended.state.as_str(), ended.walked, ended.deliveries, ended.skipped),
        ("succeeded", 30, 29, 1),
        "one was delivered by now"
    );
    receiver.wait_for(before + 30, SOON).await;
    for event in &missed {
        wait_until(SOON, "an event to be delivered", async || {
            let all = client.deliveries_of(event).await;
            all.iter().any(|delivery| delivery.state == "succeeded")
        })
        .await;
        let states: Vec<_> = client
            .deliveries_of(event)
            .await
            .into_iter()
            .map(|one| one.state)
            .collect();
        assert!(
            states.contains(&"exhausted".to_owned()),
            "the old delivery stays as it ended: {states:?}"
        );
    }
    let requests = receiver.requests();
    let last: Vec<_> = requests[before..]
        .iter()
        .filter_map(|request| request.header("webhook-id"))
        .collect();
    assert!(
        missed.iter().all(|event| last.contains(&event.as_str())),
        "events keep their ids"
    );
    assert_eq!(receiver.count(), before + 30, "nothing came twice");
}

#[tokio::test]
async fn what_an_endpoint_missed_is_sent_again_embedded() {
    let system = Standalone::start().await;
    an_endpoint_gets_what_it_missed(&system.operator).await;
}

#[tokio::test]
async fn what_an_endpoint_missed_is_sent_again_on_the_engines() {
    let system = System::start().await;
    an_endpoint_gets_what_it_missed(&system.operator).await;
}

#[tokio::test]
async fn any_rows_of_the_log_go_to_where_they_went_or_to_another_endpoint() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let (tenant, made, receiver) = set_up(client).await;
    publish(client, &tenant, 4, "succeeded").await;
    let other = Receiver::start().await;
    let asked = pb::Endpoint {
        subscriptions: vec![pb::Subscription {
            pattern: "issue.created".into(),
            disabled: false,
            ..pb::Subscription::default()
        }],
        ..endpoint(&tenant, &other.url())
    };
    let elsewhere = client.create_endpoint(asked).await;

    let attempts = pb::LogRows {
        rows: Some(log_rows::Rows::Attempts(pb::AttemptFilter {
            tenant_id: tenant.id.clone(),
            endpoint_id: made.id.clone(),
            status_classes: vec![2],
            ..pb::AttemptFilter::default()
        })),
    };
    let preview = pb::PreviewReplayRequest {
        rows: Some(attempts.clone()),
    };
    let counted = client.replays().preview_replay(preview).await.unwrap().into_inner();
    assert_eq!((counted.rows, counted.at_least), (4, false));
    let request = pb::CreateReplayRequest {
        rows: Some(attempts),
        ..pb::CreateReplayRequest::default()
    };
    let ended = client.wait_for_replay(&replay(client, request).await).await;
    assert_eq!((ended.deliveries, ended.per_second), (4, 200));
    receiver.wait_for(8, SOON).await;

    let events = pb::LogRows {
        rows: Some(log_rows::Rows::Events(pb::EventFilter {
            tenant_id: tenant.id.clone(),
            event_types: vec!["feedback.created".into()],
            ..pb::EventFilter::default()
        })),
    };
    let request = pb::CreateReplayRequest {
        rows: Some(events),
        endpoint_id: elsewhere.id.clone(),
        only_undelivered: true,
        per_second: 50,
    };
    let ended = client.wait_for_replay(&replay(client, request.clone()).await).await;
    assert_eq!(ended.deliveries, 4, "whether or not it subscribes to them");
    other.wait_for(4, SOON).await;
    wait_until(SOON, "all to be recorded", async || {
        let all = client.deliveries_to(&elsewhere).await;
        all.iter().all(|delivery| delivery.state == "succeeded")
    })
    .await;
    let ended = client.wait_for_replay(&replay(client, request).await).await;
    assert_eq!((ended.deliveries, ended.skipped), (0, 4), "it has them all by now");

    let listed = pb::ListReplaysRequest {
        tenant_id: tenant.id.clone(),
        page_size: 2,
        page_token: String::new(),
    };
    let page = client
        .replays()
        .list_replays(listed.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((page.replays.len(), &page.replays[0]), (2, &ended));
    let next = pb::ListReplaysRequest {
        page_token: page.next_page_token,
        ..listed
    };
    let page = client.replays().list_replays(next).await.unwrap().into_inner();
    assert_eq!((page.replays.len(), page.next_page_token.as_str()), (1, ""));
}

#[tokio::test]
async fn a_replay_is_paused_resumed_and_cancelled() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let (tenant, _, receiver) = set_up(client).await;
    publish(client, &tenant, 20, "succeeded").await;
    let request = pb::CreateReplayRequest {
        rows: Some(deliveries(&tenant, &["succeeded"])),
        per_second: 2,
        ..pb::CreateReplayRequest::default()
    };
    let started = replay(client, request).await;
    let replay_id = || started.id.clone();
    receiver.wait_for(22, SOON).await;
    let pause = pb::PauseReplayRequest { replay_id: replay_id() };
    let paused = client.replays().pause_replay(pause.clone()).await.unwrap().into_inner();
    assert_eq!(paused.state, "paused");
    assert!((2..20).contains(&paused.deliveries), "{paused:?}");
    let twice = client.replays().pause_replay(pause).await.unwrap().into_inner();
    assert_eq!(twice, paused);

    let resume = pb::ResumeReplayRequest { replay_id: replay_id() };
    assert_eq!(
        client
            .replays()
            .resume_replay(resume.clone())
            .await
            .unwrap()
            .into_inner()
            .state,
        "running"
    );
    wait_until(SOON, "the replay to go on", async || {
        let request = pb::GetReplayRequest { replay_id: replay_id() };
        let now = client.replays().get_replay(request).await.unwrap().into_inner();
        now.deliveries > paused.deliveries
    })
    .await;
    let cancel = pb::CancelReplayRequest { replay_id: replay_id() };
    let cancelled = client.replays().cancel_replay(cancel).await.unwrap().into_inner();
    assert_eq!(cancelled.state, "cancelled");
    assert!(cancelled.deliveries < 20 && cancelled.ended_at.is_some());
    let answer = client.replays().resume_replay(resume).await;
    refused(
        answer,
        Code::AlreadyExists,
        "replay_ended",
        "replay_id",
        "start another",
    );
}

#[tokio::test]
async fn what_can_not_be_sent_again_is_refused_in_words() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let (tenant, made, receiver) = set_up(client).await;
    let (stranger, theirs, _) = set_up(client).await;
    let create = async |request: pb::CreateReplayRequest| client.replays().create_replay(request).await;

    let nothing = pb::CreateReplayRequest::default();
    invalid(create(nothing).await, "field_missing", "rows", "missing");
    let whose = pb::CreateReplayRequest {
        rows: Some(deliveries(
            &Tenant {
                id: String::new(),
                ..stranger.clone()
            },
            &[],
        )),
        ..pb::CreateReplayRequest::default()
    };
    invalid(create(whose).await, "tenant_missing", "tenant_id", "name one");
    let nowhere = pb::CreateReplayRequest {
        rows: Some(pb::LogRows {
            rows: Some(log_rows::Rows::Events(pb::EventFilter {
                tenant_id: tenant.id.clone(),
                ..pb::EventFilter::default()
            })),
        }),
        ..pb::CreateReplayRequest::default()
    };
    invalid(
        create(nowhere).await,
        "endpoint_missing",
        "endpoint_id",
        "name the endpoint",
    );
    let to_another = pb::CreateReplayRequest {
        rows: Some(deliveries(&tenant, &[])),
        endpoint_id: theirs.id.clone(),
        ..pb::CreateReplayRequest::default()
    };
    invalid(
        create(to_another).await,
        "endpoint_of_other_tenant",
        "endpoint_id",
        "another tenant",
    );
    let too_fast = pb::CreateReplayRequest {
        rows: Some(deliveries(&tenant, &[])),
        per_second: 10_001,
        ..pb::CreateReplayRequest::default()
    };
    invalid(create(too_fast).await, "rate_invalid", "per_second", "1 to 10000");
    let unknown_state = pb::CreateReplayRequest {
        rows: Some(deliveries(&tenant, &["lost"])),
        ..pb::CreateReplayRequest::default()
    };
    invalid(create(unknown_state).await, "name_unknown", "states", "exhausted");

    // A delivery that is held because its endpoint is off would only be held again.
    let request = pb::DisableEndpointRequest {
        endpoint_id: made.id.clone(),
    };
    client.endpoints().disable_endpoint(request).await.unwrap();
    client.ingest_is_up_to_date().await;
    let held = publish(client, &tenant, 1, "held").await;
    let delivery_id = client.deliveries_of(&held[0]).await.remove(0).id;
    let retry = pb::RetryDeliveryRequest { delivery_id };
    let answer = client.replays().retry_delivery(retry.clone()).await;
    refused(
        answer,
        Code::AlreadyExists,
        "endpoint_disabled",
        "",
        "enable the endpoint",
    );
    assert_eq!(receiver.count(), 0);

    // To another tenant none of it exists.
    let foreign = system.client(&stranger.token);
    let answer = foreign.replays().retry_delivery(retry).await;
    refused(answer, Code::NotFound, "delivery_unknown", "", "there is no delivery");
    let request = pb::RecoverEndpointRequest {
        endpoint_id: made.id.clone(),
        since: Some(BEFORE_ALL),
        ..pb::RecoverEndpointRequest::default()
    };
    let answer = foreign.replays().recover_endpoint(request).await;
    refused(
        answer,
        Code::NotFound,
        "endpoint_unknown",
        "endpoint_id",
        "there is no endpoint",
    );
    let request = pb::CreateReplayRequest {
        rows: Some(deliveries(&tenant, &[])),
        ..pb::CreateReplayRequest::default()
    };
    let answer = foreign.replays().create_replay(request.clone()).await;
    refused(
        answer,
        Code::NotFound,
        "tenant_unknown",
        "tenant_id",
        "there is no tenant",
    );
    let mine = replay(client, request).await;
    let request = pb::CancelReplayRequest { replay_id: mine.id };
    let answer = foreign.replays().cancel_replay(request).await;
    refused(
        answer,
        Code::NotFound,
        "replay_unknown",
        "replay_id",
        "there is no replay",
    );
}
