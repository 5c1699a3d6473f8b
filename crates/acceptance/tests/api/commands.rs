//! The command line.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidings_acceptance::Standalone;
use tidings_testkit::Binary;
use tokio::task::spawn_blocking;

const COMMANDS: &[&str] = &[
    "standalone",
    "ingest",
    "dispatcher",
    "log",
    "control",
    "migrate",
    "admin",
    "secrets",
    "config",
    "doctor",
    "backup",
    "demo",
    "tenant",
    "endpoint",
    "event-type",
    "filter",
    "dialect",
    "publish",
    "event",
    "delivery",
    "attempt",
    "explain",
    "replay",
    "erase",
    "queue",
    "audit",
    "console",
    "listen",
    "health",
];

/// Runs a command to its end, in a directory of its own and with these variables.
pub(crate) async fn tidings(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let mut command = Binary::command();
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(&directory);
    let run = move || command.output().expect("tidings can be run");
    let output = spawn_blocking(run).await.expect("a command does not panic");
    drop(directory);
    output
}

async fn help(arguments: &[&str]) -> String {
    let output = tidings(&[arguments, &["--help"]].concat(), &[]).await;
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The names under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    // Deeper lines go on with a description.
    let names = listed.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Asserts that a command fails and says this.
#[track_caller]
pub(crate) fn fails(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in:\n{said}");
    }
}

#[tokio::test]
async fn help_lists_every_command_and_every_command_has_an_example() {
    let mut left = Vec::new();
    let listed = subcommands(&help(&[]).await);
    assert_eq!(listed, COMMANDS);
    left.extend(listed.into_iter().map(|name| vec![name]));
    let mut without = Vec::new();
    while let Some(path) = left.pop() {
        let arguments: Vec<_> = path.iter().map(String::as_str).collect();
        let text = help(&arguments).await;
        if !text.contains("Example") {
            without.push(path.join(" "));
        }
        let deeper = subcommands(&text).into_iter().map(|name| [&path[..], &[name]].concat());
        left.extend(deeper);
    }
    assert!(without.is_empty(), "no example in the help of: {without:?}");
}

#[tokio::test]
async fn a_key_that_is_missing_or_wrong_is_said() {
    let system = Standalone::start().await;
    let server = ("TIDINGS_SERVER", system.servers.log.as_str());
    let output = tidings(&["attempt", "list"], &[server, ("TIDINGS_KEY", "tk_wrong")]).await;
    fails(&output, &["this key does not exist", "key_unknown"]);
    let output = tidings(&["attempt", "list"], &[server]).await;
    fails(&output, &["give --key or TIDINGS_KEY"]);
    let output = tidings(
        &["attempt", "list"],
        &[("TIDINGS_SERVER", "http://127.0.0.1:9"), ("TIDINGS_KEY", "tk_1")],
    )
    .await;
    fails(&output, &["no server at http://127.0.0.1:9: is it running?"]);
}

