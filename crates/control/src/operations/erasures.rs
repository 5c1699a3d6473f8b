//! Operations on erasures. Control validates and stores them; the log service works them off.

use std::sync::Arc;

use tidings_domain::{ErasureId, EventId, Scope, TenantId};
use tidings_service::problem::Problem;
use tidings_store::Store;
use tidings_store::erasures::{Erasure, Removed};

use crate::call::Call;
use crate::error::Error;
use crate::logs::LogClient;
use crate::now;

pub struct Erasures {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) logs: LogClient,
}

impl Erasures {
    /// Starts to erase one event's content.
    pub async fn of_event(&self, call: &Call, event: EventId) -> Result<Erasure, Error> {
        call.require(Scope::Manage)?;
        let found = self.logs.event(call, event).await?;
        Ok(self.create(call, found.summary.tenant, Some(event)).await?)
    }

    /// Starts to erase everything of a tenant, whether or not it still exists.
    pub async fn of_tenant(&self, call: &Call, tenant: TenantId) -> Result<Erasure, Problem> {
        call.require_operator()?;
        call.require(Scope::Manage)?;
        self.create(call, tenant, None).await
    }

    /// The erasure with this id, if the caller may read it.
    pub async fn get(&self, call: &Call, id: ErasureId) -> Result<Erasure, Problem> {
        call.require(Scope::Read)?;
        self.store
            .erasure(id)
            .await?
            .filter(|erasure| call.tenant(Some(erasure.tenant)).is_ok())
            .ok_or_else(|| Problem::not_found("erasure_unknown", format!("there is no erasure {id}")).at("erasure_id"))
    }

    /// Erasures, newest first: a tenant's own; for operators one tenant's, or all.
    pub async fn list(
        &self,
        call: &Call,
        tenant: Option<TenantId>,
        before: Option<ErasureId>,
        limit: u32,
    ) -> Result<Vec<Erasure>, Problem> {
        call.require(Scope::Read)?;
        Ok(self.store.erasures(call.tenant(tenant)?, before, limit).await?)
    }

    async fn create(&self, call: &Call, tenant: TenantId, event: Option<EventId>) -> Result<Erasure, Problem> {
        let at = now();
        let erasure = Erasure {
            id: ErasureId::new(),
            tenant,
            event,
            removed: Removed::default(),
            created_at: at,
            updated_at: at,
            ended_at: None,
        };
        let target = event.map_or_else(|| tenant.to_string(), |event| event.to_string());
        let entry = call.entry("erasure.created", target, Some(tenant), None, None);
        self.store.create_erasure(&erasure, &entry).await?;
        Ok(erasure)
    }
}
