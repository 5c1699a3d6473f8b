//! Every role stops when it is told to, and what was under way is ended or comes again.

use std::time::{Duration, Instant};

use tidings_acceptance::{Load, SOON, System, endpoint};
use tidings_testkit::{Answer, Receiver, wait_until};

use crate::{Pick, arrived};

#[tokio::test]
async fn every_role_stops_in_the_middle_of_work_and_nothing_is_lost_or_repeated() {
    let mut system = System::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(200).after(Duration::from_millis(500)));
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("stopping").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;

    let mut accepted = Vec::new();
    let roles: [Pick; 4] = [
        |s| &mut s.ingest,
        |s| &mut s.dispatcher,
        |s| &mut s.log,
        |s| &mut s.control,
    ];
    for role in roles {
        let before = receiver.count();
        let load = Load::start(&operator, &tenant, 40);
        wait_until(SOON, "deliveries to be under way", async || {
            receiver.count() > before + 10
        })
        .await;
        let told = Instant::now();
        let status = role(&mut system).terminate(Duration::from_secs(20)).await;
        println!("stopped in {:?}", told.elapsed());
        assert_eq!(status.code(), Some(0));
        role(&mut system).start().await;
        let published = load.stop().await;
        println!("{} accepted, {} refused", published.accepted.len(), published.refused);
        operator.wait_for_all(&published.accepted, &made, "succeeded").await;
        accepted.extend(published.accepted);
    }

    let (ids, repeated) = arrived(&receiver);
    assert!(accepted.iter().all(|event| ids.contains(event)));
    assert_eq!(repeated, 0, "a graceful stop repeats nothing");
    let repeated_attempts = operator
        .deliveries_to(&made)
        .await
        .iter()
        .filter(|delivery| delivery.attempts != 1)
        .count();
    assert_eq!(repeated_attempts, 0);
}
