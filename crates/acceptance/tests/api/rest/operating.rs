//! Operators' REST operations: endpoints of all tenants, the queue, what is wrong, and previews of dialects.

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone, endpoint};
use tidings_testkit::{Answer as Answered, Receiver, wait_until};

use super::Caller;

fn names(page: &Value) -> Vec<&str> {
    let endpoints = page["data"].as_array().unwrap().iter();
    endpoints.map(|endpoint| endpoint["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn endpoints_are_found_across_tenants_and_only_by_operators() {
    let system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let mut keys = Vec::new();
    for name in ["acme", "rival"] {
        let tenant = system.operator.create_tenant(name).await;
        for (host, dialect) in [("hooks.example.com", "slack"), ("crm.example.com", "standard")] {
            let asked = json!({
                "tenant_id": tenant.id, "name": format!("{name} {dialect}"), "url": format!("https://{host}/{name}"),
                "dialect": dialect, "subscriptions": [{ "pattern": "*" }],
            });
            operator.post("/endpoints", asked).await.is(201);
        }
        keys.push(tenant.token);
    }
    let found = operator.get("/endpoints?host=HOOKS.example.com").await.is(200);
    assert_eq!(names(&found), ["rival slack", "acme slack"]);
    let found = operator.get("/endpoints?limit=3").await.is(200);
    assert_eq!(names(&found), ["rival standard", "rival slack", "acme standard"]);
    let next = format!("/endpoints?limit=3&after={}", found["next"].as_str().unwrap());
    assert_eq!(names(&operator.get(&next).await.is(200)), ["acme slack"]);
    let found = operator.get("/endpoints?state=on&dialect=standard").await.is(200);
    assert_eq!(names(&found), ["rival standard", "acme standard"]);
    for state in ["failing", "off", "turned_off"] {
        let found = operator.get(&format!("/endpoints?state={state}")).await.is(200);
        assert_eq!(names(&found), [""; 0], "{state}");
    }
    let owner = Caller::new(&system, &keys[0]);
    let found = owner.get("/endpoints?host=hooks.example.com").await.is(200);
    assert_eq!(names(&found), ["acme slack"]);

    let wrong = operator.get("/endpoints?state=broken").await;
    wrong.is_problem(400, "state_invalid", "state", "`turned_off`");
    let wrong = operator.get("/endpoints?host=https://a.example").await;
    wrong.is_problem(400, "host_invalid", "host", "without scheme");
}

#[tokio::test]
async fn what_was_set_aside_is_read_requeued_and_discarded_on_the_record() {
    let mut system = Standalone::start().await;
    system.park(&[b"no message", b"nor this", b"\xff\x00"]).await;
    let operator = Caller::new(&system, &system.operator_token);
    let reader = operator.post("/api-keys", json!({ "scopes": ["read"] })).await.is(201);
    let reader = Caller::new(&system, reader["token"].as_str().unwrap());
    let queues = reader.get("/queues").await.is(200);
    let parked = queues["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["kind"] == "parked");
    assert_eq!(parked.unwrap()["ready"], 3);
    let live = queues["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["kind"] == "live");
    assert_ne!(live.unwrap()["consumers"], 0);

    let messages = reader.get("/queues/parked/messages?limit=2").await.is(200);
    assert_eq!(messages["data"].as_array().unwrap().len(), 2);
    let id = messages["data"][0]["id"].as_str().unwrap();
    let path = format!("/queues/parked/messages/{id}");
    let message = reader.get(&path).await.is(200);
    assert_eq!(
        (message["size"].as_u64(), message["delivery_id"].is_null()),
        (Some(10), true)
    );
    for action in ["requeue", "discard"] {
        let refused = reader.post(&format!("{path}/{action}"), Value::Null).await;
        refused.is_problem(403, "scope_missing", "", "`manage`");
    }

    // Nobody can read it, so it stays.
    let settled = operator.post(&format!("{path}/requeue"), Value::Null).await.is(200);
    assert_eq!((&settled["done"], &settled["refused"]), (&json!(0), &json!(1)));
    let settled = operator.post(&format!("{path}/discard"), Value::Null).await.is(200);
    assert_eq!(settled["done"], 1);
    let again = operator.post(&format!("{path}/discard"), Value::Null).await;
    again.is_problem(404, "message_unknown", "id", id);
    let agent = [("user-agent", "operators-browser/1.0")];
    let settled = operator
        .call("POST", "/queues/parked/discard", &agent, "")
        .await
        .is(200);
    assert_eq!(settled["done"], 2);
    let none = operator.get("/queues/unrouted/messages").await.is(200);
    assert_eq!(none["data"], json!([]));
    let unknown = operator.get("/queues/elsewhere/messages").await;
    unknown.is_problem(400, "queue_unknown", "queue", "`parked` and `unrouted`");

    let entries = operator.get("/audit?action=message.*").await.is(200);
    let entries = entries["data"].as_array().unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|entry| [&entry["action"], &entry["target"], &entry["after"]["all"]].map(ToString::to_string))
        .collect();
    let id = format!("\"{id}\"");
    let expected = [
        ["\"message.discarded\"", "\"parked\"", "true"],
        ["\"message.discarded\"", &id, "false"],
        ["\"message.requeued\"", &id, "false"],
    ];
    assert_eq!(said, expected);
    assert_eq!(entries[0]["actor"], "operator");
    // The one who asked, and not control, who asks the log service for him.
    assert_eq!(entries[0]["remote_address"], "127.0.0.1");
    assert_eq!(entries[0]["user_agent"], "operators-browser/1.0");
}

#[tokio::test]
async fn what_is_wrong_is_found_and_nothing_in_health() {
    let mut system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let codes = async || -> Vec<String> {
        let page = operator.get("/system/findings").await.is(200);
        let findings = page["data"].as_array().unwrap().iter();
        findings
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect()
    };
    wait_until(SOON, "everything to be in health", async || codes().await.is_empty()).await;

    let receiver = Receiver::start().await;
    receiver.answer_always(Answered::Status(410));
    let tenant = system.operator.create_tenant("gone").await;
    system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    system.operator.publish(&tenant, "feedback.created", json!({})).await;
    system.park(&[b"no message"]).await;
    wait_until(SOON, "both to be found", async || {
        codes().await == ["messages_parked", "endpoints_turned_off"]
    })
    .await;
    let page = operator.get("/system/findings").await.is(200);
    assert_eq!(page["data"][0]["arguments"]["count"], "1");
    assert_eq!(page["data"][0]["arguments"]["kind"], "parked");
    assert_eq!(page["data"][1]["arguments"]["state"], "turned_off");
    assert!(
        page["data"][1]["sentence"]
            .as_str()
            .unwrap()
            .contains("turned off by Tidings")
    );
}

#[tokio::test]
async fn the_system_shows_itself_without_its_secrets() {
    let system = Standalone::start_with(&[
        ("INTERNAL__TOKEN", "a-token-of-roles"),
        ("NOTIFIER__SMTP_URL", "smtp://tidings:sesame@127.0.0.1:9"),
        ("NOTIFIER__FROM", "tidings@example.com"),
    ])
    .await;
    let operator = Caller::new(&system, &system.operator_token);
    let shown = operator.get("/system").await.is(200);
    assert_eq!(
        (&shown["database"], &shown["queue"]),
        (&json!("sqlite"), &json!("sqlite"))
    );
    assert_eq!(shown["ready"], true);
    let components = shown["components"].as_array().unwrap();
    let is_up = |name: &str| components.iter().any(|it| it["name"] == name && it["up"] == true);
    assert!(is_up("sweeper") && is_up("database"), "{components:?}");
    assert_eq!(shown["seal_keys"].as_array().unwrap().len(), 1);
    assert_eq!(shown["configuration"]["log"]["sweep_every"], "250ms");
    let text = shown.to_string();
    for secret in ["sesame", "a-token-of-roles", system.operator_token.as_str()] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn a_dialect_previews_what_it_would_send() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("preview").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({ "payload": { "id": 12_345_678_901_234_567_890_u64 }, "event_type": "a.b" });
    let shown = caller.post("/dialects/standard/preview", asked).await.is(200);
    assert!(shown["body"].as_str().unwrap().contains("12345678901234567890"));
    let asked = json!({ "event_type": "feedback.created", "secret": "hunter2hunter2" });
    let shown = caller.post("/dialects/userhero/preview", asked).await.is(200);
    let headers = shown["headers"].as_array().unwrap();
    assert!(
        headers.iter().any(|header| header["name"] == "X-UserHero-Signature"),
        "{headers:?}"
    );
    let shown = caller.post("/dialects/slack/preview", Value::Null).await.is(200);
    assert!(shown["body"].as_str().unwrap().starts_with('{'));

    caller.get("/dialects/userhero").await.is(200);
    let unknown = caller.get("/dialects/morse").await;
    unknown.is_problem(404, "dialect_unknown", "name", "see `/dialects`");
    let unknown = caller.post("/dialects/morse/preview", Value::Null).await;
    unknown.is_problem(404, "dialect_unknown", "name", "see `/dialects`");
    let without = json!({ "event_type": "no.sample" });
    let refused = caller.post("/dialects/userhero/preview", without).await;
    refused.is_problem(400, "sample_missing", "payload", "feedback.created");
    let wrong = json!({ "settings": { "colour": "red" } });
    let refused = caller.post("/dialects/userhero/preview", wrong).await;
    refused.is_problem(400, "choice_invalid", "settings", "colour");
}
