//! `/webhooks/config`, as FeedbackPulse's document prints it.

use serde_json::{Value, json};
use tidings_acceptance::{Standalone, System};
use tidings_testkit::Receiver;

use super::Caller;

const PATH: &str = "/webhooks/config";
/// The printed body, byte for byte.
const PRINTED: &str = r#"{
"url": "https://your-app.com/webhooks/feedbackpulse",
"events": ["submission.created", "submission.status_changed"],
"secret": "your_shared_secret"
}"#;

#[tokio::test]
async fn the_printed_request_makes_a_webhook() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("pulse").await;
    let caller = Caller::new(&system, &tenant.token);
    caller
        .get(PATH)
        .await
        .is_problem(404, "config_unknown", "", "make one by `PUT");

    let made = caller.call("PUT", PATH, &[], PRINTED).await.is(200);
    let expected = json!({
        "url": "https://your-app.com/webhooks/feedbackpulse",
        "events": ["submission.created", "submission.status_changed"],
        "secret": "********",
        "dialect": "feedbackpulse",
        "enabled": true,
        "endpoint_id": made["endpoint_id"],
        "tenant_id": tenant.id,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    assert_eq!(caller.get(PATH).await.is(200), expected);
    let endpoint = format!("/endpoints/{}", made["endpoint_id"].as_str().unwrap());
    let secret = caller.get(&format!("{endpoint}/secret")).await.is(200);
    assert_eq!(secret["secret"], "your_shared_secret");

    let operator = Caller::new(&system, &system.operator_token);
    let path = format!("{PATH}?tenant_id={}", tenant.id);
    assert_eq!(operator.get(&path).await.is(200), expected);
    operator
        .get(PATH)
        .await
        .is_problem(400, "tenant_missing", "tenant_id", "name one");
}

#[tokio::test]
async fn what_was_configured_is_delivered_and_signed() {
    let system = Standalone::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("pulse").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({ "url": receiver.url(), "events": ["submission.created"], "secret": "your_shared_secret" });
    caller.put(PATH, asked).await.is(200);
    system.operator.ingest_is_up_to_date().await;

    let wanted = system
        .operator
        .publish(&tenant, "submission.created", json!({ "id": 42 }))
        .await;
    let unwanted = system
        .operator
        .publish(&tenant, "submission.deleted", json!({ "id": 42 }))
        .await;
    system.operator.wait_for_state(&wanted, "succeeded").await;
    assert!(system.operator.deliveries_of(&unwanted).await.is_empty());
    let [request] = &receiver.requests()[..] else {
        panic!("one request was sent")
    };
    assert_eq!(request.header("x-feedbackpulse-event"), Some("submission.created"));
    assert!(
        request
            .header("x-feedbackpulse-signature")
            .unwrap()
            .starts_with("sha256=")
    );
    assert_eq!(request.json()["data"], json!({ "id": 42 }));
}

#[tokio::test]
async fn a_webhook_is_changed_and_stays_the_same_one() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("pulse").await;
    let caller = Caller::new(&system, &tenant.token);
    let made = caller.call("PUT", PATH, &[], PRINTED).await.is(200);
    let endpoint = format!("/endpoints/{}", made["endpoint_id"].as_str().unwrap());
    let secret = async || caller.get(&format!("{endpoint}/secret")).await.is(200)["secret"].clone();
    caller
        .patch(&endpoint, json!({ "name": "renamed", "timeout": "5s" }))
        .await
        .is(200);

    let url = "https://your-app.com/other";
    let change = json!({ "url": url, "events": ["*"] });
    let changed = caller.put(PATH, change).await.is(200);
    assert_eq!(changed["endpoint_id"], made["endpoint_id"]);
    assert_eq!((&changed["url"], &changed["events"]), (&json!(url), &json!(["*"])));
    assert_eq!(secret().await, "your_shared_secret", "it was not mentioned");
    let shown = caller.get(&endpoint).await.is(200);
    assert_eq!((&shown["name"], &shown["timeout"]), (&json!("renamed"), &json!("5s")));

    // What GET shows can be sent back.
    let same = json!({ "url": url, "events": ["*"], "secret": changed["secret"] });
    caller.put(PATH, same).await.is(200);
    assert_eq!(secret().await, "your_shared_secret");
    let other = json!({ "url": url, "events": ["*"], "secret": "another" });
    caller.put(PATH, other).await.is(200);
    assert_eq!(secret().await, "another");
    for none in [Value::Null, json!("")] {
        let asked = json!({ "url": url, "events": ["*"], "secret": none });
        assert_eq!(caller.put(PATH, asked).await.is(200)["secret"], Value::Null);
        assert_eq!(secret().await, Value::Null);
    }

    assert_eq!(
        caller.get("/endpoints").await.is(200)["data"].as_array().unwrap().len(),
        1
    );
    caller.delete(&endpoint).await.is(204);
    caller
        .get(PATH)
        .await
        .is_problem(404, "config_unknown", "", "no webhook yet");
    let again = caller.call("PUT", PATH, &[], PRINTED).await.is(200);
    assert_eq!(again["endpoint_id"], made["endpoint_id"]);
}

