//! A terminal in which a document's commands are run, and the server that they talk to.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tidings_acceptance::{Client, SOON, Servers, get};
use tidings_testkit::{Binary, Reserved, wait_until};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A fenced block of a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What stands behind the fence: `sh tour`.
    pub(crate) kind: String,
    pub(crate) commands: String,
}

/// A standalone server in a directory of its own, which documents call the present one.
pub(crate) struct Server {
    pub(crate) operator: Client,
    directory: TempDir,
    program: PathBuf,
    grpc: Reserved,
    http: Reserved,
    _standalone: Binary,
}

/// One session of bash, which ends at the first command that fails.
pub(crate) struct Session {
    directory: PathBuf,
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    blocks: usize,
}

/// A document of the repository.
pub(crate) fn document(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{path} can't be read: {error}"))
}

/// The fenced blocks of a document, in order.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let commands = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(Block {
            kind: kind.to_owned(),
            commands: commands.map(|line| format!("{line}\n")).collect(),
        });
    }
    blocks
}

impl Server {
    /// A server that may talk to this machine, and is ready.
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let (grpc, http) = (Reserved::address(), Reserved::address());
        let mut standalone = Binary::command();
        standalone
            .args(["standalone", "--allow-network", "127.0.0.0/8"])
            .current_dir(&directory)
            .env("TIDINGS_STANDALONE__GRPC_ADDRESS", grpc.socket().to_string())
            .env("TIDINGS_STANDALONE__HTTP_ADDRESS", http.socket().to_string());
        let program = PathBuf::from(standalone.get_program());
        let running = Binary::start(&mut standalone);
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
        Self {
            operator: Client::new(&servers, key.trim()),
            directory,
            program,
            grpc,
            http,
            _standalone: running,
        }
    }

    /// A terminal in the server's directory.
    pub(crate) fn session(&self) -> Session {
        Session::start(&self.directory, &self.program, &self.grpc.url())
    }

    /// Commands with the addresses where this server really is.
    pub(crate) fn found_by(&self, commands: &str) -> String {
        commands
            .replace("127.0.0.1:8080", &self.http.socket().to_string())
            .replace("127.0.0.1:50051", &self.grpc.socket().to_string())
    }
}

impl Session {
    /// A session that finds `tidings` and the stand-ins for `grpcurl` and `jq`.
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
    pub(crate) async fn run(&mut self, commands: &str) -> String {
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
    pub(crate) async fn run_beside(&mut self, command: &str) {
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

    /// Ends a session beside which nothing runs.
    pub(crate) async fn close(mut self) {
        drop(self.input);
        let status = self.process.wait().await.expect("bash can be waited for");
        assert!(status.success(), "{status}");
    }

    /// Ends what runs beside the session, as Ctrl-C would, and gives back what that wrote.
    pub(crate) async fn end(mut self) -> String {
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
    let document = "a\n```sh\none\ntwo\n```\nb\n```json\n{}\n```\n```sh tour\nthree\n```\n";
    let block = |kind: &str, commands: &str| Block {
        kind: kind.to_owned(),
        commands: commands.to_owned(),
    };
    let found = [
        block("sh", "one\ntwo\n"),
        block("json", "{}\n"),
        block("sh tour", "three\n"),
    ];
    assert_eq!(blocks(document), found);
}
