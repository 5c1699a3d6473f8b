//! `/openapi.json`: what it says is what is served.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};
use tidings_acceptance::Standalone;
use tidings_domain::{AttemptId, DeliveryId, EndpointId, EventId, KeyId, TenantId};
use tidings_testkit::languages;
use tokio::task::spawn_blocking;

use super::Caller;

#[tokio::test]
async fn every_operation_is_served_and_described() {
    let system = Standalone::start().await;
    let api = Caller::new(&system, "").get("/openapi.json").await.is(200);
    assert_eq!(api["openapi"], "3.1.0");
    let operator = Caller::new(&system, &system.operator_token);
    let mut ids = HashSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let there = path
            .replace("{endpoint_id}", &EndpointId::new().to_string())
            .replace("{tenant_id}", &TenantId::new().to_string())
            .replace("{key_id}", &KeyId::new().to_string())
            .replace("{attempt_id}", &AttemptId::new().to_string())
            .replace("{delivery_id}", &DeliveryId::new().to_string())
            .replace("{event_id}", &EventId::new().to_string());
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            for field in ["summary", "description", "operationId"] {
                assert!(operation[field].is_string(), "{name} has no {field}");
            }
            assert!(ids.insert(operation["operationId"].clone()), "{name} has another's id");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
            for status in ["401", "403", "503"] {
                assert!(responses.contains_key(status), "{name} has no {status}");
                let refusal = &responses[status]["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(refusal, "#/components/schemas/Problem", "{name}: {status}");
            }
            if operation["responses"]["200"]["content"]["text/event-stream"].is_object() {
                // It would not end.
                continue;
            }
            let answer = operator
                .send(&method.to_uppercase(), there.trim_start_matches("/api/v2"), Value::Null)
                .await;
            assert_ne!(answer.body["code"], "route_unknown", "{name}");
            assert_ne!(answer.status, 405, "{name}");
            assert!(responses.contains_key(&answer.status.to_string()), "{name}: {answer:?}");
        }
    }
    assert_eq!(ids.len(), 74, "{ids:?}");
}

#[tokio::test]
async fn everything_referred_to_is_there() {
    let system = Standalone::start().await;
    let api = Caller::new(&system, "").get("/openapi.json").await.is(200);
    let mut left = vec![&api];
    let mut references = HashSet::new();
    while let Some(value) = left.pop() {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str));
                left.extend(fields.values());
            }
            Value::Array(values) => left.extend(values),
            _ => {}
        }
    }
    assert!(references.len() > 20);
    for reference in references {
        let found = api.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some_and(Value::is_object), "{reference}");
    }
    for (name, schema) in api["components"]["schemas"].as_object().unwrap() {
        let Some(fields) = schema["properties"].as_object() else {
            continue;
        };
        for (field, schema) in fields {
            let is_described = ["description", "$ref", "oneOf"]
                .iter()
                .any(|key| schema.get(key).is_some());
            assert!(is_described, "{name}.{field}");
        }
    }
    assert_eq!(api["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    assert_eq!(api["security"], json!([{ "key": [] }]));
    let new = &api["components"]["schemas"]["NewEndpoint"];
    assert_eq!(new["required"], json!(["url", "subscriptions"]));
    assert!(new["properties"]["tenant_id"].is_object() && new["properties"]["schedule"].is_object());
}

/// Schemathesis makes requests up from the document alone, right ones and wrong ones, also one after another as they
/// refer to each other, and holds the answers to what the document says of them. Not every request that fits the document
/// is accepted: that a dialect exists, or a URL is public, is beyond it.
#[tokio::test]
async fn answers_are_as_described_whatever_is_asked() {
    // No name is looked up outside: what is published goes nowhere.
    let system = Standalone::start_with(&[("DESTINATIONS__NAMESERVERS", "[\"127.0.0.1:9\"]")]).await;
    let tenant = system.operator.create_tenant("document").await;
    let directory = tempfile::TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/rest/as_described.py");
    let document = format!("{}/api/v2/openapi.json", system.servers.rest);
    let run = move || {
        languages::command(&program)
            .args([
                "run",
                &document,
                "--header",
                &format!("Authorization: Bearer {}", tenant.token),
            ])
            .args([
                "--exclude-operation-id",
                "send_test",
                // A stream of events does not end.
                "--exclude-operation-id",
                "watch_logs",
                "--exclude-checks",
                "positive_data_acceptance",
            ])
            .args([
                "--generation-deterministic",
                "--max-examples",
                "20",
                "--request-timeout",
                "30",
                "--no-color",
            ])
            .current_dir(&directory)
            .output()
            .unwrap()
    };
    let output = spawn_blocking(run).await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{report}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(report.contains("72 selected / 74 total"), "{report}");
}
