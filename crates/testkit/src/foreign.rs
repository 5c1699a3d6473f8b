//! A receiver written in a customer's language, as a process.
//!
//! The program prints its port on the first line and then a line of JSON for each request that it answered; it ends
//! when its standard input does, which is when this value is dropped or the test dies.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

use crate::languages;

/// Limit for a program's start on a loaded machine.
const START: Duration = Duration::from_secs(60);

/// A running receiver in a customer's language.
#[derive(Debug)]
pub struct ForeignReceiver {
    url: String,
    requests: watch::Receiver<Vec<Judged>>,
    _process: Child,
}

/// A request as a receiver saw it, with the receiver's verdict.
#[derive(Debug, Clone, Deserialize)]
pub struct Judged {
    /// `true` if it was answered with 2xx.
    pub accepted: bool,
    /// The status it was answered with.
    pub status: u16,
    /// The names of its headers as they came.
    pub names: Vec<String>,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl ForeignReceiver {
    /// Starts a program (see [`languages::command`] for which) that reads `secret` from `WEBHOOK_SECRET`.
    ///
    /// # Panics
    ///
    /// When it does not say its port.
    pub async fn start(program: &Path, secret: &str) -> Self {
        let name = program.display().to_string();
        let command = {
            let program = program.to_owned();
            tokio::task::spawn_blocking(move || languages::command(&program))
        };
        let mut process = Command::from(command.await.expect("languages are needed"))
            .env("WEBHOOK_SECRET", secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let mut lines = BufReader::new(process.stdout.take().expect("its output is a pipe")).lines();
        let first = tokio::time::timeout(START, lines.next_line()).await;
        let port: u16 = match first {
            Ok(Ok(Some(line))) => line.parse().unwrap_or_else(|_| panic!("{name} says {line:?}")),
            other => panic!("{name} does not say its port: {other:?}"),
        };
        let (sender, requests) = watch::channel(Vec::new());
        tokio::spawn(read(lines, sender));
        Self {
            url: format!("http://127.0.0.1:{port}/"),
            requests,
            _process: process,
        }
    }

    /// Its address, as in `http://127.0.0.1:41234/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of requests answered so far.
    pub fn count(&self) -> usize {
        self.requests.borrow().len()
    }

    /// Waits until it answered `count` requests and returns all that it did.
    ///
    /// # Panics
    ///
    /// When it answered fewer by the deadline, or ended.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Judged> {
        let mut requests = self.requests.clone();
        let answered = tokio::time::timeout(deadline, requests.wait_for(|requests| requests.len() >= count)).await;
        match answered {
            Ok(Ok(requests)) => requests.clone(),
            Ok(Err(_)) => panic!("{} ended", self.url),
            Err(_) => panic!("waited {deadline:?} for {count} answers; {} were given", self.count()),
        }
    }
}

impl Judged {
    /// A header's value, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Asserts that headers came with their names spelled so.
    ///
    /// # Panics
    ///
    /// When one did not.
    pub fn has_names(&self, spelled: &[&str]) {
        for name in spelled {
            assert!(
                self.names.iter().any(|came| came == name),
                "no {name}: {:?}",
                self.names
            );
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is something else.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }
}

/// Ends with the program; dropping the sender says so.
async fn read(mut lines: Lines<BufReader<ChildStdout>>, requests: watch::Sender<Vec<Judged>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        let judged = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        requests.send_modify(|requests| requests.push(judged));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tempfile::Builder;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    async fn start(suffix: &str, text: &str) -> ForeignReceiver {
        let mut program = Builder::new().suffix(suffix).tempfile().unwrap();
        program.write_all(text.as_bytes()).unwrap();
        ForeignReceiver::start(program.path(), "shared").await
    }

    #[tokio::test]
    async fn what_it_prints_is_read() {
        let line = r#"{"accepted":false,"status":401,"names":["A"],"headers":{"a":"b"},"body":"{\"n\":1}"}"#;
        for (suffix, text) in [
            (
                ".js",
                format!("console.log(4321); console.log('{line}'); process.stdin.resume();").replace(r"\", r"\\"),
            ),
            (".php", format!("4321\n{line}\n<?php fgets(STDIN);")),
            (
                ".py",
                format!("import sys\nprint(4321)\nprint(r'{line}', flush=True)\nsys.stdin.read()"),
            ),
        ] {
            let receiver = start(suffix, &text).await;
            assert_eq!(receiver.url(), "http://127.0.0.1:4321/");
            let judged = receiver.wait_for(1, SOON).await.remove(0);
            assert_eq!((judged.accepted, judged.status), (false, 401));
            assert_eq!((judged.header("a"), judged.header("c")), (Some("b"), None));
            judged.has_names(&["A"]);
            assert_eq!(judged.json(), serde_json::json!({ "n": 1 }));
        }
    }

    #[tokio::test]
    async fn it_ends_with_its_value() {
        let directory = tempfile::tempdir().unwrap();
        let ended = directory.path().join("ended");
        let text =
            format!("import pathlib, sys\nprint(1, flush=True)\nsys.stdin.read()\npathlib.Path({ended:?}).touch()");
        let receiver = start(".py", &text).await;
        assert!(!ended.exists());
        drop(receiver);
        crate::wait_until(SOON, "the program to end", async || ended.exists()).await;
    }

    #[tokio::test]
    #[should_panic(expected = "does not say its port: Ok(Ok(None))")]
    async fn one_that_ends_at_once_is_not_waited_for() {
        start(".js", "process.exit()").await;
    }
}
