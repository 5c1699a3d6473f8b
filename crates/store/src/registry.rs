//! The registry: tenants, API keys and endpoints.

use async_trait::async_trait;
use tidings_domain::{ApiKey, DisabledReason, Endpoint, EndpointId, KeyId, Tenant, TenantId, Timestamp};
use tokio::sync::mpsc;

use crate::error::StoreError;

/// What is known of tenants, keys and endpoints.
///
/// Every change is announced on [`Registry::changes`] after it is committed.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Stores a new tenant with its first key, both or neither.
    async fn create_tenant(&self, tenant: &Tenant, first_key: &ApiKey) -> Result<(), StoreError>;
    /// One tenant.
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;
    /// Tenants, newest first, made before `before`.
    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError>;
    /// Removes a tenant with its keys and endpoints. `false` if there was none.
    async fn delete_tenant(&self, id: TenantId) -> Result<bool, StoreError>;

    /// Stores a new key. A key of a tenant that does not exist is a [`StoreError::Conflict`].
    async fn create_key(&self, key: &ApiKey) -> Result<(), StoreError>;
    /// Stores the first operator key; `false`, and nothing stored, if there is one already.
    async fn create_first_operator_key(&self, key: &ApiKey) -> Result<bool, StoreError>;
    /// One key.
    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError>;
    /// The keys of a tenant, or the operators' keys; newest first.
    async fn keys(&self, tenant: Option<TenantId>) -> Result<Vec<ApiKey>, StoreError>;
    /// Removes a key. `false` if there was none.
    async fn delete_key(&self, id: KeyId) -> Result<bool, StoreError>;

    /// Stores a new endpoint. One of a tenant that does not exist is a [`StoreError::Conflict`].
    async fn create_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError>;
    /// One endpoint.
    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError>;
    /// The endpoints of a tenant, newest first, made before `before`.
    async fn endpoints(
        &self,
        tenant: TenantId,
        before: Option<EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, StoreError>;
    /// Replaces an endpoint that was last changed at `was` (to the microsecond). `false`, and nothing
    /// changed, if it is gone or has changed since.
    async fn replace_endpoint(&self, endpoint: &Endpoint, was: Timestamp) -> Result<bool, StoreError>;
    /// Removes an endpoint. `false` if there was none.
    async fn delete_endpoint(&self, id: EndpointId) -> Result<bool, StoreError>;

    /// Turns an endpoint off that is on and leaves a notice of it. `false`, and nothing changed, if it is off or gone.
    async fn disable_endpoint(
        &self,
        id: EndpointId,
        reason: DisabledReason,
        detail: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Endpoints that are on and fail since before this time.
    async fn endpoints_failing_since(&self, before: Timestamp, limit: u32) -> Result<Vec<EndpointId>, StoreError>;

    /// Everything, or everything of one tenant (empty if the tenant is gone).
    async fn snapshot(&self, of: Of) -> Result<Snapshot, StoreError>;
    /// Changes from now on. The channel closes when changes may have been missed: subscribe again, then read
    /// a full snapshot.
    async fn changes(&self) -> Result<mpsc::Receiver<Of>, StoreError>;
}

/// Which part of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// All of it.
    Everything,
    /// One tenant with its keys and endpoints.
    Tenant(TenantId),
    /// The operators' keys.
    Operators,
}

/// A part of the registry at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Keys.
    pub keys: Vec<ApiKey>,
    /// Endpoints. One whose secret can't be unsealed is left out, with a warning in the log.
    pub endpoints: Vec<Endpoint>,
}
