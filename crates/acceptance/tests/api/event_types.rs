//! The catalogue of event types, and what it is for: payloads that are told of, or refused.

use prost_types::FieldMask;
use serde_json::{Value, json};
use tidings_acceptance::{Client, SOON, Standalone, Tenant, request};
use tidings_proto::pb;
use tidings_testkit::wait_until;
use tonic::Code;

use crate::commands::{fails, tidings};
use crate::{invalid, refused};

const SCHEMA: &str = r#"{"type": "object", "properties": {"rating": {"type": "integer", "maximum": 5}}}"#;

fn version(name: &str, schema: &str) -> pb::CreateEventTypeVersionRequest {
    pb::CreateEventTypeVersionRequest {
        name: name.into(),
        description: "Somebody wrote feedback".into(),
        schema: schema.into(),
    }
}

fn named(name: &str) -> pb::GetEventTypeRequest {
    pb::GetEventTypeRequest { name: name.into() }
}

async fn validate(client: &Client, tenant: &Tenant, way: &str) {
    let request = pb::UpdateTenantRequest {
        tenant: Some(pb::Tenant {
            id: tenant.id.clone(),
            schema_validation: way.into(),
            ..pb::Tenant::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["schema_validation".into()],
        }),
    };
    client.tenants().update_tenant(request).await.unwrap();
    client.ingest_is_up_to_date().await;
}

