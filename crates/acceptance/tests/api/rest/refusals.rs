//! What all operations refuse alike: no key, too small a key, another tenant's things, what is no request at all.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::Caller;

/// Every operation on things of a tenant, with a body that would do: method, path, the scope it needs.
fn operations(endpoint: &str, tenant: &str, key: &str) -> Vec<(&'static str, String, Value, &'static str)> {
    let url = "https://example.com/";
    let new = json!({ "url": url, "subscriptions": [{ "pattern": "*" }] });
    vec![
        ("POST", "/endpoints".into(), new, "manage"),
        ("GET", "/endpoints".into(), Value::Null, "read"),
        ("GET", format!("/endpoints/{endpoint}"), Value::Null, "read"),
        (
            "PATCH",
            format!("/endpoints/{endpoint}"),
            json!({ "name": "x" }),
            "manage",
        ),
        ("DELETE", format!("/endpoints/{endpoint}"), Value::Null, "manage"),
        ("POST", format!("/endpoints/{endpoint}/enable"), Value::Null, "manage"),
        ("POST", format!("/endpoints/{endpoint}/disable"), Value::Null, "manage"),
        ("GET", format!("/endpoints/{endpoint}/secret"), Value::Null, "manage"),
        (
            "POST",
            format!("/endpoints/{endpoint}/rotate-secret"),
            Value::Null,
            "manage",
        ),
        ("POST", format!("/endpoints/{endpoint}/test"), Value::Null, "manage"),
        ("POST", format!("/endpoints/{endpoint}/preview"), Value::Null, "manage"),
        (
            "PUT",
            "/webhooks/config".into(),
            json!({ "url": url, "events": ["*"] }),
            "manage",
        ),
        ("GET", "/webhooks/config".into(), Value::Null, "read"),
        ("GET", "/webhooks/logs".into(), Value::Null, "read"),
        (
            "GET",
            format!("/webhooks/logs/att_{}", "0".repeat(32)),
            Value::Null,
            "read",
        ),
        ("GET", format!("/tenants/{tenant}"), Value::Null, "read"),
        ("POST", "/api-keys".into(), json!({}), "manage"),
        ("GET", "/api-keys".into(), Value::Null, "manage"),
        ("DELETE", format!("/api-keys/{key}"), Value::Null, "manage"),
        ("GET", "/event-types".into(), Value::Null, "read"),
        ("POST", "/event-types/a.b/check".into(), json!({ "payload": 1 }), "read"),
        ("GET", "/dialects".into(), Value::Null, "read"),
    ]
}

/// What only operators do.
fn for_operators(tenant: &str) -> [(&'static str, String, Value); 9] {
    [
        ("POST", "/tenants".into(), json!({ "name": "x" })),
        ("GET", "/tenants".into(), Value::Null),
        ("DELETE", format!("/tenants/{tenant}"), Value::Null),
        ("GET", "/queues".into(), Value::Null),
        ("GET", "/queues/parked/messages".into(), Value::Null),
        ("GET", "/queues/parked/messages/0123/body".into(), Value::Null),
        ("POST", "/queues/parked/discard".into(), Value::Null),
        ("GET", "/system".into(), Value::Null),
        ("GET", "/system/findings".into(), Value::Null),
    ]
}

#[tokio::test]
async fn a_key_is_needed_and_its_scopes_suffice_or_not() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("refusals").await;
    let caller = Caller::new(&system, &tenant.token);
    let new = json!({ "url": "https://example.com/", "subscriptions": [{ "pattern": "*" }] });
    let endpoint = caller.post("/endpoints", new).await.is(201)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let publisher = caller.post("/api-keys", json!({ "scopes": ["publish"] })).await.is(201);
    let reader = caller
        .post("/api-keys", json!({ "scopes": ["read", "publish"] }))
        .await
        .is(201);
    let key = publisher["key"]["id"].as_str().unwrap();
    let with = |made: &Value| Caller::new(&system, made["token"].as_str().unwrap());
    let (publisher_key, reader_key) = (with(&publisher), with(&reader));

    for (method, path, body, scope) in operations(&endpoint, &tenant.id, key) {
        let nobody = Caller::new(&system, "").send(method, &path, body.clone()).await;
        nobody.is_problem(401, "key_missing", "", "`Authorization: Bearer tk_…`");
        assert_eq!(nobody.header("www-authenticate"), "Bearer realm=\"tidings\"");
        let stranger = Caller::new(&system, "tk_unknown")
            .send(method, &path, body.clone())
            .await;
        stranger.is_problem(401, "key_unknown", "", "does not exist");
        let answer = publisher_key.send(method, &path, body.clone()).await;
        answer.is_problem(403, "scope_missing", "", &format!("`{scope}`"));
        if scope == "manage" {
            let answer = reader_key.send(method, &path, body).await;
            answer.is_problem(403, "scope_missing", "", "`manage`");
        }
    }
    for (method, path, body) in for_operators(&tenant.id) {
        let answer = caller.send(method, &path, body).await;
        answer.is_problem(403, "operator_only", "", "operator's key");
    }
    caller.get(&format!("/endpoints/{endpoint}")).await.is(200);
}

