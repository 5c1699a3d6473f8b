//! `/webhooks/logs`.

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone, Tenant};
use tidings_testkit::{Answer, Receiver, wait_until};

use super::{Caller, ids};

const PATH: &str = "/webhooks/logs";

/// A tenant with an endpoint that answered three events: 200, 404 and 503.
struct Logged {
    tenant: Tenant,
    caller: Caller,
    receiver: Receiver,
    endpoint: String,
    /// The ids of the attempts, first to last.
    attempts: Vec<String>,
}

impl Logged {
    async fn new(system: &Standalone) -> Self {
        let receiver = Receiver::start().await;
        let tenant = system.operator.create_tenant("logs").await;
        let caller = Caller::new(system, &tenant.token);
        let asked = json!({
            "url": receiver.url(), "subscriptions": [{ "pattern": "*" }], "dialect": "feedbackpulse",
            "schedule": ["1h"], "final_statuses": ["404"],
        });
        let endpoint = caller.post("/endpoints", asked).await.is(201)["id"]
            .as_str()
            .unwrap()
            .to_owned();
        system.operator.ingest_is_up_to_date().await;
        let mut logged = Self {
            tenant,
            caller,
            receiver,
            endpoint,
            attempts: Vec::new(),
        };
        for (event_type, status, body) in [
            ("submission.created", 200, "thanks"),
            ("submission.created", 404, "nobody here"),
            ("submission.status_changed", 503, "later"),
        ] {
            logged
                .receiver
                .answer_next([Answer::full(status, &[("x-from", "receiver")], body)]);
            let event = system
                .operator
                .publish(&logged.tenant, event_type, json!({ "answer": status }))
                .await;
            wait_until(SOON, "the attempt to be on record", async || {
                !system.operator.attempts_of(&event).await.is_empty()
            })
            .await;
            logged
                .attempts
                .push(system.operator.attempts_of(&event).await[0].id.clone());
        }
        logged
    }

    /// The places of the attempts that are found with this query, newest first.
    async fn found(&self, query: &str) -> Vec<usize> {
        let page = self.caller.get(&format!("{PATH}?{query}")).await.is(200);
        let place = |id: &str| self.attempts.iter().position(|attempt| attempt == id).unwrap();
        ids(&page).into_iter().map(place).collect()
    }
}

#[tokio::test]
async fn an_entry_shows_what_was_sent_and_received() {
    let system = Standalone::start().await;
    let logged = Logged::new(&system).await;
    let page = logged.caller.get(PATH).await.is(200);
    assert_eq!(page["next"], Value::Null);
    let entry = &page["data"][1];
    let request = &logged.receiver.requests()[1];
    let expected = json!({
        "id": logged.attempts[1],
        "delivery_id": entry["delivery_id"],
        "event_id": entry["event_id"],
        "tenant_id": logged.tenant.id,
        "endpoint_id": logged.endpoint,
        "event_type": "submission.created",
        "number": 1,
        "started_at": entry["started_at"],
        "duration": entry["duration"],
        "url": logged.receiver.url(),
        "dialect": "feedbackpulse",
        "outcome": "failed_final",
        "failure_reason": "status",
        "error": entry["error"],
        "status_code": 404,
        "next_attempt_at": null,
        "test": false,
        "request_body": String::from_utf8(request.body.to_vec()).unwrap(),
        "request_truncated": false,
        "response_body": "nobody here",
        "response_truncated": false,
    });
    assert_eq!(entry, &expected);
    assert!(entry["duration"].as_str().unwrap().contains("ms") || entry["duration"].as_str().unwrap().contains("us"));

    let full = logged
        .caller
        .get(&format!("{PATH}/{}", logged.attempts[1]))
        .await
        .is(200);
    let header = |of: &str, name: &str| {
        let lines = full[of].as_array().unwrap().iter();
        lines
            .clone()
            .find(|line| line["name"] == name)
            .map(|line| line["value"].clone())
    };
    for field in [
        "id",
        "event_id",
        "started_at",
        "status_code",
        "request_body",
        "response_body",
    ] {
        assert_eq!(full[field], entry[field]);
    }
    let signature = request.header("x-feedbackpulse-signature").unwrap();
    assert_eq!(
        header("request_headers", "X-FeedbackPulse-Signature"),
        Some(json!(signature))
    );
    assert_eq!(header("response_headers", "x-from"), Some(json!("receiver")));
    assert_eq!(full["remote_address"], logged.receiver.address().ip().to_string());
    // The connection was made for the first attempt; there is nothing to find for an address and no TLS.
    assert_eq!(full["timing"]["tls"], Value::Null);
    assert!(full["timing"]["first_byte"].is_string(), "{full}");
    let retried = &page["data"][0];
    assert!(retried["next_attempt_at"].is_string(), "{retried}");
}

