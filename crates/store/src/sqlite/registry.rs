//! The registry's operations, each in the file of its subject.

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
use rusqlite::{Connection, OptionalExtension, Params, Row};
use tidings_domain::{
    ApiKey, AuditEntry, DisabledReason, Endpoint, EndpointId, EventType, EventTypeVersion, KeyId, Tenant, TenantId,
    Timestamp,
};
use tokio::sync::mpsc;
use url::Url;
use uuid::Uuid;

use super::Sqlite;
use crate::error::StoreError;
use crate::registry::{
    AuditQuery, Deletion, EndpointQuery, Mark, NewEventTypeVersion, Of, Registry, Rekeyed, SealUse, Snapshot,
};
use crate::sealed::{self, Columns, open_what_opens};

#[async_trait]
impl Registry for Sqlite {
    async fn create_tenant(&self, tenant: &Tenant, first_key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError> {
        let (tenant, key, entry) = (tenant.clone(), first_key.clone(), entry.clone());
        let changed = Of::Tenant(tenant.id);
        let work = move |connection: &Connection| {
            tenants::insert(connection, &tenant)?;
            keys::insert(connection, &key)?;
            audit::insert(connection, &entry)
        };
        self.change(work, move |()| Some(changed)).await
    }

    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError> {
        self.read(move |connection| tenants::read(connection, id)).await
    }

    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError> {
        self.search(move |connection| tenants::list(connection, before, limit))
            .await
    }

    async fn replace_tenant(&self, tenant: &Tenant, was: Timestamp, entry: &AuditEntry) -> Result<bool, StoreError> {
        let (tenant, changed) = (tenant.clone(), Of::Tenant(tenant.id));
        let work = move |connection: &Connection| tenants::replace(connection, &tenant, was);
        self.change_if(work, entry, move |()| changed).await
    }

    async fn delete_tenant(&self, id: TenantId, entry: &AuditEntry) -> Result<bool, StoreError> {
        let work = move |connection: &Connection| tenants::delete(connection, id);
        self.change_if(work, entry, move |()| Of::Tenant(id)).await
    }

    async fn create_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError> {
        let (key, entry) = (key.clone(), entry.clone());
        let changed = keys::part(key.tenant);
        let work = move |connection: &Connection| {
            if key.portal {
                keys::delete_expired(connection, key.tenant, key.created_at)?;
            }
            keys::insert(connection, &key)?;
            audit::insert(connection, &entry)
        };
        self.change(work, move |()| Some(changed)).await
    }

    async fn create_first_operator_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<bool, StoreError> {
        let key = key.clone();
        let work = move |connection: &Connection| keys::insert_first(connection, &key);
        self.change_if(work, entry, |()| Of::Operators).await
    }

    async fn rotate_key(
        &self,
        old: KeyId,
        old_expires_at: Timestamp,
        new: &ApiKey,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let (new, changed) = (new.clone(), keys::part(new.tenant));
        let work = move |connection: &Connection| keys::rotate(connection, old, old_expires_at, &new);
        self.change_if(work, entry, move |()| changed).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError> {
        self.read(move |connection| keys::read(connection, id)).await
    }

    async fn keys(&self, tenant: Option<TenantId>, with_portal: bool) -> Result<Vec<ApiKey>, StoreError> {
        self.search(move |connection| keys::list(connection, tenant, with_portal))
            .await
    }

    async fn replace_key_expiry(
        &self,
        id: KeyId,
        expires_at: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let work = move |connection: &Connection| keys::replace_expiry(connection, id, expires_at);
        self.change_if(work, entry, |tenant| keys::part(*tenant)).await
    }

    async fn exchange_key(&self, exchanged: &ApiKey, entry: &AuditEntry) -> Result<bool, StoreError> {
        let exchanged = exchanged.clone();
        let work = move |connection: &Connection| keys::exchange(connection, &exchanged);
        self.change_if(work, entry, |tenant| keys::part(*tenant)).await
    }

    async fn delete_key(&self, id: KeyId, entry: &AuditEntry) -> Result<bool, StoreError> {
        let work = move |connection: &Connection| keys::delete(connection, id);
        self.change_if(work, entry, |tenant| keys::part(*tenant)).await
    }

    async fn note_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let uses = uses.to_vec();
        self.write(move |connection| keys::note_uses(connection, &uses)).await
    }

    async fn create_endpoint(&self, endpoint: &Endpoint, entry: &AuditEntry) -> Result<(), StoreError> {
        let sealed = Columns::of(endpoint, &self.sealer)?;
        let (endpoint, entry) = (endpoint.clone(), entry.clone());
        let changed = Of::Endpoint(endpoint.tenant, endpoint.id);
        let work = move |connection: &Connection| {
            endpoints::insert(connection, &endpoint, &sealed)?;
            audit::insert(connection, &entry)
        };
        self.change(work, move |()| Some(changed)).await
    }

    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let found = self.read(move |connection| endpoints::read(connection, id)).await?;
        Ok(found.map(|closed| open_what_opens(closed, &self.sealer)))
    }

