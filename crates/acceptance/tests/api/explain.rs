//! Why something did or did not arrive, and what happens next.

use serde_json::json;
use tidings_acceptance::{Client, SOON, Standalone, System, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};
use tonic::Code;

use crate::refused;

async fn explain(client: &Client, event: &str) -> pb::EventExplanation {
    let request = pb::ExplainEventRequest {
        event_id: event.to_owned(),
    };
    client.explanations().explain_event(request).await.unwrap().into_inner()
}

fn of<'a>(explained: &'a pb::EventExplanation, endpoint: &pb::Endpoint) -> &'a pb::DeliveryExplanation {
    let found = explained.deliveries.iter().find(|one| one.endpoint_id == endpoint.id);
    found.expect("every endpoint is explained")
}

fn wanting(pattern: &str, disabled: bool) -> Vec<pb::Subscription> {
    vec![pb::Subscription {
        pattern: pattern.into(),
        disabled,
        ..pb::Subscription::default()
    }]
}

/// One event and a tenant with an endpoint for everything that can become of it.
async fn every_endpoint_is_explained(client: &Client) {
    let tenant = client.create_tenant("explained").await;
    let well = Receiver::start().await;
    let broken = Receiver::start().await;
    broken.answer_always(Answer::Status(503));
    let strict = Receiver::start().await;
    strict.answer_always(Answer::Status(404));
    let make = async |asked: pb::Endpoint| client.create_endpoint(asked).await;
    let delivered = make(pb::Endpoint {
        name: "CRM".into(),
        ..endpoint(&tenant, &well.url())
    })
    .await;
    let waiting = make(endpoint(&tenant, &broken.url())).await;
    let given_up = make(pb::Endpoint {
        final_statuses: vec!["404".into()],
        ..endpoint(&tenant, &strict.url())
    })
    .await;
    let other = make(pb::Endpoint {
        subscriptions: wanting("issue.created", false),
        ..endpoint(&tenant, &well.url())
    })
    .await;
    let silenced = make(pb::Endpoint {
        subscriptions: wanting("feedback.*", true),
        ..endpoint(&tenant, &well.url())
    })
    .await;
    let off = make(endpoint(&tenant, &well.url())).await;
    let request = pb::DisableEndpointRequest {
        endpoint_id: off.id.clone(),
    };
    client.endpoints().disable_endpoint(request).await.unwrap();
    client.ingest_is_up_to_date().await;

    let event = client
        .publish(&tenant, "feedback.created", json!({ "rating": 5 }))
        .await;
    let late = make(endpoint(&tenant, &well.url())).await;
    wait_until(SOON, "everything to have happened", async || {
        let states = client
            .deliveries_of(&event)
            .await
            .into_iter()
            .map(|delivery| delivery.state);
        let mut states: Vec<_> = states.collect();
        states.sort();
        states == ["exhausted", "held", "scheduled", "succeeded"]
    })
    .await;

    let explained = explain(client, &event).await;
    let whole = explained.sentences.join(" ");
    assert!(whole.contains("`feedback.created` was accepted at 20"), "{whole}");
    assert!(
        whole.contains("It has 4 deliveries: 1 delivered, 1 waiting for its next attempt, 1 held, 1 given up."),
        "{whole}"
    );
    assert!(explained.event.as_ref().unwrap().payload.is_empty());

    let told = of(&explained, &delivered);
    assert_eq!(
        (told.verdict.as_str(), told.endpoint_name.as_str()),
        ("delivered", "CRM")
    );
    assert!(told.sentences[0].starts_with("Attempt 1 of 6 at 20"), "{told:?}");
    assert!(told.sentences[0].contains("was answered with 200 after "), "{told:?}");
    assert_eq!((told.next.as_str(), told.attempts.len()), ("", 1));

    let told = of(&explained, &waiting);
    assert_eq!(
        (told.verdict.as_str(), told.endpoint_name.as_str()),
        ("waiting", "127.0.0.1")
    );
    assert!(told.sentences[0].contains("failed with 503 after "), "{told:?}");
    assert!(told.next.starts_with("Attempt 2 is due at 20"), "{told:?}");

    let told = of(&explained, &given_up);
    assert_eq!(told.verdict, "given_up");
    assert_eq!(told.sentences[1], "404 is final for this endpoint: given up.");
    let delivery = told.delivery.as_ref().unwrap();
    assert!(
        told.next
            .contains(&format!("POST /api/v2/deliveries/{}/retry", delivery.id)),
        "{told:?}"
    );

    let told = of(&explained, &off);
    assert_eq!(told.verdict, "held");
    assert_eq!(
        told.sentences,
        ["Held: the endpoint is off, because somebody turned it off."]
    );
    assert!(
        told.next.contains(&format!("POST /api/v2/endpoints/{}/enable", off.id)),
        "{told:?}"
    );

    let why = |endpoint| {
        let told = of(&explained, endpoint);
        (told.verdict.as_str(), told.sentences.join(" "))
    };
    let only = "Did not match: the endpoint subscribes to `issue.created` only.";
    assert_eq!(why(&other), ("not_subscribed", only.into()));
    let switched_off = "Did not match: the endpoint's subscription to `feedback.*` is switched off.";
    assert_eq!(why(&silenced), ("subscription_off", switched_off.into()));
    assert_eq!(why(&late).0, "made_later");

    let request = pb::ExplainDeliveryRequest {
        delivery_id: delivery.id.clone(),
    };
    let one = client
        .explanations()
        .explain_delivery(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(&one, of(&explained, &given_up));
}

#[tokio::test]
async fn every_endpoint_of_an_event_is_explained_embedded() {
    let system = Standalone::start().await;
    every_endpoint_is_explained(&system.operator).await;
}

#[tokio::test]
async fn every_endpoint_of_an_event_is_explained_on_the_engines() {
    let system = System::start().await;
    every_endpoint_is_explained(&system.operator).await;
}

#[tokio::test]
async fn an_open_circuit_is_told_with_its_beginning() {
    let system = Standalone::start_with(&[("DISPATCHER__BREAKER_FAILURES", "2")]).await;
    let client = &system.operator;
    let tenant = client.create_tenant("circuit").await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(500).after(std::time::Duration::from_millis(500)));
    let asked = pb::Endpoint {
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }; 20],
        ..endpoint(&tenant, &receiver.url())
    };
    let made = client.create_endpoint(asked).await;
    for _ in 0..20 {
        client.publish(&tenant, "feedback.created", json!({})).await;
    }
    wait_until(SOON, "a delivery that waits for the circuit", async || {
        for delivery in client.deliveries_to(&made).await {
            let request = pb::ExplainDeliveryRequest {
                delivery_id: delivery.id.clone(),
            };
            let told = client
                .explanations()
                .explain_delivery(request)
                .await
                .unwrap()
                .into_inner();
            let words = told.sentences.join(" ");
            if words.contains("circuit is open") {
                assert!(
                    words.contains(" since 20") && words.contains("failures in a row"),
                    "{words}"
                );
                return true;
            }
        }
        false
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_of_anothers_events() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let (tenant, stranger) = (client.create_tenant("mine").await, client.create_tenant("yours").await);
    let receiver = Receiver::start().await;
    client.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    let event = client.publish(&tenant, "feedback.created", json!({})).await;
    let delivery_id = client.wait_for_state(&event, "succeeded").await.remove(0).id;
    let foreign = system.client(&stranger.token).explanations();
    let answer = foreign
        .clone()
        .explain_event(pb::ExplainEventRequest { event_id: event })
        .await;
    refused(answer, Code::NotFound, "event_unknown", "", "there is no event");
    let answer = foreign
        .clone()
        .explain_delivery(pb::ExplainDeliveryRequest { delivery_id })
        .await;
    refused(answer, Code::NotFound, "delivery_unknown", "", "there is no delivery");
}
