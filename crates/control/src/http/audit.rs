//! `/audit`: the audit log, which records who changed what.

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

/// Query of the audit log; parameters that are left out do not filter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Tenant that owns the changed objects (`ten_…`); with an operator's key, all tenants if left out.
    tenant_id: Option<String>,
    /// Changes made with this key (`key_…`).
    key_id: Option<String>,
    /// Object and verb: `endpoint.updated`, or `endpoint.*` for all that begins so.
    #[param(pattern = "^[a-z_]+[.]([a-z_]+|[*])$", example = "endpoint.*")]
    action: Option<String>,
    /// Id of the changed object, or an event type's name.
    target: Option<String>,
    /// Changes made at or after this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Changes made before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Maximum number of entries on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the previous page; left out for the first one.
    #[param(pattern = "^aud_[0-9a-f]{32}$")]
    after: Option<String>,
}

/// An entry of the audit log: one change of one object.
#[derive(Serialize, ToSchema)]
struct AuditEntry {
    /// The entry's id: `aud_` and 32 hexadecimal digits.
    id: String,
    /// Time of the change (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Owner of the changed object (`ten_…`); null for the operators' own objects.
    tenant_id: Option<String>,
    /// Actor: `tenant`, `operator`, `internal` (another role), `bootstrap` (whoever has the database) or `system`
    /// (Tidings by itself).
    actor: &'static str,
    /// Key that the request came with (`key_…`); null if it came with none.
    key_id: Option<String>,
    /// Object and verb, such as `endpoint.updated`.
    action: String,
    /// Id of the changed object, or an event type's name.
    target: String,
    /// The object before the change, without secrets; null if it was created.
    before: Option<Value>,
    /// The object after the change, without secrets; null if it was removed.
    after: Option<Value>,
    /// Address that the request came from; null if unknown.
    remote_address: Option<String>,
    /// `User-Agent` of the request; null if it had none.
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
