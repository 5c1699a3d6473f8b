//! What is done with an endpoint: `/enable`, `/disable`, `/secret`, `/rotate-secret`, `/test`.

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone, System};
use tidings_testkit::{Answer, Receiver, wait_until};

use super::{Caller, everything, ids};

#[tokio::test]
async fn deliveries_are_turned_off_and_on() {
    let system = Standalone::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({ "url": receiver.url(), "subscriptions": [{ "pattern": "*" }], "enabled": false });
    let made = caller.post("/endpoints", asked).await.is(201);
    assert_eq!(made["enabled"], false);
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());
    system.operator.ingest_is_up_to_date().await;

    let cancelled = system.operator.publish(&tenant, "feedback.created", json!(1)).await;
    system.operator.wait_for_state(&cancelled, "held").await;
    let on = caller
        .post(&format!("{path}/enable"), json!({ "held": "cancel" }))
        .await;
    assert_eq!(on.is(200)["enabled"], true);
    system.operator.wait_for_state(&cancelled, "cancelled").await;

    assert_eq!(
        caller.post(&format!("{path}/disable"), Value::Null).await.is(200)["enabled"],
        false
    );
    system.operator.ingest_is_up_to_date().await;
    let released = system.operator.publish(&tenant, "feedback.created", json!(2)).await;
    system.operator.wait_for_state(&released, "held").await;
    assert_eq!(
        caller.post(&format!("{path}/enable"), Value::Null).await.is(200)["enabled"],
        true
    );
    system.operator.wait_for_state(&released, "succeeded").await;
    assert_eq!(receiver.count(), 1);

    let answer = caller.post(&format!("{path}/enable"), json!({ "held": "drop" })).await;
    answer.is_problem(400, "request_invalid", "", "expected `release` or `cancel`");
}

#[tokio::test]
async fn a_secret_is_shown_and_replaced() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let made = caller.post("/endpoints", everything()).await.is(201);
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let first = made["secret"].as_str().unwrap();
    assert!(first.starts_with("whsec_"));
    assert_eq!(
        caller.get(&format!("{path}/secret")).await.is(200),
        json!({ "secret": first })
    );

    // A dialect with room for one signature.
    caller.patch(&path, json!({ "dialect": "userhero" })).await.is(200);
    let rotated = caller.post(&format!("{path}/rotate-secret"), Value::Null).await.is(200);
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_") && rotated["secret"] != first);
    assert!(rotated["previous_secret_until"].is_string());
    let shown = caller.get(&path).await.is(200);
    assert_eq!(shown["previous_secret_until"], rotated["previous_secret_until"]);
    assert_eq!(
        (&rotated["signing_secret"], &shown["signing_secret"]),
        (&json!("previous"), &json!("previous"))
    );
    assert!(
        rotated["note"].as_str().unwrap().contains("room for one signature"),
        "{rotated}"
    );
    assert_eq!(shown["notes"], json!([rotated["note"]]));
    let chosen = json!({
        "dialect": "standard", "schedule": [], "final_statuses": [], "success_statuses": ["2xx", "302"],
        "authentication": { "headers": { "X_Api_Key": "k-1" } },
    });
    let shown = caller.patch(&path, chosen).await.is(200);
    assert_eq!(shown["signing_secret"], "both");
    assert!(shown["notes"][1].as_str().unwrap().contains("`X_Api_Key`"), "{shown}");
    let lists = |shown: &Value| ["schedule", "final_statuses", "success_statuses"].map(|name| shown[name].clone());
    assert_eq!(lists(&shown), [json!([]), json!([]), json!(["2xx", "302"])]);
    let taken_back = json!({
        "dialect": "userhero", "schedule": null, "final_statuses": null, "success_statuses": null, "authentication": null,
    });
    let shown = caller.patch(&path, taken_back).await.is(200);
    assert_eq!(lists(&shown), [Value::Null, Value::Null, Value::Null]);
    let asked = json!({ "secret": "mine", "overlap": "0s" });
    let rotated = caller.post(&format!("{path}/rotate-secret"), asked).await.is(200);
    assert_eq!(
        (&rotated["secret"], &rotated["previous_secret_until"]),
        (&json!("mine"), &Value::Null)
    );

    for (overlap, code) in [
        ("8days", "overlap_invalid"),
        ("a while", "duration_invalid"),
        ("30", "duration_invalid"),
    ] {
        let asked = json!({ "overlap": overlap });
        let answer = caller.post(&format!("{path}/rotate-secret"), asked).await;
        answer.is_problem(400, code, "overlap", "");
    }
    let unsigned = caller.patch(&path, json!({ "unsigned": true })).await.is(200);
    assert_eq!(unsigned["unsigned"], true);
    assert_eq!(
        caller.get(&format!("{path}/secret")).await.is(200),
        json!({ "secret": null })
    );
    let answer = caller.post(&format!("{path}/rotate-secret"), Value::Null).await;
    answer.is_problem(409, "endpoint_unsigned", "endpoint_id", "not signed");
}