#[tokio::test]
async fn versions_are_added_listed_and_removed() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("catalogue").await;
    let mut types = system.operator.event_types();
    for (name, schema, number) in [("b.c", SCHEMA, 1), ("a.b", "", 1), ("b.c", "true", 2)] {
        let added = types
            .create_event_type_version(version(name, schema))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (added.name.as_str(), added.version, added.schema.as_str()),
            (name, number, schema)
        );
        assert!(added.created_at.is_some());
    }
    let mut theirs = system.client(&tenant.token).event_types();
    let list = |page_size, page_token: &str| pb::ListEventTypesRequest {
        page_size,
        page_token: page_token.into(),
    };
    let first = theirs.list_event_types(list(1, "")).await.unwrap().into_inner();
    assert_eq!(
        (first.event_types[0].name.as_str(), first.next_page_token.as_str()),
        ("a.b", "a.b")
    );
    let second = theirs.list_event_types(list(50, "a.b")).await.unwrap().into_inner();
    assert_eq!(second.event_types.len(), 1);
    assert_eq!(
        (second.event_types[0].version, second.next_page_token.as_str()),
        (2, "")
    );
    let shown = theirs.get_event_type(named("b.c")).await.unwrap().into_inner().versions;
    assert_eq!(shown.iter().map(|one| one.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(shown[1].schema, SCHEMA);

    let delete = |name: &str| pb::DeleteEventTypeRequest { name: name.into() };
    types.delete_event_type(delete("b.c")).await.unwrap();
    let unknown = (Code::NotFound, "event_type_unknown", "name", "b.c");
    refused(
        types.delete_event_type(delete("b.c")).await,
        unknown.0,
        unknown.1,
        unknown.2,
        unknown.3,
    );
    refused(
        theirs.get_event_type(named("b.c")).await,
        unknown.0,
        unknown.1,
        unknown.2,
        unknown.3,
    );

    let answer = theirs.create_event_type_version(version("a.b", "")).await;
    refused(answer, Code::PermissionDenied, "operator_only", "", "");
    let answer = theirs.delete_event_type(delete("a.b")).await;
    refused(answer, Code::PermissionDenied, "operator_only", "", "");
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused() {
    let system = Standalone::start().await;
    let mut types = system.operator.event_types();
    for (schema, words) in [
        ("{", "a schema is a JSON object"),
        (r#"{"type": "strin"}"#, "/type"),
        (r#"{"$ref": "https://example.com/schema.json"}"#, "/$ref"),
        (&format!(r#"{{"title": "{}"}}"#, "x".repeat(64 * 1024)), "at most 65536"),
    ] {
        let answer = types.create_event_type_version(version("a.b", schema)).await;
        invalid(answer, "schema_invalid", "schema", words);
    }
    let long = pb::CreateEventTypeVersionRequest {
        description: "x".repeat(2_001),
        ..version("a.b", "")
    };
    invalid(
        types.create_event_type_version(long).await,
        "description_invalid",
        "description",
        "2000",
    );
    let answer = types.create_event_type_version(version("a b", "")).await;
    invalid(answer, "event_type_invalid", "name", "a b");
}

#[tokio::test]
async fn payloads_are_checked_as_their_tenant_wants_it() {
    let system = Standalone::start().await;
    let operator = &system.operator;
    let tenant = operator.create_tenant("catalogue").await;
    let mut types = operator.event_types();
    types
        .create_event_type_version(version("feedback.created", SCHEMA))
        .await
        .unwrap();
    let publish = async |rating: Value| {
        let event = request(&tenant, "feedback.created", json!({ "rating": rating }));
        operator.events().publish(event).await
    };

    assert!(publish(json!(9)).await.unwrap().into_inner().warnings.is_empty());
    validate(operator, &tenant, "warn").await;
    let warned = publish(json!(9)).await.unwrap().into_inner();
    assert_eq!(warned.warnings.len(), 1);
    assert!(warned.warnings[0].starts_with("/rating: "), "{warned:?}");
    assert!(publish(json!(3)).await.unwrap().into_inner().warnings.is_empty());

    validate(operator, &tenant, "reject").await;
    let words = "violates version 1 of the schema of feedback.created: /rating: ";
    invalid(publish(json!(9)).await, "payload_invalid", "payload", words);
    publish(json!(3)).await.unwrap();

    // The newest version counts, and without one there is nothing to check.
    types
        .create_event_type_version(version("feedback.created", "false"))
        .await
        .unwrap();
    wait_until(SOON, "ingest to know the new version", async || {
        publish(json!(3)).await.is_err()
    })
    .await;
    let delete = pb::DeleteEventTypeRequest {
        name: "feedback.created".into(),
    };
    types.delete_event_type(delete).await.unwrap();
    wait_until(SOON, "ingest to forget the schema", async || {
        publish(json!(9)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_catalogue_is_managed_on_the_command_line() {
    let system = Standalone::start().await;
    let directory = tempfile::TempDir::new().unwrap();
    let (right, wrong) = (directory.path().join("right.json"), directory.path().join("wrong.json"));
    std::fs::write(&right, SCHEMA).unwrap();
    std::fs::write(&wrong, "{\"type\": 1}").unwrap();
    let variables = [
        ("TIDINGS_SERVER", system.servers.control.as_str()),
        ("TIDINGS_KEY", system.operator_token.as_str()),
    ];
    let run = async |arguments: &[&str]| {
        let output = tidings(&[&["event-type"], arguments].concat(), &variables).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let right = right.display().to_string();
    let made = run(&[
        "create",
        "a.b",
        "--description",
        "A to B",
        "--schema",
        &right,
        "-o",
        "json",
    ])
    .await;
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(
        (&made["version"], &made["schema"]["properties"]["rating"]["maximum"]),
        (&json!(1), &json!(5))
    );
    assert!(run(&["list"]).await.contains("A to B"));
    assert!(run(&["get", "a.b"]).await.contains("\"maximum\": 5"));
    let wrong = wrong.display().to_string();
    let output = tidings(&["event-type", "create", "a.b", "--schema", &wrong], &variables).await;
    fails(&output, &["schema:", "schema_invalid"]);
    assert!(run(&["delete", "a.b"]).await.contains("deleted a.b"));
    fails(
        &tidings(&["event-type", "get", "a.b"], &variables).await,
        &["event_type_unknown"],
    );
}
