//! How the system stands, for operators.
//!
//! Need: somebody who is called at night wants to know what is wrong before anything else, and what this process is made
//! of. Mechanism: the process's own health, the registry, the ledger and the log service's queue are asked, and what is not
//! as in health is a finding. Limit: of other processes it is known whether they say that they are able to do their job,
//! and no more.

mod findings;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidings_domain::Scope;
use tidings_service::client::{ClientError, channel};
use tidings_service::health::{Health, Status};
use tidings_service::problem::Problem;
use tidings_service::replicas::Replicas;
use tidings_service::tls::ClientTls;
use tidings_store::Store;
use tidings_store::registry::SealUse;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

pub use self::findings::Finding;
use crate::call::Call;
use crate::logs::LogClient;

/// How long another process may take to say how it is.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// What this process is.
pub struct About {
    /// How it stands.
    pub health: Health,
    /// The program's version.
    pub version: &'static str,
    /// What keeps the data: `postgresql` or `sqlite`.
    pub database: &'static str,
    /// What keeps the messages: `rabbitmq` or `sqlite`.
    pub queue: &'static str,
    /// The configuration in force, with its secrets masked.
    pub configuration: Value,
    /// The names of the keys that open secrets; the first seals.
    pub seal_keys: Vec<String>,
    /// The processes of other roles that this one works with.
    pub peers: Vec<Peer>,
}

/// Another process, or those behind one name.
#[derive(Clone)]
pub struct Peer {
    role: &'static str,
    server: String,
    channel: Replicas,
}

impl Peer {
    /// One peer for each of these servers. Nothing is connected yet. `key` is the key of the configuration that names them.
    pub fn all(
        role: &'static str,
        key: &'static str,
        servers: &[String],
        tls: &ClientTls,
    ) -> Result<Vec<Self>, ClientError> {
        let peer = |server: &String| {
            Ok(Self {
                role,
                server: server.clone(),
                channel: channel(key, std::slice::from_ref(server), tls, ANSWERS_WITHIN)?,
            })
        };
        servers.iter().map(peer).collect()
    }

    async fn look(&self) -> PeerState {
        let mut client = HealthClient::new(self.channel.clone());
        let asked = tokio::time::timeout(ANSWERS_WITHIN, client.check(HealthCheckRequest::default()));
        let problem = match asked.await {
            Ok(Ok(answer)) if answer.get_ref().status == ServingStatus::Serving as i32 => None,
            Ok(Ok(_)) => Some("it says that it is not able to do its job".to_owned()),
            Ok(Err(status)) => Some(status.message().to_owned()),
            Err(_) => Some(format!("it did not answer within {ANSWERS_WITHIN:?}")),
        };
        PeerState {
            role: self.role,
            server: self.server.clone(),
            problem,
        }
    }
}

/// How another process says that it is.
pub struct PeerState {
    /// Its role.
    pub role: &'static str,
    /// Where it is.
    pub server: String,
    /// Why it can't be relied upon; nothing if it is able to do its job.
    pub problem: Option<String>,
}

/// How the system stands, as far as this process knows.
pub struct Shown<'a> {
    /// What this process is.
    pub about: &'a About,
    /// How it stands.
    pub status: Status,
    /// How the others say that they stand.
    pub peers: Vec<PeerState>,
    /// Which keys what is stored is sealed with.
    pub seal_uses: Vec<SealUse>,
}

/// What can be asked about the system.
pub struct System {
    pub(crate) about: About,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) logs: LogClient,
}

impl System {
    /// What this process is and how it stands.
    pub async fn show(&self, call: &Call) -> Result<Shown<'_>, Problem> {
        call.require_operator()?;
        call.require(Scope::Read)?;
        Ok(Shown {
            about: &self.about,
            status: self.about.health.status(),
            peers: self.peers().await,
            // With the database away everything else is all the more worth seeing.
            seal_uses: self.store.seal_uses().await.unwrap_or_default(),
        })
    }

    /// What is not as in health, the worst first.
    pub async fn findings(&self, call: &Call) -> Result<Vec<Finding>, Problem> {
        call.require_operator()?;
        call.require(Scope::Read)?;
        Ok(findings::gather(self, call).await)
    }

    async fn peers(&self) -> Vec<PeerState> {
        futures::future::join_all(self.about.peers.iter().map(Peer::look)).await
    }
}