#[tokio::test]
async fn filters_narrow_what_is_shown() {
    let system = Standalone::start().await;
    let logged = Logged::new(&system).await;
    let page = logged.caller.get(PATH).await.is(200);
    let at = |place: usize| page["data"][2 - place]["started_at"].as_str().unwrap();
    let second = (at(1), page["data"][1]["event_id"].as_str().unwrap());
    let delivery = page["data"][1]["delivery_id"].as_str().unwrap();
    let (today, _) = at(0).split_once('T').unwrap();
    for (query, expected) in [
        (String::new(), vec![2, 1, 0]),
        ("event_type=submission.created".to_owned(), vec![1, 0]),
        (
            "event_type=submission.created,submission.status_changed".to_owned(),
            vec![2, 1, 0],
        ),
        ("event_type=other".to_owned(), vec![]),
        ("status_code=404".to_owned(), vec![1]),
        ("status_code=4xx".to_owned(), vec![1]),
        ("status_code=4xx,5xx".to_owned(), vec![2, 1]),
        ("status_code=200,5xx".to_owned(), vec![2, 0]),
        ("status_code=none".to_owned(), vec![]),
        ("outcome=failed_final".to_owned(), vec![1]),
        ("outcome=failed_final,succeeded".to_owned(), vec![1, 0]),
        ("outcome=succeeded&status_code=5xx".to_owned(), vec![]),
        ("failure_reason=status".to_owned(), vec![2, 1]),
        ("failure_reason=timeout,dns".to_owned(), vec![]),
        ("error=answered%20404".to_owned(), vec![1]),
        ("error=ANSWERED".to_owned(), vec![2, 1]),
        ("error=100%25".to_owned(), vec![]),
        ("min_duration=1us".to_owned(), vec![2, 1, 0]),
        ("min_duration=1h".to_owned(), vec![]),
        ("max_duration=1h".to_owned(), vec![2, 1, 0]),
        ("max_duration=1us".to_owned(), vec![]),
        (format!("delivery_id={delivery}"), vec![1]),
        (format!("endpoint_id={}", logged.endpoint), vec![2, 1, 0]),
        (format!("event_id={}", second.1), vec![1]),
        (format!("tenant_id={}", logged.tenant.id), vec![2, 1, 0]),
        (format!("since={}", second.0), vec![2, 1]),
        (format!("until={}", second.0), vec![0]),
        (format!("since={today}"), vec![2, 1, 0]),
        ("until=2020-01-01".to_owned(), vec![]),
        ("until=2999-01-01&since=2020-01-01".to_owned(), vec![2, 1, 0]),
        ("limit=2".to_owned(), vec![2, 1]),
        (format!("limit=2&after={}", logged.attempts[1]), vec![0]),
    ] {
        assert_eq!(logged.found(&query).await, expected, "{query}");
    }
    let first = logged.caller.get(&format!("{PATH}?limit=2")).await.is(200);
    assert_eq!(first["next"], logged.attempts[1]);
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_is_named() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("logs").await;
    let caller = Caller::new(&system, &tenant.token);
    for (query, code, field) in [
        ("event_type=a%20b", "event_type_invalid", "event_type"),
        ("status_code=10xx", "status_invalid", "status_code"),
        ("status_code=404,none", "status_invalid", "status_code"),
        ("outcome=lost", "name_unknown", "outcome"),
        ("failure_reason=lost", "name_unknown", "failure_reason"),
        ("min_duration=5", "duration_invalid", "min_duration"),
        ("min_duration=5s&max_duration=4s", "range_contradictory", "min_duration"),
        ("since=2024-03-16&until=2024-03-14", "range_contradictory", "since"),
        ("error=", "text_empty", "error"),
        ("error=%00", "text_invalid", "error"),
        ("delivery_id=1", "id_invalid", "delivery_id"),
        ("since=yesterday", "time_invalid", "since"),
        ("until=2024-02-30", "time_invalid", "until"),
        ("endpoint_id=1", "id_invalid", "endpoint_id"),
        ("event_id=1", "id_invalid", "event_id"),
        ("tenant_id=1", "id_invalid", "tenant_id"),
        ("after=1", "id_invalid", "after"),
        ("limit=1000", "limit_invalid", "limit"),
        ("status=404", "field_unknown", "status"),
    ] {
        caller
            .get(&format!("{PATH}?{query}"))
            .await
            .is_problem(400, code, field, "");
    }
    let unknown = format!("{PATH}/{}", tidings_domain::AttemptId::new());
    caller
        .get(&unknown)
        .await
        .is_problem(404, "attempt_unknown", "", "no attempt");
    caller
        .get(&format!("{PATH}/1"))
        .await
        .is_problem(400, "id_invalid", "attempt_id", "`att_`");
}

