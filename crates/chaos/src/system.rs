//! The system under attack: six processes, two engines, and the links between them that can be cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use tidings_acceptance::{Client, Servers, Tenant, endpoint};
use tidings_domain::EndpointId;
use tidings_domain::key::Token;
use tidings_proto::pb;
use tidings_testkit::{FaultProxy, Reserved};

use crate::engines::{Broker, Engines};
use crate::journal::Journal;
use crate::receivers::{Endpoint, Receivers, event_type};
use crate::role::{Program, Role};

/// Longer than a process needs to be ready on a loaded machine.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// The waits of every endpoint, in seconds.
const SCHEDULE: [i64; 3] = [1, 2, 3];

/// Everything that runs. Dropping it ends all of it.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) receivers: Receivers,
    /// The publisher's and the receivers' records.
    pub(crate) journal: Arc<Journal>,
    pub(crate) servers: Servers,
    /// Speaks to ingest with the operator's key.
    pub(crate) client: Client,
    /// The tenant whose events are published.
    pub(crate) tenant: Tenant,
    /// The ids of the endpoints, in the order of [`Endpoint::ALL`].
    pub(crate) endpoints: Vec<EndpointId>,
    roles: Vec<Role>,
    links: Vec<FaultProxy>,
    /// Processes that ended although nothing had stopped them.
    ends: Vec<String>,
    // Last, so that processes end before their engines do.
    pub(crate) engines: Engines,
    _addresses: Vec<Reserved>,
}

/// One of the system's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Ingest,
    Dispatcher1,
    Dispatcher2,
    Log1,
    Log2,
    Control,
}

/// A way from one process to another that can be cut. The second dispatcher and the second log go straight, so that
/// something always works, and so that connections to a dead engine are refused for some and reset for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    IngestToBroker,
    DispatcherToBroker,
    LogToBroker,
    IngestToDatabase,
    DispatcherToDatabase,
    LogToDatabase,
    IngestToLog,
    DispatcherToLog,
}

impl Part {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ingest,
        Self::Dispatcher1,
        Self::Dispatcher2,
        Self::Log1,
        Self::Log2,
        Self::Control,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Dispatcher1 => "dispatcher-1",
            Self::Dispatcher2 => "dispatcher-2",
            Self::Log1 => "log-1",
            Self::Log2 => "log-2",
            Self::Control => "control",
        }
    }

    fn subcommand(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Dispatcher1 | Self::Dispatcher2 => "dispatcher",
            Self::Log1 | Self::Log2 => "log",
            Self::Control => "control",
        }
    }
}

impl Link {
    const ALL: [Self; 8] = [
        Self::IngestToBroker,
        Self::DispatcherToBroker,
        Self::LogToBroker,
        Self::IngestToDatabase,
        Self::DispatcherToDatabase,
        Self::LogToDatabase,
        Self::IngestToLog,
        Self::DispatcherToLog,
    ];
    pub(crate) const TO_BROKER: [Self; 3] = [Self::IngestToBroker, Self::DispatcherToBroker, Self::LogToBroker];
    pub(crate) const TO_DATABASE: [Self; 3] = [Self::IngestToDatabase, Self::DispatcherToDatabase, Self::LogToDatabase];
    pub(crate) const TO_LOG: [Self; 2] = [Self::IngestToLog, Self::DispatcherToLog];
}

impl System {
    /// Starts everything; what runs when this is given up ends.
    pub(crate) async fn start(
        tidings: &Path,
        broker: Broker,
        logs: PathBuf,
        seed: u64,
        journal: Arc<Journal>,
    ) -> anyhow::Result<Self> {
        let _ = fs::remove_dir_all(&logs);
        fs::create_dir_all(&logs).with_context(|| format!("{} can't be made", logs.display()))?;
        let engines = Engines::start(broker).await?;
        let receivers = Receivers::start(seed, journal.clone()).await?;

        let addresses: Vec<_> = (0..6).map(|_| Reserved::address()).collect();
        let [ingest, http, rest, log1, log2, control] = &addresses[..] else {
            unreachable!("six were reserved");
        };
        let mut links = Vec::new();
        for link in Link::ALL {
            let target = match link {
                Link::IngestToBroker | Link::DispatcherToBroker | Link::LogToBroker => engines.amqp_url_of_one(),
                Link::IngestToDatabase | Link::DispatcherToDatabase | Link::LogToDatabase => engines.database_url(),
                Link::IngestToLog | Link::DispatcherToLog => log1.url(),
            };
            links.push(FaultProxy::start(&target).await);
        }
        let way = |link: Link, url: &str| links[link as usize].in_front_of(url);
        let to_logs = |first: String| format!("[{first:?}, {:?}]", log2.url());

        let program = program(tidings, &engines);
        program.run(&["migrate"]).await?;
        let operator = program.run(&["admin", "bootstrap"]).await?;
        let through = |to_broker: Link, database: Link| {
            let amqp_url = match broker {
                Broker::Node => way(to_broker, &engines.amqp_url()),
                // Roles have to see all its nodes.
                Broker::Cluster => engines.amqp_url(),
            };
            program
                .clone()
                .with("AMQP__URL", amqp_url)
                .with("DATABASE__URL", way(database, &engines.service_url()))
        };
        let mut roles = Vec::new();
        for part in Part::ALL {
            let program = match part {
                Part::Ingest => through(Link::IngestToBroker, Link::IngestToDatabase)
                    .with("LOG_CLIENT__SERVERS", to_logs(way(Link::IngestToLog, &log1.url())))
                    .with("INGEST__GRPC_ADDRESS", ingest.socket().to_string())
                    .with("INGEST__HTTP_ADDRESS", http.socket().to_string()),
                Part::Dispatcher1 => through(Link::DispatcherToBroker, Link::DispatcherToDatabase)
                    .with("DISPATCHER__GRPC_ADDRESS", "127.0.0.1:0")
                    .with("LOG_CLIENT__SERVERS", to_logs(way(Link::DispatcherToLog, &log1.url()))),
                Part::Dispatcher2 => program
                    .clone()
                    .with("DISPATCHER__GRPC_ADDRESS", "127.0.0.1:0")
                    .with("LOG_CLIENT__SERVERS", to_logs(log1.url())),
                Part::Log1 => {
                    through(Link::LogToBroker, Link::LogToDatabase).with("LOG__GRPC_ADDRESS", log1.socket().to_string())
                }
                Part::Log2 => program.clone().with("LOG__GRPC_ADDRESS", log2.socket().to_string()),
                Part::Control => program
                    .clone()
                    .with("LOG_CLIENT__SERVERS", to_logs(log1.url()))
                    .with("CONTROL__GRPC_ADDRESS", control.socket().to_string())
                    .with("CONTROL__HTTP_ADDRESS", rest.socket().to_string()),
            };
            let mut role = Role::new(part.name(), part.subcommand(), program, &logs);
            role.spawn()?;
            roles.push(role);
        }
        for role in &mut roles {
            role.ready(READY_WITHIN).await?;
        }

        let servers = Servers {
            ingest: ingest.url(),
            http: http.url(),
            rest: rest.url(),
            log: log1.url(),
            control: control.url(),
        };
        let client = Client::new(&servers, &operator);
        let tenant = client.create_tenant("chaos").await;
        let mut endpoints = Vec::new();
        for kind in Endpoint::ALL {
            let made = client.create_endpoint(wanted(kind, &tenant, &receivers)).await;
            endpoints.push(made.id.parse()?);
        }
        Ok(Self {
            receivers,
            journal,
            servers,
            client,
            tenant,
            endpoints,
            roles,
            links,
            ends: Vec::new(),
            engines,
            _addresses: addresses,
        })
    }

