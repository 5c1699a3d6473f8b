//! Publishing over HTTP.

use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone, System};
use tokio::task::spawn_blocking;

use crate::nobody;

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    content_type: String,
    body: Value,
}

/// Posts a body with a key (none if empty) and further headers.
async fn post(url: String, key: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    if !key.is_empty() {
        headers.push(("authorization".to_owned(), format!("Bearer {key}")));
    }
    let post = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(SOON))
            .build()
            .into();
        let mut request = agent.post(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send(&body[..]).expect("HTTP is answered");
        let content_type = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        Answer {
            status: answer.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: serde_json::from_str(&answer.into_body().read_to_string().expect("a text")).expect("JSON"),
        }
    };
    spawn_blocking(post).await.expect("a request does not panic")
}

impl Answer {
    /// Asserts that it is a problem document (RFC 9457) with this status and code, for this field (none if empty), in
    /// words that contain these.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str, field: &str, words: &str) {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.body["field"].as_str().unwrap_or_default(), field, "{self:?}");
        assert_eq!(self.body["type"], "about:blank");
        assert!(
            self.body["title"].as_str().is_some_and(|title| !title.is_empty()),
            "{self:?}"
        );
        let detail = self.body["detail"].as_str().expect("a detail");
        assert!(detail.contains(words), "{words:?} is missing in {detail:?}");
    }
}

