//! The state of the system, for operators.
//!
//! Somebody who is called at night needs to see first what is wrong, and which version and settings this process has.
//! The process's own health, the registry, the ledger and the log service's queue are examined; each deviation is a
//! finding. Of other processes only their own report is known: serving or not.

mod findings;

use std::sync::Arc;

use serde_json::Value;
use tidings_domain::Scope;
use tidings_service::health::{Health, Status};
use tidings_service::problem::Problem;
use tidings_store::Store;
use tidings_store::registry::SealUse;

pub use self::findings::Finding;
use crate::call::Call;
use crate::logs::LogClient;
use crate::peers::{Peer, PeerState};

/// Description of this process.
pub struct About {
    pub health: Health,
    pub version: &'static str,
    /// The storage engine: `postgresql` or `sqlite`.
    pub database: &'static str,
    /// The queue engine: `rabbitmq` or `sqlite`.
    pub queue: &'static str,
    /// The configuration in force, with its secrets masked.
    pub configuration: Value,
    /// The names of the keys that open secrets; the first seals.
    pub seal_keys: Vec<String>,
    /// The processes of other roles that this one works with.
    pub peers: Vec<Peer>,
}

/// State of the system, as far as this process knows.
pub struct Shown<'a> {
    pub about: &'a About,
    pub status: Status,
    pub peers: Vec<PeerState>,
    /// Numbers of stored values sealed with each key.
    pub seal_uses: Vec<SealUse>,
}

/// Operations on the state of the system.
pub struct System {
    pub(crate) about: About,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) logs: LogClient,
}

impl System {
    /// Describes this process and its state. Requires an operator's key with the scope `read`.
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

    /// Deviations from a healthy system, the worst first.
    pub async fn findings(&self, call: &Call) -> Result<Vec<Finding>, Problem> {
        call.require_operator()?;
        call.require(Scope::Read)?;
        Ok(findings::gather(self, call).await)
    }

    async fn peers(&self) -> Vec<PeerState> {
        futures::future::join_all(self.about.peers.iter().map(Peer::look)).await
    }
}
