//! Signatures of attempts, comparing them with a receiver's own, and previews of requests.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tidings_acceptance::{SOON, Standalone, Tenant};
use tidings_testkit::{Answer, Receiver, wait_until};

use super::Caller;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A tenant whose endpoint got one event.
struct Delivered {
    system: Standalone,
    tenant: Tenant,
    caller: Caller,
    endpoint: String,
    attempt: String,
    body: String,
    receiver: Receiver,
}

impl Delivered {
    async fn by(dialect: &str) -> Self {
        let (system, receiver) = (Standalone::start().await, Receiver::start().await);
        let tenant = system.operator.create_tenant("signed").await;
        let caller = Caller::new(&system, &tenant.token);
        let new = json!({ "url": receiver.url(), "dialect": dialect, "secret": SECRET, "subscriptions": [{ "pattern": "*" }] });
        let endpoint = caller.post("/endpoints", new).await.is(201);
        system.operator.ingest_is_up_to_date().await;
        let payload = json!({ "id": 12_345_678_901_234_567_890_u64, "name": "Zoë" });
        let event = system.operator.publish(&tenant, "feedback.created", payload).await;
        let sent = receiver.wait_for(1, SOON).await;
        wait_until(SOON, "the attempt to be on record", async || {
            !system.operator.attempts_of(&event).await.is_empty()
        })
        .await;
        let attempt = system.operator.attempts_of(&event).await.remove(0).id;
        Self {
            body: String::from_utf8(sent[0].body.to_vec()).unwrap(),
            endpoint: format!("/endpoints/{}", endpoint["id"].as_str().unwrap()),
            system,
            tenant,
            caller,
            attempt,
            receiver,
        }
    }

    fn path(&self) -> String {
        format!("/webhooks/logs/{}/signature", self.attempt)
    }

    async fn compare(&self, received: Value) -> Value {
        let path = format!("{}/compare", self.path());
        self.caller.post(&path, received).await.is(200)
    }

    async fn with_scope(&self, scope: &str) -> Caller {
        let made = self
            .caller
            .post("/api-keys", json!({ "scopes": [scope] }))
            .await
            .is(201);
        Caller {
            key: made["token"].as_str().unwrap().to_owned(),
            ..self.caller.clone()
        }
    }
}