#[tokio::test]
async fn the_url_chooses_the_format() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("pulse").await;
    let caller = Caller::new(&system, &tenant.token);
    for (url, dialect) in [
        ("https://hooks.slack.com/services/T000/B000/XXXX", "slack"),
        ("https://discord.com/api/webhooks/1/abc", "discord"),
        ("https://your-app.com/webhooks", "feedbackpulse"),
    ] {
        let asked = json!({ "url": url, "events": ["*"], "secret": "s" });
        assert_eq!(caller.put(PATH, asked).await.is(200)["dialect"], dialect);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_webhook_is_named() {
    let system = Standalone::start_with(&[("DESTINATIONS__ALLOWED_NETWORKS", "[]")]).await;
    let tenant = system.operator.create_tenant("pulse").await;
    let caller = Caller::new(&system, &tenant.token);
    let (url, https) = ("https://your-app.com/", "use `https://`");
    for (body, code, field, words) in [
        (json!({ "events": ["*"] }), "field_missing", "url", ""),
        (json!({ "url": url }), "field_missing", "events", ""),
        (
            json!({ "url": url, "events": [] }),
            "subscriptions_invalid",
            "events",
            "",
        ),
        (
            json!({ "url": url, "events": ["a b"] }),
            "pattern_invalid",
            "events",
            "",
        ),
        (
            json!({ "url": url, "events": ["*"], "name": "x" }),
            "field_unknown",
            "name",
            "`secret`",
        ),
        (
            json!({ "url": url, "events": ["*"], "secret": "x".repeat(513) }),
            "secret_invalid",
            "secret",
            "512",
        ),
        (
            json!({ "url": "http://your-app.com/", "events": ["*"] }),
            "url_not_allowed",
            "url",
            https,
        ),
        (
            json!({ "url": "https://localhost/", "events": ["*"] }),
            "url_not_allowed",
            "url",
            "public",
        ),
        (
            json!({ "url": "https://0.0.0.0/", "events": ["*"] }),
            "url_not_allowed",
            "url",
            "public",
        ),
        (
            json!({ "url": "https://10.1.2.3/", "events": ["*"] }),
            "url_not_allowed",
            "url",
            "public",
        ),
        (
            json!({ "url": "https://172.31.0.1/", "events": ["*"] }),
            "url_not_allowed",
            "url",
            "public",
        ),
        (
            json!({ "url": "https://192.168.1.1/", "events": ["*"] }),
            "url_not_allowed",
            "url",
            "public",
        ),
    ] {
        caller.put(PATH, body).await.is_problem(400, code, field, words);
    }
    caller.get(PATH).await.is_problem(404, "config_unknown", "", "");
    let masked = json!({ "url": url, "events": ["*"], "secret": "********" });
    caller
        .put(PATH, masked)
        .await
        .is_problem(400, "secret_masked", "secret", "no secret yet");
}

/// There is one webhook, whoever makes it first; on either engine.
#[tokio::test]
async fn requests_that_race_make_one_webhook() {
    let standalone = Standalone::start().await;
    let system = System::start().await;
    let servers = [
        (&standalone.servers, &standalone.operator),
        (&system.servers, &system.operator),
    ];
    for (servers, operator) in servers {
        let tenant = operator.create_tenant("race").await;
        let caller = Caller {
            base: format!("{}/api/v2", servers.rest),
            key: tenant.token,
        };
        let put = async |n: usize| {
            let asked = json!({ "url": format!("https://your-app.com/{n}"), "events": ["*"], "secret": n.to_string() });
            caller.put(PATH, asked).await.is(200)["endpoint_id"].clone()
        };
        let ids = futures::future::join_all((0..4).map(put)).await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let all = caller.get("/endpoints").await.is(200);
        assert_eq!(super::ids(&all), [ids[0].as_str().unwrap()]);
        let secret = caller
            .get(&format!("/endpoints/{}/secret", super::ids(&all)[0]))
            .await
            .is(200);
        let url = all["data"][0]["url"].as_str().unwrap();
        let last = secret["secret"].as_str().unwrap();
        assert_eq!(
            url,
            format!("https://your-app.com/{last}"),
            "one request's URL and secret"
        );
    }
}
