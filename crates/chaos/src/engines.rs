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
/// The processes' role logs in with its password; administrators need none.
const HBA: &str = "host all service all scram-sha-256\nhost all all all trust\nlocal all all trust\n";

/// The first of five ports, outside of the range that the system gives to others by itself.
const PORT: u16 = 61_000;

/// The first of six ports of the cluster's nodes.
const CLUSTER_PORT: u16 = 61_010;

/// Both engines, freshly made; gone with their data when this value is dropped.
#[derive(Debug)]
pub(crate) struct Engines {
    broker: Broker,
    keep: bool,
}

/// The form in which RabbitMQ runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    /// One node whose stuck transfers are tried again after 15 s.
    Node,
    /// Three nodes with the broker's defaults.
    Cluster,
}

/// A node of the cluster, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(u8);

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

impl Node {
    pub(crate) const ALL: [Self; 3] = [Self(1), Self(2), Self(3)];

    fn host(self) -> String {
        format!("127.0.0.1{}", self.0)
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {}", self.0)
    }
}

impl Engines {
    /// Starts both, without anything that an earlier run may have left.
    pub(crate) async fn start(broker: Broker) -> anyhow::Result<Self> {
        let engines = Self { broker, keep: false };
        engines.services(&["wipe"]).await?;
        match broker {
            Broker::Node => engines.services(&["up"]).await?,
            Broker::Cluster => {
                engines.cluster(&["wipe"]).await?;
                engines.services(&["start", "postgresql"]).await?;
                engines.cluster(&["up"]).await?;
            }
        }
        engines.prepare().await?;
        Ok(engines)
    }

    /// Creates a role with a password for the processes.
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

    /// A connection of a superuser of PostgreSQL.
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

    /// Sets the processes' role to the password that they are configured with.
    pub(crate) async fn restore_password(&self, admin: &Client) -> anyhow::Result<()> {
        self.set_password(admin, PASSWORD).await
    }

    /// Keeps them running after this value is dropped, for inspection.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }

    pub(crate) fn broker(&self) -> Broker {
        self.broker
    }

