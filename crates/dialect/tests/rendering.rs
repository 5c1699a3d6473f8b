//! What receivers get: the formats of Standard Webhooks and of the products' documents, and what a hostile
//! payload can't do to them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tempfile::TempDir;
use tidings_dialect::{Dialects, Message, RenderError, Request};
use tidings_domain::{EventId, EventType, Secret, Timestamp};

const PUBLISHED_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Case {
    dialects: Dialects,
    event_id: EventId,
}

impl Case {
    fn builtin() -> Self {
        Self {
            dialects: Dialects::builtin().unwrap(),
            event_id: EventId::new(),
        }
    }

    fn with(name: &str, text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join(format!("{name}.toml")), text).unwrap();
        Self {
            dialects: Dialects::with_directory(dir.path()).unwrap(),
            event_id: EventId::new(),
        }
    }

    fn body(text: &str) -> Self {
        Self::with(
            "mine",
            &format!("name = 'mine'\ndescription = ''\n{text}\n[samples]\n\"a.b\" = '{{}}'\n"),
        )
    }

    fn try_render(
        &self,
        dialect: &str,
        event_type: &str,
        payload: &[u8],
        secrets: &[&str],
    ) -> Result<Request, RenderError> {
        let event_type: EventType = event_type.parse().unwrap();
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text).unwrap()).collect();
        let message = Message {
            event_id: self.event_id,
            event_type: &event_type,
            occurred_at: "2026-01-07T15:30:00.123987Z".parse().unwrap(),
            sent_at: Timestamp::from_second(1_767_800_001).unwrap(),
            attempt: 2,
            payload,
        };
        self.dialects.get(dialect).unwrap().render(&message, &secrets)
    }

    fn render(&self, dialect: &str, event_type: &str, payload: &str, secrets: &[&str]) -> Request {
        self.try_render(dialect, event_type, payload.as_bytes(), secrets)
            .unwrap()
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request
        .headers
        .iter()
        .find(|(header, _)| header == name)
        .map(|(_, value)| value.to_str().unwrap())
}