    pub(crate) fn role(&mut self, part: Part) -> &mut Role {
        &mut self.roles[part as usize]
    }

    pub(crate) fn link(&mut self, link: Link) -> &mut FaultProxy {
        &mut self.links[link as usize]
    }

    /// Makes whole what a fault may have left behind and waits until every process is ready.
    pub(crate) async fn heal(&mut self) -> anyhow::Result<()> {
        self.receivers.set_down(false);
        for link in &mut self.links {
            link.restore();
        }
        for role in &mut self.roles {
            for status in role.ready(READY_WITHIN).await? {
                self.ends
                    .push(format!("{} ended by itself: {status}\n{}", role.name(), role.tail()));
            }
        }
        Ok(())
    }

    /// Faults of processes themselves: unexpected ends, and panics.
    pub(crate) fn misdeeds(&self) -> Vec<String> {
        let panics = self.roles.iter().flat_map(|role| {
            let name = role.name();
            role.panics().into_iter().map(move |line| format!("{name}: {line}"))
        });
        self.ends.iter().cloned().chain(panics).collect()
    }

    /// The last lines of every log.
    pub(crate) fn tails(&self) -> String {
        self.roles.iter().map(Role::tail).collect::<Vec<_>>().join("\n")
    }

    /// Leaves the engines running when this value is dropped.
    pub(crate) fn keep_engines(&mut self) {
        self.engines.keep();
    }
}

/// A key that seals secrets, as it is configured.
pub(crate) fn new_key(name: &str) -> String {
    format!("{name}:{}", BASE64_STANDARD.encode(rand::random::<[u8; 32]>()))
}

/// The program with the configuration that all processes share. Clocks are shortened, so that minutes show what takes
/// hours; nothing else is special.
fn program(tidings: &Path, engines: &Engines) -> Program {
    let key = new_key("chaos");
    let program = Program {
        path: tidings.to_owned(),
        variables: Vec::new(),
    }
    .with("DATABASE__URL", engines.service_url())
    .with("AMQP__URL", engines.amqp_url())
    .with("AMQP__SHARDS", "4")
    .with("AMQP__DELAYS", "[\"2s\", \"3s\"]");
    let program = match engines.broker() {
        Broker::Node => program.with("DISPATCHER__CHECK_AFTER", "3s").with("LOG__GRACE", "5s"),
        // What is asked there is how long things stand still, which a short grace would hide.
        Broker::Cluster => program.with("AMQP__MANAGEMENT_URL", engines.management_url()),
    };
    program
        .with("SECRETS__KEYS", format!("[{key:?}]"))
        // Balancers are believed to look every second or so; nobody balances here.
        .with("MONITOR__DRAIN", "500ms")
        .with("INTERNAL__TOKEN", Token::generate().reveal())
        .with("DESTINATIONS__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]")
}

fn wanted(kind: Endpoint, tenant: &Tenant, receivers: &Receivers) -> pb::Endpoint {
    let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
    let subscriptions = kind.kinds().map(|kind| pb::Subscription {
        pattern: event_type(kind),
        disabled: false,
        ..pb::Subscription::default()
    });
    pb::Endpoint {
        name: kind.name().to_owned(),
        subscriptions: subscriptions.collect(),
        schedule: SCHEDULE.map(seconds).to_vec(),
        timeout: Some(seconds(kind.timeout().as_secs().cast_signed())),
        ..endpoint(tenant, &receivers.url(kind))
    }
}
