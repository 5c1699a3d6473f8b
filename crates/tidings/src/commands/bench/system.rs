//! The system under test, as processes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tidings_domain::key::Token;
use tidings_store::seal::SealKey;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::cpu::{Group, listener_of};

const PATIENCE: Duration = Duration::from_secs(60);

/// Running processes with what is needed to use them.
pub(super) struct System {
    processes: Vec<Process>,
    engines: Option<(u16, u16)>,
    directory: PathBuf,
    /// Where events are published.
    pub(super) ingest: String,
    /// Where tenants and endpoints are made.
    pub(super) control: String,
    /// An operator's token.
    pub(super) operator: String,
}

struct Process {
    name: &'static str,
    child: Child,
    listening: mpsc::UnboundedReceiver<(String, String)>,
    addresses: HashMap<String, String>,
}

impl System {
    /// Starts every role on the engines (PostgreSQL and RabbitMQ, by URL), or standalone on the embedded ones.
    pub(super) async fn start(engines: Option<(&str, &str)>) -> anyhow::Result<Self> {
        let directory = std::env::temp_dir().join(format!("tidings-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        match engines {
            Some((database, amqp)) => Self::start_roles(database, amqp, directory).await,
            None => Self::start_standalone(directory).await,
        }
    }

    async fn start_standalone(directory: PathBuf) -> anyhow::Result<Self> {
        let mut standalone = Process::start(
            "standalone",
            &[],
            &[
                ("TIDINGS_STANDALONE__DATA_DIR", &directory.to_string_lossy()),
                ("TIDINGS_STANDALONE__GRPC_ADDRESS", "127.0.0.1:0"),
                ("TIDINGS_STANDALONE__HTTP_ADDRESS", "127.0.0.1:0"),
            ],
        )?;
        let server = standalone.address("standalone-grpc").await?;
        ready(&standalone.address("standalone-http").await?).await?;
        let operator = std::fs::read_to_string(directory.join("operator.key"))?
            .trim()
            .to_owned();
        Ok(Self {
            processes: vec![standalone],
            engines: None,
            directory,
            ingest: server.clone(),
            control: server,
            operator,
        })
    }

    async fn start_roles(database: &str, amqp: &str, directory: PathBuf) -> anyhow::Result<Self> {
        let keys = format!("[\"{}\"]", SealKey::generate().reveal());
        let token = Token::generate();
        let common = [
            ("TIDINGS_DATABASE__URL", database),
            ("TIDINGS_AMQP__URL", amqp),
            ("TIDINGS_SECRETS__KEYS", keys.as_str()),
            ("TIDINGS_INTERNAL__TOKEN", token.reveal()),
            ("TIDINGS_MONITOR__ADDRESS", "127.0.0.1:0"),
            ("TIDINGS_LOG__GRPC_ADDRESS", "127.0.0.1:0"),
            ("TIDINGS_INGEST__GRPC_ADDRESS", "127.0.0.1:0"),
            ("TIDINGS_INGEST__HTTP_ADDRESS", "127.0.0.1:0"),
            ("TIDINGS_CONTROL__GRPC_ADDRESS", "127.0.0.1:0"),
        ];
        run_to_end(&["migrate"], &common).await?;
        let operator = run_to_end(&["admin", "bootstrap"], &common).await?.trim().to_owned();

        let mut log = Process::start("log", &[], &common)?;
        let log_server = format!("[\"{}\"]", log.address("log-grpc").await?);
        let with_log = [("TIDINGS_LOG_CLIENT__SERVERS", log_server.as_str())];
        let mut ingest = Process::start("ingest", &with_log, &common)?;
        let mut dispatcher = Process::start("dispatcher", &with_log, &common)?;
        let mut control = Process::start("control", &[], &common)?;
        let (ingest_server, control_server) = (
            ingest.address("ingest-grpc").await?,
            control.address("control-grpc").await?,
        );
        for process in [&mut log, &mut ingest, &mut dispatcher, &mut control] {
            ready(&process.address("monitor").await?).await?;
        }
        Ok(Self {
            processes: vec![ingest, dispatcher, log, control],
            engines: Some((port_of(database, 5432)?, port_of(amqp, 5672)?)),
            directory,
            ingest: ingest_server,
            control: control_server,
            operator,
        })
    }

    /// The processes by what they are.
    pub(super) fn groups(&self) -> anyhow::Result<Vec<Group>> {
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

    /// Stops every process as an orchestrator would, and expects it to end well.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            process.stop().await?;
        }
        Ok(())
    }
}

impl Process {
    fn start(name: &'static str, extra: &[(&str, &str)], common: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut child = command(&[name], common)?
            .envs(extra.iter().copied())
            .env("TIDINGS_TELEMETRY__FORMAT", "json")
            .env("TIDINGS_DESTINATIONS__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start tidings {name}"))?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (sender, listening) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let parsed: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                let field = |key: &str| parsed["fields"][key].as_str().unwrap_or_default().to_owned();
                if field("message") == "listening" {
                    let _ = sender.send((field("service"), field("address")));
                } else if parsed["level"] != "INFO" {
                    eprintln!("{name}: {line}");
                }
            }
        });
        Ok(Self {
            name,
            child,
            listening,
            addresses: HashMap::new(),
        })
    }

    /// Where a service of the process listens, as a URL.
    async fn address(&mut self, service: &str) -> anyhow::Result<String> {
        let wait = async {
            loop {
                if let Some(address) = self.addresses.get(service) {
                    return Ok(format!("http://{address}"));
                }
                let next = self.listening.recv().await;
                let (name, address) =
                    next.with_context(|| format!("tidings {} ended before it listened as {service}", self.name))?;
                self.addresses.insert(name, address);
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .with_context(|| format!("{service} does not listen"))?
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

fn command(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    Ok(command)
}

/// Runs a command of the binary and gives back what it printed.
async fn run_to_end(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<String> {
    let output = command(arguments, environment)?.output().await?;
    anyhow::ensure!(
        output.status.success(),
        "tidings {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Waits until a process says that it is ready.
async fn ready(monitor: &str) -> anyhow::Result<()> {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = get(monitor, "/readyz").await.unwrap_or_default();
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < give_up,
            "{monitor} does not get ready: {answer}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn get(server: &str, path: &str) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = server.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn port_of(url: &str, default: u16) -> anyhow::Result<u16> {
    let url: url::Url = url.parse().with_context(|| "the URL of an engine can't be read")?;
    Ok(url.port().unwrap_or(default))
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
