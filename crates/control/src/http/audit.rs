//! `/audit`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings_domain::{AuditEntry as Kept, Timestamp};
use tidings_service::problem::{Document, Problem};
use tidings_service::request::next_page;
use tidings_store::registry::AuditQuery;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Page;
use super::request::{Asked, given, limit};
use crate::call::Call;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which entries; what is left out does not filter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Whose; with an operator's key, everybody's if left out.
    tenant_id: Option<String>,
    /// Changes made with this key.
    key_id: Option<String>,
    /// What was done: `endpoint.updated`, or `endpoint.*` for all that begins so.
    #[param(pattern = "^[a-z_]+[.]([a-z_]+|[*])$", example = "endpoint.*")]
    action: Option<String>,
    /// The id of what was changed; an event type's name.
    target: Option<String>,
    /// Not before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// How many at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Where the last page ended: its `next`.
    #[param(pattern = "^aud_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// A change that somebody made.
#[derive(Serialize, ToSchema)]
struct AuditEntry {
    /// Its id (`aud_…`).
    id: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Whose thing was changed; null for what is the operators' own.
    tenant_id: Option<String>,
    /// Who made it: `tenant`, `operator`, `internal` (another role), `bootstrap` (whoever has the database) or `system`
    /// (Tidings by itself).
    actor: &'static str,
    /// The key that the request came with, if it was one.
    key_id: Option<String>,
    /// What was done: `endpoint.updated`.
    action: String,
    /// The id of what was changed; an event type's name.
    target: String,
    /// What it was like, without secrets; null if it was made.
    before: Option<Value>,
    /// What it is like since, without secrets; null if it was removed.
    after: Option<Value>,
    /// The address that the request came from.
    remote_address: Option<String>,
    /// What the request's client called itself.
    user_agent: Option<String>,
}

/// Lists who changed what
///
/// Newest first. Needs the scope `manage`; a tenant's key sees what concerns its own tenant.
#[utoipa::path(get, path = "/audit", operation_id = "list_audit_entries", tag = "audit", params(Which), responses(
    (status = 200, description = "The changes.", body = Page<AuditEntry>),
    (status = 404, description = "There is no such tenant.", body = Document,
        content_type = "application/problem+json"),
))]
async fn list(
    State(rest): State<Rest>,
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let limit = limit(which.limit)?;
    let query = AuditQuery {
        tenant: given(which.tenant_id.as_deref(), "tenant_id")?,
        key: given(which.key_id.as_deref(), "key_id")?,
        action: which.action,
        target: which.target,
        since: which.since,
        until: which.until,
        before: given(which.after.as_deref(), "after")?,
        limit,
    };
    let entries = rest.audit.list(&call, query).await?;
    let next = next_page(&entries, limit, |entry| entry.id.to_string());
    Ok(Json(Page::new(
        entries.into_iter().map(AuditEntry::from).collect(),
        next,
    )))
}

impl From<Kept> for AuditEntry {
    fn from(entry: Kept) -> Self {
        Self {
            id: entry.id.to_string(),
            at: entry.at,
            tenant_id: entry.tenant.map(|id| id.to_string()),
            actor: entry.actor.name(),
            key_id: entry.actor.key().map(|id| id.to_string()),
            action: entry.action,
            target: entry.target,
            before: entry.before,
            after: entry.after,
            remote_address: entry.remote_address,
            user_agent: entry.user_agent,
        }
    }
}
