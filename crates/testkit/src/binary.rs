//! The real `tidings`, as a process that can be stopped or killed.
//!
//! Its log goes to a file of its own, in JSON, from which the addresses of its services are read: a test lets every
//! role listen on port 0. When a test fails, the end of the log is printed.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::NamedTempFile;

/// Interval between two looks at the log and the process.
const EVERY: Duration = Duration::from_millis(10);

/// Lines of the log that a failed test prints.
const SHOWN: usize = 50;

/// A running `tidings`, killed when this value is dropped.
#[derive(Debug)]
pub struct Binary {
    child: Child,
    log: NamedTempFile,
}

impl Binary {
    /// The command to add arguments and variables to, as in
    /// `Binary::start(Binary::command().arg("ingest").env("TIDINGS_INGEST__GRPC", "127.0.0.1:0"))`.
    ///
    /// The program is the one `TIDINGS_TEST_BINARY` or `CARGO_BIN_EXE_tidings` names, otherwise the one in the target
    /// directory the test itself runs from, which cargo brings up to date first.
    pub fn command() -> Command {
        let mut command = Command::new(&*PROGRAM);
        command
            .env("TIDINGS_TELEMETRY__FORMAT", "json")
            // No balancer stands before it, unless the test says so.
            .env("TIDINGS_MONITOR__DRAIN", "0s")
            .env("TIDINGS_STANDALONE__MONITOR_ADDRESS", "127.0.0.1:0");
        command
    }

    pub fn start(command: &mut Command) -> Self {
        let log = NamedTempFile::new().expect("a temporary file can be made");
        let output = || log.as_file().try_clone().expect("a file can be opened twice");
        let child = command
            .stdin(std::process::Stdio::null())
            .stdout(output())
            .stderr(output())
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, log }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Standard output and standard error so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log.path()).expect("the log can be read")).into_owned()
    }

    /// Waits for a line that contains `text` and returns it.
    ///
    /// # Panics
    ///
    /// When none comes by the deadline, or the process ends without one.
    pub async fn wait_for_line(&mut self, text: &str, deadline: Duration) -> String {
        let found = |line: &str| line.contains(text).then(|| line.to_owned());
        self.wait_for_log(&format!("a line with {text:?}"), deadline, found)
            .await
    }

    /// Waits until `service` says that it is listening and returns its address.
    ///
    /// # Panics
    ///
    /// As [`Binary::wait_for_line`].
    pub async fn address_of(&mut self, service: &str, deadline: Duration) -> SocketAddr {
        self.wait_for_log(&format!("{service} to listen"), deadline, |line| {
            listening(line, service)
        })
        .await
    }

    /// Kills it like a power cut would: no handler runs.
    pub fn kill9(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    ///
    /// When it runs on past the deadline.
    pub async fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.ask_to_stop();
        self.wait_for_exit(deadline).await
    }

    /// Asks it to stop and waits for nothing.
    pub fn ask_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a child can be told to stop");
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// When it runs on past the deadline.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                return status;
            }
            assert!(
                start.elapsed() < deadline,
                "waited {deadline:?} for process {} to end",
                self.id()
            );
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn wait_for_log<T>(&mut self, what: &str, deadline: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            // Asked before the log is read, so that the last lines of a process that ends are seen.
            let exited = self.exited();
            if let Some(found) = self.log().lines().find_map(&find) {
                return found;
            }
            if let Some(status) = exited {
                panic!("waited for {what}, but the process ended ({status})");
            }
            assert!(start.elapsed() < deadline, "waited {deadline:?} for {what}");
            tokio::time::sleep(EVERY).await;
        }
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
            eprintln!("the end of the log of process {}:\n{end}", self.id());
        }
    }
}

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    ["TIDINGS_TEST_BINARY", "CARGO_BIN_EXE_tidings"]
        .into_iter()
        .find_map(env::var_os)
        .map(PathBuf::from)
        .unwrap_or_else(|| build(&env::current_exe().expect("a test knows where it is")))
});

/// Tests of other crates do not depend on the binary, so cargo would leave a stale one in place.
fn build(test: &Path) -> PathBuf {
    // target/<profile>/deps/<test>
    let directory = test.ancestors().nth(2).expect("tests run from the target directory");
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "tidings", "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run");
    assert!(
        built.status.success(),
        "tidings does not build:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    directory.join("tidings")
}

/// The address in a line like `{"fields":{"message":"listening","service":"ingest-grpc","address":"127.0.0.1:41234"}}`.
fn listening(line: &str, service: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    (text("message") == Some("listening") && text("service") == Some(service)).then(|| text("address")?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Binary {
        Binary::start(Command::new("sh").args(["-c", script]))
    }

    #[tokio::test]
    async fn addresses_are_read_from_the_log() {
        let mut process = shell(
            r#"echo starting; echo '{"level":"INFO","fields":{"message":"listening","service":"other","address":"127.0.0.1:1"}}'
            echo '{"level":"INFO","fields":{"message":"listening","service":"ingest-grpc","address":"127.0.0.1:41234"}}' >&2
            exec sleep 60"#,
        );
        assert_eq!(
            process.address_of("ingest-grpc", SOON).await,
            SocketAddr::from(([127, 0, 0, 1], 41234))
        );
        assert_eq!(process.wait_for_line("start", SOON).await, "starting");
    }

    #[tokio::test]
    async fn it_stops_when_told_to() {
        let mut process = shell("trap 'echo leaving; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        process.wait_for_line("ready", SOON).await;
        assert_eq!(process.terminate(SOON).await.code(), Some(7));
        assert!(process.log().contains("leaving"));
    }

    #[tokio::test]
    async fn it_can_be_killed() {
        let mut process = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
        process.wait_for_line("ready", SOON).await;
        process.kill9();
        assert_eq!(process.wait_for_exit(SOON).await.code(), None);
    }

    #[tokio::test]
    #[should_panic(expected = "the process ended (exit status: 3)")]
    async fn a_process_that_ends_is_not_waited_for() {
        shell("echo nothing; exit 3").wait_for_line("ready", SOON).await;
    }
}
