//! Signals to a real process: this test program, started again as the one that is told to stop.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidings_service::Health;

/// Which part the started process plays: it is set only there.
const PART: &str = "TIDINGS_SHUTDOWN_TEST";

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(part: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_process_under_test", "--nocapture"])
            .env(PART, part)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.wait_for_line("ready");
        process
    }

    /// The end of its output fails the test, so this does not outlast the process.
    fn wait_for_line(&mut self, text: &str) {
        assert!(
            self.lines.any(|line| line.unwrap().contains(text)),
            "ended before saying {text:?}"
        );
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn status(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

#[tokio::test]
async fn the_process_under_test() {
    let Ok(part) = env::var(PART) else { return };
    let (health, drain) = match part.as_str() {
        "drains" => (Health::new(), Duration::from_millis(300)),
        "is not ready" => {
            let health = Health::new();
            health.component("rabbitmq");
            (health, Duration::from_secs(3600))
        }
        "is interrupted" => (Health::new(), Duration::from_secs(3600)),
        _ => (Health::new(), Duration::ZERO),
    };
    let shutdown = tidings_service::shutdown::on_signal(health.clone(), drain);
    println!("ready");
    if part == "drains" {
        health.wait_until(false).await;
        println!(
            "draining {}",
            if shutdown.is_cancelled() { "too late" } else { "first" }
        );
    }
    shutdown.cancelled().await;
    println!("told to stop");
    match part.as_str() {
        "lingers" => std::future::pending().await,
        _ => std::process::exit(0),
    }
}

#[test]
fn the_first_signal_is_a_request() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Process::start("leaves");
        process.signal(signal);
        process.wait_for_line("told to stop");
        assert_eq!(process.status().code(), Some(0));
    }
}

#[test]
fn a_ready_process_drains_before_it_stops() {
    let mut process = Process::start("drains");
    process.signal(Signal::TERM);
    process.wait_for_line("draining first");
    process.wait_for_line("told to stop");
    assert_eq!(process.status().code(), Some(0));
}

#[test]
fn neither_people_nor_processes_that_are_not_ready_wait_for_the_drain() {
    for (part, signal) in [("is not ready", Signal::TERM), ("is interrupted", Signal::INT)] {
        let mut process = Process::start(part);
        process.signal(signal);
        process.wait_for_line("told to stop");
        assert_eq!(process.status().code(), Some(0));
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut process = Process::start("lingers");
        process.signal(Signal::TERM);
        process.wait_for_line("told to stop");
        process.signal(signal);
        assert_eq!(process.status().code(), Some(status));
    }
}
