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

#[tokio::test]
async fn a_dispatcher_stops_within_its_grace_although_endpoints_hang() {
    const GRACE: Duration = Duration::from_secs(3);
    let mut system = System::prepare().await;
    system.dispatcher.set("TIDINGS_DISPATCHER__GRACE", "3s");
    system.start_roles().await;
    let (healthy, hanging) = (Receiver::start().await, Receiver::start().await);
    hanging.answer_always(Answer::Hang);
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("stopping").await;
    let quick = operator.create_endpoint(endpoint(&tenant, &healthy.url())).await;
    let slow = operator.create_endpoint(endpoint(&tenant, &hanging.url())).await;

    let load = Load::start(&operator, &tenant, 100);
    wait_until(SOON, "requests to hang", async || hanging.count() >= 4).await;
    let told = Instant::now();
    let status = system.dispatcher.terminate(SOON).await;
    let took = told.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < GRACE + Duration::from_secs(2), "{took:?}");
    let cut_off = hanging.count();
    hanging.answer_always(Answer::Status(200));
    system.dispatcher.start().await;
    let published = load.stop().await;
    println!(
        "stopped in {took:?} with {cut_off} requests that hang; {} accepted",
        published.accepted.len()
    );

    operator.wait_for_all(&published.accepted, &quick, "succeeded").await;
    operator.wait_for_all(&published.accepted, &slow, "succeeded").await;
    let (ids, repeated) = arrived(&healthy);
    assert!(published.accepted.iter().all(|event| ids.contains(event)));
    assert_eq!(repeated, 0, "what had time to end is not repeated");
    let (ids, repeated) = arrived(&hanging);
    assert!(published.accepted.iter().all(|event| ids.contains(event)));
    assert!(repeated <= cut_off, "{repeated} repeated, {cut_off} cut off");
}
