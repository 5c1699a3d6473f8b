//! Keys that are rotated and used, and portal links.

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone};
use tidings_domain::Timestamp;
use tidings_testkit::wait_until;

use super::{Caller, everything, ids};

/// The number of seconds from one time to another.
fn seconds(from: &Value, to: &Value) -> i64 {
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    time(to).duration_since(time(from)).as_secs()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_rotated_key_works_for_a_while_beside_its_successor() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rotation").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({ "name": "Reader", "scopes": ["read"] });
    let old = caller.post("/api-keys", asked).await.is(201);
    let path = format!("/api-keys/{}/rotate", text(&old["key"]["id"]));
    let new = caller.post(&path, Value::Null).await.is(201);
    for field in ["name", "scopes", "tenant_id", "expires_at", "portal"] {
        assert_eq!(new["key"][field], old["key"][field], "{field}");
    }
    assert_ne!(new["key"]["id"], old["key"]["id"]);
    assert_eq!(seconds(&new["key"]["created_at"], &new["previous_expires_at"]), 86_400);
    for made in [&old, &new] {
        Caller::new(&system, text(&made["token"]))
            .get("/endpoints")
            .await
            .is(200);
    }

    let path = format!("/api-keys/{}/rotate", text(&new["key"]["id"]));
    let asked = json!({ "overlap": "0s", "expires_at": "2999-01-01T00:00:00Z" });
    let newest = caller.post(&path, asked).await.is(201);
    assert_eq!(newest["key"]["expires_at"], "2999-01-01T00:00:00Z");
    let replaced = Caller::new(&system, text(&new["token"]));
    replaced.get("/endpoints").await.is_problem(401, "key_expired", "", "");
    Caller::new(&system, text(&newest["token"]))
        .get("/endpoints")
        .await
        .is(200);
}

#[tokio::test]
async fn the_successor_of_a_key_that_expires_is_made_for_as_long() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rotation").await;
    let caller = Caller::new(&system, &tenant.token);
    let expires_at = (Timestamp::now() + std::time::Duration::from_secs(3_600)).to_string();
    let old = caller
        .post("/api-keys", json!({ "expires_at": expires_at }))
        .await
        .is(201);
    let path = format!("/api-keys/{}/rotate", text(&old["key"]["id"]));
    let new = caller.post(&path, json!({ "overlap": "30days" })).await.is(201);
    assert_eq!(
        new["previous_expires_at"], old["key"]["expires_at"],
        "not later than without rotation"
    );
    let length = |key: &Value| seconds(&key["created_at"], &key["expires_at"]);
    assert_eq!(length(&new["key"]), length(&old["key"]));
}

#[tokio::test]
async fn a_rotation_that_can_not_be_says_why() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rotation").await;
    let operator = Caller::new(&system, &system.operator_token);
    let caller = Caller::new(&system, &tenant.token);
    let publisher = caller.post("/api-keys", json!({ "scopes": ["publish"] })).await.is(201);
    let path = format!("/api-keys/{}/rotate", text(&publisher["key"]["id"]));
    for (asked, code, field) in [
        (json!({ "overlap": "31days" }), "overlap_invalid", "overlap"),
        (json!({ "overlap": "soon" }), "duration_invalid", "overlap"),
        (
            json!({ "expires_at": "2001-01-01T00:00:00Z" }),
            "expiry_in_past",
            "expires_at",
        ),
    ] {
        caller.post(&path, asked).await.is_problem(400, code, field, "");
    }
    let manager = caller.post("/api-keys", json!({ "scopes": ["manage"] })).await.is(201);
    let manager = Caller::new(&system, text(&manager["token"]));
    let answer = manager.post(&path, Value::Null).await;
    answer.is_problem(403, "scope_missing", "", "`publish`");
    let others = operator.get("/api-keys").await.is(200);
    let path = format!("/api-keys/{}/rotate", ids(&others)[0]);
    let answer = caller.post(&path, Value::Null).await;
    answer.is_problem(404, "key_unknown", "key_id", "no key");
    let answer = caller.post("/api-keys", json!({ "name": "x".repeat(101) })).await;
    answer.is_problem(400, "name_invalid", "name", "at most 100");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_known_soon_after() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("uses").await;
    let caller = Caller::new(&system, &tenant.token);
    let made = caller.post("/api-keys", json!({ "name": "Used" })).await.is(201);
    let before = Timestamp::now();
    Caller::new(&system, text(&made["token"]))
        .get("/endpoints")
        .await
        .is(200);
    let listed = async || caller.get("/api-keys").await.is(200)["data"][0].clone();
    wait_until(SOON, "the use to be known", async || {
        listed().await["last_used_at"].is_string()
    })
    .await;
    let key = listed().await;
    assert_eq!(key["name"], "Used");
    let used: Timestamp = text(&key["last_used_at"]).parse().unwrap();
    assert!(used >= before && used <= Timestamp::now(), "{used}");
}

