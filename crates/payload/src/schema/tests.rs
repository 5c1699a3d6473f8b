//! What schemas say about payloads, and which are refused.

use serde_json::json;
use tidings_domain::{EventType, Timestamp};

use super::*;

fn check(schema: &Json, payload: &str) -> Result<(), Vec<Violation>> {
    let schema = Schema::compile(&schema.to_string()).unwrap();
    let event_type: EventType = "feedback.created".parse().unwrap();
    schema.check(&EventView::new(&event_type, Timestamp::UNIX_EPOCH, payload.as_bytes()))
}

#[track_caller]
fn refused(schema: &Json, at: &str, words: &str) {
    match Schema::compile(&schema.to_string()) {
        Err(SchemaError::Refused { path, message } | SchemaError::Invalid { path, message }) => {
            assert_eq!(path, at, "{message}");
            assert!(message.contains(words), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

fn feedback() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["id", "message"],
        "properties": {
            "id": {"type": "string", "pattern": "^fb_[a-z0-9]+$"},
            "message": {"type": "string", "maxLength": 4000},
            "rating": {"enum": [1, 2, 3, 4, 5]},
            "user": {"$ref": "#/$defs/person"},
            "assignee": {"$ref": "#/$defs/person"},
        },
        "$defs": {"person": {"type": "object", "required": ["email"], "properties": {"$ref": {"type": "null"}}}},
    })
}

#[test]
fn a_payload_is_checked_and_its_faults_are_told_without_its_content() {
    assert_eq!(
        check(
            &feedback(),
            r#"{"id": "fb_1", "message": "hi", "rating": 5, "user": {"email": ""}}"#
        ),
        Ok(())
    );
    let secret = "s3cret";
    let payload = json!({"id": secret, "rating": secret, "user": {"email": "a", "$ref": secret}, "assignee": {}});
    let violations = check(&feedback(), &payload.to_string()).unwrap_err();
    let paths: Vec<_> = violations.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths.len(), 5, "{violations:?}");
    for path in ["", "/id", "/rating", "/user/$ref", "/assignee"] {
        assert!(paths.contains(&path), "{violations:?}");
    }
    assert!(!format!("{violations:?}").contains(secret), "{violations:?}");
    assert!(
        violations.iter().any(|violation| violation.message.contains("email")),
        "{violations:?}"
    );
}

#[test]
fn what_is_told_is_bounded() {
    let numbers = vec!["1"; 1_000].join(",");
    let violations = check(&json!({"items": {"type": "string"}}), &format!("[{numbers}]")).unwrap_err();
    assert_eq!(violations.len(), Schema::MAX_VIOLATIONS);
    let name = "n".repeat(10_000);
    let payload = json!({ &name: {} }).to_string();
    for schema in [
        json!({"additionalProperties": false}),
        json!({"additionalProperties": {"type": "null"}}),
    ] {
        for violation in check(&schema, &payload).unwrap_err() {
            assert!(violation.path.chars().count() <= Schema::MAX_TEXT + 1);
            assert!(violation.message.chars().count() <= Schema::MAX_TEXT + 1);
        }
    }
}

#[test]
fn a_payload_that_cannot_be_read_is_not_as_described() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let violations = check(&json!({}), &deep).unwrap_err();
    assert!(violations[0].message.contains("can't be checked"), "{violations:?}");
}

#[test]
fn nothing_outside_the_schema_is_looked_at() {
    for reference in [
        "https://example.com/a.json",
        "file:///etc/passwd",
        "other.json",
        "#anchor",
        "#/$defs/no",
        "#/a%62",
    ] {
        refused(
            &json!({"properties": {"a": {"$ref": reference}}}),
            "/properties/a/$ref",
            "copy it to `$defs`",
        );
    }
    refused(&json!({"$schema": "https://example.com/mine"}), "/$schema", "2020-12");
    refused(&json!({"items": {"$id": "x"}}), "/items/$id", "at the top only");
    refused(
        &json!({"items": {"$dynamicRef": "#x"}}),
        "/items/$dynamicRef",
        "not available",
    );
}

#[test]
fn what_is_not_a_schema_is_refused() {
    refused(&json!({"type": "strin"}), "/type", "strin");
    refused(
        &json!({"properties": {"a": {"minimum": "3"}}}),
        "/properties/a/minimum",
        "number",
    );
    refused(&json!({"pattern": "(a"}), "/pattern", "regex");
    refused(&json!({"pattern": "(?<=a)b"}), "/pattern", "regex");
    refused(&json!({"pattern": "(a{1000}){1000}"}), "/pattern", "regex");
    assert!(matches!(Schema::compile("{"), Err(SchemaError::NotJson(_))));
    assert!(matches!(
        Schema::compile(&"[".repeat(1_000)),
        Err(SchemaError::NotJson(_))
    ));
    assert!(matches!(
        Schema::compile(&" ".repeat(65_537)),
        Err(SchemaError::TooLong(65_537))
    ));
}

#[test]
fn endless_schemas_are_refused() {
    let itself = "refers to itself";
    refused(&json!({"$ref": "#"}), "/$ref", itself);
    refused(&json!({"items": {"$ref": "#"}}), "/items/$ref", itself);
    refused(
        &json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}),
        "/$defs/b/$ref",
        itself,
    );
    let doubling: serde_json::Map<_, _> = (0..40)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"allOf": [next, next]}))
        })
        .chain([("d40".to_owned(), json!(true))])
        .collect();
    let schema = json!({"$ref": "#/$defs/d30", "$defs": doubling});
    refused_anywhere(&schema, "more than 5000 parts");
    let chain: serde_json::Map<_, _> = (0..100)
        .map(|n| (format!("c{n}"), json!({"$ref": format!("#/$defs/c{}", n + 1)})))
        .chain([("c100".to_owned(), json!(true))])
        .collect();
    refused_anywhere(&json!({"$ref": "#/$defs/c0", "$defs": chain}), "more than 64 deep");
}

#[track_caller]
fn refused_anywhere(schema: &Json, words: &str) {
    let error = Schema::compile(&schema.to_string()).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn a_large_schema_does_not_make_a_large_payload_slow() {
    let parts = vec![json!({"items": {"type": "number"}}); 600];
    let payload = format!("[{}]", vec!["1"; 100_000].join(","));
    let violations = check(&json!({ "allOf": parts }), &payload).unwrap_err();
    assert!(
        violations[0].message.contains("too many values for so large"),
        "{violations:?}"
    );
    let few = json!({ "allOf": vec![json!({"items": {"type": "string"}}); 5] });
    let violations = check(&few, &payload).unwrap_err();
    assert!(violations[0].message.contains("to say where"), "{violations:?}");
}