#[tokio::test]
async fn a_test_is_answered_with_all_that_was_sent_and_received() {
    let system = Standalone::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({ "url": receiver.url(), "subscriptions": [{ "pattern": "*" }], "dialect": "feedbackpulse" });
    let path = format!(
        "/endpoints/{}/test",
        caller.post("/endpoints", asked).await.is(201)["id"].as_str().unwrap()
    );

    let sent = caller.post(&path, Value::Null).await.is(200);
    assert_eq!((&sent["test"], &sent["outcome"]), (&json!(true), &json!("succeeded")));
    assert_eq!(sent["event_type"], "submission.created");
    assert_eq!(
        sent["request_body"],
        String::from_utf8(receiver.requests()[0].body.to_vec()).unwrap()
    );
    let headers = sent["request_headers"].as_array().unwrap();
    assert!(
        headers
            .iter()
            .any(|header| header["name"] == "X-FeedbackPulse-Signature")
    );

    receiver.answer_always(Answer::full(500, &[], "out of order"));
    let payload = r#"{"event_type": "any.type", "payload": {"n":  1.0}}"#;
    let headers = [("content-type", "application/json; charset=utf-8")];
    let sent = caller.call("POST", &path, &headers, payload).await.is(200);
    assert_eq!(
        (&sent["status_code"], &sent["response_body"]),
        (&json!(500), &json!("out of order"))
    );
    assert!(
        sent["request_body"].as_str().unwrap().contains(r#"{"n":  1.0}"#),
        "byte for byte: {sent}"
    );
    assert_eq!(sent["next_attempt_at"], Value::Null);

    let answer = caller.post(&path, json!({ "event_type": "any.type" })).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (400, "application/problem+json")
    );
    assert_eq!(answer.body["field"], "event_type", "{answer:?}");
}

/// Apart, control asks dispatchers and log over the network, and they may be away.
#[tokio::test]
async fn roles_apart_serve_the_same() {
    let mut system = System::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("rest").await;
    let caller = Caller {
        base: format!("{}/api/v2", system.servers.rest),
        key: tenant.token.clone(),
    };
    let asked = json!({ "url": receiver.url(), "subscriptions": [{ "pattern": "*" }] });
    let made = caller.post("/endpoints", asked).await.is(201);
    let path = format!("/endpoints/{}/test", made["id"].as_str().unwrap());
    let sent = caller.post(&path, Value::Null).await.is(200);
    let found = format!("/webhooks/logs/{}", sent["id"].as_str().unwrap());
    wait_until(SOON, "the test to be on record", async || {
        caller.get(&found).await.status == 200
    })
    .await;
    let logs = caller.get("/webhooks/logs").await.is(200);
    assert_eq!(ids(&logs), [sent["id"].as_str().unwrap()]);

    system.dispatcher.kill9();
    let answer = caller.post(&path, Value::Null).await;
    answer.is_problem(503, "dispatcher_unavailable", "", "try again");
    system.log.kill9();
    for path in ["/webhooks/logs", &found] {
        caller
            .get(path)
            .await
            .is_problem(503, "log_unavailable", "", "try again");
    }
    caller.get("/endpoints").await.is(200);
}
