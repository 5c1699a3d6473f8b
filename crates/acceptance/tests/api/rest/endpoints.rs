//! `/endpoints`: making, changing, listing.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::{Caller, everything, ids};

const URL: &str = "https://example.com/webhooks";

#[tokio::test]
async fn an_endpoint_is_made_shown_changed_and_deleted() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({
        "name": "Production",
        "url": URL,
        "dialect": "userhero",
        "subscriptions": [{ "pattern": "feedback.*" }, { "pattern": "survey.answered", "disabled": true }],
        "schedule": ["90s", "1h"],
        "timeout": "10s",
        "final_statuses": ["410", "4xx"],
        "concurrency": 4,
        "rate_per_second": 10,
        "rate_burst": 20,
        "secret": "a secret of our own",
        "contact": "ops@example.com",
    });
    let made = caller.post("/endpoints", asked).await;
    let (etag, location) = (made.header("etag").to_owned(), made.header("location").to_owned());
    let mut made = made.is(201);
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/api/v2/endpoints/{id}"));
    assert_eq!(made["secret"], "a secret of our own");
    let expected = json!({
        "id": id,
        "tenant_id": tenant.id,
        "name": "Production",
        "url": URL,
        "dialect": "userhero",
        "subscriptions": [
            { "pattern": "feedback.*", "disabled": false, "filter": null },
            { "pattern": "survey.answered", "disabled": true, "filter": null },
        ],
        "enabled": true,
        "disabled_reason": null,
        "failing_since": null,
        "schedule": ["1m 30s", "1h"],
        "timeout": "10s",
        "success_statuses": null,
        "final_statuses": ["410", "4xx"],
        "concurrency": 4,
        "rate_per_second": 10,
        "rate_burst": 20,
        "unsigned": false,
        "public_key": null,
        "previous_secret_until": null,
        "signing_secret": "current",
        "notes": [],
        "authentication": null,
        "contact": "ops@example.com",
        "operational": false,
        "properties": [],
        "settings": {},
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    });
    made.as_object_mut().unwrap().remove("secret");
    assert_eq!(made, expected);

    let path = format!("/endpoints/{id}");
    let shown = caller.get(&path).await;
    assert_eq!(shown.header("etag"), etag);
    assert_eq!(shown.is(200), expected, "the same, without its secret");

    let change = json!({ "name": "Live", "schedule": null, "contact": null, "rate_per_second": 5 });
    let changed = caller.patch(&path, change).await;
    assert_ne!(changed.header("etag"), etag);
    let changed = changed.is(200);
    assert_eq!((&changed["name"], &changed["schedule"]), (&json!("Live"), &Value::Null));
    assert_eq!(
        (&changed["contact"], &changed["timeout"]),
        (&Value::Null, &json!("10s"))
    );
    assert_eq!(
        (&changed["rate_per_second"], &changed["rate_burst"]),
        (&json!(5), &json!(5))
    );

    assert_eq!(caller.delete(&path).await.is(204), Value::Null);
    caller
        .get(&path)
        .await
        .is_problem(404, "endpoint_unknown", "endpoint_id", &id);
}

#[tokio::test]
async fn a_change_may_depend_on_what_was_seen() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let made = caller.post("/endpoints", everything()).await;
    let first = made.header("etag").to_owned();
    let path = format!("/endpoints/{}", made.is(201)["id"].as_str().unwrap());
    let change = async |tag: &str, name: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        caller
            .call("PATCH", &path, &headers, json!({ "name": name }).to_string())
            .await
    };
    let delete = async |tag: &str| caller.call("DELETE", &path, &[("if-match", tag)], "").await;

    let changed = change(&first, "one").await;
    let second = changed.header("etag").to_owned();
    changed.is(200);
    let stale = [
        first.clone(),
        format!("W/{second}"),
        "\"something else\"".to_owned(),
        String::new(),
    ];
    for tag in &stale {
        change(tag, "two")
            .await
            .is_problem(412, "endpoint_changed", "", "fetch it again");
        delete(tag)
            .await
            .is_problem(412, "endpoint_changed", "", "fetch it again");
    }
    assert_eq!(caller.get(&path).await.is(200)["name"], "one");
    change(&format!("{first}, {second}"), "two").await.is(200);
    change("*", "three").await.is(200);
    let third = caller.get(&path).await.header("etag").to_owned();
    delete(&third).await.is(204);
}

#[tokio::test]
async fn of_those_who_saw_the_same_one_changes_it() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let made = caller.post("/endpoints", everything()).await;
    let etag = made.header("etag").to_owned();
    let path = format!("/endpoints/{}", made.is(201)["id"].as_str().unwrap());
    let change = async |n: usize| {
        let headers = [("content-type", "application/json"), ("if-match", etag.as_str())];
        let body = json!({ "name": n.to_string() }).to_string();
        caller.call("PATCH", &path, &headers, body).await.status
    };
    let mut statuses = futures::future::join_all((0..8).map(change)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let mut made = Vec::new();
    for _ in 0..3 {
        let endpoint = caller.post("/endpoints", everything()).await.is(201);
        made.insert(0, endpoint["id"].as_str().unwrap().to_owned());
    }
    let first = caller.get("/endpoints?limit=2").await.is(200);
    assert_eq!(ids(&first), made[..2], "newest first");
    assert_eq!(first["next"], made[1]);
    assert!(first["data"][0].get("secret").is_none());
    let second = caller
        .get(&format!("/endpoints?limit=2&after={}", made[1]))
        .await
        .is(200);
    assert_eq!((ids(&second), &second["next"]), (vec![made[2].as_str()], &Value::Null));

    let operator = Caller::new(&system, &system.operator_token);
    let all = operator
        .get(&format!("/endpoints?tenant_id={}", tenant.id))
        .await
        .is(200);
    assert_eq!(ids(&all), made);
    let everybodys = operator.get("/endpoints").await.is(200);
    assert!(
        made.iter().all(|id| ids(&everybodys).contains(&id.as_str())),
        "{everybodys}"
    );
    for wrong in ["0", "201"] {
        let answer = caller.get(&format!("/endpoints?limit={wrong}")).await;
        answer.is_problem(400, "limit_invalid", "limit", "1 to 200");
    }
    caller
        .get("/endpoints?limit=many")
        .await
        .is_problem(400, "request_invalid", "limit", "invalid digit");
    caller
        .get("/endpoints?after=me")
        .await
        .is_problem(400, "id_invalid", "after", "`ep_`");
    let answer = caller.get("/endpoints?tenant=x").await;
    answer.is_problem(
        400,
        "field_unknown",
        "tenant",
        "expected one of `tenant_id`, `state`, `host`, `dialect`, `limit`, `after`",
    );
}