#[tokio::test]
async fn attempts_are_counted_by_outcome_over_time() {
    let system = Standalone::start().await;
    let logged = Logged::new(&system).await;
    let (other, operator) = (Logged::new(&system).await, Caller::new(&system, &system.operator_token));
    let counts = async |caller: &Caller, query: &str| {
        let counted = caller.get(&format!("{PATH}/counts?{query}")).await.is(200);
        assert_eq!(counted["counted_since"], Value::Null);
        let spans = counted["data"].as_array().unwrap().clone();
        let sum = |outcome: &str| spans.iter().map(|span| span[outcome].as_u64().unwrap()).sum::<u64>();
        let sums = ["succeeded", "failed_retryable", "failed_final"].map(sum);
        (spans, sums)
    };
    let (spans, sums) = counts(&logged.caller, "").await;
    assert_eq!(sums, [1, 1, 1]);
    assert!((48..=50).contains(&spans.len()), "{spans:?}");
    for pair in spans.windows(2) {
        assert_eq!(pair[0]["until"], pair[1]["since"]);
    }
    for (query, expected) in [
        (format!("endpoint_id={}", logged.endpoint), [1, 1, 1]),
        (format!("endpoint_id={}", other.endpoint), [0, 0, 0]),
        ("event_type=submission.created&since=2024-03-15".into(), [1, 0, 1]),
        ("status_code=5xx&interval=1d&time_zone=Europe/Berlin".into(), [0, 1, 0]),
        ("since=2024-03-15&until=2024-03-16".into(), [0, 0, 0]),
    ] {
        assert_eq!(counts(&logged.caller, &query).await.1, expected, "{query}");
    }
    assert_eq!(counts(&operator, "").await.1, [2, 2, 2]);
    for (query, code, field) in [
        (
            "since=2024-03-16&until=2024-03-15T00:00:00Z",
            "range_contradictory",
            "since",
        ),
        ("interval=1s", "interval_too_short", "interval"),
        ("time_zone=Nowhere", "time_zone_unknown", "time_zone"),
        ("outcome=late", "name_unknown", "outcome"),
    ] {
        let answer = logged.caller.get(&format!("{PATH}/counts?{query}")).await;
        answer.is_problem(400, code, field, "");
    }
}

#[tokio::test]
async fn operators_see_all_tenants_and_tenants_themselves() {
    let system = Standalone::start().await;
    let (one, two) = (Logged::new(&system).await, Logged::new(&system).await);
    let operator = Caller::new(&system, &system.operator_token);
    let all = operator.get(PATH).await.is(200);
    assert_eq!(ids(&all).len(), 6);
    let narrowed = operator
        .get(&format!("{PATH}?tenant_id={}", one.tenant.id))
        .await
        .is(200);
    let of_one: Vec<&str> = one.attempts.iter().rev().map(String::as_str).collect();
    assert_eq!(ids(&narrowed), of_one);
    assert_eq!(ids(&one.caller.get(PATH).await.is(200)), of_one);
    operator.get(&format!("{PATH}/{}", two.attempts[0])).await.is(200);

    let answer = one.caller.get(&format!("{PATH}?tenant_id={}", two.tenant.id)).await;
    answer.is_problem(404, "tenant_unknown", "tenant_id", "no tenant");
    let answer = one.caller.get(&format!("{PATH}?endpoint_id={}", two.endpoint)).await;
    assert!(ids(&answer.is(200)).is_empty());
    let answer = one.caller.get(&format!("{PATH}/{}", two.attempts[0])).await;
    answer.is_problem(404, "attempt_unknown", "", "no attempt");
}

#[tokio::test]
async fn a_list_shows_the_beginnings_of_large_bodies() {
    let system = Standalone::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("logs").await;
    let caller = Caller::new(&system, &tenant.token);
    let asked = json!({ "url": receiver.url(), "subscriptions": [{ "pattern": "*" }] });
    let made = caller.post("/endpoints", asked).await.is(201);
    receiver.answer_always(Answer::full(200, &[], "é".repeat(40_000)));
    let payload = "ü".repeat(50_000);
    let test = format!("/endpoints/{}/test", made["id"].as_str().unwrap());
    let sent = caller
        .post(&test, json!({ "event_type": "a", "payload": payload }))
        .await
        .is(200);
    assert_eq!(sent["response_truncated"], true, "64 KiB are kept");

    let entry = &caller.get(PATH).await.is(200)["data"][0];
    assert_eq!(
        (&entry["request_truncated"], &entry["response_truncated"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(entry["response_body"], "é".repeat(8 * 1024));
    assert!(
        sent["request_body"]
            .as_str()
            .unwrap()
            .starts_with(entry["request_body"].as_str().unwrap())
    );
    let full = caller
        .get(&format!("{PATH}/{}", sent["id"].as_str().unwrap()))
        .await
        .is(200);
    assert_eq!(full["request_body"], sent["request_body"]);
    assert_eq!(full["response_body"].as_str().unwrap(), "é".repeat(32 * 1024));
}