/// Keys come in the header `Authorization` and in no other place.
#[tokio::test]
async fn a_key_is_a_bearer_token() {
    let system = Standalone::start().await;
    let nobody = Caller::new(&system, "");
    let token = system.operator_token.as_str();
    for (name, value) in [
        ("authorization", format!("Basic {token}")),
        ("authorization", token.to_owned()),
        ("x-api-key", token.to_owned()),
        ("cookie", format!("token={token}")),
    ] {
        let answer = nobody.call("GET", "/tenants", &[(name, &value)], "").await;
        answer.is_problem(401, "key_missing", "", "");
    }
    let answer = nobody.get(&format!("/event-types?access_token={token}")).await;
    answer.is_problem(401, "key_missing", "", "");
}

#[tokio::test]
async fn anothers_things_do_not_exist() {
    let system = Standalone::start().await;
    let (mine, theirs) = (
        system.operator.create_tenant("mine").await,
        system.operator.create_tenant("theirs").await,
    );
    let (caller, owner) = (Caller::new(&system, &mine.token), Caller::new(&system, &theirs.token));
    let new = json!({ "url": "https://example.com/", "subscriptions": [{ "pattern": "*" }] });
    let made = owner.post("/endpoints", new).await;
    let etag = made.header("etag").to_owned();
    let endpoint = made.is(201)["id"].as_str().unwrap().to_owned();
    let keys = owner.get("/api-keys").await.is(200);
    let key = keys["data"][0]["id"].as_str().unwrap();
    let nothing = (
        tidings_domain::EndpointId::new(),
        tidings_domain::TenantId::new(),
        tidings_domain::KeyId::new(),
    );

    let theirs_and_none = operations(&endpoint, &theirs.id, key).into_iter().zip(operations(
        &nothing.0.to_string(),
        &nothing.1.to_string(),
        &nothing.2.to_string(),
    ));
    for ((method, path, body, _), (_, no_path, ..)) in theirs_and_none.filter(|(theirs, none)| theirs.1 != none.1) {
        let (answer, same) = (
            caller.send(method, &path, body.clone()).await,
            caller.send(method, &no_path, body).await,
        );
        assert_eq!((answer.status, same.status), (404, 404), "{method} {path}");
        assert_eq!(
            (&answer.body["code"], &answer.body["field"]),
            (&same.body["code"], &same.body["field"])
        );
    }
    let changed = caller
        .call(
            "DELETE",
            &format!("/endpoints/{endpoint}"),
            &[("if-match", "\"1\"")],
            "",
        )
        .await;
    changed.is_problem(404, "endpoint_unknown", "endpoint_id", "no endpoint");

    let narrowed = format!("tenant_id={}", theirs.id);
    for path in ["/endpoints", "/webhooks/config", "/webhooks/logs", "/api-keys"] {
        let answer = caller.get(&format!("{path}?{narrowed}")).await;
        answer.is_problem(404, "tenant_unknown", "tenant_id", &theirs.id);
    }
    let config = json!({ "url": "https://example.com/", "events": ["*"] });
    let answer = caller.put(&format!("/webhooks/config?{narrowed}"), config).await;
    answer.is_problem(404, "tenant_unknown", "tenant_id", &theirs.id);
    for path in ["/endpoints", "/api-keys"] {
        let body = match path {
            "/endpoints" => {
                json!({ "tenant_id": theirs.id, "url": "https://example.com/", "subscriptions": [{ "pattern": "*" }] })
            }
            _ => json!({ "tenant_id": theirs.id }),
        };
        let answer = caller.post(path, body).await;
        answer.is_problem(404, "tenant_unknown", "tenant_id", &theirs.id);
    }
    let untouched = owner.get(&format!("/endpoints/{endpoint}")).await;
    assert_eq!(untouched.header("etag"), etag);
}

#[tokio::test]
async fn what_is_no_request_at_all_is_a_problem() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("refusals").await;
    let caller = Caller::new(&system, &tenant.token);
    let as_json = ("content-type", "application/json");
    let post = async |headers: &[(&str, &str)], body: &[u8]| caller.call("POST", "/endpoints", headers, body).await;

    for path in ["/", "/nothing", "/endpoints/", "/endpoints/x/y/z"] {
        caller
            .get(path)
            .await
            .is_problem(404, "route_unknown", "", "openapi.json");
    }
    caller
        .get("/api-keys?tenant_id=")
        .await
        .is_problem(400, "id_invalid", "tenant_id", "`ten_`");
    let answer = caller.put("/endpoints", json!({})).await;
    answer.is_problem(405, "method_not_allowed", "", "`Allow`");
    let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);

    post(&[as_json], b"{")
        .await
        .is_problem(400, "request_invalid", "", "line 1");
    post(&[as_json], b"\xff")
        .await
        .is_problem(400, "request_invalid", "", "");
    post(&[as_json], b"[1]")
        .await
        .is_problem(400, "request_invalid", "", "send an object");
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-seq",
        "",
    ] {
        let answer = post(&[("content-type", media_type)], b"{}").await;
        answer.is_problem(415, "content_type_unknown", "Content-Type", "application/json");
    }
    let large = vec![b' '; 1024 * 1024 + 1];
    post(&[as_json], &large)
        .await
        .is_problem(413, "request_too_large", "", "1048576 bytes");
    for id in ["x", "ep_", "%00", "%FF", "ten_00000000000000000000000000000000"] {
        let answer = caller.get(&format!("/endpoints/{id}")).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("id_invalid")),
            "{id}: {answer:?}"
        );
    }
}
