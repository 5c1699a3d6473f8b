//! PostgreSQL and RabbitMQ of this suite's own, which it may kill, stop and take apart.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_postgres::{Client, NoTls};
use ureq::Agent;
use ureq::http::{Method, Request};

/// The password of the role that the processes have in PostgreSQL.
const PASSWORD: &str = "of-the-service";
/// Whoever has the role of the processes says its password; those who look after the database need none.
const HBA: &str = "host all service all scram-sha-256\nhost all all all trust\nlocal all all trust\n";

/// The first of five ports, outside of the range that the system gives to others by itself.
const PORT: u16 = 61_000;

/// Both engines, freshly made; gone with their data when this value is dropped.
#[derive(Debug)]
pub(crate) struct Engines {
    script: PathBuf,
    keep: bool,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    RabbitMq,
    PostgreSql,
}

/// A queue as the management API shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct Queue {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) messages: u64,
}

/// A binding of a queue to an exchange.
#[derive(Debug, Deserialize)]
pub(crate) struct Binding {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) routing_key: String,
    properties_key: String,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::RabbitMq => "rabbitmq",
            Self::PostgreSql => "postgresql",
        }
    }
}

impl Engines {
    /// Starts both, without anything that an earlier run may have left.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services");
        let engines = Self { script, keep: false };
        engines.run(&["wipe"]).await?;
        engines.run(&["up"]).await?;
        engines.prepare().await?;
        Ok(engines)
    }

    /// Gives the processes a role of their own, with a password.
    async fn prepare(&self) -> anyhow::Result<()> {
        let admin = self.administer().await?;
        let file: String = admin.query_one("SHOW hba_file", &[]).await?.get(0);
        let sql = format!(
            "CREATE ROLE service LOGIN PASSWORD '{PASSWORD}';
             ALTER DATABASE postgres OWNER TO service;
             ALTER SCHEMA public OWNER TO service;
             COPY (SELECT regexp_split_to_table('{HBA}', E'\n')) TO '{file}';
             SELECT pg_reload_conf();"
        );
        admin.batch_execute(&sql).await.context("a role for the processes")
    }

    /// A connection of somebody who may do everything in PostgreSQL.
    pub(crate) async fn administer(&self) -> anyhow::Result<Client> {
        let connected = tokio_postgres::connect(&self.database_url(), NoTls).await;
        let (client, connection) = connected.context("PostgreSQL does not answer")?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Changes the password of the processes' role.
    pub(crate) async fn set_password(&self, admin: &Client, password: &str) -> anyhow::Result<()> {
        let sql = format!("ALTER ROLE service PASSWORD '{password}'");
        Ok(admin.batch_execute(&sql).await?)
    }

    /// Gives the processes' role the password that they know.
    pub(crate) async fn restore_password(&self, admin: &Client) -> anyhow::Result<()> {
        self.set_password(admin, PASSWORD).await
    }

    /// Leaves them running when this value is dropped, for somebody to look at.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }

    pub(crate) fn database_url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{PORT}/postgres")
    }

    /// Where the processes find it, with their own role.
    pub(crate) fn service_url(&self) -> String {
        format!("postgres://service:{PASSWORD}@127.0.0.1:{PORT}/postgres")
    }

    pub(crate) fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", PORT + 1)
    }

    /// Starts one that was killed or stopped, and waits until it answers.
    pub(crate) async fn start_one(&self, engine: Engine) -> anyhow::Result<()> {
        self.run(&["start", engine.name()]).await
    }

    /// Stops one in its own way.
    pub(crate) async fn stop_one(&self, engine: Engine) -> anyhow::Result<()> {
        self.run(&["stop", engine.name()]).await
    }

    /// Sends a signal (`KILL`, `STOP`, `CONT`) to every process of one.
    pub(crate) async fn signal(&self, engine: Engine, signal: &str) -> anyhow::Result<()> {
        self.run(&["kill", engine.name(), signal]).await
    }

    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let all: Vec<&str> = ["rabbitmqctl", "--quiet"].iter().chain(arguments).copied().collect();
        self.run(&all).await
    }

    /// Every queue.
    pub(crate) async fn queues(&self) -> anyhow::Result<Vec<Queue>> {
        get("/api/queues/%2f").await
    }

    /// Throws away the messages that wait in a queue.
    pub(crate) async fn purge(&self, queue: &str) -> anyhow::Result<()> {
        delete(format!("/api/queues/%2f/{queue}/contents")).await
    }

    /// Deletes a queue with its messages and bindings.
    pub(crate) async fn delete_queue(&self, queue: &str) -> anyhow::Result<()> {
        delete(format!("/api/queues/%2f/{queue}")).await
    }

    /// The queues bound to an exchange.
    pub(crate) async fn bindings_of(&self, exchange: &str) -> anyhow::Result<Vec<Binding>> {
        get(&format!("/api/exchanges/%2f/{exchange}/bindings/source")).await
    }

    /// Removes a binding.
    pub(crate) async fn unbind(&self, binding: &Binding) -> anyhow::Result<()> {
        let Binding {
            source,
            destination,
            properties_key,
            ..
        } = binding;
        delete(format!("/api/bindings/%2f/e/{source}/q/{destination}/{properties_key}")).await
    }

    async fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command(arguments);
        let words = arguments.join(" ");
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let also = String::from_utf8_lossy(&output.stdout);
            bail!("scripts/services {words} failed ({}):\n{also}{said}", output.status);
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(&self.script);
        command
            .args(arguments)
            .env("TIDINGS_SERVICES_NAME", "chaos")
            .env("TIDINGS_SERVICES_PORT", PORT.to_string())
            .stdin(Stdio::null())
            // Ctrl-C is for this program, which then cleans up; half a start could not be cleaned up.
            .process_group(0);
        command
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("PostgreSQL: {}\nRabbitMQ: {}", self.database_url(), self.amqp_url());
            eprintln!("when done: TIDINGS_SERVICES_NAME=chaos TIDINGS_SERVICES_PORT={PORT} scripts/services wipe");
            return;
        }
        match self.command(&["wipe"]).output() {
            Ok(output) if output.status.success() => {}
            failed => eprintln!("PostgreSQL and RabbitMQ may run on: {failed:?}"),
        }
    }
}

async fn get<T: DeserializeOwned>(path: &str) -> anyhow::Result<T> {
    let body = ask(Method::GET, path.to_owned()).await?;
    serde_json::from_str(&body).with_context(|| format!("GET {path} answered {body}"))
}

async fn delete(path: String) -> anyhow::Result<()> {
    ask(Method::DELETE, path).await.map(drop)
}

async fn ask(method: Method, path: String) -> anyhow::Result<String> {
    let what = format!("{method} {path}");
    let ask = move || {
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://guest:guest@127.0.0.1:{}{path}", PORT + 2))
            .body(())?;
        agent.run(request)?.into_body().read_to_string()
    };
    tokio::task::spawn_blocking(ask)
        .await?
        .with_context(|| format!("RabbitMQ's management API, {what}"))
}