#[tokio::test]
async fn tenants_keys_links_and_the_audit_log_are_looked_after_by_commands() {
    let system = Standalone::start().await;
    let variables = [
        ("TIDINGS_SERVER", system.servers.control.as_str()),
        ("TIDINGS_KEY", system.operator_token.as_str()),
    ];
    let lines = async |command: &str| {
        let arguments: Vec<&str> = command.split(' ').chain(["--output", "json"]).collect();
        let output = tidings(&arguments, &variables).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        let text = String::from_utf8(output.stdout).expect("text");
        let read = |line: &str| serde_json::from_str::<Value>(line).expect("a document");
        text.lines().map(read).collect::<Vec<_>>()
    };
    let one = async |command: &str| lines(command).await.remove(0);
    let made = one("tenant create Acme").await;
    let tenant = made["tenant"]["id"].as_str().expect("an id");
    let update =
        format!("tenant update {tenant} --schema-validation warn --payload-retention-days 30 --publish-burst 5");
    let updated = one(&update).await;
    assert_eq!(
        (&updated["payload_retention_days"], &updated["name"]),
        (&30.into(), &"Acme".into())
    );
    let updated = one(&format!("tenant update {tenant} --payload-retention-days 0")).await;
    assert_eq!(updated["payload_retention_days"], Value::Null);
    assert_eq!(one(&format!("tenant get {tenant}")).await, updated);
    fails(
        &tidings(&["tenant", "update", tenant], &variables).await,
        &["nothing to change"],
    );

    let create = format!("tenant key create --tenant {tenant} --name Publisher --scope publish");
    let key = one(&create).await;
    let id = key["key"]["id"].as_str().expect("an id");
    let rotated = one(&format!("tenant key rotate {id} --overlap 1h --expires-in 90d")).await;
    assert_eq!(rotated["key"]["name"], "Publisher");
    assert!(rotated["previous_expires_at"].is_string() && rotated["token"] != key["token"]);
    let link = one(&format!("tenant portal-link {tenant} --read-only")).await;
    assert!(
        link["url"]
            .as_str()
            .is_some_and(|url| url.contains("/webhooks#token=tk_"))
    );
    assert_eq!(link["key"]["once"], false);
    let link = one(&format!("tenant portal-link {tenant} --once")).await;
    assert_eq!(
        (&link["key"]["once"], &link["key"]["exchanged_at"]),
        (&json!(true), &Value::Null)
    );
    let looking =
        format!("tenant portal-link {tenant} --page /webhooks/logs?status_code=5xx --lang de --accent #FFe600");
    let link = one(&looking).await;
    let url = link["url"].as_str().expect("a URL");
    assert!(url.contains("/webhooks/logs?status_code=5xx#token=tk_"), "{url}");
    assert!(url.ends_with("&lang=de&accent=%23FFe600"), "{url}");
    for (wrong, change) in [
        (["--page", "//evil.example"], "begins with `/webhooks`"),
        (["--lang", "fr"], "use en or de"),
        (["--accent", "yellow"], "write it like `#2456c7`"),
    ] {
        let words = [&["tenant", "portal-link", tenant][..], &wrong].concat();
        fails(&tidings(&words, &variables).await, &[change]);
    }
    let list = format!("tenant key list --tenant {tenant}");
    assert_eq!(lines(&list).await.len(), 3);
    assert_eq!(lines(&format!("{list} --portal")).await.len(), 6);

    let audit = lines(&format!("audit list --tenant {tenant} --action key.*")).await;
    let actions: Vec<_> = audit.iter().map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, [Some("key.rotated"), Some("key.created")]);
    assert_eq!(audit[0]["before"]["id"], id);
    assert!(
        audit[0]["user_agent"]
            .as_str()
            .is_some_and(|agent| agent.contains("tonic"))
    );
    assert_eq!(audit[0]["remote_address"], "127.0.0.1");
    let output = tidings(&["audit", "list"], &variables).await;
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("tenant.updated") && shown.contains("127.0.0.1"),
        "{shown}"
    );
}

#[tokio::test]
async fn config_check_masks_secrets_and_refuses_unknown_keys() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let file = directory.path().join("tidings.toml");
    let path = file.to_str().expect("a path in UTF-8");
    fs::write(&file, "[internal]\ntoken = \"hunter2\"\n[ingest]\nmax_batch = 7\n").expect("a file can be written");
    let variables = [("TIDINGS_DATABASE__URL", "postgres://me:hunter3@db/tidings")];
    let output = tidings(&["config", "check", "--config", path], &variables).await;
    let (shown, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}");
    assert!(shown.contains("max_batch = 7") && shown.contains("***"), "{shown}");
    assert!(!format!("{shown}{said}").contains("hunter"), "{shown}{said}");

    fs::write(&file, "[ingest]\nmax_bach = 7\n").expect("a file can be written");
    let output = tidings(&["config", "check", "--config", path], &[]).await;
    fails(&output, &["tidings.toml", "unknown key `ingest.max_bach`", "max_batch"]);
    let output = tidings(&["config", "check"], &[("TIDINGS_INGEST__MAX_BATCH", "many")]).await;
    fails(&output, &["TIDINGS_INGEST__MAX_BATCH", "ingest.max_batch"]);
}

#[tokio::test]
async fn the_demo_finds_no_problems() {
    let output = tidings(&["demo", "--output", "json"], &[]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    let account: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(account["problems"], Value::Array(Vec::new()), "{said}");
    assert!(output.status.success(), "{said}");
    assert!(
        account["deliveries"]
            .as_array()
            .is_some_and(|deliveries| deliveries.len() > 20),
        "{account:#}"
    );
}