/// The headers of an attempt, as a receiver prints them.
async fn headers(caller: &Caller, attempt: &str) -> Vec<String> {
    let attempt = caller.get(&format!("/webhooks/logs/{attempt}")).await.is(200);
    let lines = attempt["request_headers"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .map(|line| format!("{}: {}", text(&line["name"]), text(&line["value"])))
        .collect()
}

fn codes(comparison: &Value) -> Vec<&str> {
    let findings = comparison["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test]
async fn an_attempt_is_checked_step_by_step() {
    let delivered = Delivered::by("standard").await;
    let checked = delivered.caller.get(&delivered.path()).await.is(200);
    assert_eq!(
        (&checked["state"], &checked["may_reveal"]),
        (&json!("checked"), &json!(true))
    );
    let signature = &checked["signatures"][0];
    assert_eq!(signature["header"], "webhook-signature");
    assert_eq!(signature["template"], "{{ id }}.{{ sent_at.unix }}.{{ body }}");
    let signed = signature["signed"].as_str().unwrap();
    assert!(signed.starts_with("evt_") && signed.ends_with(&format!(".{}", delivered.body)));
    let key = BASE64_STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let expected = format!("v1,{}", BASE64_STANDARD.encode(hmac(&key, signed)));
    assert_eq!(signature["sent"], expected);
    assert_eq!(
        signature["checks"],
        json!([{ "secret": "current", "algorithm": "hmac-sha256", "key_hex": null, "value": expected, "equal": true }])
    );

    // Keys are shown when asked for, to who may manage, and that is on record.
    let shown = delivered.caller.post(&delivered.path(), Value::Null).await.is(200);
    let shown = &shown["signatures"][0]["checks"][0]["key_hex"];
    assert_eq!(shown.as_str().unwrap().len(), key.len() * 2);
    let entries = delivered
        .caller
        .get("/audit?action=endpoint.secret_shown")
        .await
        .is(200);
    assert_eq!(entries["data"].as_array().unwrap().len(), 1);
    let reader = delivered.with_scope("read").await;
    reader
        .post(&delivered.path(), Value::Null)
        .await
        .is_problem(403, "scope_missing", "", "manage");
    let checked = reader.get(&delivered.path()).await.is(200);
    assert_eq!(checked["may_reveal"], false);
    assert_eq!(checked["signatures"][0]["checks"][0]["value"], expected, "it was sent");
}

#[tokio::test]
async fn after_a_rotation_nobody_who_only_reads_gets_a_signature_that_was_not_sent() {
    let delivered = Delivered::by("feedbackpulse").await;
    let rotate = format!("{}/rotate-secret", delivered.endpoint);
    let asked = json!({ "secret": "another secret", "overlap": "1h" });
    delivered.caller.post(&rotate, asked).await.is(200);
    let reader = delivered.with_scope("read").await;
    let checks = reader.get(&delivered.path()).await.is(200)["signatures"][0]["checks"].clone();
    assert_eq!(
        (&checks[0]["equal"], &checks[0]["value"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        (&checks[1]["secret"], &checks[1]["equal"]),
        (&json!("previous"), &json!(true))
    );
    let compared = delivered.compare(json!({ "secret": SECRET })).await;
    assert_eq!(codes(&compared), ["secret_previous"]);
    let rotate = json!({ "secret": "a third secret", "overlap": "0s" });
    delivered
        .caller
        .post(&format!("{}/rotate-secret", delivered.endpoint), rotate)
        .await
        .is(200);
    let compared = delivered.compare(json!({ "secret": SECRET })).await;
    assert_eq!(codes(&compared), ["secret_other"]);
    assert_eq!(compared["verifies"], false);
}

#[tokio::test]
async fn what_a_receiver_saw_is_explained() {
    let delivered = Delivered::by("standard").await;
    let compared = delivered.compare(json!({ "body": delivered.body })).await;
    assert_eq!(
        (codes(&compared), &compared["verifies"]),
        (vec!["body_same"], &json!(true))
    );

    let rounded = delivered.body.replace("12345678901234567890", "12345678901234567000");
    let compared = delivered.compare(json!({ "body": rounded })).await;
    assert_eq!(
        (codes(&compared), &compared["verifies"]),
        (vec!["body_numbers"], &json!(false))
    );
    let difference = &compared["difference"];
    let at = usize::try_from(difference["at"].as_u64().unwrap()).unwrap();
    assert_eq!(&delivered.body[at..at + 3], "890");
    assert_eq!(
        (&difference["sent_byte"], &difference["received_byte"]),
        (&json!(b'8'), &json!(b'0'))
    );

    let newline = BASE64_STANDARD.encode(format!("{}\n", delivered.body));
    let compared = delivered.compare(json!({ "body_base64": newline })).await;
    assert_eq!(codes(&compared), ["body_newline_added"]);

    // What the receiver computed tells which key and which text it took.
    let signed = delivered.caller.get(&delivered.path()).await.is(200)["signatures"][0]["signed"].clone();
    let computed = BASE64_STANDARD.encode(hmac(SECRET.as_bytes(), signed.as_str().unwrap()));
    let compared = delivered.compare(json!({ "computed": computed })).await;
    assert_eq!(codes(&compared), ["computed_key_text"]);
    let secret = SECRET.trim_start_matches("whsec_");
    let compared = delivered
        .compare(json!({ "secret": secret, "received_at": "2020-01-01T00:00:00Z" }))
        .await;
    assert_eq!(codes(&compared), ["secret_bare", "clock_early"]);
}

#[tokio::test]
async fn headers_are_compared_as_they_are_pasted() {
    let delivered = Delivered::by("standard").await;
    let lines = headers(&delivered.caller, &delivered.attempt).await;
    let compared = delivered.compare(json!({ "headers": lines.join("\r\n") })).await;
    assert_eq!(
        (codes(&compared), &compared["verifies"]),
        (vec!["headers_same"], &json!(true))
    );
    let without: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains("signature"))
        .cloned()
        .collect();
    let compared = delivered.compare(json!({ "headers": without.join("\n") })).await;
    assert_eq!(
        (codes(&compared), &compared["verifies"]),
        (vec!["header_missing"], &json!(false))
    );
}

#[tokio::test]
async fn a_signature_of_an_earlier_attempt_is_recognized() {
    let delivered = Delivered::by("standard").await;
    let caller = &delivered.caller;
    let change = json!({ "schedule": ["1s"] });
    caller.patch(&delivered.endpoint, change).await.is(200);
    delivered.system.operator.ingest_is_up_to_date().await;
    delivered.receiver.answer_next([Answer::Status(500)]);
    let event = delivered
        .system
        .operator
        .publish(&delivered.tenant, "a.b", json!({}))
        .await;
    delivered.system.operator.wait_for_state(&event, "succeeded").await;
    let log = format!("/webhooks/logs?event_id={event}");
    wait_until(SOON, "both attempts to be on record", async || {
        super::ids(&caller.get(&log).await.is(200)).len() == 2
    })
    .await;
    let page = caller.get(&log).await.is(200);
    let [second, first] = super::ids(&page)[..] else {
        panic!("{page}")
    };
    let path = format!("/webhooks/logs/{second}/signature/compare");
    let headers = headers(caller, first).await.join("\n");
    let compared = caller.post(&path, json!({ "headers": headers })).await.is(200);
    let found = codes(&compared);
    assert!(
        found.contains(&"header_differs") && found.contains(&"header_of_another"),
        "{compared}"
    );
    let findings = compared["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["values"]["attempt"] == first),
        "{compared}"
    );
    assert_eq!(compared["verifies"], false);
}

#[tokio::test]
async fn what_is_wrong_to_ask_is_refused() {
    let delivered = Delivered::by("standard").await;
    let path = format!("{}/compare", delivered.path());
    let caller = &delivered.caller;
    let answer = caller.post(&path, json!({})).await;
    answer.is_problem(400, "nothing_received", "", "give something to compare");
    let answer = caller.post(&path, json!({ "body": "a", "body_base64": "YQ==" })).await;
    answer.is_problem(400, "body_contradiction", "body_base64", "once");
    let answer = caller.post(&path, json!({ "body_base64": "#" })).await;
    answer.is_problem(400, "body_invalid", "body_base64", "base64");
    let other = delivered.system.operator.create_tenant("other").await;
    let stranger = Caller::new(&delivered.system, &other.token);
    for path in [delivered.path(), path] {
        let answer = stranger.post(&path, json!({ "body": "a" })).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    assert_eq!(stranger.get(&delivered.path()).await.status, 404);
    assert_ne!(other.id, delivered.tenant.id);
}

#[tokio::test]
async fn a_test_is_shown_before_it_is_sent() {
    let delivered = Delivered::by("userhero").await;
    let path = format!("{}/preview", delivered.endpoint);
    let asked = json!({ "event_type": "feedback.created", "payload": { "id": "fb_1" } });
    let preview = delivered.caller.post(&path, asked).await.is(200);
    let body = preview["request_body"].as_str().unwrap();
    assert!(body.contains("fb_1"), "{preview}");
    let lines = preview["request_headers"].as_array().unwrap();
    let line = |name: &str| {
        lines.iter().find(|line| line["name"] == name).unwrap()["value"]
            .as_str()
            .unwrap()
    };
    let digest: String = hmac(SECRET.as_bytes(), body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(line("X-UserHero-Signature"), format!("sha256={digest}"));
    assert_eq!(line("Content-Length"), body.len().to_string());
    assert!(line("Host").starts_with("127.0.0.1:"));

    // A test then has these headers and no others, and differs in what time and id make of it.
    let test = format!("{}/test", delivered.endpoint);
    let asked = json!({ "event_type": "feedback.created", "payload": { "id": "fb_1" } });
    let sent = delivered.caller.post(&test, asked).await.is(200);
    let names = |lines: &Value| -> Vec<(String, String)> {
        let lines = lines.as_array().unwrap().iter();
        let own = lines.map(|line| (line["name"].to_string(), line["value"].to_string()));
        own.map(|(name, value)| match name.contains("Signature") {
            true => (name, String::new()),
            false => (name, value),
        })
        .collect()
    };
    assert_eq!(names(&preview["request_headers"]), names(&sent["request_headers"]));

    let preview = delivered.caller.post(&path, Value::Null).await.is(200);
    assert!(preview["event_type"].is_string(), "the dialect's sample");
    let answer = delivered
        .caller
        .post(&path, json!({ "event_type": "not a type" }))
        .await;
    assert_eq!((answer.status, &answer.body["field"]), (400, &json!("event_type")));
    let reader = delivered.with_scope("read").await;
    reader
        .post(&path, Value::Null)
        .await
        .is_problem(403, "scope_missing", "", "manage");
    let attempts = delivered.caller.get("/webhooks/logs").await.is(200);
    assert_eq!(super::ids(&attempts).len(), 2, "the test alone was sent");
}
