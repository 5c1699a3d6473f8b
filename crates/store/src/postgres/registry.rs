//! The registry's operations, each in the file of its subject. The tables' triggers announce every change.

pub(super) mod audit;
mod endpoints;
mod event_types;
mod keys;
mod rekey;
mod snapshot;
mod tenants;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::{
    ApiKey, AuditEntry, DisabledReason, Endpoint, EndpointId, EventType, EventTypeVersion, KeyId, Tenant, TenantId,
    Timestamp,
};
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use url::Url;

use super::{Postgres, changes};
use crate::error::StoreError;
use crate::registry::{
    AuditQuery, Deletion, EndpointQuery, Mark, NewEventTypeVersion, Of, Registry, Rekeyed, SealUse, Snapshot,
};
use crate::sealed;

#[async_trait]
impl Registry for Postgres {
    async fn create_tenant(&self, tenant: &Tenant, first_key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError> {
        tenants::create(self, tenant, first_key, entry).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        tenants::read(self, id).await
    }

    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        tenants::list(self, before, limit).await
    }

    async fn replace_tenant(&self, tenant: &Tenant, was: Timestamp, entry: &AuditEntry) -> Result<bool, StoreError> {
        tenants::replace(self, tenant, was, entry).await
    }

    async fn delete_tenant(&self, id: TenantId, entry: &AuditEntry) -> Result<bool, StoreError> {
        // Keys and endpoints go with it (ON DELETE CASCADE).
        self.change(
            "/* name: delete_tenant */ DELETE FROM tenants WHERE id = $1",
            &[&id.uuid()],
            entry,
        )
        .await
    }

    async fn create_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError> {
        keys::create(self, key, entry).await
    }

    async fn create_first_operator_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<bool, StoreError> {
        keys::create_first_operator_key(self, key, entry).await
    }

    async fn rotate_key(
        &self,
        old: KeyId,
        old_expires_at: Timestamp,
        new: &ApiKey,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        keys::rotate(self, old, old_expires_at, new, entry).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        keys::read(self, id).await
    }

    async fn keys(&self, tenant: Option<TenantId>, with_portal: bool) -> Result<Vec<ApiKey>, StoreError> {
        keys::list(self, tenant, with_portal).await
    }

    async fn replace_key_expiry(
        &self,
        id: KeyId,
        expires_at: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let sql = "/* name: replace_api_key_expiry */ UPDATE api_keys SET expires_at = $2 WHERE id = $1";
        self.change(sql, &[&id.uuid(), &expires_at], entry).await
    }

    async fn exchange_key(&self, exchanged: &ApiKey, entry: &AuditEntry) -> Result<bool, StoreError> {
        let sql = "-- name: exchange_api_key
             UPDATE api_keys SET token_hash = $2, exchanged_at = $3
             WHERE id = $1 AND link_hash IS NOT NULL AND exchanged_at IS NULL";
        let exchanged_at = exchanged.link.and_then(|link| link.exchanged_at);
        let hash = &exchanged.hash.as_bytes()[..];
        self.change(sql, &[&exchanged.id.uuid(), &hash, &exchanged_at], entry)
            .await
    }

    async fn delete_key(&self, id: KeyId, entry: &AuditEntry) -> Result<bool, StoreError> {
        self.change(
            "/* name: delete_api_key */ DELETE FROM api_keys WHERE id = $1",
            &[&id.uuid()],
            entry,
        )
        .await
    }

    async fn note_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        keys::note_uses(self, uses).await
    }

    async fn create_endpoint(&self, endpoint: &Endpoint, entry: &AuditEntry) -> Result<(), StoreError> {
        endpoints::create(self, endpoint, entry).await
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        endpoints::read(self, id).await
    }

    async fn endpoints(
        &self,
        tenant: TenantId,
        before: Option<EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, StoreError> {
        endpoints::list(self, tenant, before, limit).await
    }

    async fn search_endpoints(&self, query: &EndpointQuery) -> Result<Vec<Endpoint>, StoreError> {
        endpoints::search(self, query).await
    }

    fn open(&self, endpoint: &Endpoint) -> Result<Endpoint, StoreError> {
        let mut open = endpoint.clone();
        sealed::open(&mut open, &self.sealer)?;
        Ok(open)
    }

    async fn replace_endpoint(
        &self,
        endpoint: &Endpoint,
        was: Timestamp,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        endpoints::replace(self, endpoint, was, entry).await
    }

    async fn delete_endpoint(
        &self,
        id: EndpointId,
        was: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<Deletion, StoreError> {
        endpoints::delete(self, id, was, entry).await
    }

    async fn disable_endpoint(
        &self,
        id: EndpointId,
        reason: DisabledReason,
        detail: &str,
        at: Option<&Url>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        endpoints::disable(self, id, reason, detail, at.map(Url::as_str), now).await
    }

    async fn endpoints_failing_for(
        &self,
        period: Duration,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<EndpointId>, StoreError> {
        endpoints::failing_for(self, period, now, limit).await
    }

    async fn rekey(&self, after: Option<EndpointId>, limit: u32) -> Result<Rekeyed, StoreError> {
        rekey::rekey(self, after, limit).await
    }

    async fn seal_uses(&self) -> Result<Vec<SealUse>, StoreError> {
        rekey::uses(self).await
    }

    async fn create_event_type_version(
        &self,
        new: &NewEventTypeVersion,
        entry: &AuditEntry,
    ) -> Result<EventTypeVersion, StoreError> {
        event_types::create_version(self, new, entry).await
    }

    async fn event_types(&self, after: Option<EventType>, limit: u32) -> Result<Vec<EventTypeVersion>, StoreError> {
        event_types::list(self, after.as_ref(), limit).await
    }

    async fn event_type_versions(&self, event_type: &EventType) -> Result<Vec<EventTypeVersion>, StoreError> {
        event_types::versions(self, event_type).await
    }

    async fn delete_event_type(&self, event_type: &EventType, entry: &AuditEntry) -> Result<bool, StoreError> {
        let sql = "/* name: delete_event_type */ DELETE FROM event_types WHERE event_type = $1";
        self.change(sql, &[&event_type.as_str()], entry).await
    }

    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        audit::insert(&*transaction, entry).await?;
        Ok(transaction.commit().await?)
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        audit::list(self, query).await
    }

    async fn snapshot(&self, of: Of) -> Result<Snapshot, StoreError> {
        snapshot::read(self, of).await
    }

    async fn snapshot_page(&self, after: Option<TenantId>, limit: u32) -> Result<Snapshot, StoreError> {
        snapshot::read_page(self, after, limit).await
    }

    async fn marks(&self) -> Result<HashMap<TenantId, Mark>, StoreError> {
        snapshot::marks(self).await
    }

    async fn changes(&self) -> Result<mpsc::Receiver<Of>, StoreError> {
        self.listen(changes::CHANNEL, |payload| Some(changes::read(payload)))
            .await
    }
}

impl Postgres {
    /// Runs a statement and, if it changed a row, writes the entry in the same commit. Returns `true` if it did.
    async fn change(&self, sql: &str, values: &[&(dyn ToSql + Sync)], entry: &AuditEntry) -> Result<bool, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let changed = async {
            let statement = transaction.prepare_cached(sql).await?;
            let changed = transaction.execute(&statement, values).await? > 0;
            if changed {
                audit::insert(&*transaction, entry).await?;
            }
            transaction.commit().await?;
            Ok(changed)
        };
        let changed = changed.await;
        changed.map_err(|error| client.failed(error))
    }
}
