//! The registry: tenants, API keys, endpoints and the catalogue of event types, and who changed what of them.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tidings_domain::{
    Actor, ApiKey, AuditEntry, AuditId, DisabledReason, Endpoint, EndpointId, EventType, EventTypeVersion, KeyId,
    Tenant, TenantId, Timestamp,
};
use tokio::sync::mpsc;
use url::Url;

use crate::error::StoreError;
use crate::lenient::Unreadable;

/// Tenants, keys, endpoints and event types.
///
/// Every change is announced on [`Registry::changes`] after it is committed. Methods that change something take an
/// entry for the audit log and write it in the same commit, if there was something to change.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Stores a new tenant with its first key, both or neither.
    async fn create_tenant(&self, tenant: &Tenant, first_key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError>;
    async fn tenant(&self, id: TenantId) -> Result<Option<Tenant>, StoreError>;
    /// Tenants, newest first, made before `before`.
    async fn tenants(&self, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, StoreError>;
    /// Replaces name and settings of a tenant that was last changed at `was` (to the microsecond). `false`, and nothing
    /// changed, if it is gone or has changed since.
    async fn replace_tenant(&self, tenant: &Tenant, was: Timestamp, entry: &AuditEntry) -> Result<bool, StoreError>;
    /// Removes a tenant with its keys and endpoints. `false` if there was none.
    async fn delete_tenant(&self, id: TenantId, entry: &AuditEntry) -> Result<bool, StoreError>;

    /// Stores a new key. A key of a tenant that does not exist is a [`StoreError::Conflict`]. One for a portal link takes
    /// the place of those of its tenant that have expired.
    async fn create_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<(), StoreError>;
    /// Stores the first operator key; `false`, and nothing stored, if there is one already.
    async fn create_first_operator_key(&self, key: &ApiKey, entry: &AuditEntry) -> Result<bool, StoreError>;
    /// Stores the successor of a key, which itself expires at that time, or when it would have if that is earlier.
    /// `false`, and nothing stored, if the old key is gone.
    async fn rotate_key(
        &self,
        old: KeyId,
        old_expires_at: Timestamp,
        new: &ApiKey,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError>;
    async fn key(&self, id: KeyId) -> Result<Option<ApiKey>, StoreError>;
    /// The keys of a tenant, or the operators' keys, newest first; those of portal links only with `with_portal`.
    async fn keys(&self, tenant: Option<TenantId>, with_portal: bool) -> Result<Vec<ApiKey>, StoreError>;
    /// Lets a key expire at another time, or never. `false` if there is none.
    async fn replace_key_expiry(
        &self,
        id: KeyId,
        expires_at: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError>;
    /// Keeps a key behind a portal link as the exchange of the link's token makes it. `false`, and nothing stored, unless
    /// this is the first exchange: of several at once, one succeeds.
    async fn exchange_key(&self, exchanged: &ApiKey, entry: &AuditEntry) -> Result<bool, StoreError>;
    /// Removes a key. `false` if there was none.
    async fn delete_key(&self, id: KeyId, entry: &AuditEntry) -> Result<bool, StoreError>;
    /// Keeps when keys were used, if that is later than what is known. Not announced; keys that are gone are passed over.
    async fn note_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError>;

    /// Stores a new endpoint. One of a tenant that does not exist is a [`StoreError::Conflict`].
    async fn create_endpoint(&self, endpoint: &Endpoint, entry: &AuditEntry) -> Result<(), StoreError>;
    /// One endpoint. What can't be opened of its secrets stays sealed, what can't be read is named; `None` only if there is
    /// no such endpoint.
    async fn endpoint(&self, id: EndpointId) -> Result<Option<Endpoint>, StoreError>;
    /// The endpoints of a tenant, newest first, made before `before`; each as [`Registry::endpoint`] gives it.
    async fn endpoints(
        &self,
        tenant: TenantId,
        before: Option<EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, StoreError>;
    /// Endpoints of all tenants or of one, newest first; each as [`Registry::endpoint`] gives it.
    async fn search_endpoints(&self, query: &EndpointQuery) -> Result<Vec<Endpoint>, StoreError>;
    /// The endpoint of a snapshot with its secrets opened, all of them. [`StoreError::Corrupt`] says why one can't be.
    fn open(&self, endpoint: &Endpoint) -> Result<Endpoint, StoreError>;
    /// Replaces an endpoint that was last changed at `was` (to the microsecond). `false`, and nothing
    /// changed, if it is gone or has changed since. What is sealed of it stays as it is stored.
    async fn replace_endpoint(
        &self,
        endpoint: &Endpoint,
        was: Timestamp,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError>;
    /// Removes an endpoint; only if it was last changed at `was` (to the microsecond), should that be given.
    async fn delete_endpoint(
        &self,
        id: EndpointId,
        was: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<Deletion, StoreError>;

    /// Turns an endpoint off that is on, leaves a notice of it and writes an audit entry in Tidings' own name. `false`,
    /// and nothing changed, if it is off or gone, or if requests go elsewhere by now than to `at`, should that be given.
    async fn disable_endpoint(
        &self,
        id: EndpointId,
        reason: DisabledReason,
        detail: &str,
        at: Option<&Url>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Endpoints that are on and have failed for the whole of this period: nothing succeeded in it, and not only its
    /// beginning knows of deliveries that were given up.
    async fn endpoints_failing_for(
        &self,
        period: Duration,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<EndpointId>, StoreError>;
    /// Seals endpoints' secrets with the first key where another was used, in up to `limit` endpoints in the order of
    /// their ids, beginning behind `after`. The endpoints' times of change stay. An endpoint that another process
    /// changes at the same moment is skipped.
    async fn rekey(&self, after: Option<EndpointId>, limit: u32) -> Result<Rekeyed, StoreError>;
    /// Numbers of values sealed with each key, by the key's name.
    async fn seal_uses(&self) -> Result<Vec<SealUse>, StoreError>;

    /// Stores the next version of an event type: one more than the newest, or the first.
    async fn create_event_type_version(
        &self,
        new: &NewEventTypeVersion,
        entry: &AuditEntry,
    ) -> Result<EventTypeVersion, StoreError>;
    /// The newest version of each event type, by name, behind `after`.
    async fn event_types(&self, after: Option<EventType>, limit: u32) -> Result<Vec<EventTypeVersion>, StoreError>;
    /// The versions of one event type, newest first; empty if it is not in the catalogue.
    async fn event_type_versions(&self, event_type: &EventType) -> Result<Vec<EventTypeVersion>, StoreError>;
    /// Removes an event type with all its versions. `false` if there was none.
    async fn delete_event_type(&self, event_type: &EventType, entry: &AuditEntry) -> Result<bool, StoreError>;

    /// Writes an audit entry without a change in the store: something was only read, or is kept elsewhere, such as a
    /// message of the queue. Changes write their own entries.
    async fn note(&self, entry: &AuditEntry) -> Result<(), StoreError>;
    /// Entries of the audit log, newest first.
    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError>;

    /// Everything, or a part (empty if it is gone). What is secret of endpoints is sealed.
    async fn snapshot(&self, of: Of) -> Result<Snapshot, StoreError>;
    /// Up to `limit` tenants with their keys and endpoints, in the order of their ids, beginning behind `after`.
    async fn snapshot_page(&self, after: Option<TenantId>, limit: u32) -> Result<Snapshot, StoreError>;
    /// The present mark of each tenant, to find those that changed without being read again.
    async fn marks(&self) -> Result<HashMap<TenantId, Mark>, StoreError>;
    /// Changes from now on. The channel closes when changes may have been missed: subscribe again, then read
    /// a full snapshot.
    async fn changes(&self) -> Result<mpsc::Receiver<Of>, StoreError>;
}

/// A part of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    Everything,
    /// One tenant with its keys and endpoints.
    Tenant(TenantId),
    Endpoint(TenantId, EndpointId),
    Operators,
    EventTypes,
}

/// A part of the registry at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Tenants. What can't be read of their settings is as in a new tenant.
    pub tenants: Vec<Tenant>,
    /// Keys, without when they were last used, and without scopes that this version does not know.
    pub keys: Vec<ApiKey>,
    /// Endpoints, their secrets sealed, with the names of parts that can't be read.
    pub endpoints: Vec<Endpoint>,
    /// The newest version of each event type.
    pub event_types: Vec<EventTypeVersion>,
    /// Rows that can't be read in full, and rows that are left out for that reason.
    pub unreadable: Vec<Unreadable>,
    /// The marks of those tenants that are here with everything they have.
    pub marks: HashMap<TenantId, Mark>,
    /// The last tenant of this page, if another page follows.
    pub next: Option<TenantId>,
}

/// A value that differs after each change of a tenant, its keys or its endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub(crate) rows: i64,
    /// The sum of the rows' versions.
    pub(crate) versions: i64,
}

/// The result of a request to delete something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It existed and was deleted by this call.
    Deleted,
    /// It was modified since the caller read it, and stays.
    Changed,
    /// It did not exist.
    Gone,
}

/// The result of sealing a page of endpoints again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rekeyed {
    /// Endpoints that had something sealed with another key than the first.
    pub sealed: u32,
    /// Endpoints with something that opens with no key that is configured; left as they are.
    pub unreadable: Vec<EndpointId>,
    /// The last endpoint visited, if there are more.
    pub next: Option<EndpointId>,
}

/// Numbers of values that are sealed with one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealUse {
    pub key: String,
    /// Endpoints' secrets, those before a rotation included, and sets of credentials.
    pub secrets: u64,
    /// Stored responses to requests with an `Idempotency-Key`; they are forgotten after a day.
    pub answers: u64,
}

/// A version of an event type that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEventTypeVersion {
    pub event_type: EventType,
    /// A description for people.
    pub description: String,
    /// The JSON Schema of its payloads, as JSON text; any payload will do if there is none.
    pub schema: Option<String>,
    pub created_at: Timestamp,
}

impl NewEventTypeVersion {
    /// Completes it with its version number.
    pub(crate) fn numbered(&self, version: u32) -> EventTypeVersion {
        EventTypeVersion {
            event_type: self.event_type.clone(),
            version,
            description: self.description.clone(),
            schema: self.schema.clone(),
            created_at: self.created_at,
        }
    }
}

/// Conditions on endpoints; unset ones match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointQuery {
    pub tenant: Option<TenantId>,
    pub state: Option<EndpointState>,
    /// The host of their URL, without the port, as [`url::Url::host_str`] writes it.
    pub host: Option<String>,
    pub dialect: Option<String>,
    /// Older than this one, for the next page.
    pub before: Option<EndpointId>,
    /// Maximum number of results.
    pub limit: u32,
}

