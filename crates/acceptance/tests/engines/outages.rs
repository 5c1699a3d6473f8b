//! Either engine, or the log service, may be away for a while (guarantees G1, G2, G9).

use serde_json::json;
use tidings_acceptance::{Client, SOON, System, Tenant, endpoint, request};
use tidings_testkit::{FaultProxy, Receiver, wait_until};
use tonic::Code;

use crate::arrived;

const EVENTS: usize = 25;

async fn publish(client: &Client, tenant: &Tenant) -> Vec<String> {
    let publishes = (0..EVENTS).map(|number| client.publish(tenant, "outage.test", json!({ "number": number })));
    futures::future::join_all(publishes).await
}

#[tokio::test]
async fn without_the_log_service_events_are_accepted_delivered_and_recorded_later() {
    let mut system = System::start().await;
    let receiver = Receiver::start().await;
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("log away").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;

    system.log.kill9();
    let events = publish(&operator, &tenant).await;
    receiver.wait_for(EVENTS, SOON).await;
    assert_eq!(
        system.ingest.metric("tidings_events_accepted_spilled_total").await,
        EVENTS as f64
    );
    wait_until(SOON, "events and attempts to wait as records", async || {
        system.vhost.queue_depth("tidings.records").await == 2 * EVENTS as u64
    })
    .await;

    system.log.start().await;
    operator.wait_for_all(&events, &made, "succeeded").await;
    for event in &events {
        assert_eq!(operator.attempts_of(event).await.len(), 1);
    }
    assert_eq!(arrived(&receiver), (events.into_iter().collect(), 0));
}

#[tokio::test]
async fn either_engine_may_be_away_and_both_together_are_refused() {
    let mut system = System::prepare().await;
    let mut broker = FaultProxy::start(&system.vhost.amqp_url()).await;
    let mut database = FaultProxy::start(&system.database.url()).await;
    let (amqp_url, database_url) = (
        broker.in_front_of(&system.vhost.amqp_url()),
        database.in_front_of(&system.database.url()),
    );
    system.set("TIDINGS_AMQP__URL", &amqp_url);
    system.set("TIDINGS_DATABASE__URL", &database_url);
    system.set("TIDINGS_LOG__GRACE", "2s");
    system.set("TIDINGS_DISPATCHER__CHECK_AFTER", "1s");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    let operator = system.operator.clone();
    let tenant = operator.create_tenant("engines away").await;
    let made = operator.create_endpoint(endpoint(&tenant, &receiver.url())).await;

    broker.cut().await;
    misses(&system, &["rabbitmq"]).await;
    ready_are(&system, &["ingest", "log", "control"]).await;
    let by_ledger = publish(&operator, &tenant).await;
    assert_eq!(receiver.count(), 0);
    broker.restore();
    operator.wait_for_all(&by_ledger, &made, "succeeded").await;
    let (_, repeated) = arrived(&receiver);
    println!(
        "broker away: {repeated} repeated, {} swept",
        system.log.metric("tidings_deliveries_swept_total").await
    );
    misses(&system, &[]).await;

    let before = arrived(&receiver).0.len();
    database.cut().await;
    misses(&system, &["database"]).await;
    ready_are(&system, &["ingest", "dispatcher"]).await;
    let by_broker = publish(&operator, &tenant).await;
    wait_until(SOON, "deliveries without a database", async || {
        arrived(&receiver).0.len() == before + EVENTS
    })
    .await;
    database.restore();
    operator.wait_for_all(&by_broker, &made, "succeeded").await;
    misses(&system, &[]).await;

    broker.cut().await;
    database.cut().await;
    misses(&system, &["database", "rabbitmq"]).await;
    ready_are(&system, &[]).await;
    let refused = operator
        .events()
        .publish(request(&tenant, "outage.test", json!({})))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), tidings_acceptance::problem_code(&refused).as_str()),
        (Code::Unavailable, "not_durable")
    );
    broker.restore();
    database.restore();
    misses(&system, &[]).await;
    let after = operator.publish(&tenant, "outage.test", json!({})).await;
    operator.wait_for_state(&after, "succeeded").await;

    let (ids, repeated) = arrived(&receiver);
    println!("engines away: {} arrived, {repeated} repeated", ids.len());
    assert!(by_ledger.iter().chain(&by_broker).all(|event| ids.contains(event)));
    assert_eq!(ids.len(), 2 * EVENTS + 1, "nothing that was refused arrives");
    assert_eq!(repeated, 0, "an outage alone repeats nothing");
}

/// Waits until ingest, log and dispatcher say that they miss exactly these, besides what goes with the database: the
/// changes of the registry, and a log service that can write.
async fn misses(system: &System, components: &[&str]) {
    for role in [&system.ingest, &system.log, &system.dispatcher] {
        wait_until(SOON, &format!("{components:?} to be missing"), async || {
            let body: serde_json::Value = serde_json::from_str(&role.get("/readyz").await.body).unwrap();
            let missing = body["missing"]
                .as_array()
                .unwrap()
                .iter()
                .map(|missing| missing["component"].as_str().unwrap());
            let missing: Vec<_> = missing
                .filter(|component| !["registry", "log"].contains(component) || components.is_empty())
                .collect();
            missing == components
        })
        .await;
    }
}

/// Waits until exactly these roles say that they are able to do their job, on `/readyz` and in a metric.
async fn ready_are(system: &System, expected: &[&str]) {
    for (name, role) in [
        ("ingest", &system.ingest),
        ("dispatcher", &system.dispatcher),
        ("log", &system.log),
        ("control", &system.control),
    ] {
        let wanted = expected.contains(&name);
        wait_until(SOON, &format!("{name} to be ready: {wanted}"), async || {
            let says = role.get("/readyz").await.status == 200;
            says == wanted && (role.metric("tidings_ready").await == 1.0) == wanted
        })
        .await;
    }
}
