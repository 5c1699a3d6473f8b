//! What receivers of the five products get, compared with what the products' documents print.

use crate::case::{Case, body, header, headers, hmac, json};
use serde_json::{Value, json};

/// Every event type that a document lists, and how its payload is told.
fn assert_lists(dialect: &str, expected: &[&str]) {
    let case = Case::builtin();
    let samples: Vec<&str> = case
        .dialects
        .get(dialect)
        .unwrap()
        .samples()
        .keys()
        .map(|event_type| event_type.as_str())
        .collect();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(samples, expected);
}

#[test]
fn userback() {
    let case = Case::builtin().at("2022-11-01T01:10:11Z");
    let payload = json!({
        "id": 2007850,
        "feedback_type": "Bug Report",
        "project": "Pied Piper",
        "url": "https://app.userback.io/viewer/123456/98765/2007850MSNv8n6f/",
        "email": "[email protected]",
        "name": "John Doe",
        "priority": "Urgent"
    });
    let request = case.render("userback", "feedback.created", &payload.to_string(), &["unused"]);
    assert_eq!(
        json(&request),
        json!({
            "action": "create",
            "type": "feedback",
            "data": payload,
            "timestamp": 1667265011,
            "url": "https://app.userback.io/viewer/123456/98765/2007850MSNv8n6f/"
        })
    );
    let keys = [
        "\"action\"",
        "\"type\"",
        "\"data\"",
        "\"timestamp\"",
        "\"url\":\"https://app.userback.io/viewer/123456/98765/2007850MSNv8n6f/\"}",
    ];
    let places: Vec<usize> = keys.iter().map(|key| body(&request).rfind(key).unwrap()).collect();
    assert_eq!(places[0], 1);
    assert!(
        places[2] < places[3] && places[3] < places[4],
        "the order of the document"
    );
    assert_eq!(
        headers(&request).into_iter().collect::<Vec<_>>(),
        [
            ("Content-Type", "application/json; charset=utf-8"),
            ("User-Agent", "Userback-Webhook")
        ]
    );
    assert_eq!(
        json(&case.render("userback", "feedback.created", "{}", &[]))["url"],
        Value::Null
    );
}

#[test]
fn userback_knows_ten_events() {
    let case = Case::builtin();
    let mut types = Vec::new();
    for (event_type, action, kind) in [
        ("feedback.created", "create", "feedback"),
        ("feedback.assigned", "update", "feedback"),
        ("feedback.status_changed", "update", "feedback"),
        ("feedback.priority_changed", "update", "feedback"),
        ("feedback.voted", "update", "feedback"),
        ("feedback.deleted", "remove", "feedback"),
        ("comment.created", "create", "comment"),
        ("comment.updated", "update", "comment"),
        ("comment.status_changed", "update", "comment"),
        ("comment.deleted", "remove", "comment"),
    ] {
        let told = json(&case.render_sample("userback", event_type, &[]));
        assert_eq!(
            (&told["action"], &told["type"]),
            (&json!(action), &json!(kind)),
            "{event_type}"
        );
        assert_eq!(told["url"], told["data"]["url"]);
        types.push(event_type);
    }
    assert_lists("userback", &types);
    let other = json(&case.render("userback", "project.renamed", "{}", &[]));
    assert_eq!(
        (&other["action"], &other["type"]),
        (&json!("update"), &json!("project.renamed"))
    );
}

/// The payload that most of Userpilot's examples share.
fn userpilot_data(kind: &str, action: &str) -> Value {
    json!({
        "type": kind,
        "action": action,
        "id": 1,
        "hostname": "demo.userpilot.io",
        "pathname": "/dashboard",
        "user": {"user_id": "1", "name": "John Doe", "email": "john@userpilot.co"},
        "company": {"id": "1", "name": "Userpilot"}
    })
}

