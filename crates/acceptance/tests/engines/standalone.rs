//! The embedded default loses nothing either.

use std::time::Duration;

use tidings_acceptance::{Load, SOON, Standalone, endpoint};
use tidings_testkit::{Answer, Receiver, wait_until};

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