    pub(crate) fn database_url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{PORT}/postgres")
    }

    /// The URL by which the processes reach PostgreSQL, with a role of their own.
    pub(crate) fn service_url(&self) -> String {
        format!("postgres://service:{PASSWORD}@127.0.0.1:{PORT}/postgres")
    }

    /// The broker, with all its nodes.
    pub(crate) fn amqp_url(&self) -> String {
        format!(
            "amqp://guest:guest@{}/%2f",
            self.hosts(PORT + 1, CLUSTER_PORT).join(",")
        )
    }

    /// The broker, with one of its nodes.
    pub(crate) fn amqp_url_of_one(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.hosts(PORT + 1, CLUSTER_PORT)[0])
    }

    /// The broker's management API, with all its nodes.
    pub(crate) fn management_url(&self) -> String {
        format!(
            "http://guest:guest@{}",
            self.hosts(PORT + 2, CLUSTER_PORT + 1).join(",")
        )
    }

    fn hosts(&self, alone: u16, clustered: u16) -> Vec<String> {
        match self.broker {
            Broker::Node => vec![format!("127.0.0.1:{alone}")],
            Broker::Cluster => Node::ALL.map(|node| format!("{}:{clustered}", node.host())).to_vec(),
        }
    }

    /// Starts one that was killed or stopped, and waits until it answers.
    pub(crate) async fn start_one(&self, engine: Engine) -> anyhow::Result<()> {
        match self.as_cluster(engine) {
            true => self.cluster(&["start", "all"]).await,
            false => self.services(&["start", engine.name()]).await,
        }
    }

    /// Stops one in its own way.
    pub(crate) async fn stop_one(&self, engine: Engine) -> anyhow::Result<()> {
        match self.as_cluster(engine) {
            true => self.cluster(&["stop", "all"]).await,
            false => self.services(&["stop", engine.name()]).await,
        }
    }

    /// Sends a signal (`KILL`, `STOP`, `CONT`) to every process of one.
    pub(crate) async fn signal(&self, engine: Engine, signal: &str) -> anyhow::Result<()> {
        match self.as_cluster(engine) {
            true => self.cluster(&["kill", "all", signal]).await,
            false => self.services(&["kill", engine.name(), signal]).await,
        }
    }

    /// Sends a signal to one node of the cluster.
    pub(crate) async fn signal_node(&self, node: Node, signal: &str) -> anyhow::Result<()> {
        self.cluster(&["kill", &node.0.to_string(), signal]).await
    }

    /// Starts a node of the cluster that was killed, and waits until it answers.
    pub(crate) async fn start_node(&self, node: Node) -> anyhow::Result<()> {
        self.cluster(&["start", &node.0.to_string()]).await
    }

    /// The node that the most connections lead to.
    pub(crate) async fn connected_node(&self) -> anyhow::Result<Node> {
        let connections: Vec<Connection> = self.get("/api/connections").await?;
        let count = |node: &Node| {
            let host = node.host();
            connections.iter().filter(|connection| connection.host == host).count()
        };
        Ok(Node::ALL.into_iter().max_by_key(count).unwrap_or(Node(1)))
    }

    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let all = |first: &[&'static str]| -> Vec<String> {
            let first = first.iter().map(|argument| (*argument).to_owned());
            first
                .chain(arguments.iter().map(|argument| (*argument).to_owned()))
                .collect()
        };
        match self.broker {
            Broker::Node => self.run("services", all(&["rabbitmqctl", "--quiet"])).await,
            Broker::Cluster => self.run("cluster", all(&["rabbitmqctl", "1", "--quiet"])).await,
        }
    }

    fn as_cluster(&self, engine: Engine) -> bool {
        engine == Engine::RabbitMq && self.broker == Broker::Cluster
    }

    /// Every queue, with its counts.
    pub(crate) async fn queues(&self) -> anyhow::Result<Vec<Queue>> {
        self.get("/api/queues/%2f").await
    }

    /// Deletes the messages that wait in a queue.
    pub(crate) async fn purge(&self, queue: &str) -> anyhow::Result<()> {
        self.delete(format!("/api/queues/%2f/{queue}/contents")).await
    }

    /// Deletes a queue with its messages and bindings.
    pub(crate) async fn delete_queue(&self, queue: &str) -> anyhow::Result<()> {
        self.delete(format!("/api/queues/%2f/{queue}")).await
    }

    /// The queues bound to an exchange.
    pub(crate) async fn bindings_of(&self, exchange: &str) -> anyhow::Result<Vec<Binding>> {
        self.get(&format!("/api/exchanges/%2f/{exchange}/bindings/source"))
            .await
    }

    pub(crate) async fn unbind(&self, binding: &Binding) -> anyhow::Result<()> {
        let Binding {
            source,
            destination,
            properties_key,
            ..
        } = binding;
        self.delete(format!("/api/bindings/%2f/e/{source}/q/{destination}/{properties_key}"))
            .await
    }

    async fn services(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.run(
            "services",
            arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        )
        .await
    }

    async fn cluster(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.run(
            "cluster",
            arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        )
        .await
    }

    async fn run(&self, script: &'static str, arguments: Vec<String>) -> anyhow::Result<()> {
        let mut command = command(script, &arguments);
        let words = arguments.join(" ");
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let also = String::from_utf8_lossy(&output.stdout);
            bail!("scripts/{script} {words} failed ({}):\n{also}{said}", output.status);
        }
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let body = self.ask(Method::GET, path.to_owned()).await?;
        serde_json::from_str(&body).with_context(|| format!("GET {path} answered {body}"))
    }

    async fn delete(&self, path: String) -> anyhow::Result<()> {
        self.ask(Method::DELETE, path).await.map(drop)
    }

    async fn ask(&self, method: Method, path: String) -> anyhow::Result<String> {
        let hosts = self.hosts(PORT + 2, CLUSTER_PORT + 1);
        let what = format!("{method} {path}");
        let ask = move || {
            let mut answer = Err(anyhow::anyhow!("there is no node"));
            for host in hosts {
                answer = ask_node(&method, &format!("http://guest:guest@{host}{path}"));
                if answer.is_ok() {
                    break;
                }
            }
            answer
        };
        tokio::task::spawn_blocking(ask)
            .await?
            .with_context(|| format!("RabbitMQ's management API, {what}"))
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        let scripts: &[&str] = match self.broker {
            Broker::Node => &["services"],
            Broker::Cluster => &["cluster", "services"],
        };
        if self.keep {
            eprintln!("PostgreSQL: {}\nRabbitMQ: {}", self.database_url(), self.amqp_url());
            eprintln!("when done: TIDINGS_SERVICES_NAME=chaos TIDINGS_SERVICES_PORT={PORT} scripts/services wipe");
            if self.broker == Broker::Cluster {
                eprintln!("and: TIDINGS_CLUSTER_NAME=chaos TIDINGS_CLUSTER_PORT={CLUSTER_PORT} scripts/cluster wipe");
            }
            return;
        }
        for script in scripts {
            match command(script, &["wipe".to_owned()]).output() {
                Ok(output) if output.status.success() => {}
                failed => eprintln!("PostgreSQL and RabbitMQ may run on: {failed:?}"),
            }
        }
    }
}

/// A connection as the management API shows it.
#[derive(Debug, Deserialize)]
struct Connection {
    /// The address of the node.
    #[serde(default)]
    host: String,
}

fn command(script: &str, arguments: &[String]) -> Command {
    use std::os::unix::process::CommandExt;
    let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(script);
    let mut command = Command::new(script);
    command
        .args(arguments)
        .env("TIDINGS_SERVICES_NAME", "chaos")
        .env("TIDINGS_SERVICES_PORT", PORT.to_string())
        .env("TIDINGS_CLUSTER_NAME", "chaos")
        .env("TIDINGS_CLUSTER_PORT", CLUSTER_PORT.to_string())
        .stdin(Stdio::null())
        // Ctrl-C is for this program, which then cleans up; half a start could not be cleaned up.
        .process_group(0);
    command
}

fn ask_node(method: &Method, url: &str) -> anyhow::Result<String> {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let request = Request::builder().method(method).uri(url).body(())?;
    Ok(agent.run(request)?.into_body().read_to_string()?)
}
