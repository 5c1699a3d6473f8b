//! Who changed what.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::{Caller, everything, ids};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Makes every kind of change there is on tenants, keys and endpoints; gives the secrets that came up.
async fn change_everything(operator: &Caller) -> (String, Vec<String>) {
    let made = operator.post("/tenants", json!({ "name": "Audited" })).await.is(201);
    let tenant = text(&made["tenant"]["id"]).to_owned();
    let own = Caller {
        key: text(&made["token"]).to_owned(),
        ..operator.clone()
    };
    let mut secrets = vec![own.key.clone()];
    let path = format!("/tenants/{tenant}");
    own.patch(&path, json!({ "schema_validation": "warn" })).await.is(200);

    let key = own
        .post("/api-keys", json!({ "name": "First", "scopes": ["read"] }))
        .await
        .is(201);
    let rotate = format!("/api-keys/{}/rotate", text(&key["key"]["id"]));
    let successor = own.post(&rotate, Value::Null).await.is(201);
    own.delete(&format!("/api-keys/{}", text(&key["key"]["id"])))
        .await
        .is(204);
    let link = own.post(&format!("{path}/portal-links"), Value::Null).await.is(201);
    secrets.extend([&key, &successor, &link].map(|made| text(&made["token"]).to_owned()));

    let endpoint = own.post("/endpoints", everything()).await.is(201);
    let at = format!("/endpoints/{}", text(&endpoint["id"]));
    own.patch(&at, json!({ "name": "Renamed" })).await.is(200);
    own.post(&format!("{at}/disable"), Value::Null).await.is(200);
    own.post(&format!("{at}/enable"), Value::Null).await.is(200);
    let rotated = own.post(&format!("{at}/rotate-secret"), Value::Null).await.is(200);
    own.delete(&at).await.is(204);
    secrets.extend([&endpoint, &rotated].map(|shown| text(&shown["secret"]).to_owned()));
    operator.delete(&path).await.is(204);
    (tenant, secrets)
}

#[tokio::test]
async fn every_change_is_kept_with_before_and_after_and_without_secrets() {
    let system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let (tenant, secrets) = change_everything(&operator).await;
    let page = operator.get(&format!("/audit?tenant_id={tenant}")).await.is(200);
    let mut entries = page["data"].as_array().unwrap().clone();
    entries.reverse();
    let actions: Vec<&str> = entries.iter().map(|entry| text(&entry["action"])).collect();
    assert_eq!(
        actions,
        [
            "tenant.created",
            "tenant.updated",
            "key.created",
            "key.rotated",
            "key.revoked",
            "portal_link.created",
            "endpoint.created",
            "endpoint.updated",
            "endpoint.disabled",
            "endpoint.enabled",
            "endpoint.secret_rotated",
            "endpoint.deleted",
            "tenant.deleted",
        ]
    );
    let of = |action: &str| entries.iter().find(|entry| entry["action"] == action).unwrap();
    let changed = |action: &str, field: &str| {
        let entry = of(action);
        (entry["before"][field].clone(), entry["after"][field].clone())
    };
    assert_eq!(
        changed("tenant.updated", "schema_validation"),
        (json!("off"), json!("warn"))
    );
    assert_eq!(changed("endpoint.updated", "name"), (json!(""), json!("Renamed")));
    assert_eq!(changed("endpoint.disabled", "enabled"), (json!(true), json!(false)));
    assert_eq!(changed("endpoint.enabled", "enabled"), (json!(false), json!(true)));
    assert_eq!(changed("key.rotated", "name"), (json!("First"), json!("First")));
    let (before, after) = changed("key.rotated", "id");
    assert!(before != after && of("key.rotated")["target"] == before);
    assert_eq!(of("portal_link.created")["after"]["portal"], true);
    assert_eq!(of("tenant.created")["after"]["tenant"]["name"], "Audited");
    for entry in &entries {
        let action = text(&entry["action"]);
        let made = action.ends_with(".created");
        let gone = action.ends_with(".deleted") || action.ends_with(".revoked");
        assert_eq!(
            (entry["before"].is_null(), entry["after"].is_null()),
            (made, gone),
            "{entry}"
        );
        assert_eq!(entry["tenant_id"], tenant);
        assert_eq!(entry["remote_address"], "127.0.0.1", "{entry}");
        assert!(text(&entry["user_agent"]).starts_with("ureq/"), "{entry}");
        let by = if action.starts_with("tenant.c") || action == "tenant.deleted" {
            "operator"
        } else {
            "tenant"
        };
        assert_eq!(entry["actor"], by, "{entry}");
        assert!(text(&entry["key_id"]).starts_with("key_"));
        for secret in &secrets {
            assert!(!entry.to_string().contains(secret), "{entry}");
        }
    }
    assert_eq!(secrets.len(), 6);
}

