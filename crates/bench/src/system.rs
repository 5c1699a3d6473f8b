//! The system under test, as processes.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tidings_domain::key::Token;
use tidings_store::seal::SealKey;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::proc::{Group, listener_of, peak_memory, resident_memory};

const PATIENCE: Duration = Duration::from_secs(60);

/// The `tidings` program under test.
#[derive(Clone)]
pub(crate) struct Program(PathBuf);

/// Running processes with what is needed to use them.
pub(crate) struct System {
    processes: Vec<Process>,
    engines: Option<(u16, u16)>,
    directory: PathBuf,
    /// The address to publish to over gRPC.
    pub(crate) ingest: String,
    /// The address to publish to over HTTP.
    pub(crate) http: String,
    /// The address for managing tenants and endpoints.
    pub(crate) control: String,
    /// The address of the log service.
    pub(crate) log: String,
    pub(crate) operator: String,
}

struct Process {
    program: Program,
    name: &'static str,
    environment: Vec<(&'static str, String)>,
    /// The address of `/readyz` and `/metrics`.
    monitor: String,
    child: Child,
    /// The most memory that its predecessors had, bytes.
    peak_before: u64,
}

impl System {
    /// Starts every role on the engines (PostgreSQL and RabbitMQ, by URL), or standalone on the embedded ones.
    pub(crate) async fn start(program: &Program, engines: Option<(&str, &str)>) -> anyhow::Result<Self> {
        let directory = std::env::temp_dir().join(format!("tidings-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        match engines {
            Some((database, amqp)) => Self::start_roles(program, database, amqp, directory).await,
            None => Self::start_standalone(program, directory).await,
        }
    }

    async fn start_standalone(program: &Program, directory: PathBuf) -> anyhow::Result<Self> {
        let mut addresses = free_addresses();
        let (grpc, http, monitor) = (addresses.next_free()?, addresses.next_free()?, addresses.next_free()?);
        let environment = vec![
            ("TIDINGS_STANDALONE__DATA_DIR", directory.to_string_lossy().into_owned()),
            ("TIDINGS_STANDALONE__GRPC_ADDRESS", grpc.clone()),
            ("TIDINGS_STANDALONE__HTTP_ADDRESS", http.clone()),
            ("TIDINGS_STANDALONE__MONITOR_ADDRESS", monitor.clone()),
        ];
        let mut standalone = Process::start(program, "standalone", environment, monitor)?;
        standalone.ready().await?;
        let operator = std::fs::read_to_string(directory.join("operator.key"))?
            .trim()
            .to_owned();
        let server = format!("http://{grpc}");
        Ok(Self {
            processes: vec![standalone],
            engines: None,
            directory,
            ingest: server.clone(),
            http: format!("http://{http}"),
            control: server.clone(),
            log: server,
            operator,
        })
    }

    async fn start_roles(program: &Program, database: &str, amqp: &str, directory: PathBuf) -> anyhow::Result<Self> {
        let mut addresses = free_addresses();
        let [ingest, ingest_http, log, control] = [
            addresses.next_free()?,
            addresses.next_free()?,
            addresses.next_free()?,
            addresses.next_free()?,
        ];
        let common = vec![
            ("TIDINGS_DATABASE__URL", database.to_owned()),
            ("TIDINGS_AMQP__URL", amqp.to_owned()),
            (
                "TIDINGS_SECRETS__KEYS",
                format!("[\"{}\"]", SealKey::generate().reveal()),
            ),
            ("TIDINGS_INTERNAL__TOKEN", Token::generate().reveal().to_owned()),
            ("TIDINGS_INGEST__GRPC_ADDRESS", ingest.clone()),
            ("TIDINGS_INGEST__HTTP_ADDRESS", ingest_http.clone()),
            ("TIDINGS_LOG__GRPC_ADDRESS", log.clone()),
            ("TIDINGS_LOG_CLIENT__SERVERS", format!("[\"http://{log}\"]")),
            ("TIDINGS_CONTROL__GRPC_ADDRESS", control.clone()),
            ("TIDINGS_CONTROL__HTTP_ADDRESS", addresses.next_free()?),
            ("TIDINGS_DISPATCHER__GRPC_ADDRESS", addresses.next_free()?),
        ];
        program.run_to_end(&["migrate"], &common).await?;
        let operator = program
            .run_to_end(&["admin", "bootstrap"], &common)
            .await?
            .trim()
            .to_owned();

        let mut processes = Vec::new();
        for name in ["log", "ingest", "dispatcher", "control"] {
            let monitor = addresses.next_free()?;
            let environment = [common.clone(), vec![("TIDINGS_MONITOR__ADDRESS", monitor.clone())]].concat();
            processes.push(Process::start(program, name, environment, monitor)?);
        }
        for process in &mut processes {
            process.ready().await?;
        }
        Ok(Self {
            processes,
            engines: Some((port_of(database, 5432)?, port_of(amqp, 5672)?)),
            directory,
            ingest: format!("http://{ingest}"),
            http: format!("http://{ingest_http}"),
            control: format!("http://{control}"),
            log: format!("http://{log}"),
            operator,
        })
    }

    /// The processes by what they are.
    pub(crate) fn groups(&self) -> anyhow::Result<Vec<Group>> {
        let mut groups: Vec<_> = self
            .processes
            .iter()
            .filter_map(|process| {
                Some(Group {
                    name: process.name,
                    roots: vec![process.child.id()?],
                })
            })
            .collect();
        if let Some((postgres, rabbit)) = self.engines {
            groups.push(Group {
                name: "postgresql",
                roots: vec![listener_of(postgres)?],
            });
            groups.push(Group {
                name: "rabbitmq",
                roots: vec![listener_of(rabbit)?],
            });
        }
        Ok(groups)
    }

    /// The most memory that each process ever had, bytes.
    pub(crate) fn peak_memory(&self) -> Vec<(&'static str, u64)> {
        self.processes
            .iter()
            .map(|process| (process.name, process.peak_memory()))
            .collect()
    }

    /// The memory that each process has now, bytes.
    pub(crate) fn memory(&self) -> Vec<(&'static str, u64)> {
        let memory = |process: &Process| process.child.id().and_then(resident_memory).unwrap_or_default();
        self.processes
            .iter()
            .map(|process| (process.name, memory(process)))
            .collect()
    }

    /// Metrics of each process whose names begin with one of these prefixes: `process name{labels}` and value.
    pub(crate) async fn metrics(&self, prefixes: &[&str]) -> BTreeMap<String, f64> {
        let mut found = BTreeMap::new();
        for process in &self.processes {
            let answer = get(&process.monitor, "/metrics").await.unwrap_or_default();
            for line in answer
                .lines()
                .filter(|line| prefixes.iter().any(|p| line.starts_with(p)))
            {
                if let Some((name, value)) = line.rsplit_once(' ')
                    && let Ok(value) = value.parse()
                {
                    found.insert(format!("{} {name}", process.name), value);
                }
            }
        }
        found
    }

    /// Kills a process without warning and starts it again at once.
    pub(crate) async fn crash(&mut self, name: &str) -> anyhow::Result<()> {
        let process = self.processes.iter_mut().find(|process| process.name == name);
        let process = process.with_context(|| format!("no process is called {name}"))?;
        let peak_before = process.peak_memory();
        process.child.kill().await?;
        *process = Process {
            peak_before,
            ..Process::start(
                &process.program,
                process.name,
                process.environment.clone(),
                process.monitor.clone(),
            )?
        };
        Ok(())
    }

    /// Waits until every process says that it is ready.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            process.ready().await?;
        }
        Ok(())
    }