fn body(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn standard_webhooks_as_specified() {
    let case = Case::builtin();
    let payload = "{ \"rating\": 1.0, \"text\": \"\\u00e9\" }";
    let request = case.render("standard", "feedback.created", payload, &[PUBLISHED_SECRET]);

    assert_eq!(
        body(&request),
        format!(r#"{{"type":"feedback.created","timestamp":"2026-01-07T15:30:00Z","data":{payload}}}"#)
    );
    assert_eq!(&request.body[request.payload_at.clone().unwrap()], payload.as_bytes());
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(
        header(&request, "user-agent"),
        Some(concat!("Tidings/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(header(&request, "webhook-id"), Some(case.event_id.to_string().as_str()));
    assert_eq!(header(&request, "webhook-timestamp"), Some("1767800001"));

    let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signed = format!("{}.1767800001.{}", case.event_id, body(&request));
    let expected = format!("v1,{}", BASE64_STANDARD.encode(hmac(&key, &signed)));
    assert_eq!(header(&request, "webhook-signature"), Some(expected.as_str()));
    assert_eq!(request.headers.len(), 5);
}

/// The vector that the reference libraries of Standard Webhooks test themselves with.
#[test]
fn the_published_signature_comes_out() {
    let case = Case::body(
        "body = '{{ payload }}'\n[[signatures]]\nheader = 'webhook-signature'\nprefix = 'v1,'\nencoding = 'base64'\n\
         signed = 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{{ body }}'",
    );
    let request = case.render("mine", "a.b", r#"{"test": 2432232314}"#, &[PUBLISHED_SECRET]);
    assert_eq!(
        header(&request, "webhook-signature"),
        Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    );
}

#[test]
fn every_secret_signs_and_none_leaves_the_signature_out() {
    let case = Case::builtin();
    let both = case.render("standard", "a.b", "1", &[PUBLISHED_SECRET, "legacy"]);
    let signed = format!("{}.1767800001.{}", case.event_id, body(&both));
    let signatures: Vec<&str> = header(&both, "webhook-signature").unwrap().split(' ').collect();
    assert_eq!(signatures.len(), 2);
    assert_eq!(
        signatures[1],
        format!("v1,{}", BASE64_STANDARD.encode(hmac(b"legacy", &signed)))
    );

    let none = case.render("standard", "a.b", "1", &[]);
    assert_eq!(header(&none, "webhook-signature"), None);
    assert!(header(&none, "webhook-id").is_some() && header(&none, "webhook-timestamp").is_some());
}

#[test]
fn what_shows_a_secret_is_marked_sensitive_and_nothing_else_is() {
    let case = Case::body(
        "body = '{{ payload }}'\n[[signatures]]\nheader = 'x-signature'\nencoding = 'hex'\nsigned = '{{ body }}'\n\
         [headers]\nx-token = 'Bearer {{ secret }}'\nx-id = '{{ id }}'",
    );
    let request = case.render("mine", "a.b", "{}", &["hunter2"]);
    let sensitive: Vec<&str> = request
        .headers
        .iter()
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(sensitive, ["x-token"]);
    assert!(!format!("{request:?}").contains("hunter2"));
}

#[test]
fn userhero_as_in_its_document() {
    let case = Case::builtin();
    let dialect = case.dialects.get("userhero").unwrap();
    let sample = &dialect.samples()[&"feedback.created".parse().unwrap()];
    let request = case.render(
        "userhero",
        "feedback.created",
        std::str::from_utf8(sample).unwrap(),
        &["shared"],
    );

    let text = body(&request);
    let start = r#"{"event":"feedback.created","timestamp":"2026-01-07T15:30:00Z","data":{"id":"fb_abc123","projectId":"proj_xyz","#;
    assert!(text.starts_with(start), "{text}");
    assert!(text.ends_with(r#""createdAt":"2026-01-07T15:30:00Z"}}"#), "{text}");
    assert_eq!(
        header(&request, "x-userhero-signature"),
        Some(format!("sha256={}", hex::encode(hmac(b"shared", text))).as_str())
    );
    assert_eq!(request.payload_at, None, "the sample has spaces, the body has none");
}

#[test]
fn a_canonical_payload_stands_verbatim_in_a_canonical_body() {
    let payload = r#"{"1":0,"a":"é","b":[null,1.5]}"#;
    let request = Case::builtin().render("userhero", "feedback.updated", payload, &[]);
    assert_eq!(&request.body[request.payload_at.unwrap()], payload.as_bytes());
    let other = r#"{"b":1.0,"1":2,"b":"\u0061"}"#;
    let request = Case::builtin().render("userhero", "x", other, &[]);
    assert_eq!(
        body(&request),
        r#"{"event":"x","timestamp":"2026-01-07T15:30:00Z","data":{"1":2,"b":"a"}}"#
    );
}

const USERBACK: &str = r#"
name = "userback"
description = "Userback"
content_type = "application/json; charset=utf-8"
user_agent = "Userback-Webhook"
body = '{"action":{{ event.action }},"type":{{ event.type }},"data":{{ payload }},"timestamp":{{ occurred_at.unix }},"url":{{ data.url }}}'

[events."feedback.created"]
action = "create"
type = "feedback"
[events."feedback.*"]
action = "update"
type = "feedback"
[events."feedback.deleted"]
action = "remove"
type = "feedback"

[samples]
"feedback.created" = '{"id": 2007850, "url": "https://app.userback.io/viewer/1/2/3/"}'
"#;

#[test]
fn userback_needs_no_rust() {
    let case = Case::with("userback", USERBACK);
    let payload = r#"{"id": 2007850, "priority": "Urgent", "url": "https://app.userback.io/viewer/1/"}"#;
    let request = case.render("userback", "feedback.created", payload, &["secret"]);
    let expected = format!(
        r#"{{"action":"create","type":"feedback","data":{payload},"timestamp":1767799800,"url":"https://app.userback.io/viewer/1/"}}"#
    );
    assert_eq!(body(&request), expected);
    assert_eq!(
        header(&request, "content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(header(&request, "user-agent"), Some("Userback-Webhook"));
    assert_eq!(request.headers.len(), 2);

    let voted = case.render("userback", "feedback.voted", "{}", &[]);
    assert!(body(&voted).starts_with(r#"{"action":"update","type":"feedback","#));
    assert!(body(&voted).ends_with(r#""url":null}"#));
    assert!(body(&case.render("userback", "feedback.deleted", "{}", &[])).starts_with(r#"{"action":"remove""#));
}

const ABC: &str = r#"
name = "abc-user-feedback"
description = "ABC User Feedback"
body = '{"event":{{ event.name }},"data":{{ payload }}}'
final = ["4xx"]
schedule = ["3s", "3s", "3s"]
[headers]
x-webhook-token = "{{ secret }}"
[events."feedback.created"]
name = "FEEDBACK_CREATION"
[events."issue.status_changed"]
name = "ISSUE_STATUS_CHANGE"
[samples]
"feedback.created" = '{"feedback":{"id":123,"createdAt":"2024-01-15T10:30:00.000Z"}}'
"#;

#[test]
fn abc_user_feedback_needs_no_rust() {
    let case = Case::with("abc-user-feedback", ABC);
    let request = case.render(
        "abc-user-feedback",
        "issue.status_changed",
        r#"{"issue":{}}"#,
        &["your-secret-token", "old"],
    );
    assert_eq!(body(&request), r#"{"event":"ISSUE_STATUS_CHANGE","data":{"issue":{}}}"#);
    assert_eq!(header(&request, "x-webhook-token"), Some("your-secret-token"));
    let without = case.render("abc-user-feedback", "ISSUE_ADDITION", "{}", &[]);
    assert_eq!(body(&without), r#"{"event":"ISSUE_ADDITION","data":{}}"#);
    assert_eq!(header(&without, "x-webhook-token"), None);

    let dialect = case.dialects.get("abc-user-feedback").unwrap();
    assert_eq!(dialect.schedule().attempts(), 4);
    assert_eq!(dialect.status_rule().classify(422).name(), "failed_final");
    assert_eq!(dialect.status_rule().classify(500).name(), "failed_retryable");
}

#[test]
fn templates_have_the_variables_that_the_readme_lists() {
    let case = Case::body(
        "body = '[{{ id }},{{ type }},{{ event.name }},{{ event.other }},{{ occurred_at }},{{ occurred_at.iso_ms }},\
         {{ sent_at.unix }},{{ sent_at.iso_ms }},{{ attempt }},{{ data.user.name }},{{ data.none.at.all }},{{ data.list }}]'\n\
         [headers]\nx-plain = '{{ type }} {{ occurred_at }} {{ data.user.name }}{{ data.none }}'",
    );
    let payload = r#"{"user":{"name":"J \"D\""},"list":[1,{"z":1.5,"a":null}]}"#;
    let request = case.render("mine", "a.b", payload, &[]);
    let expected = format!(
        r#"["{}","a.b","a.b",null,"2026-01-07T15:30:00Z","2026-01-07T15:30:00.123Z",1767800001,"2026-01-07T15:33:21.000Z",2,"J \"D\"",null,[1,{{"z":1.5,"a":null}}]]"#,
        case.event_id
    );
    assert_eq!(body(&request), expected);
    assert_eq!(header(&request, "x-plain"), Some(r#"a.b 2026-01-07T15:30:00Z J "D""#));
}

#[test]
fn a_payload_can_not_break_out_of_its_place() {
    let case = Case::builtin();
    for payload in [
        r#"1,"admin":true"#,
        "1}{",
        "",
        "{",
        "{}//",
        "{{ secret }}",
        "\u{feff}{}",
    ] {
        let error = case.try_render("standard", "a.b", payload.as_bytes(), &[]).unwrap_err();
        assert!(matches!(error, RenderError::Payload(_)), "{payload:?}: {error}");
    }
    assert!(matches!(
        case.try_render("standard", "a.b", b"\"\xff\"", &[]),
        Err(RenderError::Payload(_))
    ));

    let template = r#""{{ secret }}{% raw %}""#;
    let request = case.render("standard", "a.b", template, &["hunter2"]);
    assert!(
        body(&request).ends_with(&format!("\"data\":{template}}}")),
        "a payload is no template"
    );
}

#[test]
fn a_part_of_a_payload_can_not_break_out_of_its_place() {
    let case = Case::body("body = '{\"text\":{{ data.text }}}'");
    let request = case.render(
        "mine",
        "a.b",
        r#"{"text":"\",\"admin\":true,\"x\":\"\u2028\u0000</script>"}"#,
        &[],
    );
    let parsed: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        parsed,
        serde_json::json!({"text": "\",\"admin\":true,\"x\":\"\u{2028}\0</script>"})
    );

    let careless = Case::body("body = '{\"score\":{{ data.score | default(1) | safe }}}'");
    let error = careless
        .try_render("mine", "a.b", br#"{"score":"1}{"}"#, &[])
        .unwrap_err();
    assert!(matches!(error, RenderError::Body { .. }), "{error}");
}

#[test]
fn a_payload_can_not_add_a_header() {
    let case = Case::body("body = '{{ payload }}'\n[headers]\nX-Name = '{{ data.name }}'");
    for name in [
        r"a\r\nx-admin: 1",
        r"a\nb",
        r"a\rb",
        r"a\u0000b",
        r"caf\u00e9",
        "日本",
        r"\u007f",
    ] {
        let error = case
            .try_render("mine", "a.b", format!(r#"{{"name":"{name}"}}"#).as_bytes(), &[])
            .unwrap_err();
        assert!(
            matches!(&error, RenderError::Header { header, .. } if header == "x-name"),
            "{name}: {error}"
        );
    }
    assert_eq!(
        header(&case.render("mine", "a.b", r#"{"name":"Jane Doe"}"#, &[]), "x-name"),
        Some("Jane Doe")
    );
}

#[test]
fn an_error_does_not_show_the_secret() {
    let case = Case::body(
        "body = '{{ payload }}'\n[headers]\nx-token = '{{ secret }}'\nx-number = '{% if data.n %}{{ secret | int }}{% endif %}'",
    );
    let error = case.try_render("mine", "a.b", b"{}", &["hunter\n2"]).unwrap_err();
    assert!(matches!(error, RenderError::Header { .. }));
    assert!(!format!("{error} {error:?}").contains("hunter"));
    let error = case.try_render("mine", "a.b", br#"{"n":1}"#, &["hunter2"]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
}

#[test]
fn depth_matters_only_to_templates_that_look_inside() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        Case::builtin()
            .render("standard", "a.b", &deep, &[])
            .payload_at
            .is_some()
    );
    assert!(
        Case::builtin()
            .render("userhero", "a.b", &deep, &[])
            .payload_at
            .is_some()
    );
    let error = Case::with("userback", USERBACK)
        .try_render("userback", "a.b", deep.as_bytes(), &[])
        .unwrap_err();
    assert!(error.to_string().contains("deeper than 128"), "{error}");
}