/// What is checked is checked by the operations, as over gRPC; here, that their refusals arrive.
#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_named() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let made = caller.post("/endpoints", everything()).await.is(201);
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());
    for (field, value, code, words) in [
        ("url", json!("http://example.com"), "url_not_allowed", "use `https://`"),
        (
            "url",
            json!("https://10.0.0.1/"),
            "url_not_allowed",
            "not a public address",
        ),
        ("url", Value::Null, "url_invalid", "write it like"),
        ("dialect", json!("klingon"), "dialect_unknown", "use one of"),
        ("subscriptions", json!([]), "subscriptions_invalid", "1 to"),
        ("subscriptions", json!([{ "pattern": "a b" }]), "pattern_invalid", ""),
        (
            "schedule",
            json!(["soon"]),
            "duration_invalid",
            "like `30s`, `5m` or `2h`",
        ),
        ("schedule", json!(["8days"]), "schedule_invalid", "out of range"),
        ("timeout", json!("2m"), "timeout_invalid", "1s to 60s"),
        ("final_statuses", json!(["10xx"]), "status_invalid", ""),
        ("success_statuses", json!([]), "status_invalid", "name one"),
        (
            "url",
            json!("https://a.example/\nhttps://b.example/"),
            "url_invalid",
            "give one URL",
        ),
        (
            "url",
            json!("https://discord.com/api/v10/webhooks/1/x/github"),
            "url_not_spoken",
            "leave `/github` out",
        ),
        ("name", json!("a\u{0}"), "text_invalid", "U+0000"),
        ("secret", json!("shared\u{200b}"), "secret_invalid", "at its end"),
        (
            "secret",
            json!("v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            "secret_invalid",
            "`v1,` before it",
        ),
        ("concurrency", json!(1001), "concurrency_invalid", "1 to 1000"),
        (
            "rate_per_second",
            json!(10_001),
            "rate_per_second_invalid",
            "1 to 10000",
        ),
        ("contact", json!("ops"), "contact_invalid", "ops@"),
        ("secret", json!(""), "secret_invalid", "1 to 512 bytes"),
        (
            "properties",
            json!(["user.plan"]),
            "properties_invalid",
            "sends payloads whole",
        ),
        (
            "settings",
            json!({ "colour": "red" }),
            "settings_invalid",
            "no setting `colour`",
        ),
    ] {
        let words = if field == "contact" {
            "not an e-mail address"
        } else {
            words
        };
        let change = json!({ field: value });
        caller
            .patch(&path, change.clone())
            .await
            .is_problem(400, code, field, words);
        // Of a new endpoint, these are left to the dialect or missing.
        if value.is_null() || value == "" {
            continue;
        }
        let mut asked = everything();
        asked
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        caller
            .post("/endpoints", asked)
            .await
            .is_problem(400, code, field, words);
    }
    for (body, code, field) in [
        (json!({ "rate_burst": 5 }), "field_missing", "rate_per_second"),
        (
            json!({ "unsigned": true, "secret": "x" }),
            "secret_contradiction",
            "secret",
        ),
        (json!({ "nmae": "x" }), "field_unknown", "nmae"),
        (json!({ "enabled": true }), "field_unknown", "enabled"),
        (json!({ "id": "x" }), "field_unknown", "id"),
        (json!([]), "request_invalid", ""),
        (Value::Null, "body_missing", ""),
    ] {
        caller.patch(&path, body).await.is_problem(400, code, field, "");
    }
    caller
        .post("/endpoints", json!({ "url": URL }))
        .await
        .is_problem(400, "field_missing", "subscriptions", "");
    caller
        .post("/endpoints", Value::Null)
        .await
        .is_problem(400, "body_missing", "", "");
    assert_eq!(
        caller.get(&path).await.is(200)["updated_at"],
        made["updated_at"],
        "nothing was changed"
    );
}

#[tokio::test]
async fn a_tenant_has_so_many_endpoints() {
    let system = Standalone::start_with(&[("CONTROL__MAX_ENDPOINTS_PER_TENANT", "1")]).await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    caller.post("/endpoints", everything()).await.is(201);
    let answer = caller.post("/endpoints", everything()).await;
    answer.is_problem(429, "too_many_endpoints", "", "delete one first");
    let answer = caller
        .put("/webhooks/config", json!({ "url": URL, "events": ["*"] }))
        .await;
    answer.is_problem(429, "too_many_endpoints", "", "delete one first");
}
