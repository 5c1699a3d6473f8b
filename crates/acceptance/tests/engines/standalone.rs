//! The embedded default loses nothing either.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tidings_acceptance::{Load, SOON, Standalone, endpoint, request};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};
use tonic::Code;

use crate::arrived;

#[tokio::test]
async fn killed_while_publishing_it_delivers_every_accepted_event_after_a_restart() {
    let mut standalone = Standalone::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(200).after(Duration::from_millis(20)));
    let operator = standalone.operator.clone();
    let tenant = operator.create_tenant("standalone").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;

    let load = Load::start(&operator, &tenant, 200);
    wait_until(SOON, "events to flow", async || receiver.count() > 200).await;
    standalone.process.kill9();
    let published = load.stop().await;
    assert!(published.accepted.len() > 100, "{} accepted", published.accepted.len());

    standalone.process.start().await;
    operator.wait_for_all(&published.accepted, &made, "succeeded").await;
    let (ids, repeated) = arrived(&receiver);
    println!(
        "{} accepted, {} refused, {repeated} repeated",
        published.accepted.len(),
        published.refused
    );
    assert!(published.accepted.iter().all(|event| ids.contains(event)));
    assert!(
        repeated <= 96,
        "{repeated} repetitions are more than what was in hand when the process died"
    );
}

#[tokio::test]
async fn stopped_while_publishing_it_loses_and_repeats_nothing() {
    let mut standalone = Standalone::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(200).after(Duration::from_millis(200)));
    let operator = standalone.operator.clone();
    let tenant = operator.create_tenant("standalone").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;

    let load = Load::start(&operator, &tenant, 100);
    wait_until(SOON, "events to flow", async || receiver.count() > 50).await;
    assert_eq!(standalone.process.terminate(SOON).await.code(), Some(0));
    let published = load.stop().await;

    standalone.process.start().await;
    operator.wait_for_all(&published.accepted, &made, "succeeded").await;
    assert_eq!(arrived(&receiver), (published.accepted.into_iter().collect(), 0));
}

#[tokio::test]
async fn a_full_disk_refuses_clearly_and_recovers() {
    let mut standalone = Standalone::start_on_small_disk(32).await;
    let receiver = Receiver::start().await;
    let operator = standalone.operator.clone();
    let tenant = operator.create_tenant("disk").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    let mut accepted = vec![operator.publish(&tenant, "disk.test", json!({})).await];

    let filler = standalone.disk().join("filler");
    fill(&filler);
    // Some room is left in what was allocated before.
    let payload = json!({ "text": "x".repeat(100_000) });
    let refusal = loop {
        match operator
            .events()
            .publish(request(&tenant, "disk.test", payload.clone()))
            .await
        {
            Ok(answer) => accepted.push(answer.into_inner().event_id),
            Err(refusal) => break refusal,
        }
        assert!(accepted.len() < 1_000, "the disk is never full");
    };
    assert_eq!(refusal.code(), Code::Unavailable);
    assert!(refusal.message().contains("the disk is full"), "{refusal}");
    wait_until(SOON, "readiness to say so", async || {
        let answer = standalone.process.get("/readyz").await;
        answer.status == 503 && answer.body.contains("the disk is full")
    })
    .await;

    fs::remove_file(filler).unwrap();
    standalone.process.ready().await;
    accepted.push(operator.publish(&tenant, "disk.test", payload).await);
    operator.wait_for_all(&accepted, &made, "succeeded").await;
    let (ids, _) = arrived(&receiver);
    assert!(accepted.iter().all(|event| ids.contains(event)));
}

/// Writes a file until no byte more fits on its disk.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let block = [0; 64 * 1024];
    let full = loop {
        if let Err(error) = file.write_all(&block) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
}

/// Killed again and again, each time at another instant.
#[tokio::test]
async fn killed_at_many_instants_it_loses_nothing() {
    const ROUNDS: u64 = 8;
    // An event may be on record without its message; the sweeper has to come within the test's patience.
    let soon = [("LOG__GRACE", "3s"), ("DISPATCHER__CHECK_AFTER", "2s")];
    let mut standalone = Standalone::start_with(&soon).await;
    let receiver = Receiver::start().await;
    let operator = standalone.operator.clone();
    let tenant = operator.create_tenant("standalone").await;
    let quick = pb::Endpoint {
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }; 10],
        ..endpoint(&tenant, &receiver.url())
    };
    let made = operator.create_endpoint(quick).await;
    let mut accepted = Vec::new();
    for round in 0..ROUNDS {
        receiver.answer_next(vec![Answer::Status(500); 5]);
        let (before, load) = (receiver.count(), Load::start(&operator, &tenant, 300));
        wait_until(SOON, "events to flow", async || receiver.count() > before + 20).await;
        // Not for luck: any instant will do, and each round takes another.
        tokio::time::sleep(Duration::from_millis(37 * round)).await;
        standalone.process.kill9();
        accepted.extend(load.stop().await.accepted);
        standalone.process.start().await;
    }
    operator.wait_for_all(&accepted, &made, "succeeded").await;
    let (ids, _) = arrived(&receiver);
    println!(
        "{ROUNDS} times killed: {} accepted, {} requests",
        accepted.len(),
        receiver.count()
    );
    assert!(accepted.iter().all(|event| ids.contains(event)));
}