    async fn endpoints(
        &self,
        tenant: TenantId,
        before: Option<EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, StoreError> {
        let found = self
            .search(move |connection| endpoints::list(connection, tenant, before, limit))
            .await?;
        let found = found.into_iter();
        Ok(found.map(|closed| open_what_opens(closed, &self.sealer)).collect())
    }

    async fn search_endpoints(&self, query: &EndpointQuery) -> Result<Vec<Endpoint>, StoreError> {
        let query = query.clone();
        let found = self
            .read(move |connection| endpoints::search(connection, &query))
            .await?
            .into_iter();
        Ok(found.map(|closed| open_what_opens(closed, &self.sealer)).collect())
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
        let sealed = Columns::of(endpoint, &self.sealer)?;
        let (endpoint, changed) = (endpoint.clone(), Of::Endpoint(endpoint.tenant, endpoint.id));
        let work = move |connection: &Connection| endpoints::replace(connection, &endpoint, &sealed, was);
        self.change_if(work, entry, move |()| changed).await
    }

    async fn delete_endpoint(
        &self,
        id: EndpointId,
        was: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<Deletion, StoreError> {
        let work = move |connection: &Connection| endpoints::delete(connection, id, was);
        let changed = move |tenant: &TenantId| Of::Endpoint(*tenant, id);
        if self.change_if(work, entry, changed).await? {
            return Ok(Deletion::Deleted);
        }
        match self.read(move |connection| endpoints::exists(connection, id)).await? {
            true if was.is_some() => Ok(Deletion::Changed),
            _ => Ok(Deletion::Gone),
        }
    }

    async fn disable_endpoint(
        &self,
        id: EndpointId,
        reason: DisabledReason,
        detail: &str,
        at: Option<&Url>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (detail, at) = (detail.to_owned(), at.map(ToString::to_string));
        let work =
            move |connection: &Connection| endpoints::disable(connection, id, reason, &detail, at.as_deref(), now);
        let changed = move |tenant: &Option<TenantId>| tenant.map(|tenant| Of::Endpoint(tenant, id));
        Ok(self.change(work, changed).await?.is_some())
    }

    async fn endpoints_failing_for(
        &self,
        period: Duration,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<EndpointId>, StoreError> {
        self.read(move |connection| endpoints::failing_for(connection, period, now, limit))
            .await
    }

    async fn rekey(&self, after: Option<EndpointId>, limit: u32) -> Result<Rekeyed, StoreError> {
        let sealer = self.sealer.clone();
        self.write(move |connection| rekey::rekey(connection, &sealer, after, limit))
            .await
    }

    async fn seal_uses(&self) -> Result<Vec<SealUse>, StoreError> {
        self.search(rekey::uses).await
    }

    async fn create_event_type_version(
        &self,
        new: &NewEventTypeVersion,
        entry: &AuditEntry,
    ) -> Result<EventTypeVersion, StoreError> {
        let (new, entry) = (new.clone(), entry.clone());
        let work = move |connection: &Connection| {
            let version = event_types::insert(connection, &new)?;
            audit::insert(connection, &entry)?;
            Ok(new.numbered(version))
        };
        self.change(work, |_| Some(Of::EventTypes)).await
    }

    async fn event_types(&self, after: Option<EventType>, limit: u32) -> Result<Vec<EventTypeVersion>, StoreError> {
        self.read(move |connection| event_types::newest(connection, after.as_ref(), limit, &mut Vec::new()))
            .await
    }

    async fn event_type_versions(&self, event_type: &EventType) -> Result<Vec<EventTypeVersion>, StoreError> {
        let event_type = event_type.clone();
        self.read(move |connection| event_types::versions(connection, &event_type))
            .await
    }

    async fn delete_event_type(&self, event_type: &EventType, entry: &AuditEntry) -> Result<bool, StoreError> {
        let event_type = event_type.clone();
        let work = move |connection: &Connection| event_types::delete(connection, &event_type);
        self.change_if(work, entry, |()| Of::EventTypes).await
    }

    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let entry = entry.clone();
        self.write(move |connection| audit::insert(connection, &entry)).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let query = query.clone();
        self.search(move |connection| audit::list(connection, &query)).await
    }

    async fn snapshot(&self, of: Of) -> Result<Snapshot, StoreError> {
        self.read(move |connection| snapshot::read(connection, of)).await
    }

    async fn snapshot_page(&self, after: Option<TenantId>, limit: u32) -> Result<Snapshot, StoreError> {
        self.read(move |connection| snapshot::read_page(connection, after, limit))
            .await
    }

    async fn marks(&self) -> Result<HashMap<TenantId, Mark>, StoreError> {
        self.read(snapshot::marks).await
    }

    async fn changes(&self) -> Result<mpsc::Receiver<Of>, StoreError> {
        Ok(self.subscribe())
    }
}

impl Sqlite {
    /// Runs a change that returns a value if it changed something. If so, writes the entry in the same commit,
    /// announces the part that `part` names, and returns `true`.
    async fn change_if<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<Option<T>, StoreError> + Send + 'static,
        entry: &AuditEntry,
        part: impl FnOnce(&T) -> Of + Send + 'static,
    ) -> Result<bool, StoreError> {
        let entry = entry.clone();
        let work = move |connection: &Connection| {
            let changed = work(connection)?;
            if changed.is_some() {
                audit::insert(connection, &entry)?;
            }
            Ok(changed)
        };
        let changed = self.change(work, |changed| changed.as_ref().map(part)).await?;
        Ok(changed.is_some())
    }
}

/// Runs a statement and returns `Some` if it changed a row.
fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<Option<()>, StoreError> {
    Ok((connection.prepare_cached(sql)?.execute(params)? > 0).then_some(()))
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    Ok(connection.prepare_cached(sql)?.query_row(params, read).optional()?)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(connection
        .prepare_cached(sql)?
        .query_map(params, read)?
        .collect::<Result<_, _>>()?)
}

fn tenant_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<TenantId>> {
    Ok(row
        .get::<_, Option<[u8; 16]>>(column)?
        .map(|bytes| TenantId::from_uuid(Uuid::from_bytes(bytes))))
}
