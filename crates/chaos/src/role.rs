//! One process of `tidings` over all its lives: at the same addresses, with one log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tidings_acceptance::get;
use tidings_testkit::Reserved;
use tokio::process::{Child, Command};

/// Lines of a log that are printed when something is wrong.
const SHOWN: usize = 15;

/// The program and the variables that every process of a system shares.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The executable, `tidings`.
    pub(crate) path: PathBuf,
    /// Its configuration as environment variables.
    pub(crate) variables: Vec<(String, String)>,
}

/// A subcommand that runs until it is stopped or killed.
#[derive(Debug)]
pub(crate) struct Role {
    name: &'static str,
    subcommand: &'static str,
    program: Program,
    monitor: Reserved,
    log: PathBuf,
    process: Option<Child>,
}

impl Program {
    /// The same with one variable more, `TIDINGS_` left out.
    pub(crate) fn with(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.variables.push((format!("TIDINGS_{variable}"), value.into()));
        self
    }

    /// Runs a subcommand that ends by itself and gives back what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command().args(arguments).stdin(Stdio::null()).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "tidings {} failed:\n{said}",
            arguments.join(" ")
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Ctrl-C is for this suite alone, which then ends them.
        command.process_group(0).kill_on_drop(true);
        command
    }
}

impl Role {
    pub(crate) fn new(name: &'static str, subcommand: &'static str, program: Program, logs: &Path) -> Self {
        let monitor = Reserved::address();
        let program = program.with("MONITOR__ADDRESS", monitor.socket().to_string());
        Self {
            name,
            subcommand,
            program,
            monitor,
            log: logs.join(format!("{name}.log")),
            process: None,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// The value of a variable, its name without `TIDINGS_`.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let name = format!("TIDINGS_{name}");
        let found = self.program.variables.iter().rev().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Sets or removes a variable for later starts.
    pub(crate) fn set(&mut self, name: &str, value: Option<String>) {
        let name = format!("TIDINGS_{name}");
        self.program.variables.retain(|(known, _)| *known != name);
        self.program.variables.extend(value.map(|value| (name, value)));
    }

    /// Runs a subcommand that ends by itself, with the configuration of this role.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.program.run(arguments).await
    }

    /// A directory of its own beside the logs.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.log.with_file_name(name)
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn spawn(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.program.command();
        command
            .arg(self.subcommand)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let program = self.program.path.display();
        self.process = Some(command.spawn().with_context(|| format!("cannot start {program}"))?);
        Ok(())
    }

    /// Waits until the process says that it is ready and misses nothing; starts it again should it end meanwhile, as a supervisor would.
    /// Gives back how often it ended.
    pub(crate) async fn ready(&mut self, deadline: Duration) -> anyhow::Result<Vec<ExitStatus>> {
        let start = Instant::now();
        let mut ends = Vec::new();
        loop {
            if let Some(status) = self.ended()? {
                ends.push(status);
                self.spawn()?;
            }
            let answer = get(&format!("{}/readyz", self.monitor.url())).await;
            match answer {
                Ok(answer) if answer.status == 200 && answer.body.contains(r#""missing":[]"#) => return Ok(ends),
                answer if start.elapsed() > deadline => {
                    let said = answer.map_or_else(|error| error.to_string(), |answer| answer.body);
                    bail!("{} is not ready after {deadline:?}: {said}\n{}", self.name, self.tail());
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Kills the process like a power cut would.
    pub(crate) async fn kill9(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Asks the process to stop and waits until it has.
    pub(crate) async fn terminate(&mut self, deadline: Duration) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        match tokio::time::timeout(deadline, process.wait()).await {
            Ok(status) => {
                let status = status?;
                ensure!(
                    status.success(),
                    "{}, asked to stop, ended with {status}\n{}",
                    self.name,
                    self.tail()
                );
                Ok(())
            }
            Err(_) => bail!("{} did not stop within {deadline:?}\n{}", self.name, self.tail()),
        }
    }

    /// Sends a signal, if it runs.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.process.as_ref().and_then(Child::id);
        if let Some(pid) = id.and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, signal)?;
        }
        Ok(())
    }

    /// The last lines that it wrote.
    pub(crate) fn tail(&self) -> String {
        let log = self.read_log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        format!("--- the end of {}:\n{end}", self.log.display())
    }

    /// Lines of its log that report a panic.
    pub(crate) fn panics(&self) -> Vec<String> {
        let told = |line: &&str| line.contains("panicked at");
        self.read_log().lines().filter(told).map(str::to_owned).collect()
    }

    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(match &mut self.process {
            Some(process) => process.try_wait()?,
            None => None,
        })
    }

    fn read_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}
