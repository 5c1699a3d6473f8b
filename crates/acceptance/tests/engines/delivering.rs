//! From the publisher to the receiver and into the ledger.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tidings_acceptance::{SOON, System, endpoint, request};
use tidings_proto::pb;
use tidings_testkit::{Received, Receiver};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_published_event_is_signed_delivered_and_recorded() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("delivering").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;

    // The tenant's own key, and its tenant left out.
    let publisher = system.client(&tenant.token);
    let mut publish = tonic::Request::new(pb::PublishRequest {
        tenant_id: String::new(),
        ..request(&tenant, "feedback.created", json!({ "rating": 5, "text": "naïve ☃" }))
    });
    publish
        .metadata_mut()
        .insert("traceparent", TRACEPARENT.parse().unwrap());
    let accepted = publisher.events().publish(publish).await.unwrap().into_inner();
    assert_eq!((accepted.deliveries, accepted.duplicate), (1, false));

    let received = receiver.wait_for(1, SOON).await.remove(0);
    assert_eq!(received.header("webhook-id"), Some(accepted.event_id.as_str()));
    assert_eq!(received.header("traceparent"), Some(TRACEPARENT));
    assert_eq!(received.json()["type"], "feedback.created");
    assert_eq!(received.json()["data"], json!({ "rating": 5, "text": "naïve ☃" }));
    assert_signed(&received, &made.secret);

    let delivery = operator.wait_for_state(&accepted.event_id, "succeeded").await.remove(0);
    assert_eq!((delivery.endpoint_id, delivery.attempts), (made.id.clone(), 1));
    let attempts = operator.attempts_of(&accepted.event_id).await;
    assert_eq!(attempts.len(), 1);
    let request = pb::GetAttemptRequest {
        attempt_id: attempts[0].id.clone(),
    };
    let attempt = system
        .client(&tenant.token)
        .log()
        .get_attempt(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (attempt.outcome.as_str(), attempt.status_code, attempt.number),
        ("succeeded", 200, 1)
    );
    assert_eq!(attempt.request_body, received.body);
    assert_eq!(attempt.remote_address, receiver.address().ip().to_string());
    let request = pb::GetEventRequest {
        event_id: accepted.event_id,
    };
    let event = operator
        .log()
        .get_event(request)
        .await
        .unwrap()
        .into_inner()
        .event
        .unwrap();
    assert_eq!(
        String::from_utf8(event.payload).unwrap(),
        json!({ "rating": 5, "text": "naïve ☃" }).to_string()
    );
}

/// As a receiver would check it, by the text of Standard Webhooks 1.0 and without code of ours: base64 of the
/// HMAC-SHA-256 over `id.timestamp.body`, under the key that the secret's base64 says.
fn assert_signed(received: &Received, secret: &str) {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, timestamp) = (
        received.header("webhook-id").unwrap(),
        received.header("webhook-timestamp").unwrap(),
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&received.body);
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(received.header("webhook-signature"), Some(expected.as_str()));
    let age = received.received_at.as_second() - timestamp.parse::<i64>().unwrap();
    assert!((0..5).contains(&age), "signed {age} s before it arrived");
}