#[tokio::test]
async fn keys_are_listed_in_pages_by_the_beginning_of_their_tokens_only() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("pages").await;
    let caller = Caller::new(&system, &tenant.token);
    let mut made = Vec::new();
    for _ in 0..3 {
        let key = caller.post("/api-keys", json!({})).await.is(201);
        made.insert(0, (text(&key["key"]["id"]).to_owned(), text(&key["token"]).to_owned()));
    }
    let first = caller.get("/api-keys?limit=2").await.is(200);
    assert_eq!(ids(&first), [&made[0].0, &made[1].0]);
    let second = caller
        .get(&format!("/api-keys?limit=2&after={}", text(&first["next"])))
        .await
        .is(200);
    assert_eq!(ids(&second)[0], made[2].0);
    let listed = format!("{first}{second}");
    for (_, token) in &made {
        assert!(listed.contains(&token[..11]) && !listed.contains(&token[..12]));
    }
}

#[tokio::test]
async fn a_portal_link_opens_the_tenants_webhooks_and_nothing_else() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("portal").await;
    let caller = Caller::new(&system, &tenant.token);
    let links = format!("/tenants/{}/portal-links", tenant.id);
    let link = caller.post(&links, Value::Null).await.is(201);
    let (url, token, id) = (text(&link["url"]), text(&link["token"]), text(&link["key"]["id"]));
    assert_eq!(url, format!("{}/webhooks#token={token}", system.servers.rest));
    assert_eq!(link["key"]["scopes"], json!(["read", "manage"]));
    assert_eq!(seconds(&link["key"]["created_at"], &link["key"]["expires_at"]), 3_600);

    let person = Caller::new(&system, token);
    let endpoint = person.post("/endpoints", everything()).await.is(201);
    assert_eq!(endpoint["tenant_id"], tenant.id);
    person.get("/webhooks/logs").await.is(200);
    for (method, path, body) in [
        ("POST", "/api-keys".to_owned(), json!({ "scopes": ["read"] })),
        ("GET", "/api-keys".into(), Value::Null),
        ("DELETE", format!("/api-keys/{id}"), Value::Null),
        ("POST", format!("/api-keys/{id}/rotate"), Value::Null),
        ("POST", links.clone(), Value::Null),
        (
            "PATCH",
            format!("/tenants/{}", tenant.id),
            json!({ "schema_validation": "off" }),
        ),
        ("GET", "/audit".into(), Value::Null),
    ] {
        let answer = person.send(method, &path, body).await;
        answer.is_problem(403, "portal_refused", "", "portal link");
    }
    let event = json!({ "event_type": "a", "payload": 1 });
    let answer = person.post("/events", event).await;
    answer.is_problem(403, "scope_missing", "", "`publish`");

    assert!(!ids(&caller.get("/api-keys").await.is(200)).contains(&id));
    assert_eq!(ids(&caller.get("/api-keys?portal=true").await.is(200))[0], id);
    let answer = caller.post(&format!("/api-keys/{id}/rotate"), Value::Null).await;
    answer.is_problem(409, "key_of_portal_link", "key_id", "another link");
    caller.delete(&format!("/api-keys/{id}")).await.is(204);
    person.get("/endpoints").await.is_problem(401, "key_unknown", "", "");
}

#[tokio::test]
async fn a_portal_link_that_works_once_is_exchanged_once() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("portal").await;
    let caller = Caller::new(&system, &tenant.token);
    let links = format!("/tenants/{}/portal-links", tenant.id);
    let link = caller.post(&links, json!({ "once": true })).await.is(201);
    assert_eq!(
        (&link["key"]["once"], &link["key"]["exchanged_at"]),
        (&json!(true), &Value::Null)
    );
    let id = text(&link["key"]["id"]);

    // The link's token is no key, and no key can be exchanged.
    let person = Caller::new(&system, text(&link["token"]));
    for path in ["/endpoints", "/webhooks/logs"] {
        let answer = person.get(path).await;
        answer.is_problem(401, "portal_link_unused", "", "/api/v2/portal-links/exchange");
    }
    let event = json!({ "event_type": "a", "payload": 1 });
    let answer = person.post("/events", event).await;
    answer.is_problem(401, "portal_link_unused", "", "open the link");
    let exchange = "/portal-links/exchange";
    let answer = caller.post(exchange, Value::Null).await;
    answer.is_problem(409, "not_exchangeable", "", "use it as it is");
    let stranger = Caller::new(&system, "tk_unknown");
    stranger
        .post(exchange, Value::Null)
        .await
        .is_problem(401, "key_unknown", "", "");

    // Of many at once, one gets the key.
    let tries = (0..8).map(|_| {
        let person = Caller::new(&system, text(&link["token"]));
        async move { person.post(exchange, Value::Null).await }
    });
    let (won, lost): (Vec<_>, Vec<_>) = futures::future::join_all(tries)
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        answer.is_problem(401, "portal_link_used", "", "ask for a new link");
    }
    let exchanged = won.into_iter().next().unwrap().is(200);
    assert_eq!(exchanged["key"]["id"], id);
    assert!(exchanged["key"]["exchanged_at"].is_string());
    assert_eq!(exchanged["key"]["expires_at"], link["key"]["expires_at"]);
    let visitor = Caller::new(&system, text(&exchanged["token"]));
    visitor.get("/endpoints").await.is(200);
    visitor
        .get("/audit")
        .await
        .is_problem(403, "portal_refused", "", "portal link");
    let answer = visitor.post(exchange, Value::Null).await;
    answer.is_problem(409, "not_exchangeable", "", "");
    let answer = person.get("/endpoints").await;
    answer.is_problem(401, "portal_link_used", "", "ask for a new link");

    let audit = caller.get(&format!("/audit?target={id}")).await.is(200);
    assert_eq!(audit["data"][0]["action"], "portal_link.exchanged");
    assert_eq!(audit["data"][0]["key_id"], id);
    assert_eq!(audit["data"][0]["before"]["exchanged_at"], Value::Null);
    assert_eq!(audit["data"].as_array().unwrap().len(), 2);
    caller.delete(&format!("/api-keys/{id}")).await.is(204);
    visitor.get("/endpoints").await.is_problem(401, "key_unknown", "", "");
    person.get("/endpoints").await.is_problem(401, "key_unknown", "", "");
}

