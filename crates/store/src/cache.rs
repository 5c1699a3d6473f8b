//! The registry in memory. Ingest matches events against it, dispatchers find endpoints in it, and every request is
//! authenticated by it.
//!
//! A task subscribes to changes, loads everything, and then reloads each part that changed: one endpoint, one tenant.
//! It starts over when changes may have been missed, and now and then compares marks in case a change was never
//! announced. While the registry is unreachable the cache serves what it has. Loads run one after the other, so nothing
//! older ever replaces something newer. Endpoints' secrets stay sealed here: matching and holding need no key.

mod index;
mod uses;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tidings_domain::key::TokenHash;
use tidings_domain::{ApiKey, Endpoint, EndpointId, EventType, EventTypeVersion, Tenant, TenantId, Timestamp};
use tidings_service::Supervisor;
use tidings_service::backoff::Backoff;
use tidings_service::health::Component;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::index::Index;
use self::uses::KeyUses;
use crate::error::StoreError;
use crate::lenient::Unreadable;
use crate::metrics;
use crate::registry::{Of, Registry, Snapshot};
use crate::seal::Sealer;

/// The registry in memory. A look-up costs the same however many tenants there are, and so does a change.
pub struct RegistryCache {
    registry: Arc<dyn Registry>,
    index: RwLock<Index>,
    is_loaded: watch::Sender<bool>,
    /// Held from before a snapshot is read until it is in the index.
    loading: Mutex<()>,
    uses: KeyUses,
}

/// The reason why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Keys are still being loaded: the token may be somebody's.
    #[error("keys are still being loaded")]
    NotLoaded,
    #[error("this key does not exist")]
    Unknown,
    /// The key was valid once.
    #[error("this key has expired")]
    Expired,
    /// The token is of a portal link that works once: it is no key, and can be exchanged for one.
    #[error("this is the token of a portal link that works once")]
    Link,
    /// The token was of such a link, which has been used.
    #[error("this portal link works once and has been used")]
    UsedLink,
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Changes taken at once; a tenant that changed several times among them is loaded once.
const CHANGES: usize = 256;
/// With more changed endpoints of one tenant than this among them, the tenant is loaded instead.
const ENDPOINTS: usize = 8;
/// Tenants per page when everything is loaded.
const PAGE: u32 = 256;
/// Shortest time between two searches for unannounced changes. The real one grows so that the search takes at most a
/// two-hundredth of the time.
const RESYNC_EVERY: Duration = Duration::from_secs(60);
const RESYNC_SHARE: u32 = 200;

impl RegistryCache {
    /// Starts a task that loads the registry and follows its changes until `shutdown`.
    ///
    /// `health` is up while changes are followed. The component `registry_loaded` stays up from the first load on, because
    /// the cache serves what it has while the registry is unreachable.
    pub fn start(registry: Arc<dyn Registry>, health: Component, shutdown: CancellationToken) -> Arc<Self> {
        let cache = Arc::new(Self {
            registry,
            index: RwLock::default(),
            is_loaded: watch::Sender::new(false),
            loading: Mutex::default(),
            uses: KeyUses::default(),
        });
        let loaded = health.health().component("registry_loaded");
        cache.show();
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

    /// Exports the numbers of tenants and endpoints for as long as this cache exists.
    fn show(self: &Arc<Self>) {
        metrics::register();
        let cache = Arc::downgrade(self);
        tidings_service::metrics::before_reading(move || {
            let Some(cache) = cache.upgrade() else { return false };
            let index = cache.index();
            let (mut active, mut failing, mut disabled) = (0, 0, 0);
            for endpoint in index.endpoints.values() {
                match (endpoint.enabled, endpoint.failing_since) {
                    (false, _) => disabled += 1,
                    (true, Some(_)) => failing += 1,
                    (true, None) => active += 1,
                }
            }
            for (state, count) in [("active", active), ("failing", failing), ("disabled", disabled)] {
                metrics::ENDPOINTS.with_label_values(&[state]).set(count);
            }
            metrics::TENANTS.set(index.tenants.len() as i64);
            true
        });
    }

    /// `true` once the first full load is complete.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        *self.is_loaded.borrow()
    }

    /// Waits until everything was loaded once.
    pub async fn loaded(&self) {
        // It fails only when the sender is gone, which `self` holds.
        let _ = self.is_loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

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

    /// One endpoint, its secrets sealed. The cache may be behind, so absence alone does not tell that it was deleted.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<Arc<Endpoint>> {
        self.index().endpoints.get(&id).cloned()
    }

