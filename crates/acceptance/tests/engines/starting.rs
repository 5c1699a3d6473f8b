//! Starting before the engines, and on a schema of another version.

use std::time::Duration;

use serde_json::{Value, json};

use tidings_acceptance::{Role, SOON, System, endpoint, run_to_end};
use tidings_testkit::{FaultProxy, Receiver, TestDatabase, wait_until};

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
async fn roles_wait_for_a_schema_that_is_too_old_and_go_on_once_it_is_migrated() {
    let mut system = System::prepare().await;
    let empty = TestDatabase::create().await;
    system.set("TIDINGS_DATABASE__URL", &empty.url());
    for role in system.roles() {
        role.spawn();
        role.running().address_of("monitor", SOON).await;
    }
    for role in system.roles() {
        wait_until(SOON, "the schema to be missing", async || {
            let answer = role.get("/readyz").await;
            let told =
                |(component, reason): &(String, String)| component == "schema" && reason.contains("tidings migrate");
            answer.status == 503 && missing(&answer.body).iter().any(told)
        })
        .await;
        assert_eq!(role.get("/healthz").await.status, 200);
    }
    let url = ("TIDINGS_DATABASE__URL".to_owned(), empty.url());
    run_to_end(&["migrate", "--wait", "1m"], std::slice::from_ref(&url)).await;
    for role in system.roles() {
        role.ready().await;
        assert_eq!(role.terminate(Duration::from_secs(30)).await.code(), Some(0));
    }
}

#[tokio::test]
async fn a_version_that_was_put_back_works_on_the_schema_of_a_newer_one_that_allows_it() {
    let mut system = System::prepare().await;
    // What a later version would do when it only adds: a column, an index, and a word that this one may go on.
    system
        .database
        .execute(
            "ALTER TABLE deliveries ADD COLUMN later text;
             ALTER TABLE endpoints ADD COLUMN later text NOT NULL DEFAULT 'x';
             INSERT INTO schema_migrations (version, name, checksum, compatible_from) VALUES (9999, 'later', '', 12)",
        )
        .await;
    let url = ("TIDINGS_DATABASE__URL".to_owned(), system.database.url());
    let said = run_to_end(&["migrate"], std::slice::from_ref(&url)).await;
    assert!(said.contains("this one can run on it"), "{said}");
    system.start_roles().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("rollback").await;
    system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    let event = system.operator.publish(&tenant, "put.back", json!({})).await;
    system.operator.wait_for_state(&event, "succeeded").await;
}

#[tokio::test]
async fn roles_refuse_a_schema_that_takes_a_newer_version() {
    let mut system = System::prepare().await;
    system
        .database
        .execute(
            "INSERT INTO schema_migrations (version, name, checksum, compatible_from) VALUES (9999, 'future', '', 9999)",
        )
        .await;
    for role in system.roles() {
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
