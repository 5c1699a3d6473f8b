//! The binary as people use it: its help, its demo, and what it says when something is wrong.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidings_testkit::Binary;

/// Limit for a server's start, on a machine that does much else.
const SOON: Duration = Duration::from_secs(30);

fn run(arguments: &[&str]) -> Output {
    let output = Binary::command().args(arguments).env_remove("TIDINGS_KEY").output();
    output.unwrap_or_else(|error| panic!("tidings {arguments:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that must fail; returns what it says on standard error.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

/// A standalone process with a directory of its own.
struct Server {
    _process: Binary,
    directory: TempDir,
    address: String,
}

impl Server {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mut process = Binary::start(
            Binary::command()
                .args([
                    "standalone",
                    "--grpc-address",
                    "127.0.0.1:0",
                    "--http-address",
                    "127.0.0.1:0",
                ])
                .args(["--allow-network", "127.0.0.0/8", "--data-dir"])
                .arg(directory.path()),
        );
        let address = process.address_of("standalone-grpc", SOON).await;
        Self {
            _process: process,
            directory,
            address: format!("http://{address}"),
        }
    }

    /// Runs a command as the operator.
    fn run(&self, arguments: &[&str]) -> Output {
        let key_file = self.directory.path().join("operator.key");
        let key_file = key_file.to_str().expect("temporary paths are text");
        run(&[arguments, &["--server", &self.address, "--key-file", key_file]].concat())
    }

    /// Runs a command that must succeed; returns the documents that it prints.
    fn documents(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        let printed = text(&output.stdout);
        printed
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is a document"))
            .collect()
    }
}

#[test]
fn help_lists_every_command_and_each_has_an_example() {
    let help = text(&run(&["--help"]).stdout);
    for command in [
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
        "event",
        "delivery",
        "attempt",
        "listen",
        "demo",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in\n{help}");
    }
    for command in [
        "standalone",
        "ingest",
        "dispatcher",
        "log",
        "control",
        "migrate",
        "admin",
        "admin bootstrap",
        "config",
        "config check",
        "tenant",
        "tenant create",
        "tenant get",
        "tenant list",
        "tenant delete",
        "tenant key",
        "tenant key create",
        "tenant key list",
        "tenant key revoke",
        "endpoint",
        "endpoint create",
        "endpoint get",
        "endpoint list",
        "endpoint update",
        "endpoint delete",
        "endpoint enable",
        "endpoint disable",
        "endpoint secret",
        "endpoint rotate-secret",
        "endpoint test",
        "dialect",
        "dialect list",
        "dialect get",
        "dialect check",
        "dialect preview",
        "publish",
        "event",
        "event list",
        "event get",
        "delivery",
        "delivery list",
        "delivery get",
        "attempt",
        "attempt list",
        "attempt get",
        "attempt watch",
        "listen",
        "demo",
    ] {
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = text(&run(&words).stdout);
        let first = command.split(' ').next().unwrap();
        assert!(
            help.contains("Example") && help.contains(&format!("  tidings {first}")),
            "{command}:\n{help}"
        );
    }
}

#[test]
fn the_demo_ends_well_and_gives_account() {
    let output = run(&["demo", "--output", "json"]);
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    assert_eq!(text(&output.stderr), "", "nothing but the account is printed");
    let account: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(account["events"], 33);
    assert_eq!(account["deliveries"].as_array().unwrap().len(), 96);
    assert_eq!(account["problems"], serde_json::json!([]));
    let of = |endpoint: &str| {
        let deliveries = account["deliveries"].as_array().unwrap();
        deliveries
            .iter()
            .find(|delivery| delivery["endpoint"] == endpoint)
            .unwrap()
            .clone()
    };
    assert_eq!(of("flaky")["attempts"], serde_json::json!([503, 503, 200]));
    assert_eq!(of("flaky")["outcome"], "succeeded");
    assert_eq!(of("hopeless")["attempts"], serde_json::json!([500, 500, 500]));
    assert_eq!(of("hopeless")["outcome"], "exhausted");
}

#[tokio::test]
async fn an_event_is_published_and_found_again() {
    let server = Server::start().await;
    let tenant = &server.documents(&["tenant", "create", "Acme"])[0];
    let id = tenant["tenant"]["id"].as_str().unwrap();
    assert!(tenant["token"].as_str().unwrap().starts_with("tk_"));
    let endpoint = &server.documents(&[
        "endpoint",
        "create",
        "--tenant",
        id,
        "--url",
        "http://127.0.0.1:9/",
        "--subscribe",
        "feedback.*",
        "--schedule",
        "1h",
    ])[0];
    assert_eq!(endpoint["schedule"], serde_json::json!(["1h"]));
    assert_eq!(endpoint["unsigned"], false);
    assert_eq!(endpoint["subscriptions"][0]["disabled"], false);
    assert!(endpoint["secret"].as_str().unwrap().starts_with("whsec_"));
    let endpoint_id = endpoint["id"].as_str().unwrap();
    let updated = &server.documents(&[
        "endpoint",
        "update",
        endpoint_id,
        "--timeout",
        "5s",
        "--reset",
        "schedule",
    ])[0];
    assert_eq!(
        (&updated["schedule"], &updated["timeout"]),
        (&Value::Null, &Value::from("5s"))
    );

    let publish = [
        "publish",
        "--tenant",
        id,
        "--type",
        "feedback.created",
        "--payload",
        r#"{"n": 1.50}"#,
        "--idempotency-key",
        "k",
    ];
    let (first, second) = (&server.documents(&publish)[0], &server.documents(&publish)[0]);
    assert_eq!(
        (&first["duplicate"], &first["deliveries"]),
        (&Value::Bool(false), &Value::from(1))
    );
    assert_eq!(second["duplicate"], true);
    assert_eq!(first["event_id"], second["event_id"]);
    let found = &server.documents(&["event", "get", first["event_id"].as_str().unwrap()])[0];
    let former = &server.documents(&["logs", "event", first["event_id"].as_str().unwrap()])[0];
    assert_eq!(former["id"], found["id"], "the former name works for a release");
    assert_eq!(found["payload"]["n"], 1.5);
    assert_eq!(found["deliveries"][0]["endpoint_id"], endpoint_id);
    let delivery = found["deliveries"][0]["id"].as_str().unwrap();
    let delivery = &server.documents(&["delivery", "get", delivery])[0];
    assert_eq!(delivery["event_id"], first["event_id"]);

    server.documents(&["endpoint", "delete", endpoint_id]);
    assert_eq!(
        server.documents(&["endpoint", "list", "--tenant", id]),
        [Value::Null; 0]
    );
}

#[tokio::test]
async fn a_batch_says_what_became_of_each_line() {
    let server = Server::start().await;
    let tenant = &server.documents(&["tenant", "create", "Acme"])[0];
    let id = tenant["tenant"]["id"].as_str().unwrap();
    let file = server.directory.path().join("events.ndjson");
    let lines = "{\"event_type\":\"a.b\",\"payload\":1}\n\nnonsense\n{\"event_type\":\"a b\",\"payload\":2}\n";
    std::fs::write(&file, lines).unwrap();
    let output = server.run(&[
        "publish",
        "--tenant",
        id,
        "--batch",
        file.to_str().unwrap(),
        "-o",
        "json",
    ]);
    assert!(!output.status.success(), "two lines are flawed");
    assert!(
        text(&output.stderr).contains("2 of 3 events were refused"),
        "{}",
        text(&output.stderr)
    );
    let printed = text(&output.stdout);
    let mut results: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    results.sort_by_key(|result| result["line"].as_u64());
    assert!(results[0]["event_id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!(
        (&results[1]["line"], &results[1]["error"]["code"]),
        (&3.into(), &"line_invalid".into())
    );
    assert_eq!(
        (&results[2]["line"], &results[2]["error"]["code"]),
        (&4.into(), &"event_type_invalid".into())
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_in_a_sentence() {
    let server = Server::start().await;
    let with_key = |key: &str| refused(&["attempt", "list", "--server", &server.address, "--key", key]);
    assert!(
        with_key("tk_wrong").contains("this key does not exist"),
        "{}",
        with_key("tk_wrong")
    );
    let nobody = refused(&["attempt", "list", "--server", "http://127.0.0.1:1", "--key", "tk_x"]);
    assert!(
        nobody.contains("no server at http://127.0.0.1:1: is it running?"),
        "{nobody}"
    );
    let no_key = refused(&[
        "attempt",
        "list",
        "--server",
        &server.address,
        "--key-file",
        "nowhere.key",
    ]);
    assert!(no_key.contains("give --key or TIDINGS_KEY"), "{no_key}");
    let ownerless = refused(&["tenant", "key", "create", "--server", &server.address]);
    assert!(ownerless.contains("--operator"), "{ownerless}");
    let tenant = "ten_00000000000000000000000000000001";
    let unknown = text(&server.run(&["tenant", "get", tenant]).stderr);
    assert!(unknown.contains(&format!("there is no tenant {tenant}")), "{unknown}");
}

#[test]
fn a_mail_server_that_can_not_be_meant_is_refused_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tidings.toml");
    let check = |notifier: &str| {
        std::fs::write(&file, format!("[notifier]\nfrom = \"w@example.com\"\n{notifier}\n")).unwrap();
        run(&["config", "check", "--config", file.to_str().unwrap()])
    };
    let wrong = check("smtp_url = \"http://user:hidden@mail.example.com\"");
    let said = text(&wrong.stderr);
    assert!(
        !wrong.status.success() && said.contains("notifier.smtp_url is not usable"),
        "{said}"
    );
    assert!(!said.contains("hidden"), "{said}");
    let right = check("smtp_url = \"smtps://user:hidden@mail.example.com\"");
    assert!(right.status.success(), "{}", text(&right.stderr));
    assert!(!text(&right.stdout).contains("hidden"), "{}", text(&right.stdout));
}
