//! Processes that die exactly between two steps of the protocol (guarantees G1, G3 and G4).
//!
//! `tidings_service::failpoint` names the places. Each test lets a process die at a place for some time into a load,
//! starts it again, and wants every accepted event to arrive and to end.

use tidings_acceptance::{Load, SOON, System, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::{Pick, arrived, lose_messages};

const INGEST: Pick = |system| &mut system.ingest;
const DISPATCHER: Pick = |system| &mut system.dispatcher;
const LOG: Pick = |system| &mut system.log;

/// What is in hand when a process dies may be sent again: at most what one endpoint's window lets through at once,
/// and the requests that the receiver had taken when they were cut off.
const IN_HAND: usize = 64;

#[tokio::test]
async fn ingest_dies_after_recording_and_publishing_but_before_the_answer() {
    dies_at(INGEST, "ingest::before_answer").await;
}

#[tokio::test]
async fn a_dispatcher_dies_before_it_sends() {
    dies_at(DISPATCHER, "dispatcher::before_send").await;
}

#[tokio::test]
async fn a_dispatcher_dies_after_the_answer_but_before_the_record() {
    dies_at(DISPATCHER, "dispatcher::before_record").await;
}

#[tokio::test]
async fn a_dispatcher_dies_after_the_record_but_before_the_next_attempt_is_published() {
    dies_at(DISPATCHER, "dispatcher::before_successor").await;
}

#[tokio::test]
async fn a_dispatcher_dies_after_everything_but_the_acknowledgement() {
    dies_at(DISPATCHER, "dispatcher::before_ack").await;
}

#[tokio::test]
async fn log_dies_after_the_commit_but_before_the_answer() {
    dies_at(LOG, "log::before_answer").await;
}

async fn dies_at(role: Pick, place: &str) {
    let mut system = System::prepare().await;
    system.set("TIDINGS_LOG__GRACE", "3s");
    system.set("TIDINGS_DISPATCHER__CHECK_AFTER", "2s");
    role(&mut system).set("FAILPOINTS", format!("{place}=100*off->return"));
    system.start_roles().await;
    let receiver = Receiver::start().await;
    // Some fail at first, so that there are successors to lose.
    let answers = (0..60).map(|number| Answer::Status(if number % 3 == 0 { 500 } else { 200 }));
    receiver.answer_next(answers);
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("fail points").await;
    let endpoint = pb::Endpoint {
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }; 5],
        ..endpoint(&tenant, &receiver.url())
    };
    let made = operator.create_endpoint(endpoint).await;

    let load = Load::start(&operator, &tenant, 100);
    let (status, _) = role(&mut system).wait_for_exit(SOON).await;
    assert!(!status.success(), "it died at {place}");
    role(&mut system).set("FAILPOINTS", "");
    role(&mut system).start().await;
    let again = receiver.count();
    wait_until(SOON, "events to flow again", async || receiver.count() > again + 50).await;
    let published = load.stop().await;
    operator.wait_for_all(&published.accepted, &made, "succeeded").await;

    let (ids, repeated) = arrived(&receiver);
    let duplicates = repeated.saturating_sub(20);
    println!(
        "{place}: {} accepted, {} refused, {duplicates} duplicates",
        published.accepted.len(),
        published.refused
    );
    assert!(published.accepted.iter().all(|event| ids.contains(event)));
    assert!(duplicates <= IN_HAND, "{duplicates} duplicates");
}

#[tokio::test]
async fn log_dies_between_taking_overdue_deliveries_and_publishing_them() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_LOG__GRACE", "2s");
    system.set("TIDINGS_DISPATCHER__CHECK_AFTER", "1s");
    system.log.set("FAILPOINTS", "log::before_sweep=return");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("sweeping").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    assert_eq!(system.dispatcher.terminate(SOON).await.code(), Some(0));
    let event = operator.publish(&tenant, "lost.test", serde_json::json!({})).await;
    lose_messages(&system).await;
    let (status, _) = system.log.wait_for_exit(SOON).await;
    assert!(!status.success());
    system.log.set("FAILPOINTS", "");
    system.log.start().await;
    system.dispatcher.start().await;
    operator
        .wait_for_all(std::slice::from_ref(&event), &made, "succeeded")
        .await;
    assert_eq!(arrived(&receiver), ([event].into(), 0));
}

#[tokio::test]
async fn log_dies_between_writing_spilled_records_and_acknowledging_them() {
    let mut system = System::start().await;
    let receiver = Receiver::start().await;
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("draining").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    system.log.kill9();
    let mut events = Vec::new();
    for number in 0..20 {
        events.push(
            operator
                .publish(&tenant, "spilled.test", serde_json::json!({ "number": number }))
                .await,
        );
    }
    receiver.wait_for(events.len(), SOON).await;
    system.log.set("FAILPOINTS", "log::before_drain_ack=return");
    system.log.spawn();
    let (status, _) = system.log.wait_for_exit(SOON).await;
    assert!(!status.success());
    system.log.set("FAILPOINTS", "");
    system.log.start().await;
    operator.wait_for_all(&events, &made, "succeeded").await;
    wait_until(SOON, "every record to be drained", async || {
        system.vhost.queue_depth("tidings.records").await == 0
    })
    .await;
    assert_eq!(arrived(&receiver), (events.into_iter().collect(), 0));
    let attempts = operator.deliveries_to(&made).await;
    assert!(attempts.iter().all(|delivery| delivery.attempts == 1));
}
