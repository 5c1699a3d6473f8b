//! `tidings doctor`: well, and with each engine, key and role amiss.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;
use tidings_acceptance::{SOON, Standalone, System};
use tidings_testkit::services::services;
use tidings_testkit::{Binary, Reserved, TestDatabase};

/// What it says of each thing, the worst if it says more than one, and whether it is content.
async fn examine(variables: &[(String, String)], more: &[&str]) -> (BTreeMap<String, String>, bool) {
    let mut command = Binary::command();
    command
        .args(["doctor", "--output", "json", "--timeout", "5s"])
        .args(more)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        let (check, state) = (finding["check"].as_str().unwrap(), finding["state"].as_str().unwrap());
        assert!(
            state == "ok" || !finding["cure"].as_str().unwrap_or_default().is_empty(),
            "{line}"
        );
        let worst: &mut String = found.entry(check.to_owned()).or_insert_with(|| state.to_owned());
        if state == "fail" || worst == "ok" {
            *worst = state.to_owned();
        }
    }
    (found, output.status.success())
}

fn with(variables: &[(String, String)], name: &str, value: String) -> Vec<(String, String)> {
    let mut variables = variables.to_vec();
    variables.retain(|(known, _)| known != name);
    variables.push((name.to_owned(), value));
    variables
}

#[tokio::test]
async fn it_is_content_with_a_system_that_is_well_and_names_what_is_not() {
    let mut system = System::prepare().await;
    system.set("TIDINGS_AMQP__MANAGEMENT_URL", services().rabbitmq_api.as_str());
    system.start_roles().await;
    let variables = system.control.variables().to_vec();
    let log = system.servers.log.clone();
    let monitor = system.log.monitor_url();

    let (found, content) = examine(&variables, &["--role", &monitor, "--egress", &system.servers.http]).await;
    assert!(content, "{found:?}");
    for check in [
        "database",
        "schema",
        "rights",
        "clock",
        "partitions",
        "keys",
        "queues",
        "shards",
        "policies",
        &format!("log at {log}"),
        &format!("process at {monitor}/"),
        &format!("egress to {}/", system.servers.http),
    ] {
        assert_eq!(found.get(check).map(String::as_str), Some("ok"), "{check} of {found:?}");
    }

    let empty = TestDatabase::create().await;
    let nobody = Reserved::address();
    for (name, value, check) in [
        ("TIDINGS_DATABASE__URL", empty.url(), "schema"),
        (
            "TIDINGS_DATABASE__URL",
            "postgres://nobody@127.0.0.1:1/x".to_owned(),
            "database",
        ),
        (
            "TIDINGS_AMQP__URL",
            "amqp://guest:guest@127.0.0.1:1/x".to_owned(),
            "broker",
        ),
        ("TIDINGS_AMQP__SHARDS", "1".to_owned(), "shards"),
        ("TIDINGS_SECRETS__KEYS", "[]".to_owned(), "keys"),
        ("TIDINGS_INTERNAL__TOKEN", String::new(), "token"),
        ("TIDINGS_NOTIFIER__SMTP_URL", "smtp://127.0.0.1:1".to_owned(), "mail"),
    ] {
        let (found, content) = examine(&with(&variables, name, value), &[]).await;
        assert!(
            !content && found.get(check).map(String::as_str) == Some("fail"),
            "{name}: {found:?}"
        );
    }
    let (found, content) = examine(&variables, &["--role", &nobody.url()]).await;
    assert!(!content, "{found:?}");

    assert_eq!(system.log.terminate(SOON).await.code(), Some(0));
    let (found, content) = examine(&variables, &[]).await;
    assert!(!content && found[&format!("log at {log}")] == "fail", "{found:?}");
}

#[tokio::test]
async fn it_looks_at_a_standalone_system_while_it_runs() {
    let mut system = Standalone::start().await;
    let data = system.data_dir().display().to_string();
    let monitor = system.process.monitor_url();
    let (found, content) = examine(&[], &["--data-dir", &data, "--role", &monitor]).await;
    assert!(content, "{found:?}");
    for check in ["database", "schema", "keys", &format!("process at {monitor}/")] {
        assert_eq!(found.get(check).map(String::as_str), Some("ok"), "{check} of {found:?}");
    }
    assert_eq!(system.process.terminate(SOON).await.code(), Some(0));
    std::fs::remove_file(system.data_dir().join("secrets.key")).unwrap();
    let (found, content) = examine(&[], &["--data-dir", &data]).await;
    assert!(
        !content && found["keys"] == "fail" && found["database"] == "ok",
        "{found:?}"
    );
}
