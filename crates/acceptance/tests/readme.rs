//! The README's five-minute tour, as somebody who copies it into a terminal would walk it.
//!
//! What is fenced as `sh tour` runs in order in one session of bash, what is fenced as `sh tour-background` beside it
//! until the end. Between two blocks a reader reads; here, what was published is waited for.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tidings_acceptance::{Client, SOON, Servers, get};
use tidings_proto::pb;
use tidings_testkit::{Binary, Reserved, wait_until};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A fenced block of shell commands.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    background: bool,
    commands: String,
}

/// One session of bash, which ends at the first command that fails.
struct Session {
    directory: PathBuf,
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    blocks: usize,
}

#[tokio::test]
async fn the_tour_works_as_it_is_written() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md"))
        .expect("the README can be read");
    let directory = TempDir::new().expect("a temporary directory can be made");
    let (grpc, http) = (Reserved::address(), Reserved::address());
    let mut standalone = Binary::command();
    standalone
        .args(["standalone", "--allow-network", "127.0.0.0/8"])
        .current_dir(&directory)
        .env("TIDINGS_STANDALONE__GRPC_ADDRESS", grpc.socket().to_string())
        .env("TIDINGS_STANDALONE__HTTP_ADDRESS", http.socket().to_string());
    let program = PathBuf::from(standalone.get_program());
    let _standalone = Binary::start(&mut standalone);
    let readyz = format!("{}/readyz", http.url());
    let ready = async || get(&readyz).await.is_ok_and(|answer| answer.status == 200);
    wait_until(SOON, "standalone to be ready", ready).await;
    let key = fs::read_to_string(directory.path().join("tidings-data/operator.key"))
        .expect("standalone keeps an operator's key where the README says");
    let servers = Servers {
        ingest: grpc.url(),
        http: http.url(),
        rest: http.url(),
        log: grpc.url(),
        control: grpc.url(),
    };
    let operator = Client::new(&servers, key.trim());

    let mut session = Session::start(&directory, &program, &grpc.url());
    let mut outputs = Vec::new();
    for block in blocks(&readme) {
        let commands = block
            .commands
            .replace("127.0.0.1:8080", &http.socket().to_string())
            .replace("127.0.0.1:50051", &grpc.socket().to_string());
        if block.background {
            session.run_beside(&commands).await;
            continue;
        }
        outputs.push(session.run(&commands).await);
        let attempted = async || nothing_is_pending(&operator).await;
        wait_until(SOON, "every delivery to be attempted", attempted).await;
    }
    let beside = session.end().await;

    let [tenant, by_command, over_http, over_grpc, logs, endpoint, failed] = outputs.as_slice() else {
        panic!("the tour has other blocks than this test knows: {outputs:#?}");
    };
    assert!(tenant.contains("\"id\":\"ten_"), "{tenant}");
    for published in [by_command, over_http, over_grpc] {
        assert!(published.contains("evt_"), "no event id in {published}");
    }
    let received = beside
        .lines()
        .filter(|line| line.contains("signature verified"))
        .count();
    assert_eq!(received, 4, "three requests, and one more with the CRM:\n{beside}");
    assert!(beside.contains("Love this product!"), "{beside}");
    for event_type in ["feedback.created", "feedback.status_changed", "feedback.voted"] {
        assert!(logs.contains(event_type), "{event_type} is missing in:\n{logs}");
    }
    assert_eq!(logs.matches("dlv_").count(), 3, "{logs}");
    assert!(endpoint.contains("ep_") && endpoint.contains("evt_"), "{endpoint}");
    assert!(failed.contains("connect"), "{failed}");
    println!("{}", outputs.concat());
}

async fn nothing_is_pending(operator: &Client) -> bool {
    let request = pb::ListDeliveriesRequest {
        states: vec!["pending".to_owned()],
        ..pb::ListDeliveriesRequest::default()
    };
    let pending = operator.log().list_deliveries(request).await;
    pending.expect("the log answers").into_inner().deliveries.is_empty()
}

/// The blocks of the tour, in order.
fn blocks(readme: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let background = match line {
            "```sh tour" => false,
            "```sh tour-background" => true,
            _ => continue,
        };
        let commands = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(Block {
            background,
            commands: commands.map(|line| format!("{line}\n")).collect(),
        });
    }
    blocks
}

impl Session {
    /// A session that finds `tidings` and the stand-in for `grpcurl`.
    fn start(directory: &TempDir, tidings: &Path, server: &str) -> Self {
        let found = [tidings, Path::new(env!("CARGO_BIN_EXE_grpcurl"))].map(|program| program.parent());
        let mut path: OsString = std::env::join_paths(found.into_iter().flatten()).expect("directories without colons");
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut process = Command::new("bash")
            .current_dir(directory)
            .env("PATH", path)
            .env("TIDINGS_SERVER", server)
            .env_remove("TIDINGS_KEY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("bash can be run");
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self {
            directory: directory.path().to_owned(),
            process,
            input,
            output,
            blocks: 0,
        }
    }

    /// Runs commands and gives back what they wrote.
    async fn run(&mut self, commands: &str) -> String {
        self.blocks += 1;
        let file = format!("block-{}", self.blocks);
        let script = format!("set -euo pipefail\n{{\n{commands}}} </dev/null >{file} 2>&1\necho done\n");
        let done = self.say(&script).await;
        let written = self.read(&file);
        assert_eq!(
            done.as_deref(),
            Some("done"),
            "the README says\n{commands}but:\n{written}"
        );
        written
    }

    /// Starts one command beside the session, and waits until it listens.
    async fn run_beside(&mut self, command: &str) {
        let script = format!("exec {command}");
        let started = self
            .say(&format!(
                "(\n{script}) </dev/null >beside 2>&1 &\nbeside=$!\necho done\n"
            ))
            .await;
        assert_eq!(started.as_deref(), Some("done"));
        let listens = async || self.read("beside").lines().any(|line| line.starts_with("listening"));
        wait_until(SOON, "the command beside the tour to listen", listens).await;
    }

    /// Ends what runs beside the session, as Ctrl-C would, and gives back what that wrote.
    async fn end(mut self) -> String {
        let ended = self.say("kill -TERM $beside\nwait $beside\necho done\n").await;
        let written = self.read("beside");
        assert_eq!(ended.as_deref(), Some("done"), "it fails at its end:\n{written}");
        drop(self.input);
        let status = self.process.wait().await.expect("bash can be waited for");
        assert!(status.success(), "{status}");
        written
    }

    /// The answer to some lines; none if bash has ended.
    async fn say(&mut self, lines: &str) -> Option<String> {
        self.input.write_all(lines.as_bytes()).await.expect("bash reads");
        let answer = tokio::time::timeout(SOON, self.output.next_line()).await;
        answer.expect("bash answers in time").expect("bash writes lines")
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory.join(file)).unwrap_or_default()
    }
}

#[test]
fn blocks_are_taken_out_in_order() {
    let readme = "a\n```sh\nno\n```\n```sh tour\none\ntwo\n```\n```sh tour-background\nthree\n```\n";
    let block = |background, commands: &str| Block {
        background,
        commands: commands.to_owned(),
    };
    assert_eq!(blocks(readme), [block(false, "one\ntwo\n"), block(true, "three\n")]);
}
