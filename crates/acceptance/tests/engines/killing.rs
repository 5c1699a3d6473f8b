//! Any role may die at any instant (guarantees G1 to G4, G9).

use std::time::Duration;

use tidings_acceptance::{Load, SOON, System, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::{Pick, arrived};

/// So many requests fail at first in each round, so that the role dies in the middle of retries too.
const FAILURES: usize = 100;

#[tokio::test]
async fn every_accepted_event_arrives_although_each_role_is_killed() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_LOG__GRACE", "3s");
    system.set("TIDINGS_DISPATCHER__CHECK_AFTER", "2s");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    // So that some are always in hand.
    receiver.answer_always(Answer::Status(200).after(Duration::from_millis(20)));
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("killing").await;
    let endpoint = pb::Endpoint {
        schedule: vec![prost_types::Duration { seconds: 1, nanos: 0 }; 10],
        ..endpoint(&tenant, &receiver.url())
    };
    let made = operator.create_endpoint(endpoint).await;

    let mut accepted = Vec::new();
    let roles: [(&str, Pick); 3] = [
        ("ingest", |s| &mut s.ingest),
        ("dispatcher", |s| &mut s.dispatcher),
        ("log", |s| &mut s.log),
    ];
    for (name, role) in roles {
        let before = receiver.count();
        receiver.answer_next(vec![Answer::Status(503); FAILURES]);
        let load = Load::start(&operator, &tenant, 200);
        wait_until(SOON, "events to flow", async || {
            receiver.count() > before + 2 * FAILURES
        })
        .await;
        role(&mut system).kill9();
        // For a while nobody is there.
        tokio::time::sleep(Duration::from_millis(300)).await;
        role(&mut system).start().await;
        let again = receiver.count();
        wait_until(SOON, "events to flow again", async || receiver.count() > again + 150).await;
        let published = load.stop().await;
        println!(
            "{name} killed: {} accepted, {} refused",
            published.accepted.len(),
            published.refused
        );
        operator.wait_for_all(&published.accepted, &made, "succeeded").await;
        accepted.extend(published.accepted);
    }

    let (ids, repeated) = arrived(&receiver);
    let duplicates = repeated - roles.len() * FAILURES;
    println!("{} accepted, {} arrived, {duplicates} twice", accepted.len(), ids.len());
    assert!(accepted.iter().all(|event| ids.contains(event)));
    assert!(
        duplicates <= 96,
        "{duplicates} duplicates are more than what was in hand when processes died"
    );
}
