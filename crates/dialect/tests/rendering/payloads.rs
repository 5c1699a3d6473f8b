//! What receivers get: the formats of Standard Webhooks and of the products' documents, and what a hostile
//! payload can't do to them.

use crate::case::{Case, body, header, hmac};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use tidings_dialect::RenderError;

const PUBLISHED_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

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
        "body = '{{ payload }}'\n[[signatures]]\nheader = 'webhook-signature'\nprefix = 'v1,'\nkey = 'decoded'
encoding = 'base64'\n\
         signed = 'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{{ body }}'",
    );
    let request = case.render("mine", "a.b", r#"{"test": 2432232314}"#, &[PUBLISHED_SECRET]);
    assert_eq!(
        header(&request, "webhook-signature"),
        Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    );
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
    let case = Case::builtin();
    for dialect in case.dialects.names() {
        let request = case.render(dialect, "a.b", &deep, &[]);
        assert_eq!(request.payload_at.is_some(), !["slack", "discord"].contains(&dialect));
        let inside = format!(r#"{{"url":"https://a.example/","user":{deep},"feedback":{{"x":{deep}}}}}"#);
        case.render(dialect, "a.b", &inside, &[]);
    }
    let error = Case::body("body = '[{{ data }}]'")
        .try_render("mine", "a.b", deep.as_bytes(), &[])
        .unwrap_err();
    assert!(error.to_string().contains("deeper than 128"), "{error}");
}