/// State of an endpoint, as far as the registry knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointState {
    /// Enabled, and not failing.
    On,
    /// Enabled; nothing has succeeded since a delivery was exhausted.
    Failing,
    /// Disabled by a user.
    Off,
    /// Disabled by Tidings, because it failed or is gone.
    TurnedOff,
}

impl EndpointState {
    pub const ALL: [Self; 4] = [Self::On, Self::Failing, Self::Off, Self::TurnedOff];

    /// The name used in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Failing => "failing",
            Self::Off => "off",
            Self::TurnedOff => "turned_off",
        }
    }

    /// Parses the name used in the API.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The condition that both engines understand, in the words of their partial indexes.
    pub(crate) fn condition(self) -> &'static str {
        match self {
            Self::On => "enabled AND failing_since IS NULL",
            Self::Failing => "enabled AND failing_since IS NOT NULL",
            Self::Off => "NOT enabled AND disabled_reason IS NULL",
            Self::TurnedOff => "NOT enabled AND disabled_reason IS NOT NULL",
        }
    }
}

/// Conditions on entries of the audit log; unset ones match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// The owner of the changed objects.
    pub tenant: Option<TenantId>,
    /// The key that made the changes.
    pub key: Option<KeyId>,
    /// The action, such as `endpoint.updated`; with a star at its end, every action that begins with it.
    pub action: Option<String>,
    /// The id of what was changed.
    pub target: Option<String>,
    /// Earliest time, inclusive, to the millisecond.
    pub since: Option<Timestamp>,
    /// Latest time, exclusive, to the millisecond.
    pub until: Option<Timestamp>,
    /// Older than this entry, for the next page.
    pub before: Option<AuditId>,
    /// Maximum number of results.
    pub limit: u32,
}

impl AuditQuery {
    /// The prefix before the star, if `action` ends with one.
    pub(crate) fn action_prefix(&self) -> Option<String> {
        Some(self.action.as_ref()?.strip_suffix('*')?.to_owned())
    }

    /// The one action that is meant.
    pub(crate) fn exact_action(&self) -> Option<String> {
        self.action.clone().filter(|action| !action.ends_with('*'))
    }
}

/// The audit entry of an endpoint that Tidings itself disables; the store adds the tenant.
pub(crate) fn turned_off(id: EndpointId, reason: DisabledReason, detail: &str, now: Timestamp) -> AuditEntry {
    AuditEntry::new(now, Actor::System, "endpoint.disabled", id).change(
        Some(json!({ "enabled": true })),
        Some(json!({ "enabled": false, "disabled_reason": reason.as_str(), "detail": detail })),
    )
}

/// The placeholder for an endpoint's URL that can't be read; no request is made to it.
pub(crate) fn unreadable_url() -> Url {
    // The top-level domain is reserved for names that do not exist (RFC 6761, section 6.4).
    #[allow(clippy::unwrap_used, reason = "it is a URL")]
    "https://unreadable.invalid/".parse().unwrap()
}
