//! `tidings dialect`, and the flags of `tidings endpoint` for what dialects offer.

use std::fs;
use std::process::Output;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tidings_acceptance::Standalone;

use crate::commands::{fails, tidings};

const ACME: &str = r#"
name = "acme"
description = "Acme's support desk"
body = '{"kind":{{ event.kind }},"data":{{ payload }}}'

[[signatures]]
header = "X-Acme-Signature"
encoding = "hex"
signed = "{{ body }}"

[events."feedback.*"]
kind = "feedback"

[samples]
"feedback.created" = '{"id":1}'
"#;

/// A directory with a file of this content.
fn file(name: &str, content: &str) -> (TempDir, String) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

fn printed(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn documents(output: &Output) -> Vec<Value> {
    let printed = printed(output);
    printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn dialects_are_listed_and_shown_with_those_of_the_directory() {
    let (directory, _) = file("acme.toml", ACME);
    let variables = [("TIDINGS_DIALECTS__DIRECTORY", directory.path().to_str().unwrap())];
    let listed = documents(&tidings(&["dialect", "list", "--output", "json"], &variables).await);
    let named = |name: &str| listed.iter().find(|dialect| dialect["name"] == name).unwrap();
    assert_eq!(named("acme")["secret_headers"], json!(["X-Acme-Signature"]));
    assert_eq!(named("standard")["secret_headers"], json!(["webhook-signature"]));
    assert_eq!(named("slack")["secret_headers"], json!([]));
    assert_eq!(named("slack")["chosen_for"][0], "hooks.slack.com/*");
    assert_eq!(named("abc-user-feedback")["schedule"], json!(["3s", "3s", "3s"]));

    let shown = documents(&tidings(&["dialect", "get", "userpilot", "--output", "json"], &[]).await);
    let userpilot = &shown[0];
    assert_eq!(userpilot["properties"]["max"], 10);
    assert_eq!(userpilot["properties"]["always"]["company"], json!(["id", "name"]));
    assert_eq!(userpilot["settings"]["app_token"]["form"], "text");
    assert_eq!(userpilot["samples"]["flows.seen"]["hostname"], "demo.userpilot.io");

    for name in listed.iter().map(|dialect| dialect["name"].as_str().unwrap()) {
        let shown = printed(&tidings(&["dialect", "get", name], &variables).await);
        assert!(shown.contains(name) && shown.contains("sample "), "{shown}");
    }
    fails(
        &tidings(&["dialect", "get", "morse"], &[]).await,
        &["there is no dialect `morse`: use one of ", "userhero"],
    );
}

#[tokio::test]
async fn a_mistake_in_a_file_is_found_at_its_place() {
    let (_directory, path) = file("acme.toml", ACME);
    let output = tidings(&["dialect", "check", &path], &[]).await;
    assert_eq!(printed(&output), "ok: acme, 1 sample, 1 event name, X-Acme-Signature\n");

    let (_directory, path) = file("acme.toml", &ACME.replace("encoding", "  encodng"));
    let output = tidings(&["dialect", "check", &path], &[]).await;
    let place = format!("{path}:8:3: ");
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        found.starts_with(&place) && found.contains("did you mean `encoding`?"),
        "{found}"
    );
    assert_eq!(output.status.code(), Some(1));
    fails(&output, &["can't be used"]);
    let output = tidings(&["dialect", "check", &path, "--output", "json"], &[]).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["line"], &found["column"]), (&json!(8), &json!(3)));
    assert_eq!(output.status.code(), Some(1));

    let output = tidings(&["dialect", "check", "nowhere.toml"], &[]).await;
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("can't read nowhere.toml: "));
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test]
async fn a_preview_is_the_request_that_would_be_sent() {
    let (_directory, path) = file("acme.toml", ACME);
    let previewed = ["dialect", "preview", "--file", &path, "--secret", "hunter2"];
    let previewed = [
        &previewed[..],
        &["--event", "feedback.voted", "--payload", r#"{"n": 1.0}"#],
    ]
    .concat();
    let text = printed(&tidings(&previewed, &[]).await);
    let (head, body) = text.split_once("\n\n").unwrap();
    assert_eq!(body, r#"{"kind":"feedback","data":{"n": 1.0}}"#);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hunter2").unwrap();
    mac.update(body.as_bytes());
    let signature: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for line in [
        "POST /webhooks HTTP/1.1",
        "Host: example.com",
        "Content-Type: application/json",
        "Content-Length: 37",
        &format!("X-Acme-Signature: {signature}"),
    ] {
        assert!(head.lines().any(|found| found == line), "{line:?} is not in:\n{head}");
    }

    let previewed = ["dialect", "preview", "--dialect", "userpilot", "--event", "flows.seen"];
    let chosen = [&previewed[..], &["--setting", "app_token=NX-1", "--output", "json"]].concat();
    let document = &documents(&tidings(&chosen, &[]).await)[0];
    assert_eq!(document["body"]["app_token"], "NX-1");
    for (more, words) in [
        (["--property", "user.name"], "`user.name` is always sent"),
        (["--setting", "app_tokn=1"], "did you mean `app_token`?"),
        (["--secret", "\"hunter2\""], "in quotes"),
    ] {
        fails(&tidings(&[&previewed[..], &more].concat(), &[]).await, &[words]);
    }
    let unknown = ["dialect", "preview", "--dialect", "userhero", "--event", "a.b"];
    fails(
        &tidings(&unknown, &[]).await,
        &["give --payload, or one of feedback.created"],
    );
}

#[tokio::test]
async fn the_flags_of_an_endpoint_reach_it_and_are_shown() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("flags").await;
    let variables = [
        ("TIDINGS_SERVER", system.servers.control.as_str()),
        ("TIDINGS_KEY", tenant.token.as_str()),
    ];
    let run = async |arguments: &[&str]| tidings(&[&["endpoint"], arguments].concat(), &variables).await;
    let json = ["--output", "json"];
    let made = [
        "create",
        "--url",
        "https://example.com/",
        "--dialect",
        "userpilot",
        "--contact",
        "ops@example.com",
    ];
    let chosen = [
        "--property",
        "user.plan",
        "--property",
        "company.size",
        "--setting",
        "app_token=NX-1",
    ];
    let made = &documents(&run(&[&made[..], &chosen, &json].concat()).await)[0];
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["contact"], "ops@example.com");
    assert_eq!(made["properties"], json!(["user.plan", "company.size"]));
    assert_eq!(made["settings"], json!({"app_token": "NX-1"}));
    assert_eq!(
        (&made["failing_since"], &made["disabled_reason"]),
        (&Value::Null, &Value::Null)
    );

    let (_directory, secret) = file("secret", "the new one\n");
    let rotated = ["rotate-secret", id, "--secret-file", &secret, "--overlap", "2h"];
    let rotated = &documents(&run(&[&rotated[..], &json].concat()).await)[0];
    assert_eq!(rotated["secret"], "the new one");
    let shown = printed(&run(&["get", id]).await);
    let shown = shown
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    for line in ["health ok", "settings app_token=NX-1", "previous secret signs until 2"] {
        assert!(shown.contains(line), "{line:?} is not in:\n{shown}");
    }
    let taken_back = [
        "update", id, "--reset", "property", "--reset", "setting", "--reset", "contact",
    ];
    let taken_back = &documents(&run(&[&taken_back[..], &json].concat()).await)[0];
    assert_eq!(
        (&taken_back["properties"], &taken_back["contact"]),
        (&json!([]), &Value::Null)
    );

    let made = ["create", "--url", "https://example.com/", "--ed25519"];
    let made = &documents(&run(&[&made[..], &json].concat()).await)[0];
    assert!(made["secret"].as_str().unwrap().starts_with("whsk_"), "{made}");
    assert!(made["public_key"].as_str().unwrap().starts_with("whpk_"), "{made}");
    let told = [
        "create",
        "--url",
        "https://example.com/",
        "--operational",
        "--subscribe",
        "endpoint.failing",
    ];
    let told = &documents(&run(&[&told[..], &json].concat()).await)[0];
    assert_eq!(told["operational"], true);
    let told = ["update", told["id"].as_str().unwrap(), "--operational=false"];
    assert_eq!(
        documents(&run(&[&told[..], &json].concat()).await)[0]["operational"],
        false
    );
    assert_eq!(documents(&run(&[&["list"], &json[..]].concat()).await).len(), 3);
}