    /// Stops every process as an orchestrator would, and expects it to end well.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.processes.sort_by_key(|process| process.name == "log");
        for process in &mut self.processes {
            process.stop().await?;
        }
        Ok(())
    }

    /// Ends every process without waiting for what it has in hand.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            process.child.kill().await?;
        }
        Ok(())
    }
}

impl Process {
    fn start(
        program: &Program,
        name: &'static str,
        environment: Vec<(&'static str, String)>,
        monitor: String,
    ) -> anyhow::Result<Self> {
        let mut child = program
            .command(&[name], &environment)
            .env("TIDINGS_TELEMETRY__FORMAT", "json")
            .env("TIDINGS_MONITOR__DRAIN", "0s")
            .env("TIDINGS_DESTINATIONS__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start tidings {name}"))?;
        tokio::spawn(show_warnings(name, child.stderr.take().context("no standard error")?));
        Ok(Self {
            program: program.clone(),
            name,
            environment,
            monitor,
            child,
            peak_before: 0,
        })
    }

    /// Waits until the process says that it is ready and misses nothing.
    async fn ready(&mut self) -> anyhow::Result<()> {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = get(&self.monitor, "/readyz").await.unwrap_or_default();
            if answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#""missing":[]}"#) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            anyhow::ensure!(ended.is_none(), "tidings {} ended before it was ready", self.name);
            anyhow::ensure!(
                tokio::time::Instant::now() < give_up,
                "tidings {} does not get ready: {answer}",
                self.name
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn peak_memory(&self) -> u64 {
        let now = self.child.id().and_then(peak_memory).unwrap_or_default();
        now.max(self.peak_before)
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = self
            .child
            .id()
            .with_context(|| format!("{} has ended by itself", self.name))?;
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        anyhow::ensure!(sent.success(), "{} can't be stopped", self.name);
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .with_context(|| format!("{} does not stop", self.name))??;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }
}

/// Shows what a process warns of, each message once: where an endpoint hangs or a process is killed there are many.
async fn show_warnings(name: &'static str, stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr).lines();
    let mut shown = HashSet::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let message = parsed["fields"]["message"].as_str().unwrap_or(&line);
        if parsed["level"] != "INFO" && shown.insert(message.to_owned()) {
            eprintln!("{name}: {line}");
        }
    }
}

impl Program {
    /// The `tidings` at this path; without one, the `tidings` beside this program, where cargo builds both.
    pub(crate) fn find(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()?.with_file_name("tidings"),
        };
        let found = path.canonicalize().with_context(|| {
            let path = path.display();
            format!("no program at {path}: build it with `cargo build --release -p tidings`")
        })?;
        Ok(Self(found))
    }