#[tokio::test]
async fn what_is_refused_or_changes_nothing_is_not_in_the_log() {
    let system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let tenant = system.operator.create_tenant("audit").await;
    let own = Caller::new(&system, &tenant.token);
    own.post(
        "/endpoints",
        json!({ "url": "http://10.0.0.1/", "subscriptions": [{ "pattern": "*" }] }),
    )
    .await
    .is(400);
    own.patch(&format!("/tenants/{}", tenant.id), json!({ "name": "x" }))
        .await
        .is(403);
    operator
        .delete(&format!("/endpoints/ep_{}", "0".repeat(32)))
        .await
        .is(404);
    let page = own.get("/audit").await.is(200);
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page}");
}

#[tokio::test]
async fn the_log_is_searched_and_paged() {
    let system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let tenant = system.operator.create_tenant("audit").await;
    let own = Caller::new(&system, &tenant.token);
    let endpoint = own.post("/endpoints", everything()).await.is(201);
    let id = text(&endpoint["id"]);
    for name in ["one", "two"] {
        own.patch(&format!("/endpoints/{id}"), json!({ "name": name }))
            .await
            .is(200);
    }
    let actions = async |query: &str| {
        let page = own.get(&format!("/audit?{query}")).await.is(200);
        let entries = page["data"].as_array().unwrap().iter();
        entries
            .map(|entry| text(&entry["action"]).to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = "endpoint.updated endpoint.updated endpoint.created";
    assert_eq!(actions("").await, format!("{all} tenant.created"));
    assert_eq!(actions("action=endpoint.*").await, all);
    assert_eq!(actions("action=endpoint.created").await, "endpoint.created");
    assert_eq!(actions(&format!("target={id}")).await, all);
    assert_eq!(actions("since=2999-01-01T00:00:00Z").await, "");
    assert_eq!(actions("until=2001-01-01T00:00:00Z").await, "");
    let page = own.get("/audit?limit=2").await.is(200);
    let (first, next) = (ids(&page), text(&page["next"]));
    assert_eq!((first.len(), first[1]), (2, next));
    assert_eq!(
        actions(&format!("after={next}")).await,
        "endpoint.created tenant.created"
    );
    let mine = page["data"][0]["key_id"].clone();
    assert_eq!(actions(&format!("key_id={}", text(&mine))).await, all);
    let by_key = operator.get(&format!("/audit?key_id={}", text(&mine))).await.is(200);
    assert_eq!(by_key["data"].as_array().unwrap().len(), 3);

    for wrong in ["endpoint", "Endpoint.updated", "*", "endpoint.u*"] {
        let answer = own.get(&format!("/audit?action={wrong}")).await;
        answer.is_problem(400, "action_invalid", "action", "`endpoint.*`");
    }
    let reader = own.post("/api-keys", json!({ "scopes": ["read"] })).await.is(201);
    let answer = Caller::new(&system, text(&reader["token"])).get("/audit").await;
    answer.is_problem(403, "scope_missing", "", "`manage`");
}

#[tokio::test]
async fn nobody_sees_what_others_did() {
    let system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let (one, other) = (
        system.operator.create_tenant("one").await,
        system.operator.create_tenant("other").await,
    );
    let own = Caller::new(&system, &one.token);
    let page = own.get("/audit").await.is(200);
    let entries = page["data"].as_array().unwrap();
    assert!(
        !entries.is_empty() && entries.iter().all(|entry| entry["tenant_id"] == one.id),
        "{page}"
    );
    let answer = own.get(&format!("/audit?tenant_id={}", other.id)).await;
    answer.is_problem(404, "tenant_unknown", "tenant_id", &other.id);
    let everything = operator.get("/audit?limit=200").await.is(200);
    let bootstrap = everything["data"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&bootstrap["actor"], &bootstrap["action"]),
        (&json!("bootstrap"), &json!("key.created"))
    );
    assert!(
        everything["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["tenant_id"] == other.id)
    );
}

#[tokio::test]
async fn behind_a_load_balancer_a_change_comes_from_who_asked_that() {
    let system = Standalone::start_with(&[("CONTROL__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#)]).await;
    let tenant = system.operator.create_tenant("behind").await;
    let own = Caller::new(&system, &tenant.token);
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", "198.51.100.1, 203.0.113.7, 127.0.0.2"),
    ];
    own.call("POST", "/endpoints", &headers, everything().to_string())
        .await
        .is(201);
    let page = own.get("/audit?action=endpoint.created").await.is(200);
    assert_eq!(page["data"][0]["remote_address"], "203.0.113.7", "{page}");
}
