//! `/tenants`, `/api-keys`, `/event-types` and `/dialects`.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::{Caller, ids};

#[tokio::test]
async fn operators_make_list_and_delete_tenants() {
    let system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let made = operator.post("/tenants", json!({ "name": " Acme " })).await;
    let location = made.header("location").to_owned();
    let made = made.is(201);
    let (id, token) = (made["tenant"]["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert_eq!(location, format!("/api/v2/tenants/{id}"));
    assert_eq!(made["tenant"]["name"], "Acme");
    assert_eq!(made["key"]["scopes"], json!(["publish", "read", "manage"]));
    assert_eq!(
        (&made["key"]["tenant_id"], &made["key"]["expires_at"]),
        (&json!(id), &Value::Null)
    );
    assert!(token.starts_with(made["key"]["hint"].as_str().unwrap()));
    assert!(made["key"].get("hash").is_none());

    let path = format!("/tenants/{id}");
    let shown = operator.get(&path).await.is(200);
    assert_eq!(shown, made["tenant"]);
    assert_eq!(
        Caller::new(&system, token).get(&path).await.is(200),
        shown,
        "it sees itself"
    );
    let second = operator.post("/tenants", json!({ "name": "Beta" })).await.is(201);
    let first_page = operator.get("/tenants?limit=1").await.is(200);
    assert_eq!(ids(&first_page), [second["tenant"]["id"].as_str().unwrap()]);
    let next = first_page["next"].as_str().unwrap();
    assert_eq!(
        ids(&operator.get(&format!("/tenants?after={next}")).await.is(200)),
        [id]
    );

    assert_eq!(operator.delete(&path).await.is(204), Value::Null);
    for answer in [operator.get(&path).await, operator.delete(&path).await] {
        answer.is_problem(404, "tenant_unknown", "tenant_id", id);
    }
    Caller::new(&system, token)
        .get("/endpoints")
        .await
        .is_problem(401, "key_unknown", "", "");
    for wrong in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(201) }),
        json!({ "name": 7 }),
    ] {
        assert_eq!(operator.post("/tenants", wrong).await.status, 400);
    }
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("keys").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({ "scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z" });
    let made = caller.post("/api-keys", asked).await.is(201);
    let key = &made["key"];
    assert_eq!(
        (&key["tenant_id"], &key["scopes"]),
        (&json!(tenant.id), &json!(["read"]))
    );
    assert_eq!(key["expires_at"], "2999-01-01T00:00:00Z");
    let reader = Caller::new(&system, made["token"].as_str().unwrap());
    reader.get("/endpoints").await.is(200);

    let listed = caller.get("/api-keys").await.is(200);
    assert_eq!(listed["data"][0], *key);
    assert_eq!((ids(&listed).len(), &listed["next"]), (2, &Value::Null));
    let operator = Caller::new(&system, &system.operator_token);
    assert_eq!(
        operator
            .get(&format!("/api-keys?tenant_id={}", tenant.id))
            .await
            .is(200),
        listed
    );
    let of_operators = operator.get("/api-keys").await.is(200);
    assert_eq!(of_operators["data"][0]["tenant_id"], Value::Null);

    let path = format!("/api-keys/{}", key["id"].as_str().unwrap());
    caller.delete(&path).await.is(204);
    caller
        .delete(&path)
        .await
        .is_problem(404, "key_unknown", "key_id", "no key");
    reader.get("/endpoints").await.is_problem(401, "key_unknown", "", "");
    for (body, code, field) in [
        (json!({ "scopes": ["admin"] }), "scope_unknown", "scopes"),
        (
            json!({ "expires_at": "2001-01-01T00:00:00Z" }),
            "expiry_in_past",
            "expires_at",
        ),
        (json!({ "tenant_id": "x" }), "id_invalid", "tenant_id"),
        (json!({ "scope": ["read"] }), "field_unknown", "scope"),
    ] {
        caller.post("/api-keys", body).await.is_problem(400, code, field, "");
    }
}

#[tokio::test]
async fn known_event_types_and_dialects_are_listed() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("catalogue").await;
    let caller = Caller::new(&system, &tenant.token);
    let types = caller.get("/event-types?dialect=feedbackpulse").await.is(200);
    let names: Vec<_> = types["data"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["submission.created", "submission.status_changed"]);
    assert_eq!(types["data"][0]["dialects"], json!(["feedbackpulse"]));
    assert_eq!(types["data"][0]["sample"]["text_feedback"], "Love this product!");
    let all = caller.get("/event-types").await.is(200);
    let created = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "submission.created");
    let dialects = created.unwrap()["dialects"].as_array().unwrap();
    assert!(dialects.contains(&json!("slack")) && dialects.contains(&json!("feedbackpulse")));
    let answer = caller.get("/event-types?dialect=klingon").await;
    answer.is_problem(400, "dialect_unknown", "dialect", "no dialect `klingon`");

    let dialects = caller.get("/dialects").await.is(200);
    let named = |name: &str| {
        dialects["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == name)
            .cloned()
    };
    let slack = named("slack").unwrap();
    assert_eq!(slack["chosen_for"][0], "hooks.slack.com/*");
    assert_eq!(slack["uses_secret"], false);
    let standard = named("standard").unwrap();
    assert_eq!(standard["schedule"], json!(["1m", "5m", "30m", "2h", "1day"]));
    assert_eq!(
        (&standard["timeout"], &standard["uses_secret"]),
        (&json!("30s"), &json!(true))
    );
}
