//! Starting before the engines, and on a schema of another version.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_acceptance::{Role, SOON, System};
use tidings_testkit::{FaultProxy, TestDatabase, wait_until};

#[tokio::test]
async fn roles_wait_for_their_engines_and_say_what_they_miss() {
    let mut system = System::prepare().await;
    let mut broker = FaultProxy::start(&system.vhost.amqp_url()).await;
    let mut database = FaultProxy::start(&system.database.url()).await;
    let (amqp_url, database_url) = (
        broker.in_front_of(&system.vhost.amqp_url()),
        database.in_front_of(&system.database.url()),
    );
    system.set("TIDINGS_AMQP__URL", &amqp_url);
    system.set("TIDINGS_DATABASE__URL", &database_url);
    broker.cut().await;
    database.cut().await;

    let roles = [&mut system.ingest, &mut system.dispatcher, &mut system.log];
    for role in roles {
        role.spawn();
        role.running().address_of("monitor", SOON).await;
        wait_until(SOON, "both engines to be missing", async || {
            let answer = role.get("/readyz").await;
            let missing = missing(&answer.body);
            answer.status == 503 && missing.len() == 3 && !missing.contains(&("database".into(), "starting".into()))
        })
        .await;
        let named: Vec<_> = missing(&role.get("/readyz").await.body)
            .into_iter()
            .map(|(component, _)| component)
            .collect();
        assert_eq!(named, ["database", "rabbitmq", "startup"]);
        assert_eq!(role.get("/healthz").await.status, 200);
    }
    // One is told to stop before it has anything.
    assert_eq!(
        system.dispatcher.terminate(Duration::from_secs(10)).await.code(),
        Some(0)
    );
    system.dispatcher.spawn();

    broker.restore();
    database.restore();
    for role in [&system.ingest, &system.dispatcher, &system.log] {
        let nothing = json!({ "ready": true, "missing": [] }).to_string();
        wait_until(SOON, "nothing to be missing", async || {
            role.get("/readyz").await.body == nothing
        })
        .await;
    }
}

#[tokio::test]
async fn roles_refuse_a_schema_of_another_version() {
    let mut system = System::prepare().await;
    let empty = TestDatabase::create().await;
    let migrated = system.database.url();
    for role in [
        &mut system.ingest,
        &mut system.dispatcher,
        &mut system.log,
        &mut system.control,
    ] {
        role.set("TIDINGS_DATABASE__URL", empty.url());
        let said = refusal(role).await;
        assert!(said.contains("tidings migrate"), "{said}");
        role.set("TIDINGS_DATABASE__URL", migrated.clone());
    }
    system
        .database
        .execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'future', '')")
        .await;
    for role in [
        &mut system.ingest,
        &mut system.dispatcher,
        &mut system.log,
        &mut system.control,
    ] {
        let said = refusal(role).await;
        assert!(said.contains("it is older than the schema"), "{said}");
    }
}

async fn refusal(role: &mut Role) -> String {
    role.spawn();
    let (status, said) = role.wait_for_exit(SOON).await;
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {said}");
    said
}

fn missing(body: &str) -> Vec<(String, String)> {
    let body: Value = serde_json::from_str(body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    body["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(&it["component"]), text(&it["reason"])))
        .collect()
}