#[test]
fn userpilot() {
    let case = Case::builtin()
        .at("2023-03-23T13:37:05Z")
        .setting("app_token", "NX-bd46697c");
    let mut types = Vec::new();
    for (event_type, kind, action) in [
        ("flows.seen", "flow", "seen"),
        ("flows.completed", "flow", "completed"),
        ("flows.dismissed", "flow", "dismissed"),
        ("checklist.seen", "checklist", "seen"),
        ("checklist.completed", "checklist", "completed"),
        ("checklist.dismissed", "checklist", "dismissed"),
        ("feature_tag.clicked", "feature_tag", "clicked"),
        ("feature_tag.hover", "feature_tag", "hover"),
        ("feature_tag.text_input", "feature_tag", "text_input"),
        ("forms.submitted", "forms", "submitted"),
        ("button_tracked_event.occurred", "button_tracked_event", "occurred"),
    ] {
        let request = case.render_sample("userpilot", event_type, &["your-secret-token"]);
        assert_eq!(
            json(&request),
            json!({
                "type": event_type,
                "timestamp": 1679578625,
                "app_token": "NX-bd46697c",
                "data": userpilot_data(kind, action)
            })
        );
        let start = format!(r#"{{"type":"{event_type}","timestamp":1679578625,"app_token":"NX-bd46697c","data":{{"#);
        assert!(body(&request).starts_with(&start), "{}", body(&request));
        assert_eq!(header(&request, "content-type"), Some("application/json"));
        assert_eq!(header(&request, "x-userpilot-token"), Some("your-secret-token"));
        types.push(event_type);
    }
    types.extend(["nps.score", "nps.feedback", "nps.dismissed", "nps.ask_later"]);
    assert_lists("userpilot", &types);
}

#[test]
fn userpilots_nps() {
    let case = Case::builtin()
        .at("2023-03-23T13:36:59Z")
        .setting("app_token", "NX-bd46697c");
    let feedback = case.render_sample("userpilot", "nps.feedback", &[]);
    let start = r#"{"type":"nps.feedback","app_token":"NX-bd46697c","timestamp":1679578619,"data":{"#;
    assert!(body(&feedback).starts_with(start), "{}", body(&feedback));
    assert_eq!(
        json(&feedback)["data"],
        json!({
            "action": "feedback",
            "survey_question": "How likely it is that you would recommend us to your friends?",
            "score": 10,
            "follow_up_question": "Why did you choose this score? ",
            "feedback": "Great Product",
            "hostname": "demo.userpilot.io",
            "pathname": "/dashboard",
            "user": {"user_id": "1", "name": "John Doe", "email": "john@userpilot.co"},
            "company": {"id": "1", "name": "Userpilot"}
        })
    );
    let later = case.render_sample("userpilot", "nps.ask_later", &[]);
    assert_eq!(
        json(&later)["data"],
        json!({
            "action": "ask_later",
            "hostname": "demo.userpilot.io",
            "pathname": "/dashboard",
            "user": {"user_id": "1", "name": "John Doe", "email": "john@userpilot.co"},
            "company": {"id": "1", "name": "Userpilot"}
        })
    );
    assert_eq!(header(&later, "x-userpilot-token"), None);
}

#[test]
fn what_userpilots_list_calls_started_is_seen_in_its_payloads() {
    let case = Case::builtin();
    for (event_type, told) in [("flows.started", "flows.seen"), ("checklist.started", "checklist.seen")] {
        assert_eq!(
            json(&case.render("userpilot", event_type, "{}", &[]))["type"],
            json!(told)
        );
    }
}

#[test]
fn userpilots_app_token_is_the_settings_or_the_payloads_and_never_in_data() {
    let payload = r#"{"id":1, "app_token":"NX-payload","user":{"user_id":"1"}}"#;
    let case = Case::builtin();
    let from_payload = json(&case.render("userpilot", "flows.seen", payload, &[]));
    assert_eq!(from_payload["app_token"], "NX-payload");
    assert_eq!(from_payload["data"], json!({"id": 1, "user": {"user_id": "1"}}));
    let set = json(
        &case
            .setting("app_token", "NX-set")
            .render("userpilot", "flows.seen", payload, &[]),
    );
    assert_eq!(set["app_token"], "NX-set");
    assert_eq!(set["data"], json!({"id": 1, "user": {"user_id": "1"}}));
    let neither = json(&Case::builtin().render("userpilot", "nps.score", "{}", &[]));
    assert_eq!(neither["app_token"], Value::Null);
}

#[test]
fn userpilot_sends_the_properties_that_were_chosen_and_no_others() {
    let payload = r#"{"id":1,"user":{"user_id":"1","name":"J","email":"j@a.example","plan":"pro","age":30},
        "company":{"id":"1","name":"U","size":7,"mrr":1},"other":{"user":{"age":1}}}"#;
    let none = json(&Case::builtin().render("userpilot", "flows.seen", payload, &[]))["data"].clone();
    assert_eq!(
        none["user"],
        json!({"user_id": "1", "name": "J", "email": "j@a.example"})
    );
    assert_eq!(none["company"], json!({"id": "1", "name": "U"}));
    assert_eq!(none["other"], json!({"user": {"age": 1}}), "only at the top level");
    let case = Case::builtin().choosing(&["user.plan", "company.size"]);
    let some = json(&case.render("userpilot", "flows.seen", payload, &[]))["data"].clone();
    assert_eq!(
        some["user"],
        json!({"user_id": "1", "name": "J", "email": "j@a.example", "plan": "pro"})
    );
    assert_eq!(some["company"], json!({"id": "1", "name": "U", "size": 7}));
}

