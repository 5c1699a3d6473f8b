//! Schedules: kept by the broker's delay queues, or by the ledger where no delay queue has the delay.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tidings_acceptance::{SOON, System, Tenant, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Answer, Received, Receiver};

#[tokio::test]
async fn a_failed_delivery_is_tried_again_by_its_schedule() {
    let system = System::start().await;
    let tenant = system.operator.create_tenant("retrying").await;
    tokio::join!(
        delay_queues_keep_the_time(&system, &tenant),
        the_last_failure_exhausts(&system, &tenant),
        retry_after_is_honoured(&system, &tenant),
        the_ledger_keeps_what_no_delay_queue_has(&system, &tenant),
    );
    assert_eq!(system.dispatcher.metric("tidings_duplicates_dropped_total").await, 0.0);
}

async fn delay_queues_keep_the_time(system: &System, tenant: &Tenant) {
    let receiver = Receiver::start().await;
    receiver.answer_next([503, 503, 200].map(Answer::Status));
    let event = publish_to(system, tenant, "delays.kept", &receiver, &[1_000, 1_000]).await;

    let delivery = system.operator.wait_for_state(&event, "succeeded").await.remove(0);
    assert_eq!(delivery.attempts, 3);
    let requests = receiver.requests();
    let header = |name: &str| {
        requests
            .iter()
            .filter_map(|request| request.header(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(header("webhook-id"), [event.as_str(); 3]);
    let timestamps: HashSet<_> = header("webhook-timestamp").into_iter().collect();
    assert_eq!(timestamps.len(), 3, "each attempt is signed anew: {timestamps:?}");
    let waits = waits(&requests);
    println!("waits by a delay queue of 1 s: {waits:?}");
    assert_within(&waits, 1_000..1_600);

    let attempts = system.operator.attempts_of(&event).await;
    let told: Vec<_> = attempts
        .iter()
        .map(|a| (a.number, a.status_code, a.outcome.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (1, 503, "failed_retryable"),
            (2, 503, "failed_retryable"),
            (3, 200, "succeeded")
        ]
    );
    assert!(attempts[0].next_attempt_at.is_some() && attempts[2].next_attempt_at.is_none());
}

async fn the_last_failure_exhausts(system: &System, tenant: &Tenant) {
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(500));
    let event = publish_to(system, tenant, "always.failing", &receiver, &[1_000]).await;
    let delivery = system.operator.wait_for_state(&event, "exhausted").await.remove(0);
    assert_eq!((delivery.attempts, receiver.count()), (2, 2));
}

async fn retry_after_is_honoured(system: &System, tenant: &Tenant) {
    let receiver = Receiver::start().await;
    receiver.answer_next([Answer::full(503, &[("retry-after", "2")], ""), Answer::Status(200)]);
    let event = publish_to(system, tenant, "retry.after", &receiver, &[1_000]).await;
    system.operator.wait_for_state(&event, "succeeded").await;
    let waits = waits(&receiver.requests());
    println!("waits by Retry-After: 2, kept by the ledger: {waits:?}");
    assert_within(&waits, 2_000..3_500);
}

async fn the_ledger_keeps_what_no_delay_queue_has(system: &System, tenant: &Tenant) {
    let receiver = Receiver::start().await;
    receiver.answer_next([503, 503, 200].map(Answer::Status));
    let event = publish_to(system, tenant, "no.delay_queue", &receiver, &[1_300, 1_700]).await;
    let delivery = system.operator.wait_for_state(&event, "succeeded").await.remove(0);
    assert_eq!((delivery.attempts, receiver.count()), (3, 3));
    let waits = waits(&receiver.requests());
    println!("waits of 1.3 s and 1.7 s, kept by the ledger: {waits:?}");
    assert_within(&waits[..1], 1_300..2_800);
    assert_within(&waits[1..], 1_700..3_200);
}

async fn publish_to(system: &System, tenant: &Tenant, event_type: &str, receiver: &Receiver, waits: &[u64]) -> String {
    let wait = |&ms: &u64| prost_types::Duration {
        seconds: (ms / 1_000) as i64,
        nanos: (ms % 1_000) as i32 * 1_000_000,
    };
    let endpoint = pb::Endpoint {
        schedule: waits.iter().map(wait).collect(),
        subscriptions: vec![pb::Subscription {
            pattern: event_type.to_owned(),
            disabled: false,
            ..pb::Subscription::default()
        }],
        ..endpoint(tenant, &receiver.url())
    };
    system.operator.create_endpoint(endpoint).await;
    let event = system.operator.publish(tenant, event_type, json!({})).await;
    receiver.wait_for(1, SOON).await;
    event
}

fn waits(requests: &[Received]) -> Vec<Duration> {
    let wait = |pair: &[Received]| Duration::try_from(pair[1].received_at.duration_since(pair[0].received_at));
    requests
        .windows(2)
        .map(|pair| wait(pair).expect("requests are in order"))
        .collect()
}

fn assert_within(waits: &[Duration], range: std::ops::Range<u64>) {
    let fits = |wait: &Duration| range.contains(&(wait.as_millis() as u64));
    assert!(
        !waits.is_empty() && waits.iter().all(fits),
        "{waits:?} outside of {range:?} ms"
    );
}
