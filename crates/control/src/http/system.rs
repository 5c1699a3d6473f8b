//! `/system`: the state of the system, and what is wrong with it. For operators.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use tidings_domain::Timestamp;
use tidings_service::health;
use tidings_service::problem::Problem;
use tidings_store::registry::SealUse as KeptUse;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Page;
use crate::call::Call;
use crate::peers::PeerState;
use crate::system::{Finding as Found, Shown};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(findings))
}

/// State of the system, as far as the process that answers knows.
#[derive(Serialize, ToSchema)]
struct System {
    /// Version of the program, such as `0.1.0`.
    version: &'static str,
    /// Storage engine of registry and ledger: `postgresql` or `sqlite`.
    database: &'static str,
    /// Queue engine of lanes and delay queues: `rabbitmq` or `sqlite`.
    queue: &'static str,
    /// True if this process is ready to do its job.
    ready: bool,
    /// Groups of components that its job takes: at least one of each group has to be up. If empty, all components.
    needs: Vec<Vec<String>>,
    /// Dependencies of this process, and its background tasks.
    components: Vec<Component>,
    /// Processes of other roles that this one works with.
    peers: Vec<Peer>,
    /// Names of the keys that open secrets; the first one seals new ones.
    seal_keys: Vec<String>,
    /// Numbers of stored values that are sealed with each key; empty while the database is away.
    seal_uses: Vec<SealUse>,
    /// Configuration in force in this process, with its secrets masked.
    configuration: Value,
}

/// State of one dependency or background task.
#[derive(Serialize, ToSchema)]
struct Component {
    /// Name of the component, as in `rabbitmq` or `sweeper`.
    name: String,
    /// True if it works as it should.
    up: bool,
    /// Reason why it is not up, as far as it is known.
    reason: Option<String>,
    /// Time since which `up` is as it is (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// Health of another process, as reported by itself.
#[derive(Serialize, ToSchema)]
struct Peer {
    /// Role of the process, such as `dispatcher` or `log`.
    role: &'static str,
    /// Address of the process, as configured.
    server: String,
    /// True if it reported within 2 seconds that it is ready.
    ready: bool,
    /// Reason why it can't be relied upon; null if it is ready.
    reason: Option<String>,
}

/// Numbers of stored values that are sealed with one key.
#[derive(Serialize, ToSchema)]
struct SealUse {
    /// Name of the key, as in `seal_keys`.
    key: String,
    /// Number of endpoints' secrets, those before a rotation included, and of sets of credentials.
    secrets: u64,
    /// Number of responses kept for requests with an `Idempotency-Key`; they are forgotten after a day.
    answers: u64,
}

/// A deviation from a healthy system.
#[derive(Serialize, ToSchema)]
struct Finding {
    /// Stable name of the finding, for programs.
    #[schema(example = "messages_parked")]
    code: &'static str,
    /// Values in the sentence, by name.
    #[schema(example = json!({ "queue": "tidings.parked.v2", "count": "3" }))]
    arguments: BTreeMap<&'static str, String>,
    /// The finding as an English sentence.
    sentence: String,
}

/// Shows how the system stands
///
/// The answer holds what the process that answers knows. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/system", operation_id = "show_system", tag = "system", responses(
    (status = 200, description = "The state of the system.", body = System)))]
async fn show(State(rest): State<Rest>, call: Call) -> Result<Json<System>, Problem> {
    Ok(Json(rest.system.show(&call).await?.into()))
}

/// Lists what is wrong
///
/// Deviations from a healthy system, the worst first; an empty list means that there are none. Needs an operator's key
/// with the scope `read`.
#[utoipa::path(get, path = "/system/findings", operation_id = "list_findings", tag = "system", responses(
    (status = 200, description = "Deviations from a healthy system.", body = Page<Finding>)))]
async fn findings(State(rest): State<Rest>, call: Call) -> Result<Json<Page<Finding>>, Problem> {
    let found = rest.system.findings(&call).await?;
    Ok(Json(Page::all(found.into_iter().map(Finding::from).collect())))
}

impl From<Shown<'_>> for System {
    fn from(shown: Shown<'_>) -> Self {
        let about = shown.about;
        Self {
            version: about.version,
            database: about.database,
            queue: about.queue,
            ready: shown.status.ready,
            needs: shown.status.needs,
            components: shown.status.components.into_iter().map(Component::from).collect(),
            peers: shown.peers.into_iter().map(Peer::from).collect(),
            seal_keys: about.seal_keys.clone(),
            seal_uses: shown.seal_uses.into_iter().map(SealUse::from).collect(),
            configuration: about.configuration.clone(),
        }
    }
}

impl From<health::Shown> for Component {
    fn from(shown: health::Shown) -> Self {
        Self {
            name: shown.component,
            up: shown.up,
            reason: shown.reason,
            since: shown.since,
        }
    }
}

impl From<PeerState> for Peer {
    fn from(peer: PeerState) -> Self {
        Self {
            role: peer.role,
            server: peer.server,
            ready: peer.problem.is_none(),
            reason: peer.problem,
        }
    }
}

impl From<KeptUse> for SealUse {
    fn from(kept: KeptUse) -> Self {
        Self {
            key: kept.key,
            secrets: kept.secrets,
            answers: kept.answers,
        }
    }
}

impl From<Found> for Finding {
    fn from(found: Found) -> Self {
        Self {
            code: found.code,
            arguments: found.arguments,
            sentence: found.sentence,
        }
    }
}
