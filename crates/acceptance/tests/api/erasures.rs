//! Removing content for good.

use serde_json::json;
use tidings_acceptance::{Client, SOON, Standalone, System, Tenant, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};
use tonic::Code;

use crate::{invalid, refused};

async fn erase(client: &Client, event_id: &str, tenant_id: &str) -> pb::Erasure {
    let request = pb::CreateErasureRequest {
        event_id: event_id.into(),
        tenant_id: tenant_id.into(),
    };
    let asked = client.erasures().create_erasure(request).await.unwrap().into_inner();
    let mut seen = asked.clone();
    wait_until(SOON, "an erasure to end", async || {
        let request = pb::GetErasureRequest {
            erasure_id: asked.id.clone(),
        };
        seen = client.erasures().get_erasure(request).await.unwrap().into_inner();
        seen.state == "succeeded"
    })
    .await;
    seen
}

async fn get_event(client: &Client, event_id: &str) -> pb::Event {
    let request = pb::GetEventRequest {
        event_id: event_id.into(),
    };
    client
        .log()
        .get_event(request)
        .await
        .unwrap()
        .into_inner()
        .event
        .unwrap()
}

/// Everything that is on record of a tenant, as text.
async fn on_record(client: &Client, tenant: &Tenant) -> String {
    let request = pb::ListEventsRequest {
        tenant_id: tenant.id.clone(),
        ..pb::ListEventsRequest::default()
    };
    let events = client.log().list_events(request).await.unwrap().into_inner().events;
    let mut text = String::new();
    for event in events {
        let found = get_event(client, &event.id).await;
        text += &format!("{found:?} {}", String::from_utf8_lossy(&found.payload));
        for attempt in client.attempts_of(&event.id).await {
            let request = pb::GetAttemptRequest { attempt_id: attempt.id };
            let attempt = client.log().get_attempt(request).await.unwrap().into_inner();
            text += &String::from_utf8_lossy(&attempt.request_body);
            text += &String::from_utf8_lossy(&attempt.response_body);
        }
    }
    text
}

/// One event's content, then everything of its tenant.
async fn content_goes(client: &Client) {
    let tenant = client.create_tenant("erased").await;
    let neighbour = client.create_tenant("kept").await;
    let receiver = Receiver::start().await;
    receiver.answer_next([Answer::full(500, &[], "not now, jane")]);
    client.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    client.create_endpoint(endpoint(&neighbour, &receiver.url())).await;
    let event = client
        .publish(&tenant, "feedback.created", json!({ "email": "jane@example.com" }))
        .await;
    client.wait_for_state(&event, "scheduled").await;
    let other = client
        .publish(&tenant, "feedback.created", json!({ "email": "joe@example.com" }))
        .await;
    let theirs = client
        .publish(&neighbour, "feedback.created", json!({ "email": "ann@example.com" }))
        .await;
    for event in [&other, &theirs] {
        client.wait_for_state(event, "succeeded").await;
    }
    assert!(on_record(client, &tenant).await.contains("jane"));

    let ended = erase(client, &event, "").await;
    assert_eq!((ended.events, ended.deliveries, ended.attempts), (1, 1, 1));
    assert_eq!((ended.event_id, &ended.tenant_id), (event.clone(), &tenant.id));
    let found = get_event(client, &event).await;
    assert!(found.erased_at.is_some() && found.payload.is_empty());
    let delivery = client.deliveries_of(&event).await.remove(0);
    assert_eq!(
        (delivery.state.as_str(), delivery.reason.as_str()),
        ("cancelled", "erased")
    );
    let text = on_record(client, &tenant).await;
    assert!(!text.contains("jane") && text.contains("joe@example.com"), "{text}");
    let request = pb::RetryDeliveryRequest {
        delivery_id: delivery.id,
    };
    let answer = client.replays().retry_delivery(request).await;
    refused(
        answer,
        Code::AlreadyExists,
        "nothing_to_send",
        "",
        "nothing left to send",
    );

    let ended = erase(client, "", &tenant.id).await;
    assert_eq!((ended.events, ended.deliveries, ended.attempts), (2, 2, 2));
    assert_eq!(on_record(client, &tenant).await, "");
    assert!(on_record(client, &neighbour).await.contains("ann@example.com"));
    let request = pb::ListErasuresRequest {
        tenant_id: tenant.id.clone(),
        ..pb::ListErasuresRequest::default()
    };
    let listed = client
        .erasures()
        .list_erasures(request)
        .await
        .unwrap()
        .into_inner()
        .erasures;
    assert_eq!((listed.len(), &listed[0]), (2, &ended));
}

