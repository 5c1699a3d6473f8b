//! `/system`: how the system stands, and what is wrong with it. For operators.

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
use crate::system::{Finding as Found, PeerState, Shown};

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(findings))
}

/// How the system stands, as far as the process that answers knows.
#[derive(Serialize, ToSchema)]
struct System {
    /// The program's version.
    version: &'static str,
    /// What keeps the data: `postgresql` or `sqlite`.
    database: &'static str,
    /// What keeps the messages: `rabbitmq` or `sqlite`.
    queue: &'static str,
    /// Whether this process is able to do its job.
    ready: bool,
    /// What its job takes: of each of these, one.
    needs: Vec<Vec<String>>,
    /// What this process depends upon, and its background tasks.
    components: Vec<Component>,
    /// The processes of other roles that this one works with.
    peers: Vec<Peer>,
    /// The names of the keys that open secrets; the first seals.
    seal_keys: Vec<String>,
    /// Which keys what is stored is sealed with.
    seal_uses: Vec<SealUse>,
    /// The configuration in force in this process, with its secrets masked.
    configuration: Value,
}

/// How a component stands.
#[derive(Serialize, ToSchema)]
struct Component {
    /// Its name, as in `rabbitmq` or `sweeper`.
    name: String,
    /// Whether it is there.
    up: bool,
    /// Why it is not, as far as it is known.
    reason: Option<String>,
    /// Since when it is so.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// How another process says that it stands.
#[derive(Serialize, ToSchema)]
struct Peer {
    /// Its role.
    role: &'static str,
    /// Where it is.
    server: String,
    /// Whether it is able to do its job.
    ready: bool,
    /// Why it can't be relied upon.
    reason: Option<String>,
}

/// What is sealed with one key.
#[derive(Serialize, ToSchema)]
struct SealUse {
    /// The key's name.
    key: String,
    /// How many secrets of endpoints.
    secrets: u64,
    /// How many answers that are kept for a day.
    answers: u64,
}

/// Something that is not as in health.
#[derive(Serialize, ToSchema)]
struct Finding {
    /// A stable name for programs.
    #[schema(example = "messages_parked")]
    code: &'static str,
    /// What it is about, by name.
    #[schema(example = json!({ "queue": "tidings.parked.v2", "count": "3" }))]
    arguments: BTreeMap<&'static str, String>,
    /// The same for people.
    sentence: String,
}

/// Shows how the system stands
///
/// As far as the process that answers knows. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/system", operation_id = "show_system", tag = "system", responses(
    (status = 200, description = "How it stands.", body = System)))]
async fn show(State(rest): State<Rest>, call: Call) -> Result<Json<System>, Problem> {
    Ok(Json(rest.system.show(&call).await?.into()))
}

/// Lists what is wrong
///
/// The worst first; nothing in health. Needs an operator's key with the scope `read`.
#[utoipa::path(get, path = "/system/findings", operation_id = "list_findings", tag = "system", responses(
    (status = 200, description = "What is not as in health.", body = Page<Finding>)))]
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
