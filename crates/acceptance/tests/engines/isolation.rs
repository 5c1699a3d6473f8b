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

/// All of one tenant's events beyond its share go to another lane, so that nobody stands in line behind them.
#[tokio::test]
async fn a_tenants_flood_does_not_stand_before_anothers_event() {
    const FLOOD: usize = 3_000;
    let mut system = System::prepare().await;
    // One lane for everybody, and a share that is soon used up.
    system.set("TIDINGS_AMQP__SHARDS", "1");
    system.set("TIDINGS_INGEST__LIVE_PER_SECOND", "10");
    system.set("TIDINGS_INGEST__LIVE_BURST", "20");
    system.start_roles().await;
    let operator = &system.operator;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.answer_always(Answer::Status(200).after(Duration::from_millis(100)));
    let flooding = operator.create_tenant("flooding").await;
    let mut endpoint_of_flood = endpoint(&flooding, &slow.url());
    endpoint_of_flood.concurrency = 4;
    operator.create_endpoint(endpoint_of_flood).await;
    let quiet = operator.create_tenant("quiet").await;
    operator.create_endpoint(endpoint(&quiet, &quick.url())).await;

    let flood = (0..FLOOD).map(|number| operator.publish(&flooding, "flood.test", json!({ "number": number })));
    futures::future::join_all(flood).await;
    let since = Instant::now();
    operator.publish(&quiet, "quiet.test", json!({})).await;
    quick.wait_for(1, SOON).await;
    let took = since.elapsed();
    println!(
        "behind {FLOOD} events of another tenant, {} of them sent, an event took {took:?}",
        slow.count()
    );
    assert!(slow.count() < FLOOD / 2, "the flood is still there");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_rate_limit_holds_and_nothing_is_lost() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("rate").await;
    let mut limited = endpoint(&tenant, &receiver.url());
    limited.rate_per_second = 50;
    limited.rate_burst = 10;
    let made = operator.create_endpoint(limited).await;
    let publishes = (0..EVENTS).map(|number| operator.publish(&tenant, "rate.test", json!({ "number": number })));
    let events = futures::future::join_all(publishes).await;
    operator.wait_for_all(&events, &made, "succeeded").await;

    let mut times: Vec<_> = receiver.requests().iter().map(|request| request.received_at).collect();
    times.sort_unstable();
    assert_eq!(times.len(), EVENTS);
    // In no second more than a burst and a second's worth, with some room for what was delayed on its way.
    for window in times.windows(75) {
        let took = window[74].duration_since(window[0]);
        assert!(
            took >= tidings_domain::SignedDuration::from_secs(1),
            "75 requests within {took:?}"
        );
    }
    let attempts: u32 = operator
        .deliveries_to(&made)
        .await
        .iter()
        .map(|delivery| delivery.attempts)
        .sum();
    assert_eq!(attempts as usize, EVENTS, "waiting costs no attempt");
}

#[tokio::test]
async fn an_endpoint_that_fails_is_probed_and_gets_everything_when_it_is_back() {
    let system = System::start().await;
    let (broken, healthy) = (Receiver::start().await, Receiver::start().await);
    broken.answer_always(Answer::Hang);
    let operator = &system.operator;
    let tenant = operator.create_tenant("breaker").await;
    let mut hanging = endpoint(&tenant, &broken.url());
    hanging.timeout = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    hanging.schedule = vec![prost_types::Duration { seconds: 1, nanos: 0 }; 20];
    let made = operator.create_endpoint(hanging).await;
    operator.create_endpoint(endpoint(&tenant, &healthy.url())).await;

    let publishes = (0..EVENTS).map(|number| operator.publish(&tenant, "breaker.test", json!({ "number": number })));
    let mut events = futures::future::join_all(publishes).await;
    healthy.wait_for(EVENTS, SOON).await;
    tidings_testkit::wait_until(SOON, "the circuit to open", async || {
        system.dispatcher.metric("tidings_circuits_opened_total").await >= 1.0
    })
    .await;
    // Once it is known that the endpoint takes nothing, new deliveries do not even go to the dispatcher.
    tidings_testkit::wait_until(SOON, "a delivery to be held from the start", async || {
        let turned_away = system.dispatcher.metric("tidings_deferrals_total").await;
        let event = operator.publish(&tenant, "breaker.test", json!({})).await;
        healthy.wait_for(events.len() + 1, SOON).await;
        let deliveries = operator.deliveries_of(&event).await;
        events.push(event);
        let held = deliveries.iter().any(|delivery| delivery.state == "held");
        held && system.dispatcher.metric("tidings_deferrals_total").await == turned_away
    })
    .await;
    let asked = broken.count();
    broken.answer_always(Answer::Status(200));
    operator.wait_for_all(&events, &made, "succeeded").await;
    println!("{asked} requests before it was back, {} in all", broken.count());
    assert!(asked < 60, "{asked} requests to an endpoint that hangs");
}

/// More endpoints of one tenant than a lane has places for take their time: another tenant's event does not wait for them.
#[tokio::test]
async fn a_crowd_of_slow_endpoints_does_not_take_every_place() {
    const CROWD: usize = 10;
    let mut system = System::prepare().await;
    system.set("TIDINGS_AMQP__SHARDS", "1");
    system.set("TIDINGS_DISPATCHER__PREFETCH_LIVE", "20");
    system.start_roles().await;
    let operator = &system.operator;
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    // Longer than anybody waits here, and still in time.
    slow.answer_always(Answer::Status(200).after(Duration::from_secs(28)));
    let (crowd, other) = tokio::join!(operator.create_tenant("crowd"), operator.create_tenant("other"));
    let endpoints = (0..CROWD).map(|_| operator.create_endpoint(endpoint(&crowd, &slow.url())));
    futures::future::join_all(endpoints).await;
    let made = operator.create_endpoint(endpoint(&other, &quick.url())).await;

    let publishes = (0..6).map(|number| operator.publish(&crowd, "slow.test", json!({ "number": number })));
    futures::future::join_all(publishes).await;
    slow.wait_for(CROWD, SOON).await;
    let publishes = (0..20).map(|number| operator.publish(&other, "quick.test", json!({ "number": number })));
    let events = futures::future::join_all(publishes).await;
    // None of the crowd's places is free before the first answer.
    quick.wait_for(events.len(), Duration::from_secs(20)).await;
    operator.wait_for_all(&events, &made, "succeeded").await;
    let attempts: u32 = operator
        .deliveries_to(&made)
        .await
        .iter()
        .map(|delivery| delivery.attempts)
        .sum();
    assert_eq!(attempts as usize, events.len());
    assert!(
        system.dispatcher.metric("tidings_places_refused_total").await > 0.0,
        "shares were used up"
    );
}
