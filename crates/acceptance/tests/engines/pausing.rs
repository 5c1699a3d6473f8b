//! Endpoints that are off for a while: what is for them waits in the ledger, costs no attempt and is not lost.

use std::collections::HashSet;

use serde_json::json;
use tidings_acceptance::{Client, SOON, System, Tenant, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::arrived;

const EVENTS: usize = 300;

async fn publish(client: &Client, tenant: &Tenant) -> Vec<String> {
    let publishes = (0..EVENTS).map(|number| client.publish(tenant, "pause.test", json!({ "number": number })));
    futures::future::join_all(publishes).await
}

async fn disable(client: &Client, endpoint: &pb::Endpoint) {
    let request = pb::DisableEndpointRequest {
        endpoint_id: endpoint.id.clone(),
    };
    client.endpoints().disable_endpoint(request).await.unwrap();
    client.ingest_is_up_to_date().await;
}

async fn enable(client: &Client, endpoint: &pb::Endpoint, held: pb::Held) {
    let request = pb::EnableEndpointRequest {
        endpoint_id: endpoint.id.clone(),
        held: held.into(),
    };
    client.endpoints().enable_endpoint(request).await.unwrap();
}

#[tokio::test]
async fn what_is_held_is_sent_once_when_the_endpoint_is_enabled_or_cancelled_if_so_asked() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("pausing").await;
    let limited = pb::Endpoint {
        rate_per_second: 300,
        rate_burst: 20,
        ..endpoint(&tenant, &receiver.url())
    };
    let made = operator.create_endpoint(limited).await;

    disable(operator, &made).await;
    let sent = publish(operator, &tenant).await;
    operator.wait_for_all(&sent, &made, "held").await;
    assert_eq!(receiver.count(), 0);
    enable(operator, &made, pb::Held::Release).await;
    operator.wait_for_all(&sent, &made, "succeeded").await;
    assert_eq!(arrived(&receiver), (sent.iter().cloned().collect(), 0));

    disable(operator, &made).await;
    let cancelled = publish(operator, &tenant).await;
    operator.wait_for_all(&cancelled, &made, "held").await;
    enable(operator, &made, pb::Held::Cancel).await;
    operator.wait_for_all(&cancelled, &made, "cancelled").await;
    let reasons = operator.deliveries_to(&made).await;
    let by_request = reasons
        .iter()
        .filter(|delivery| delivery.reason == "by_request")
        .count();
    assert_eq!(by_request, EVENTS);

    // What comes afterwards is delivered.
    let later = publish(operator, &tenant).await;
    operator.wait_for_all(&later, &made, "succeeded").await;
    let delivered: HashSet<String> = sent.into_iter().chain(later).collect();
    assert_eq!(arrived(&receiver), (delivered.clone(), 0));

    // So is what was cancelled, when somebody sends it again; that most of it is held for a moment cancels nothing.
    let rows = pb::LogRows {
        rows: Some(pb::log_rows::Rows::Deliveries(pb::DeliveryFilter {
            tenant_id: tenant.id.clone(),
            states: vec!["cancelled".into()],
            ..pb::DeliveryFilter::default()
        })),
    };
    let request = pb::CreateReplayRequest {
        rows: Some(rows),
        per_second: 10_000,
        ..pb::CreateReplayRequest::default()
    };
    operator.replays().create_replay(request).await.unwrap();
    let all = delivered.into_iter().chain(cancelled).collect();
    wait_until(SOON, "all that was cancelled to arrive", async || {
        arrived(&receiver).0 == all
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("gone").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    receiver.answer_always(Answer::Status(410));
    let told = operator.publish(&tenant, "gone.test", json!({})).await;
    operator.wait_for_all(&[told], &made, "exhausted").await;

    let request = pb::GetEndpointRequest {
        endpoint_id: made.id.clone(),
    };
    let endpoint = operator.endpoints().get_endpoint(request).await.unwrap().into_inner();
    assert!(!endpoint.enabled);
    operator.ingest_is_up_to_date().await;
    let held = operator.publish(&tenant, "gone.test", json!({})).await;
    operator.wait_for_all(std::slice::from_ref(&held), &made, "held").await;
    receiver.answer_always(Answer::Status(200));
    enable(operator, &made, pb::Held::Release).await;
    operator.wait_for_all(&[held], &made, "succeeded").await;
    receiver.wait_for(2, SOON).await;
}
