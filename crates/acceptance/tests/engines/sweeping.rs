//! What the broker loses is published again, and what it had all along is not sent twice (guarantees G2, G3).

use serde_json::json;
use tidings_acceptance::{SOON, System, Tenant, endpoint};
use tidings_testkit::{Receiver, wait_until};

use crate::{arrived, lose_messages};

const EVENTS: usize = 20;

#[tokio::test]
async fn overdue_deliveries_are_published_again_and_sent_once() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_LOG__GRACE", "2s");
    system.set("TIDINGS_DISPATCHER__CHECK_AFTER", "1s");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("sweeping").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;

    // Nobody takes the messages, so the sweeper puts copies beside them.
    assert_eq!(system.dispatcher.terminate(SOON).await.code(), Some(0));
    let late = publish(&system, &tenant).await;
    wait_until(SOON, "copies of every message", async || {
        system.log.metric("tidings_deliveries_swept_total").await >= EVENTS as f64
    })
    .await;
    system.dispatcher.start().await;
    operator.wait_for_all(&late, &made, "succeeded").await;
    wait_until(SOON, "the older copies to be dropped", async || {
        system.dispatcher.metric("tidings_duplicates_dropped_total").await >= EVENTS as f64
    })
    .await;
    assert_eq!(arrived(&receiver), (late.iter().cloned().collect(), 0));

    // All messages are gone; the ledger still has the deliveries.
    assert_eq!(system.dispatcher.terminate(SOON).await.code(), Some(0));
    let lost = publish(&system, &tenant).await;
    lose_messages(&system).await;
    system.dispatcher.start().await;
    operator.wait_for_all(&lost, &made, "succeeded").await;
    assert_eq!(arrived(&receiver), (late.into_iter().chain(lost).collect(), 0));
}

async fn publish(system: &System, tenant: &Tenant) -> Vec<String> {
    let publishes = (0..EVENTS).map(|number| {
        system
            .operator
            .publish(tenant, "sweep.test", json!({ "number": number }))
    });
    futures::future::join_all(publishes).await
}
