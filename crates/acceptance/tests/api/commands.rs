//! The command line.

use std::fs;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;
use tidings_acceptance::Standalone;
use tidings_testkit::Binary;
use tokio::task::spawn_blocking;

const COMMANDS: [&str; 17] = [
    "standalone",
    "ingest",
    "dispatcher",
    "log",
    "control",
    "migrate",
    "admin",
    "config",
    "tenant",
    "endpoint",
    "dialect",
    "publish",
    "logs",
    "queue",
    "listen",
    "demo",
    "bench",
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
    let output = tidings(&["logs"], &[server, ("TIDINGS_KEY", "tk_wrong")]).await;
    fails(&output, &["this key does not exist", "key_unknown"]);
    let output = tidings(&["logs"], &[server]).await;
    fails(&output, &["give --key or TIDINGS_KEY"]);
    let output = tidings(
        &["logs"],
        &[("TIDINGS_SERVER", "http://127.0.0.1:9"), ("TIDINGS_KEY", "tk_1")],
    )
    .await;
    fails(&output, &["no server at http://127.0.0.1:9: is it running?"]);
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
