//! `Idempotency-Key`.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::{Answer, Caller, everything, ids};

async fn post(caller: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    caller
        .call("POST", path, &[("idempotency-key", key)], body.to_string())
        .await
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_done_once() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("once").await;
    let caller = Caller::new(&system, &tenant.token);
    let first = post(&caller, "/endpoints", "\"one\"", &everything()).await;
    let again = post(&caller, "/endpoints", "one", &everything()).await;
    for header in ["etag", "location", "content-type"] {
        assert_eq!(again.header(header), first.header(header));
        assert!(!again.header(header).is_empty(), "{header}");
    }
    let first = first.is(201);
    assert_eq!(again.is(201), first);
    assert!(first["secret"].is_string());
    assert_eq!(ids(&caller.get("/endpoints").await.is(200)).len(), 1);

    let other = json!({ "url": "https://example.com/other", "subscriptions": [{ "pattern": "*" }] });
    let answer = post(&caller, "/endpoints", "one", &other).await;
    answer.is_problem(422, "idempotency_key_reused", "Idempotency-Key", "another request");
    let answer = post(&caller, "/api-keys", "one", &everything()).await;
    answer.is_problem(422, "idempotency_key_reused", "Idempotency-Key", "");
    post(&caller, "/endpoints", "two", &everything()).await.is(201);
    let stranger = system.operator.create_tenant("stranger").await;
    let stranger = Caller::new(&system, &stranger.token);
    let theirs = post(&stranger, "/endpoints", "one", &everything()).await.is(201);
    assert_ne!(theirs["id"], first["id"], "everybody chooses for themselves");
}

#[tokio::test]
async fn of_many_requests_at_once_one_is_done() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("once").await;
    let caller = Caller::new(&system, &tenant.token);
    let asking = (0..8).map(|_| async { post(&caller, "/endpoints", "k", &everything()).await });
    let answers = futures::future::join_all(asking).await;
    let made = caller.get("/endpoints").await.is(200);
    assert_eq!(ids(&made).len(), 1);
    for answer in answers {
        match answer.status {
            201 => assert_eq!(answer.body["id"], ids(&made)[0]),
            _ => answer.is_problem(409, "idempotency_key_in_flight", "Idempotency-Key", "ask again"),
        }
    }
    post(&caller, "/endpoints", "k", &everything()).await.is(201);
}

#[tokio::test]
async fn every_post_takes_a_key() {
    let system = Standalone::start().await;
    let operator = Caller::new(&system, &system.operator_token);
    let tenant = json!({ "name": "Once" });
    let made = post(&operator, "/tenants", "t", &tenant).await.is(201);
    assert_eq!(post(&operator, "/tenants", "t", &tenant).await.is(201), made);
    let id = made["tenant"]["id"].as_str().unwrap();
    let own = Caller::new(&system, made["token"].as_str().unwrap());
    let key = post(&own, "/api-keys", "k", &json!({})).await.is(201);
    assert_eq!(post(&own, "/api-keys", "k", &json!({})).await.is(201), key);
    let rotate = format!("/api-keys/{}/rotate", key["key"]["id"].as_str().unwrap());
    let links = format!("/tenants/{id}/portal-links");
    for path in [rotate, links] {
        let first = post(&own, &path, &path, &json!({})).await.is(201);
        assert_eq!(post(&own, &path, &path, &json!({})).await.is(201), first);
    }
    assert_eq!(ids(&operator.get("/tenants").await.is(200)).len(), 1);
    let keys = own.get("/api-keys?portal=true").await.is(200);
    assert_eq!(ids(&keys).len(), 4, "the first, the second, its successor, the link's");
}

#[tokio::test]
async fn a_refusal_is_given_again_unless_it_invites_to_try_again() {
    let system = Standalone::start_with(&[("CONTROL__MAX_ENDPOINTS_PER_TENANT", "1")]).await;
    let tenant = system.operator.create_tenant("once").await;
    let caller = Caller::new(&system, &tenant.token);
    let first = post(&caller, "/endpoints", "a", &everything()).await.is(201);
    let answer = post(&caller, "/endpoints", "b", &everything()).await;
    answer.is_problem(429, "too_many_endpoints", "", "");
    let path = format!("/endpoints/{}", first["id"].as_str().unwrap());
    let answer = post(&caller, "/endpoints", "c", &json!({ "url": "nonsense" })).await;
    answer.is_problem(400, "field_missing", "subscriptions", "");
    let answer = post(&caller, "/endpoints", "c", &json!({ "url": "nonsense" })).await;
    answer.is_problem(400, "field_missing", "subscriptions", "");
    caller.delete(&path).await.is(204);
    post(&caller, "/endpoints", "b", &everything()).await.is(201);

    let long = "k".repeat(256);
    for wrong in ["", "\"\"", &long] {
        let answer = post(&caller, "/endpoints", wrong, &everything()).await;
        answer.is_problem(400, "idempotency_key_invalid", "Idempotency-Key", "255");
    }
    let nobody = Caller::new(&system, "tk_unknown");
    let answer = post(&nobody, "/endpoints", "a", &everything()).await;
    answer.is_problem(401, "key_unknown", "", "");
}
