//! Whoever watches sees everything, whichever replica of the log they ask.

use tidings_acceptance::{Client, SOON, Servers, System, Tenant, endpoint};
use tidings_proto::pb;
use tidings_testkit::{Receiver, wait_until};
use tokio::sync::mpsc;

#[tokio::test]
async fn a_replica_that_records_nothing_shows_what_another_records() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("watching").await;
    system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    // Nobody but those who watch knows of it.
    let (mut replica, address) = system.log.replica("TIDINGS_LOG__GRPC_ADDRESS");
    replica.start().await;
    let asks_replica = Servers {
        log: address.url(),
        ..system.servers.clone()
    };
    let watcher = Client::new(&asks_replica, &tenant.token);

    let mut seen = watch(&watcher).await;
    until_seen(&system, &tenant, &mut seen).await;
    let mut expected = Vec::new();
    for number in 0..300 {
        let content = serde_json::json!({ "number": number });
        expected.push(system.operator.publish(&tenant, "watched.test", content).await);
    }
    let mut shown = Vec::new();
    while shown.len() < expected.len() {
        let event = tokio::time::timeout(SOON, seen.recv()).await;
        shown.push(event.expect("the rest is shown").expect("the tail goes on"));
    }
    shown.sort_unstable();
    expected.sort_unstable();
    assert_eq!(shown, expected, "each once");

    // The connections by which the processes hear of each other are lost, and made again.
    let cut = "DO $$ BEGIN
        ASSERT 2 = (SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
                    WHERE datname = current_database() AND query LIKE 'LISTEN tidings_tail%');
    END $$";
    system.database.execute(cut).await;
    until_seen(&system, &tenant, &mut seen).await;
}

/// The events that a new watcher is shown.
async fn watch(client: &Client) -> mpsc::UnboundedReceiver<String> {
    let watching = client.log().watch_attempts(pb::WatchAttemptsRequest::default()).await;
    let mut tail = watching.unwrap().into_inner();
    let (shown, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(message)) = tail.message().await {
            assert_eq!(message.missed, 0);
            if shown.send(message.attempt.unwrap().event_id).is_err() {
                return;
            }
        }
    });
    seen
}

/// Publishes until an event is shown, and takes all that are shown of those.
async fn until_seen(system: &System, tenant: &Tenant, seen: &mut mpsc::UnboundedReceiver<String>) {
    wait_until(SOON, "an event to be shown", async || {
        system
            .operator
            .publish(tenant, "first.test", serde_json::json!({}))
            .await;
        seen.try_recv().is_ok()
    })
    .await;
    // Everything after the first one shown is shown; what was before it is not.
    let last = system
        .operator
        .publish(tenant, "first.test", serde_json::json!({}))
        .await;
    loop {
        let event = tokio::time::timeout(SOON, seen.recv()).await;
        if event.expect("the last is shown").expect("the tail goes on") == last {
            return;
        }
    }
}