#[test]
fn userhero() {
    let case = Case::builtin().at("2026-01-07T15:30:00Z");
    let request = case.render_sample("userhero", "feedback.created", &["shared"]);
    let text = body(&request);
    let start = r#"{"event":"feedback.created","timestamp":"2026-01-07T15:30:00Z","data":{"id":"fb_abc123","projectId":"proj_xyz","#;
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with(r#""createdAt":"2026-01-07T15:30:00Z"}}"#), "{text}");
    assert_eq!(
        header(&request, "x-userhero-signature"),
        Some(format!("sha256={}", hex::encode(hmac(b"shared", text))).as_str())
    );
    assert_eq!(request.payload_at, None, "the sample has spaces, the body has none");
    let unsigned = case.render_sample("userhero", "feedback.updated", &[]);
    assert_eq!(header(&unsigned, "x-userhero-signature"), None);
    assert_lists("userhero", &["feedback.created", "feedback.updated"]);
    let dialect = case.dialects.get("userhero").unwrap();
    assert_eq!(dialect.schedule(), &"1m 5m 30m 2h 24h".parse().unwrap());
    assert_eq!(dialect.timeout().as_secs(), 30);
    for (status, outcome) in [
        (200, "succeeded"),
        (204, "succeeded"),
        (302, "failed_retryable"),
        (401, "failed_retryable"),
    ] {
        assert_eq!(dialect.status_rule().classify(status).name(), outcome, "{status}");
    }
}

#[test]
fn abc_user_feedback() {
    let case = Case::builtin();
    let issue = |id: u32, time: &str, updated: &str, name: &str, status: &str, external: &str, count: u32| {
        json!({
            "id": id, "createdAt": time, "updatedAt": updated, "name": name, "description": "Issue description",
            "status": status, "externalIssueId": external, "feedbackCount": count
        })
    };
    let (ten, eleven, twelve) = (
        "2024-01-15T10:30:00.000Z",
        "2024-01-15T11:00:00.000Z",
        "2024-01-15T12:00:00.000Z",
    );
    let (channel, project) = (
        json!({"id": 1, "name": "Website Feedback"}),
        json!({"id": 1, "name": "My Project"}),
    );
    for (event_type, name, data) in [
        (
            "feedback.created",
            "FEEDBACK_CREATION",
            json!({
                "feedback": {
                    "id": 123, "createdAt": ten, "updatedAt": ten, "message": "User feedback content",
                    "userEmail": "user@example.com",
                    "issues": [issue(456, ten, ten, "Bug Report", "OPEN", "EXT-123", 5)]
                },
                "channel": channel, "project": project
            }),
        ),
        (
            "issue.created",
            "ISSUE_CREATION",
            json!({"issue": issue(789, eleven, eleven, "New Issue", "OPEN", "EXT-789", 0), "project": project}),
        ),
        (
            "issue.status_changed",
            "ISSUE_STATUS_CHANGE",
            json!({
                "issue": issue(789, eleven, twelve, "Issue Name", "IN_PROGRESS", "EXT-789", 3),
                "project": project, "previousStatus": "OPEN"
            }),
        ),
        (
            "issue.added",
            "ISSUE_ADDITION",
            json!({
                "feedback": {
                    "id": 123, "createdAt": ten, "updatedAt": ten, "message": "User feedback content",
                    "issues": [
                        {"id": 456, "name": "Existing Issue", "status": "OPEN"},
                        {"id": 789, "name": "Newly Added Issue", "status": "OPEN"}
                    ]
                },
                "channel": channel, "project": project,
                "addedIssue": issue(789, eleven, eleven, "Newly Added Issue", "OPEN", "EXT-456", 1)
            }),
        ),
    ] {
        let request = case.render_sample("abc-user-feedback", event_type, &["your-secret-token"]);
        assert_eq!(json(&request), json!({"event": name, "data": data}));
        assert_eq!(header(&request, "content-type"), Some("application/json"));
        assert_eq!(header(&request, "x-webhook-token"), Some("your-secret-token"));
        let own = case.render("abc-user-feedback", name, &data.to_string(), &[]);
        assert_eq!(json(&own)["event"], json!(name), "its own names stay");
        assert_eq!(header(&own, "x-webhook-token"), None);
    }
    assert_lists(
        "abc-user-feedback",
        &[
            "feedback.created",
            "issue.created",
            "issue.status_changed",
            "issue.added",
        ],
    );
    let dialect = case.dialects.get("abc-user-feedback").unwrap();
    assert_eq!(dialect.schedule().to_string(), "3s 3s 3s");
    for (status, outcome) in [
        (200, "succeeded"),
        (204, "succeeded"),
        (400, "failed_final"),
        (429, "failed_final"),
        (500, "failed_retryable"),
        (503, "failed_retryable"),
    ] {
        assert_eq!(dialect.status_rule().classify(status).name(), outcome, "{status}");
    }
}

#[test]
fn feedbackpulse() {
    let case = Case::builtin().at("2024-03-15T10:30:00Z");
    let request = case.render_sample("feedbackpulse", "submission.created", &["your_shared_secret"]);
    assert_eq!(
        json(&request),
        json!({
            "event": "submission.created",
            "timestamp": "2024-03-15T10:30:00Z",
            "data": {
                "id": 42, "campaign_id": 1, "star_rating": 5, "text_feedback": "Love this product!",
                "customer_name": "Jane Doe", "status": "pending"
            }
        })
    );
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "x-feedbackpulse-event"), Some("submission.created"));
    assert_eq!(
        header(&request, "x-feedbackpulse-signature"),
        Some(format!("sha256={}", hex::encode(hmac(b"your_shared_secret", body(&request)))).as_str())
    );
    let unsigned = case.render_sample("feedbackpulse", "submission.status_changed", &[]);
    assert_eq!(header(&unsigned, "x-feedbackpulse-signature"), None);
    assert_lists("feedbackpulse", &["submission.created", "submission.status_changed"]);
}