    /// The endpoints of a tenant that subscribe to this event type, enabled or not.
    #[must_use]
    pub fn matching(&self, tenant: TenantId, event_type: &EventType) -> Vec<Arc<Endpoint>> {
        self.endpoints_of(tenant, |endpoint| endpoint.wants(event_type))
    }

    /// The endpoints of a tenant that subscribe to this operational event about its other endpoints, enabled or not.
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

    /// Approximate memory used by a tenant's endpoints, except this one, in bytes.
    #[must_use]
    pub fn bytes(&self, tenant: TenantId, without: EndpointId) -> usize {
        let index = self.index();
        let endpoints = index
            .tenants
            .get(&tenant)
            .into_iter()
            .flat_map(|entry| entry.endpoints.iter());
        endpoints
            .filter(|endpoint| endpoint.id != without)
            .map(|endpoint| endpoint.size())
            .sum()
    }

    /// The rows of the registry that can't be read in full.
    #[must_use]
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.index().unreadable.clone()
    }

    /// One endpoint for each sealing key in use, by the key's name.
    #[must_use]
    pub fn sealed_with(&self) -> BTreeMap<String, Arc<Endpoint>> {
        let mut found = BTreeMap::new();
        for endpoint in self.index().endpoints.values() {
            for key in endpoint.sealed.parts().filter_map(Sealer::key_of) {
                found.entry(key).or_insert_with(|| Arc::clone(endpoint));
            }
        }
        found
    }

    /// The dialects of endpoints that are on, each with how many use it.
    #[must_use]
    pub fn dialects(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        let index = self.index();
        for endpoint in index.endpoints.values().filter(|endpoint| endpoint.enabled) {
            match found.get_mut(&endpoint.dialect) {
                Some(count) => *count += 1,
                None => _ = found.insert(endpoint.dialect.clone(), 1),
            }
        }
        found
    }

    /// The newest version of an event type, if it is in the catalogue.
    #[must_use]
    pub fn schema(&self, event_type: &EventType) -> Option<Arc<EventTypeVersion>> {
        self.index().event_types.get(event_type).cloned()
    }

    /// The key whose token has this hash; records that it was used.
    ///
    /// # Errors
    /// [`KeyError`] if there is none that is valid at `now`, or none is known yet.
    pub fn key(&self, hash: &TokenHash, now: Timestamp) -> Result<Arc<ApiKey>, KeyError> {
        let key = self.valid(hash, now)?;
        if key.hash != *hash {
            return Err(KeyError::Link);
        }
        self.uses.note(key.id, now);
        Ok(key)
    }

    /// The key behind the portal link that works once and whose token has this hash; none for a key's own token.
    ///
    /// # Errors
    /// [`KeyError`] if there is none that can be exchanged at `now`, or none is known yet.
    pub fn linked(&self, hash: &TokenHash, now: Timestamp) -> Result<Option<Arc<ApiKey>>, KeyError> {
        Ok(Some(self.valid(hash, now)?).filter(|key| key.hash != *hash))
    }

    /// The key that a token with this hash belongs to, as its own or as that of its link.
    fn valid(&self, hash: &TokenHash, now: Timestamp) -> Result<Arc<ApiKey>, KeyError> {
        if !self.is_loaded() {
            return Err(KeyError::NotLoaded);
        }
        let key = self.index().keys.get(hash).cloned().ok_or(KeyError::Unknown)?;
        let is_used = key.hash != *hash && key.link.is_some_and(|link| link.exchanged_at.is_some());
        if is_used {
            return Err(KeyError::UsedLink);
        }
        if key.expires_at.is_some_and(|at| at <= now) {
            return Err(KeyError::Expired);
        }
        Ok(key)
    }

    /// Writes the last uses of keys at these intervals, and a last time at `shutdown`.
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
            tracing::debug!(%error, "last uses of keys could not be written; retrying later");
            // Kept for the next time; of a key that was used again meanwhile the later use stays.
            for (key, at) in uses {
                self.uses.note(key, at);
            }
        }
    }

    /// Reloads a part, so that a change made by this process is in force when this returns.
    pub async fn refresh(&self, of: Of) -> Result<(), StoreError> {
        let _loading = self.loading.lock().await;
        self.load(of).await
    }

    /// Reloads what changed without an announcement, found by comparing marks. A connection that is open on this side
    /// only announces nothing and does not end.
    pub async fn resync(&self) -> Result<(), StoreError> {
        let _loading = self.loading.lock().await;
        let marks = self.registry.marks().await?;
        let stale = self.index().stale(&marks);
        if stale.len() > PAGE as usize {
            return self.load(Of::Everything).await;
        }
        for tenant in stale {
            self.load(Of::Tenant(tenant)).await?;
        }
        self.load(Of::Operators).await?;
        self.load(Of::EventTypes).await
    }

    /// The caller keeps others from loading.
    async fn load(&self, of: Of) -> Result<(), StoreError> {
        match of {
            Of::Everything => return self.load_everything().await,
            Of::Endpoint(tenant, id) => {
                let snapshot = self.registry.snapshot(of).await?;
                // One of a tenant that was made a moment ago comes with it.
                if self.change(|index| index.replace_endpoint(tenant, id, snapshot)) {
                    return Ok(());
                }
                let snapshot = self.registry.snapshot(Of::Tenant(tenant)).await?;
                self.change(|index| index.replace_tenants([tenant], snapshot));
            }
            Of::Tenant(id) => {
                let snapshot = self.registry.snapshot(of).await?;
                self.change(|index| index.replace_tenants([id], snapshot));
            }
            Of::Operators => {
                let snapshot = self.registry.snapshot(of).await?;
                self.change(|index| index.replace_operators(snapshot));
            }
            Of::EventTypes => {
                let snapshot = self.registry.snapshot(of).await?;
                self.change(|index| index.replace_event_types(snapshot));
            }
        }
        Ok(())
    }

    /// Loads page after page in the place of what is there, so that nothing is in memory twice.
    async fn load_everything(&self) -> Result<(), StoreError> {
        let operators = self.registry.snapshot(Of::Operators).await?;
        self.change(|index| index.replace_operators(operators));
        let event_types = self.registry.snapshot(Of::EventTypes).await?;
        self.change(|index| index.replace_event_types(event_types));
        let (mut seen, mut after) = (HashSet::new(), None);
        loop {
            let page = self.registry.snapshot_page(after, PAGE).await?;
            after = page.next;
            let here: Vec<TenantId> = page.tenants.iter().map(|tenant| tenant.id).collect();
            seen.extend(here.iter().copied());
            self.change(|index| index.replace_tenants(here, page));
            if after.is_none() {
                break;
            }
        }
        // After all pages, because a tenant on a later one is not gone.
        let gone: Vec<TenantId> = self
            .index()
            .tenants
            .keys()
            .copied()
            .filter(|id| !seen.contains(id))
            .collect();
        self.change(|index| index.replace_tenants(gone, Snapshot::default()));
        self.is_loaded.send_replace(true);
        Ok(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut index);
        for kind in metrics::KINDS {
            let count = index.unreadable.iter().filter(|row| row.kind == kind).count();
            metrics::UNREADABLE.with_label_values(&[kind]).set(count as i64);
        }
        metrics::BYTES.set(index.bytes as i64);
        changed
    }

    async fn follow(&self, health: Component, loaded: Component) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            match self.follow_while_complete(&health, &loaded, &mut backoff).await {
                Ok(()) => tracing::info!("changes of the registry may have been missed; reloading it"),
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
        tidings_service::metrics::succeeded("registry");
        backoff.reset();
        let mut changed = Vec::new();
        let mut resync_at = Instant::now() + RESYNC_EVERY;
        loop {
            tokio::select! {
                received = changes.recv_many(&mut changed, CHANGES) => {
                    // The subscription ended: changes may have been lost.
                    if received == 0 {
                        return Ok(());
                    }
                    for of in together(changed.drain(..)) {
                        self.refresh(of).await?;
                    }
                }
                () = tokio::time::sleep_until(resync_at) => {
                    let began = Instant::now();
                    self.resync().await?;
                    tidings_service::metrics::succeeded("registry");
                    // Comparing marks reads every tenant, so a large registry is compared less often.
                    resync_at = began + RESYNC_EVERY.max(began.elapsed() * RESYNC_SHARE);
                }
            }
        }
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each part that changed once, and a tenant instead of many endpoints of it.
fn together(changes: impl Iterator<Item = Of>) -> HashSet<Of> {
    let mut parts: HashSet<Of> = changes.collect();
    if parts.contains(&Of::Everything) {
        return HashSet::from([Of::Everything]);
    }
    let mut endpoints: HashMap<TenantId, usize> = HashMap::new();
    for of in &parts {
        if let Of::Endpoint(tenant, _) = of {
            *endpoints.entry(*tenant).or_default() += 1;
        }
    }
    let many = endpoints.into_iter().filter(|(_, count)| *count > ENDPOINTS);
    parts.extend(many.map(|(tenant, _)| Of::Tenant(tenant)));
    let whole: HashSet<Of> = parts.iter().copied().filter(|of| matches!(of, Of::Tenant(_))).collect();
    parts.retain(|of| !matches!(of, Of::Endpoint(tenant, _) if whole.contains(&Of::Tenant(*tenant))));
    parts
}

#[cfg(test)]
mod tests;
