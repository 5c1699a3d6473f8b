//! `tidings.v1.AuditService`: the audit log over gRPC.

use std::sync::Arc;

use serde_json::Value;
use tidings_domain::AuditEntry;
use tidings_proto::pb::audit_service_server::AuditService;
use tidings_proto::{pb, timestamp};
use tidings_service::request::{next_page, optional, page_size};
use tidings_store::registry::AuditQuery;
use tonic::{Request, Response, Status};

use super::call;
use crate::audit::AuditLog;
use crate::call::Callers;
use crate::messages::asked::time;

pub struct AuditGrpc {
    pub(crate) log: Arc<AuditLog>,
    pub(crate) callers: Callers,
}

#[tonic::async_trait]
impl AuditService for AuditGrpc {
    async fn list_audit_entries(
        &self,
        request: Request<pb::ListAuditEntriesRequest>,
    ) -> Result<Response<pb::ListAuditEntriesResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let limit = page_size(request.page_size)?;
        let query = AuditQuery {
            tenant: optional(&request.tenant_id, "tenant_id")?,
            key: optional(&request.key_id, "key_id")?,
            action: given(request.action),
            target: given(request.target),
            since: time(request.since.as_ref(), "since")?,
            until: time(request.until.as_ref(), "until")?,
            before: optional(&request.page_token, "page_token")?,
            limit,
        };
        let entries = self.log.list(&call, query).await?;
        Ok(Response::new(pb::ListAuditEntriesResponse {
            next_page_token: next_page(&entries, limit, |entry| entry.id.to_string()),
            entries: entries.into_iter().map(show).collect(),
        }))
    }
}

fn show(entry: AuditEntry) -> pb::AuditEntry {
    let text = |value: Option<Value>| value.map(|value| value.to_string()).unwrap_or_default();
    pb::AuditEntry {
        id: entry.id.to_string(),
        at: Some(timestamp(entry.at)),
        tenant_id: entry.tenant.map(|id| id.to_string()).unwrap_or_default(),
        actor: entry.actor.name().to_owned(),
        key_id: entry.actor.key().map(|id| id.to_string()).unwrap_or_default(),
        action: entry.action,
        target: entry.target,
        before: text(entry.before),
        after: text(entry.after),
        remote_address: entry.remote_address.unwrap_or_default(),
        user_agent: entry.user_agent.unwrap_or_default(),
    }
}