/// Retries wait when everything of their tenant is erased. They find nothing, and leave nothing.
async fn nothing_comes_back(client: &Client) {
    let tenant = client.create_tenant("retried").await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(500));
    let second = prost_types::Duration { seconds: 1, nanos: 0 };
    let failing = pb::Endpoint {
        schedule: vec![second; 3],
        ..endpoint(&tenant, &receiver.url())
    };
    let failing = client.create_endpoint(failing).await;
    let mut erased = Vec::new();
    for number in 0..5 {
        erased.push(client.publish(&tenant, "feedback.created", json!(number)).await);
    }
    client.wait_for_all(&erased, &failing, "scheduled").await;
    erase(client, "", &tenant.id).await;
    // What is published now goes the same ways behind them.
    let later = client.publish(&tenant, "feedback.created", json!("later")).await;
    client
        .wait_for_all(std::slice::from_ref(&later), &failing, "exhausted")
        .await;
    let left = client.deliveries_to(&failing).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].event_id, later);
    assert_eq!(client.attempts_of(&later).await.len(), 4);
}

#[tokio::test]
async fn content_goes_for_good_embedded() {
    let system = Standalone::start().await;
    tokio::join!(content_goes(&system.operator), nothing_comes_back(&system.operator));
}

#[tokio::test]
async fn content_goes_for_good_on_the_engines() {
    let system = System::start().await;
    tokio::join!(content_goes(&system.operator), nothing_comes_back(&system.operator));
}

#[tokio::test]
async fn only_ones_own_events_and_only_operators_tenants() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let (tenant, stranger) = (client.create_tenant("mine").await, client.create_tenant("yours").await);
    let event_id = client.publish(&tenant, "feedback.created", json!({ "a": 1 })).await;
    wait_until(SOON, "the event to be on record", async || {
        let request = pb::GetEventRequest {
            event_id: event_id.clone(),
        };
        client.log().get_event(request).await.is_ok()
    })
    .await;
    let of_event = pb::CreateErasureRequest {
        event_id,
        tenant_id: String::new(),
    };
    let of_tenant = pb::CreateErasureRequest {
        event_id: String::new(),
        tenant_id: tenant.id.clone(),
    };
    let foreign = system.client(&stranger.token);
    let answer = foreign.erasures().create_erasure(of_event.clone()).await;
    refused(answer, Code::NotFound, "event_unknown", "", "there is no event");
    let own = system.client(&tenant.token);
    let answer = own.erasures().create_erasure(of_tenant).await;
    refused(answer, Code::PermissionDenied, "operator_only", "", "operator's key");
    let both = pb::CreateErasureRequest {
        tenant_id: tenant.id.clone(),
        ..of_event.clone()
    };
    invalid(
        client.erasures().create_erasure(both).await,
        "target_ambiguous",
        "event_id",
        "one event",
    );
    let erased = own.erasures().create_erasure(of_event).await.unwrap().into_inner();
    let request = pb::GetErasureRequest { erasure_id: erased.id };
    let answer = foreign.erasures().get_erasure(request).await;
    refused(
        answer,
        Code::NotFound,
        "erasure_unknown",
        "erasure_id",
        "there is no erasure",
    );
}