#[test]
fn cloudevents() {
    let case = Case::builtin();
    let payload = "{ \"rating\": 1.0 }";
    let request = case.render("cloudevents", "feedback.created", payload, &["legacy"]);
    assert_eq!(
        body(&request),
        format!(
            r#"{{"specversion":"1.0","id":"{}","source":"/tidings","type":"feedback.created","time":"2026-01-07T15:30:00.123Z","datacontenttype":"application/json","data":{payload}}}"#,
            case.event_id
        )
    );
    assert_eq!(
        header(&request, "content-type"),
        Some("application/cloudevents+json; charset=utf-8")
    );
    assert!(header(&request, "webhook-signature").unwrap().starts_with("v1,"));
    let own = case.setting("source", "https://a.example/feedback");
    assert_eq!(
        json(&own.render("cloudevents", "a.b", "[]", &[]))["source"],
        "https://a.example/feedback"
    );
}

/// The events that `tidings demo` publishes are those that the dialects know.
#[test]
fn the_example_events_are_the_samples() {
    let dialects = Case::builtin().dialects;
    for (dialect, events) in [
        (
            "abc-user-feedback",
            include_str!("../../../tidings/fixtures/events/abc-user-feedback.json"),
        ),
        (
            "feedbackpulse",
            include_str!("../../../tidings/fixtures/events/feedbackpulse.json"),
        ),
        (
            "userback",
            include_str!("../../../tidings/fixtures/events/userback.json"),
        ),
        (
            "userhero",
            include_str!("../../../tidings/fixtures/events/userhero.json"),
        ),
        (
            "userpilot",
            include_str!("../../../tidings/fixtures/events/userpilot.json"),
        ),
    ] {
        let events: Vec<Value> = serde_json::from_str(events).unwrap();
        let samples = dialects.get(dialect).unwrap().samples();
        let known: Vec<&str> = samples.keys().map(|event_type| event_type.as_str()).collect();
        for event in &events {
            let event_type = event["event_type"].as_str().unwrap();
            assert!(known.contains(&event_type), "{dialect}: {event_type}");
        }
        assert_eq!(events.len(), known.len());
    }
}
