//! One process of `tidings` that can be started, stopped, killed and started again.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tidings_testkit::{Binary, Reserved, wait_until};

use crate::SOON;

/// A subcommand that runs until it is stopped. Over all its lives it listens at the same addresses.
#[derive(Debug)]
pub struct Role {
    name: &'static str,
    /// A program with arguments that is started in its place and becomes it.
    wrapper: Vec<String>,
    variables: Vec<(String, String)>,
    monitor: Reserved,
    process: Option<Binary>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

impl Role {
    pub(crate) fn new(name: &'static str, monitor: Reserved, variables: Vec<(String, String)>) -> Self {
        Self {
            name,
            wrapper: Vec::new(),
            variables,
            monitor,
            process: None,
        }
    }

    /// Sets an environment variable (`TIDINGS_SECTION__KEY`) for its next start.
    pub fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.variables.push((variable.to_owned(), value.into()));
    }

    /// The variables that it is started with.
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The monitor's URL, as in `http://127.0.0.1:9464`.
    pub fn monitor_url(&self) -> String {
        self.monitor.url()
    }

    /// Another process of the same kind, not started, that listens at an address of its own: `address` is the variable
    /// (`TIDINGS_SECTION__KEY`) that names it.
    pub fn replica(&self, address: &str) -> (Self, Reserved) {
        let (own, monitor) = (Reserved::address(), Reserved::address());
        let mut variables = self.variables.clone();
        for (variable, place) in [(address, &own), ("TIDINGS_MONITOR__ADDRESS", &monitor)] {
            variables.push((variable.to_owned(), place.socket().to_string()));
        }
        (Self::new(self.name, monitor, variables), own)
    }

    /// Starts this program with these arguments instead, followed by the command to become.
    pub(crate) fn wrap(&mut self, wrapper: Vec<String>) {
        self.wrapper = wrapper;
    }

    /// Starts the process and waits until it says that it is ready.
    pub async fn start(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// Starts the process and waits for nothing.
    ///
    /// # Panics
    ///
    /// When it runs already.
    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let mut command = Binary::command();
        if let [program, arguments @ ..] = self.wrapper.as_slice() {
            command = wrapped(program, arguments, &command);
        }
        command
            .arg(self.name)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        self.process = Some(Binary::start(&mut command));
    }

    /// Waits until the process says that it is ready and misses nothing but, maybe, the log service: that may be started
    /// after it.
    pub async fn ready(&self) {
        let complete = |answer: Response| {
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let missing = body["missing"].as_array().cloned().unwrap_or_default();
            answer.status == 200 && missing.iter().all(|missing| missing["component"] == "log")
        };
        let ready = async || self.try_get("/readyz").await.is_some_and(complete);
        wait_until(SOON, &format!("{} to be ready", self.name), ready).await;
    }

    /// True if the process says that it is able to do its job.
    pub async fn is_ready(&self) -> bool {
        self.try_get("/readyz").await.is_some_and(|answer| answer.status == 200)
    }

    /// Asks the process to stop and waits for nothing.
    pub fn ask_to_stop(&mut self) {
        self.running().ask_to_stop();
    }

    /// Kills the process like a power cut would.
    pub fn kill9(&mut self) {
        self.running().kill9();
        self.process = None;
    }

    /// Asks the process to stop and waits until it has.
    pub async fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        let status = self.running().terminate(deadline).await;
        self.process = None;
        status
    }

    /// Waits until the process ends by itself; gives back how, and all that it wrote.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> (ExitStatus, String) {
        let status = self.running().wait_for_exit(deadline).await;
        let log = self.running().log();
        self.process = None;
        (status, log)
    }

    /// The process itself.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn running(&mut self) -> &mut Binary {
        let name = self.name;
        self.process.as_mut().unwrap_or_else(|| panic!("{name} does not run"))
    }

    /// Gets a page of the monitor: `/metrics`, `/healthz`, `/readyz` or `/status`.
    pub async fn get(&self, path: &str) -> Response {
        let answer = self.try_get(path).await;
        answer.unwrap_or_else(|| panic!("the monitor of {} does not answer {path}", self.name))
    }

    /// A metric's value: the sum over all its labels, 0 if it was never touched.
    pub async fn metric(&self, name: &str) -> f64 {
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' '])
                .then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        };
        self.get("/metrics").await.body.lines().filter_map(value).sum()
    }

    async fn try_get(&self, path: &str) -> Option<Response> {
        get(&format!("{}{path}", self.monitor.url())).await.ok()
    }
}

fn wrapped(program: &str, arguments: &[String], command: &Command) -> Command {
    let mut wrapped = Command::new(program);
    wrapped.args(arguments).arg(command.get_program());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    wrapped
}

/// Gets a URL; whatever status there is, is an answer.
pub async fn get(url: &str) -> Result<Response, ureq::Error> {
    let url = url.to_owned();
    let get = move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(SOON))
            .build()
            .into();
        let response = agent.get(&url).call()?;
        Ok(Response {
            status: response.status().as_u16(),
            body: response.into_body().read_to_string()?,
        })
    };
    tokio::task::spawn_blocking(get)
        .await
        .expect("a request does not panic")
}

/// Runs a subcommand that ends by itself and gives back what it printed.
///
/// # Panics
///
/// When it fails.
pub async fn run_to_end(arguments: &[&str], variables: &[(String, String)]) -> String {
    let mut command = Binary::command();
    command
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("a command does not panic");
    let output = output.expect("tidings can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "tidings {} failed:\n{said}",
        arguments.join(" ")
    );
    String::from_utf8(output.stdout).expect("tidings prints text")
}
