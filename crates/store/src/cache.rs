//! The registry in memory: what ingest matches events against, where dispatchers find endpoints, and how every
//! request is authenticated.
//!
//! A task subscribes to changes, loads everything, and then reloads one tenant per change. When changes may
//! have been missed it starts over. While the registry is away the cache serves what it has. Loads are made one
//! after the other, so nothing older ever replaces something newer.

mod uses;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tidings_domain::key::TokenHash;
use tidings_domain::{ApiKey, Endpoint, EndpointId, EventType, EventTypeVersion, Tenant, TenantId, Timestamp};
use tidings_service::Supervisor;
use tidings_service::backoff::Backoff;
use tidings_service::health::Component;
use tidings_service::problem::Problem;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use self::uses::KeyUses;
use crate::access::Caller;
use crate::error::StoreError;
use crate::registry::{Of, Registry, Snapshot};

/// The registry in memory. A look-up costs the same however many tenants there are, and so does a change.
pub struct RegistryCache {
    registry: Arc<dyn Registry>,
    index: RwLock<Index>,
    is_loaded: watch::Sender<bool>,
    /// Held from before a snapshot is read until it is in the index.
    loading: Mutex<()>,
    uses: KeyUses,
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many changes are taken at once; a tenant that changed often among them is loaded once.
const CHANGES: usize = 256;

impl RegistryCache {
    /// Starts a task that loads the registry and follows its changes until `shutdown`. `health` is up while
    /// changes are followed; beside it the component `registry_loaded` is up from the first load on, because what was
    /// loaded goes on to be served while the registry is away.
    pub fn start(registry: Arc<dyn Registry>, health: Component, shutdown: CancellationToken) -> Arc<Self> {
        let cache = Arc::new(Self {
            registry,
            index: RwLock::default(),
            is_loaded: watch::Sender::new(false),
            loading: Mutex::default(),
            uses: KeyUses::default(),
        });
        let loaded = health.health().component("registry_loaded");
        let follower = Arc::clone(&cache);
        Supervisor::new(health.health(), shutdown.clone()).spawn("registry_follower", move || {
            let (follower, shutdown) = (Arc::clone(&follower), shutdown.clone());
            let (health, loaded) = (health.clone(), loaded.clone());
            async move {
                shutdown.run_until_cancelled(follower.follow(health, loaded)).await;
            }
        });
        cache
    }

    /// Whether everything was loaded once.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        *self.is_loaded.borrow()
    }

    /// Waits until everything was loaded once.
    pub async fn loaded(&self) {
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.is_loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// One tenant.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.index().tenants.get(&id).map(|entry| Arc::clone(&entry.tenant))
    }

    /// The tenants that chose how long payloads or attempts of theirs are kept.
    #[must_use]
    pub fn tenants_that_keep_less(&self) -> Vec<Arc<Tenant>> {
        let index = self.index();
        let tenants = index.tenants.values().map(|entry| &entry.tenant);
        let chose = |tenant: &&Arc<Tenant>| {
            let settings = &tenant.settings;
            settings.payload_retention.or(settings.attempt_retention).is_some()
        };
        tenants.filter(chose).cloned().collect()
    }

