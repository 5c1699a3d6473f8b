//! The audit log: the recorded states of objects, and reading entries.
//!
//! Every operation that changes something hands the store an entry with the object's state before and after,
//! without secrets. The store writes it in the same commit. The audit log covers managed objects
//! only; the history of events is in the log.

mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use tidings_domain::{ApiKey, AuditEntry, Endpoint, Scope, Tenant};
use tidings_service::problem::Problem;
use tidings_store::Registry;
use tidings_store::registry::AuditQuery;
use tidings_store::replays::Replay;

use crate::call::Call;
use crate::texts;

/// Operations on the audit log.
pub struct AuditLog {
    pub(crate) registry: Arc<dyn Registry>,
}

impl AuditLog {
    /// Entries, newest first: of one tenant, or for operators of all.
    pub async fn list(&self, call: &Call, query: AuditQuery) -> Result<Vec<AuditEntry>, Problem> {
        call.require(Scope::Manage)?;
        call.refuse_portal()?;
        if let Some(action) = &query.action {
            check_action(action)?;
        }
        if let Some(target) = &query.target {
            texts::check(target, "target")?;
        }
        let tenant = call.tenant(query.tenant)?;
        Ok(self.registry.audit(&AuditQuery { tenant, ..query }).await?)
    }
}

pub(crate) fn endpoint(endpoint: &Endpoint) -> Option<Value> {
    as_json(snapshot::Endpoint::from(endpoint))
}

pub(crate) fn tenant(tenant: &Tenant) -> Option<Value> {
    as_json(snapshot::Tenant::from(tenant))
}

/// A new tenant comes with a key.
pub(crate) fn tenant_with_key(tenant: &Tenant, key: &ApiKey) -> Option<Value> {
    Some(json!({ "tenant": self::tenant(tenant), "key": self::key(key) }))
}

pub(crate) fn key(key: &ApiKey) -> Option<Value> {
    as_json(snapshot::ApiKey::from(key))
}

pub(crate) fn replay(replay: &Replay) -> Option<Value> {
    as_json(snapshot::Replay::from(replay))
}

fn as_json(snapshot: impl Serialize) -> Option<Value> {
    serde_json::to_value(snapshot).ok()
}

/// Validates an action such as `endpoint.updated`, or a prefix such as `event_type.*`.
fn check_action(action: &str) -> Result<(), Problem> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match action.split_once('.') {
        Some((kind, what)) if is_word(kind) && (what == "*" || is_word(what)) => Ok(()),
        _ => {
            let detail = format!("`{action}` is not an action: write it like `endpoint.updated` or `endpoint.*`");
            Err(Problem::invalid("action_invalid", detail).at("action"))
        }
    }
}
