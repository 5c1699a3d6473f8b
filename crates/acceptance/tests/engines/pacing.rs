//! Publishers that are faster than deliveries wait for them (decision 0043).

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tidings_acceptance::{SOON, System, endpoint};
use tidings_testkit::{Answer, Receiver};
use tokio::time::Instant;

use crate::arrived;

const PAUSES: &str = "tidings_publish_pause_seconds_count";

#[tokio::test]
async fn publishers_wait_while_their_deliveries_are_late() {
    const AT_ONCE: usize = 64;
    let mut system = System::prepare().await;
    // One lane that passes on what it is given some eighty times a second.
    system.set("TIDINGS_AMQP__SHARDS", "1");
    system.set("TIDINGS_INGEST__LIVE_PER_SECOND", "1");
    system.set("TIDINGS_INGEST__LIVE_BURST", "1");
    system.set("TIDINGS_DISPATCHER__PREFETCH_BULK", "8");
    system.start_roles().await;
    let operator = &system.operator;
    let receiver = Receiver::start().await;
    receiver.answer_always(Answer::Status(200).after(Duration::from_millis(100)));
    let tenant = operator.create_tenant("hasty").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;
    assert_eq!(system.ingest.metric(PAUSES).await, 0.0);

    let give_up = Instant::now() + SOON;
    let mut accepted = Vec::new();
    while system.ingest.metric(PAUSES).await == 0.0 {
        assert!(Instant::now() < give_up, "nobody waits after {} events", accepted.len());
        let publishes = (0..AT_ONCE).map(|number| operator.publish(&tenant, "pace.test", json!({ "number": number })));
        accepted.extend(futures::future::join_all(publishes).await);
    }
    operator.wait_for_all(&accepted, &made, "succeeded").await;
    let (ids, _) = arrived(&receiver);
    assert_eq!(ids, accepted.into_iter().collect::<HashSet<_>>());
}
