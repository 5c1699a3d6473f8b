//! An endpoint that hangs costs its neighbour nothing (guarantee G5, as a smoke test; benchmarks measure it).

use std::time::{Duration, Instant};

use serde_json::json;
use tidings_acceptance::{SOON, System, endpoint};
use tidings_testkit::{Answer, Receiver};

const EVENTS: usize = 200;

#[tokio::test]
async fn a_hanging_endpoint_does_not_hold_up_a_healthy_one() {
    let system = System::start().await;
    let (healthy, hanging) = (Receiver::start().await, Receiver::start().await);
    hanging.answer_always(Answer::Hang);
    let operator = &system.operator;
    let tenant = operator.create_tenant("isolation").await;
    operator.create_endpoint(endpoint(&tenant, &hanging.url())).await;
    let made = operator.create_endpoint(endpoint(&tenant, &healthy.url())).await;

    let since = Instant::now();
    let publishes = (0..EVENTS).map(|number| operator.publish(&tenant, "isolation.test", json!({ "number": number })));
    let events = futures::future::join_all(publishes).await;
    healthy.wait_for(EVENTS, SOON).await;
    let took = since.elapsed();
    hanging.wait_for(1, SOON).await;
    println!(
        "{EVENTS} events beside a hanging endpoint in {took:?}; {} requests hang",
        hanging.count()
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
    operator.wait_for_all(&events, &made, "succeeded").await;
    assert!(
        hanging.count() < EVENTS,
        "its cap bounds what hangs: {}",
        hanging.count()
    );
}