#[tokio::test]
async fn an_event_is_accepted_and_found() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("http").await;
    let url = || format!("{}/api/v2/events", system.servers.http);
    let body = r#"{"event_type": "feedback.created", "payload": {"id":  1.0, "a":"\u00e9"}}"#;
    let headers = [("idempotency-key", "fb-1")];
    let accepted = post(url(), &tenant.token, &headers, body).await;
    assert_eq!(
        (accepted.status, accepted.content_type.as_str()),
        (202, "application/json")
    );
    let id = accepted.body["event_id"].as_str().expect("an id").to_owned();
    assert_eq!(
        accepted.body,
        json!({ "event_id": id, "duplicate": false, "deliveries": 0 })
    );
    for key in ["fb-1", "\"fb-1\"", "\"fb-1\";v=1"] {
        let again = post(url(), &tenant.token, &[("idempotency-key", key)], body).await;
        assert_eq!(
            again.body,
            json!({ "event_id": id, "duplicate": true, "deliveries": 0 }),
            "{key}"
        );
    }
    for key in ["\"fb-1", "fb-1\"", "\"\"", "fb 1"] {
        let answer = post(url(), &tenant.token, &[("idempotency-key", key)], body).await;
        answer.is_problem(400, "idempotency_key_invalid", "idempotency_key", "255");
    }

    let request = tidings_proto::pb::GetEventRequest { event_id: id };
    let found = system
        .client(&tenant.token)
        .log()
        .get_event(request)
        .await
        .expect("it is on record");
    let event = found.into_inner().event.expect("the event");
    assert_eq!(
        event.payload, br#"{"id":  1.0, "a":"\u00e9"}"#,
        "as it stood in the request"
    );
    assert_eq!(event.idempotency_key, "fb-1");

    let other = r#"{"event_type": "feedback.created", "payload": {"id": 2}}"#;
    let answer = post(url(), &tenant.token, &headers, other).await;
    answer.is_problem(
        422,
        "idempotency_key_reused",
        "idempotency_key",
        "another type, time or payload",
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("http").await;
    let publish = async |body: &str| {
        post(
            format!("{}/api/v2/events", system.servers.http),
            &tenant.token,
            &[],
            body,
        )
        .await
    };

    publish("").await.is_problem(400, "request_invalid", "", "EOF");
    publish("hello").await.is_problem(400, "request_invalid", "", "line 1");
    publish("\u{feff}{}")
        .await
        .is_problem(400, "request_invalid", "", "byte order mark");
    // As over gRPC: the field, and the place within the payload.
    let answer = publish("{\"event_type\": \"a\", \"payload\": {\"a\":\n 01}, \"occurred_at\": null}").await;
    answer.is_problem(
        400,
        "payload_not_json",
        "payload",
        "not JSON at byte 8: a comma or the end of its container was expected (line 2)",
    );
    for (name, value, code, field) in [
        (
            "content-encoding",
            "gzip",
            "content_encoding_unknown",
            "Content-Encoding",
        ),
        ("content-type", "text/plain", "content_type_unknown", "Content-Type"),
        (
            "content-type",
            "application/json; charset=utf-16",
            "charset_unknown",
            "Content-Type",
        ),
    ] {
        let url = format!("{}/api/v2/events", system.servers.http);
        let answer = post(url, &tenant.token, &[(name, value)], "{}").await;
        answer.is_problem(415, code, field, "");
    }
    publish(r#"{"payload": 1}"#)
        .await
        .is_problem(400, "field_missing", "event_type", "missing field");
    publish(r#"{"event_type": "a"}"#)
        .await
        .is_problem(400, "field_missing", "payload", "missing field");
    let answer = publish(r#"{"event_type": "a", "payload": 1, "paylod": 2}"#).await;
    answer.is_problem(
        400,
        "field_unknown",
        "paylod",
        "expected one of `tenant_id`, `event_type`",
    );
    let answer = publish(r#"{"event_type": 7, "payload": 1}"#).await;
    answer.is_problem(400, "request_invalid", "", "expected a string");
    let answer = publish(r#"{"event_type": "a", "payload": 1, "tenant_id": "acme"}"#).await;
    answer.is_problem(
        400,
        "request_invalid",
        "",
        "write `ten_` followed by 32 hexadecimal digits",
    );
    let answer = publish(r#"{"event_type": "a", "payload": 1, "occurred_at": "yesterday"}"#).await;
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (400, Some("request_invalid"))
    );
    let answer = publish(r#"{"event_type": "no type", "payload": 1}"#).await;
    answer.is_problem(400, "event_type_invalid", "event_type", "like `feedback.created`");
    let answer = publish(r#"{"event_type": "a", "payload": 1, "occurred_at": "2001-01-01T00:00:00Z"}"#).await;
    answer.is_problem(400, "occurred_at_out_of_range", "occurred_at", "30 days ago");
    let answer = publish(r#"{"event_type": "a", "payload": 1, "idempotency_key": "a b"}"#).await;
    answer.is_problem(400, "idempotency_key_invalid", "idempotency_key", "no spaces");
    let large = format!(r#"{{"event_type": "a", "payload": "{}"}}"#, "x".repeat(256 * 1024));
    publish(&large)
        .await
        .is_problem(413, "payload_too_large", "payload", "at most 262144 are accepted");
}

#[tokio::test]
async fn header_and_body_name_one_key() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("http").await;
    let url = || format!("{}/api/v2/events", system.servers.http);
    let body = r#"{"event_type": "a", "payload": 1, "idempotency_key": "one"}"#;
    let answer = post(url(), &tenant.token, &[("idempotency-key", "other")], body).await;
    answer.is_problem(400, "idempotency_key_ambiguous", "idempotency_key", "send one of them");
    let answer = post(url(), &tenant.token, &[("idempotency-key", "one")], body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[tokio::test]
async fn a_request_has_a_largest_size() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("http").await;
    let url = format!("{}/api/v2/events/batch", system.servers.http);
    let answer = post(url, &tenant.token, &[], vec![b' '; 16 * 1024 * 1024 + 1]).await;
    answer.is_problem(413, "request_too_large", "", "at most 16777216 bytes");
}

#[tokio::test]
async fn a_batch_with_refusals_is_a_multi_status() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("http").await;
    let publish = async |body: Value| {
        let url = format!("{}/api/v2/events/batch", system.servers.http);
        post(url, &tenant.token, &[], body.to_string()).await
    };
    let good = json!({ "event_type": "a", "payload": 1 });
    let bad = json!({ "event_type": "no type", "payload": 1 });

    let answer = publish(json!({ "events": [good, good] })).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = publish(json!({ "events": [good, bad, good] })).await;
    assert_eq!(answer.status, 207, "{answer:?}");
    let results = answer.body["results"].as_array().expect("results");
    assert_eq!(results.len(), 3);
    assert!([0, 2].iter().all(|n| {
        results[*n]["event_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("evt_"))
    }));
    let error = &results[1]["error"];
    assert_eq!(
        (&error["status"], &error["code"]),
        (&json!(400), &json!("event_type_invalid"))
    );
    assert_eq!(
        (&error["field"], &error["type"]),
        (&json!("event_type"), &json!("about:blank"))
    );

    publish(json!({ "events": [] }))
        .await
        .is_problem(400, "batch_empty", "events", "has no events");
    let answer = publish(json!({ "events": vec![good; 1_001] })).await;
    answer.is_problem(413, "batch_too_large", "events", "send several batches");
    publish(json!({}))
        .await
        .is_problem(400, "field_missing", "events", "missing field");
}

#[tokio::test]
async fn keys_are_asked_for_as_over_grpc() {
    let system = Standalone::start().await;
    let url = || format!("{}/api/v2/events", system.servers.http);
    let body = r#"{"event_type": "a", "payload": 1}"#;
    let answer = post(url(), "", &[], body).await;
    answer.is_problem(401, "key_missing", "", "`Authorization: Bearer tk_…`");
    let answer = post(url(), "tk_unknown", &[], body).await;
    answer.is_problem(401, "key_unknown", "", "does not exist");
    let answer = post(url(), &system.operator_token, &[], body).await;
    answer.is_problem(400, "tenant_missing", "tenant_id", "name one");
    let id = nobody().id;
    let body = format!(r#"{{"tenant_id": "{id}", "event_type": "a", "payload": 1}}"#);
    let answer = post(url(), &system.operator_token, &[], body).await;
    answer.is_problem(404, "tenant_unknown", "tenant_id", &format!("there is no tenant {id}"));
}

#[tokio::test]
async fn where_nothing_is_ingest_says_so_in_a_problem_document() {
    let system = System::start().await;
    let nowhere = post(format!("{}/nowhere", system.servers.http), "", &[], "{}").await;
    nowhere.is_problem(404, "route_unknown", "", "nothing at `/nowhere`");
    let events = format!("{}/api/v2/events", system.servers.http);
    let answer = tidings_acceptance::get(&events).await.expect("it is answered");
    assert_eq!(answer.status, 405);
    assert!(answer.body.contains("method_not_allowed"), "{}", answer.body);
}