    /// One endpoint. One whose secret can't be unsealed is not here, so its absence alone does not tell that it
    /// was deleted.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<Arc<Endpoint>> {
        self.index().endpoints.get(&id).cloned()
    }

    /// The endpoints of a tenant that want an event of this type, whether enabled or not.
    #[must_use]
    pub fn matching(&self, tenant: TenantId, event_type: &EventType) -> Vec<Arc<Endpoint>> {
        self.endpoints_of(tenant, |endpoint| endpoint.wants(event_type))
    }

    /// The endpoints of a tenant that are told this of its other endpoints, whether enabled or not.
    #[must_use]
    pub fn told(&self, tenant: TenantId, event_type: &EventType) -> Vec<Arc<Endpoint>> {
        self.endpoints_of(tenant, |endpoint| endpoint.is_told(event_type))
    }

    fn endpoints_of(&self, tenant: TenantId, wanted: impl Fn(&Endpoint) -> bool) -> Vec<Arc<Endpoint>> {
        let endpoints = self
            .index()
            .tenants
            .get(&tenant)
            .map(|entry| Arc::clone(&entry.endpoints));
        endpoints
            .iter()
            .flat_map(|endpoints| endpoints.iter())
            .filter(|endpoint| wanted(endpoint))
            .cloned()
            .collect()
    }

    /// The newest version of an event type, if it is in the catalogue.
    #[must_use]
    pub fn schema(&self, event_type: &EventType) -> Option<Arc<EventTypeVersion>> {
        self.index().event_types.get(event_type).cloned()
    }

    /// Who sends this token, whose use is noted.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<Caller, Problem> {
        self.holder(&TokenHash::of(token), now)
    }

    /// Who has the token with this hash, whose use is noted.
    pub fn holder(&self, hash: &TokenHash, now: Timestamp) -> Result<Caller, Problem> {
        if !self.is_loaded() {
            let problem = Problem::unavailable("registry_not_loaded", "keys are still being loaded: try again shortly");
            return Err(problem.with_retry_after(Duration::from_secs(1)));
        }
        let key = self.index().keys.get(hash).cloned();
        match key {
            None => Err(Problem::unauthenticated(
                "key_unknown",
                "this key does not exist: was it deleted?",
            )),
            Some(key) if key.expires_at.is_some_and(|at| at <= now) => Err(Problem::unauthenticated(
                "key_expired",
                "this key has expired: ask for a new one",
            )),
            Some(key) => {
                self.uses.note(key.id, now);
                Ok(Caller::with_key(&key))
            }
        }
    }

    /// Writes down when keys were used, at these intervals and a last time at `shutdown`.
    pub async fn note_uses(&self, every: Duration, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            self.write_uses().await;
        }
        self.write_uses().await;
    }

    async fn write_uses(&self) {
        let uses = self.uses.take();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = self.registry.note_key_uses(&uses).await {
            tracing::debug!(%error, "uses of keys could not be written down and are kept for the next time");
            for (key, at) in uses {
                self.uses.note(key, at);
            }
        }
    }

    /// Loads a part again, so that a change of one's own is in force when this returns.
    pub async fn refresh(&self, of: Of) -> Result<(), StoreError> {
        let _loading = self.loading.lock().await;
        let snapshot = self.registry.snapshot(of).await?;
        match of {
            Of::Everything => {
                let index = Index::of(snapshot);
                // What it replaces is freed after the lock is given back.
                let _old = std::mem::replace(&mut *self.index.write().unwrap_or_else(PoisonError::into_inner), index);
                self.is_loaded.send_replace(true);
            }
            Of::Tenant(id) => self
                .index
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .replace_tenant(id, snapshot),
            Of::Operators => self
                .index
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .replace_operators(snapshot),
            Of::EventTypes => self
                .index
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .replace_event_types(snapshot),
        }
        Ok(())
    }

    async fn follow(&self, health: Component, loaded: Component) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            match self.follow_while_complete(&health, &loaded, &mut backoff).await {
                Ok(()) => tracing::info!("changes of the registry may have been missed: loading it again"),
                Err(error) => health.down(error.to_string()),
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// Returns when changes may have been missed. Subscribing comes first: a change during the load is waiting
    /// when the load is done.
    async fn follow_while_complete(
        &self,
        health: &Component,
        loaded: &Component,
        backoff: &mut Backoff,
    ) -> Result<(), StoreError> {
        let mut changes = self.registry.changes().await?;
        self.refresh(Of::Everything).await?;
        loaded.up();
        health.up();
        backoff.reset();
        let mut changed = Vec::new();
        while changes.recv_many(&mut changed, CHANGES).await > 0 {
            for of in changed.drain(..).collect::<HashSet<Of>>() {
                self.refresh(of).await?;
            }
        }
        Ok(())
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Index {
    tenants: HashMap<TenantId, Entry>,
    endpoints: HashMap<EndpointId, Arc<Endpoint>>,
    keys: HashMap<TokenHash, Arc<ApiKey>>,
    operator_keys: Vec<TokenHash>,
    event_types: HashMap<EventType, Arc<EventTypeVersion>>,
}

struct Entry {
    tenant: Arc<Tenant>,
    endpoints: Arc<[Arc<Endpoint>]>,
    keys: Vec<TokenHash>,
}

impl Index {
    fn of(snapshot: Snapshot) -> Self {
        let mut index = Self::default();
        index.add(snapshot);
        index
    }

    fn replace_tenant(&mut self, id: TenantId, snapshot: Snapshot) {
        if let Some(old) = self.tenants.remove(&id) {
            for endpoint in old.endpoints.iter() {
                self.endpoints.remove(&endpoint.id);
            }
            for hash in &old.keys {
                self.keys.remove(hash);
            }
        }
        self.add(snapshot);
    }

    fn replace_operators(&mut self, snapshot: Snapshot) {
        for hash in std::mem::take(&mut self.operator_keys) {
            self.keys.remove(&hash);
        }
        self.add(snapshot);
    }

    fn replace_event_types(&mut self, snapshot: Snapshot) {
        self.event_types.clear();
        self.add(snapshot);
    }

    /// Adds whole tenants, all operators' keys and all event types.
    fn add(&mut self, snapshot: Snapshot) {
        let mut endpoints: HashMap<TenantId, Vec<Arc<Endpoint>>> = HashMap::new();
        for endpoint in snapshot.endpoints.into_iter().map(Arc::new) {
            endpoints
                .entry(endpoint.tenant)
                .or_default()
                .push(Arc::clone(&endpoint));
            self.endpoints.insert(endpoint.id, endpoint);
        }
        let mut keys: HashMap<TenantId, Vec<TokenHash>> = HashMap::new();
        for key in snapshot.keys {
            match key.tenant {
                Some(tenant) => keys.entry(tenant).or_default().push(key.hash),
                None => self.operator_keys.push(key.hash),
            }
            self.keys.insert(key.hash, Arc::new(key));
        }
        for tenant in snapshot.tenants {
            let id = tenant.id;
            let entry = Entry {
                tenant: Arc::new(tenant),
                endpoints: endpoints.remove(&id).unwrap_or_default().into(),
                keys: keys.remove(&id).unwrap_or_default(),
            };
            self.tenants.insert(id, entry);
        }
        for newest in snapshot.event_types {
            self.event_types.insert(newest.event_type.clone(), Arc::new(newest));
        }
    }
}

#[cfg(test)]
mod tests;
