//! A replay goes on although whoever works on it dies.

use std::collections::HashMap;
use std::time::Duration;

use tidings_acceptance::{Load, SOON, System, endpoint, request};
use tidings_proto::pb;
use tidings_proto::pb::log_rows;
use tidings_testkit::{Receiver, wait_until};

#[tokio::test]
async fn a_replay_goes_on_where_it_was_when_the_log_is_killed() {
    let mut system = System::prepare().await;
    // What the log had recorded but not published when it died is published by the sweeper.
    system.set("TIDINGS_LOG__GRACE", "3s");
    system.start_roles().await;
    let operator = system.operator.clone();
    let receiver = Receiver::start().await;
    let tenant = operator.create_tenant("replaying").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    let load = Load::start(&operator, &tenant, 300);
    wait_until(SOON, "events to flow", async || receiver.count() > 900).await;
    let accepted = load.stop().await.accepted;
    operator.wait_for_all(&accepted, &made, "succeeded").await;
    let before = receiver.count();

    let request = pb::CreateReplayRequest {
        rows: Some(pb::LogRows {
            rows: Some(log_rows::Rows::Deliveries(pb::DeliveryFilter {
                tenant_id: tenant.id.clone(),
                states: vec!["succeeded".into()],
                ..pb::DeliveryFilter::default()
            })),
        }),
        per_second: 100,
        ..pb::CreateReplayRequest::default()
    };
    let started = operator.replays().create_replay(request).await.unwrap().into_inner();
    assert_eq!(started.matched, accepted.len() as u64);
    for killed_at in [100, 300] {
        receiver.wait_for(before + killed_at, SOON).await;
        system.log.kill9();
        // For a while nobody is there.
        tokio::time::sleep(Duration::from_millis(300)).await;
        system.log.start().await;
    }
    let ended = operator.wait_for_replay(&started).await;
    assert_eq!((ended.state.as_str(), ended.deliveries), ("succeeded", started.matched));
    // What it made may be among the rows that it comes by; that is left out.
    assert_eq!(ended.walked - ended.skipped, started.matched);
    receiver.wait_for(before + accepted.len(), SOON).await;
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for request in receiver.requests() {
        *arrived
            .entry(request.header("webhook-id").unwrap().to_owned())
            .or_default() += 1;
    }
    assert!(accepted.iter().all(|event| arrived[event] >= 2));
    let repeated: usize = arrived.values().map(|times| times.saturating_sub(2)).sum();
    println!("{} replayed, {repeated} of them repeated", accepted.len());
    assert!(
        repeated <= 100,
        "{repeated} duplicates are more than what was in hand when the log died"
    );
}

/// Others' retries wait in the same lanes, so a replay waits as long as many do.
#[tokio::test]
async fn a_replay_does_not_fill_the_lanes_of_retries() {
    const WAIT: u64 = 2_000;
    const EVENTS: usize = 400;
    const ENDPOINTS: usize = 20;
    let mut system = System::start().await;
    let operator = system.operator.clone();
    let receiver = Receiver::start().await;
    let tenant = operator.create_tenant("much to replay").await;
    let mut endpoints = Vec::new();
    for _ in 0..ENDPOINTS {
        let wanted = pb::CreateEndpointRequest {
            endpoint: Some(endpoint(&tenant, &receiver.url())),
            disabled: true,
        };
        let made = operator.endpoints().create_endpoint(wanted).await.unwrap();
        endpoints.push(made.into_inner().id);
    }
    operator.ingest_is_up_to_date().await;
    let events = (0..EVENTS).map(|number| request(&tenant, "much.test", serde_json::json!(number)));
    let batch = pb::PublishBatchRequest {
        events: events.collect(),
    };
    operator.events().publish_batch(batch).await.unwrap();
    for endpoint_id in endpoints {
        let enable = pb::EnableEndpointRequest {
            endpoint_id,
            held: pb::Held::Cancel.into(),
        };
        operator.endpoints().enable_endpoint(enable).await.unwrap();
    }
    let rows = pb::LogRows {
        rows: Some(log_rows::Rows::Deliveries(pb::DeliveryFilter {
            tenant_id: tenant.id.clone(),
            states: vec!["cancelled".into()],
            ..pb::DeliveryFilter::default()
        })),
    };
    let all = (EVENTS * ENDPOINTS) as u64;
    wait_until(SOON, "all that was held to be cancelled", async || {
        let counting = pb::CountRowsRequest {
            rows: Some(rows.clone()),
        };
        operator.log().count_rows(counting).await.unwrap().into_inner().rows == all
    })
    .await;

    assert_eq!(system.dispatcher.terminate(SOON).await.code(), Some(0));
    let request = pb::CreateReplayRequest {
        rows: Some(rows),
        per_second: 500,
        ..pb::CreateReplayRequest::default()
    };
    let started = operator.replays().create_replay(request).await.unwrap().into_inner();
    assert_eq!(started.matched, all);
    let made = async || {
        let request = pb::GetReplayRequest {
            replay_id: started.id.clone(),
        };
        operator
            .replays()
            .get_replay(request)
            .await
            .unwrap()
            .into_inner()
            .deliveries
    };
    let mut last = 0;
    wait_until(SOON, "the replay to wait", async || {
        let before = std::mem::replace(&mut last, made().await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        before == last && last >= WAIT
    })
    .await;
    println!("{last} of {all} made while nobody sends");
    assert!(last < all, "{last}");
    system.dispatcher.start().await;
    let ended = operator.wait_for_replay(&started).await;
    assert_eq!((ended.state.as_str(), ended.deliveries), ("succeeded", all));
}