#[tokio::test]
async fn a_portal_link_opens_a_page_that_looks_as_asked() {
    let system = Standalone::start_with(&[("CONTROL__PUBLIC_URL", "https://example.com/hooks/")]).await;
    let tenant = system.operator.create_tenant("portal").await;
    let caller = Caller::new(&system, &tenant.token);
    let links = format!("/tenants/{}/portal-links", tenant.id);
    for once in [false, true] {
        let asked = json!({
            "page": "/webhooks/logs?status_code=5xx", "lang": "de", "accent": "#ffe600", "once": once, "read_only": true,
        });
        let link = caller.post(&links, asked).await.is(201);
        let token = text(&link["token"]);
        let page = "https://example.com/hooks/webhooks/logs?status_code=5xx";
        assert_eq!(
            text(&link["url"]),
            format!("{page}#token={token}&lang=de&accent=%23ffe600")
        );
    }
    let nothing = json!({ "page": null, "lang": null, "accent": null });
    let link = caller.post(&links, nothing).await.is(201);
    let token = text(&link["token"]);
    assert_eq!(
        text(&link["url"]),
        format!("https://example.com/hooks/webhooks#token={token}")
    );
    let before = ids(&caller.get("/api-keys?portal=true").await.is(200)).len();
    for (field, wrong, code, change) in [
        (
            "page",
            "https://evil.example/webhooks",
            "page_invalid",
            "without scheme and host",
        ),
        (
            "page",
            "//evil.example/webhooks",
            "page_invalid",
            "without scheme and host",
        ),
        ("page", "/webhooks/../admin", "page_invalid", "leave out `.` and `..`"),
        ("page", "/webhooks\r\nx: y", "page_invalid", "begins with `/webhooks`"),
        ("page", "", "page_invalid", "begins with `/webhooks`"),
        ("lang", "fr", "language_unknown", "en or de"),
        ("accent", "#ffe600;}", "accent_invalid", "`#2456c7`"),
    ] {
        let answer = caller.post(&links, json!({ field: wrong })).await;
        answer.is_problem(400, code, field, change);
    }
    let answer = caller
        .post(&links, json!({ "page": "/webhooks", "theme": "dark" }))
        .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let after = ids(&caller.get("/api-keys?portal=true").await.is(200)).len();
    assert_eq!(after, before, "what is refused makes no key");
}

#[tokio::test]
async fn a_portal_link_may_be_for_looking_only_and_ends() {
    let system = Standalone::start_with(&[("CONTROL__PUBLIC_URL", "https://example.com/hooks/")]).await;
    let tenant = system.operator.create_tenant("portal").await;
    let operator = Caller::new(&system, &system.operator_token);
    let links = format!("/tenants/{}/portal-links", tenant.id);
    let asked = json!({ "expires_in": "1m", "read_only": true });
    let link = operator.post(&links, asked).await.is(201);
    assert!(text(&link["url"]).starts_with("https://example.com/hooks/webhooks#token=tk_"));
    assert_eq!(seconds(&link["key"]["created_at"], &link["key"]["expires_at"]), 60);
    let person = Caller::new(&system, text(&link["token"]));
    person.get("/endpoints").await.is(200);
    let answer = person.post("/endpoints", everything()).await;
    answer.is_problem(403, "scope_missing", "", "`manage`");
    for wrong in ["59s", "8days"] {
        let answer = operator.post(&links, json!({ "expires_in": wrong })).await;
        answer.is_problem(400, "expiry_invalid", "expires_in", "1m to 7d");
    }
    let other = system.operator.create_tenant("other").await;
    let answer = Caller::new(&system, &other.token).post(&links, Value::Null).await;
    answer.is_problem(404, "tenant_unknown", "tenant_id", &tenant.id);
}