    fn command(&self, arguments: &[&str], environment: &[(&'static str, String)]) -> Command {
        let mut command = Command::new(&self.0);
        command
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command and returns what it printed on standard output.
    async fn run_to_end(&self, arguments: &[&str], environment: &[(&'static str, String)]) -> anyhow::Result<String> {
        let output = self.command(arguments, environment).output().await?;
        anyhow::ensure!(
            output.status.success(),
            "tidings {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

async fn get(address: &str, path: &str) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    tokio::time::timeout(Duration::from_secs(5), ask).await?
}

/// Loopback addresses that nobody listens on. A process that is started again must find its own still free, so they
/// lie outside the range that outgoing connections are given.
struct FreeAddresses(std::ops::Range<u16>);

fn free_addresses() -> FreeAddresses {
    FreeAddresses(rand::random_range(20_000..29_000)..30_000)
}

impl FreeAddresses {
    fn next_free(&mut self) -> anyhow::Result<String> {
        self.0
            .by_ref()
            .map(|port| format!("127.0.0.1:{port}"))
            .find(|address| std::net::TcpListener::bind(address).is_ok())
            .context("no port is free")
    }
}

pub(crate) fn port_of(url: &str, default: u16) -> anyhow::Result<u16> {
    let url: url::Url = url.parse().with_context(|| "the URL of an engine can't be read")?;
    Ok(url.port().unwrap_or(default))
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
