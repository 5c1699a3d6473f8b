use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tidings_domain::{AuditEntry, DisabledReason, EventPattern, KeyId, Scope, Subscription};
use tidings_service::health::Health;
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::registry::{AuditQuery, Deletion, EndpointQuery, Mark, NewEventTypeVersion, Rekeyed, SealUse};

const DEADLINE: Duration = Duration::from_secs(10);

/// A registry with given content, which can be made unavailable, and whose full load can be delayed after it was read.
#[derive(Default)]
struct Told {
    content: std::sync::Mutex<Snapshot>,
    subscribers: std::sync::Mutex<Vec<mpsc::Sender<Of>>>,
    is_away: AtomicBool,
    gate: std::sync::Mutex<Option<Arc<Semaphore>>>,
    uses: std::sync::Mutex<Vec<(KeyId, Timestamp)>>,
    /// The parts that were read, in order.
    read: std::sync::Mutex<Vec<Of>>,
}

impl Told {
    fn add(&self, owner: &Owner) {
        let mut content = self.content.lock().unwrap();
        content.tenants.push(owner.tenant.clone());
        content.keys.push(owner.key.clone());
        content.endpoints.push(owner.endpoint.clone());
    }

    fn change(&self, of: Of, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.content.lock().unwrap());
        self.subscribers.lock().unwrap().retain(|s| s.try_send(of).is_ok());
    }

    /// Endpoints and their times of change stand for everything.
    fn marks_now(&self) -> HashMap<TenantId, Mark> {
        let content = self.content.lock().unwrap();
        let mut marks: HashMap<_, _> = content
            .tenants
            .iter()
            .map(|tenant| (tenant.id, Mark { rows: 1, versions: 0 }))
            .collect();
        for endpoint in &content.endpoints {
            let mark = marks.get_mut(&endpoint.tenant).unwrap();
            mark.rows += 1;
            mark.versions += endpoint.updated_at.as_microsecond();
        }
        marks
    }

    fn lose_subscribers(&self) {
        self.subscribers.lock().unwrap().clear();
    }

    fn away(&self, away: bool) {
        self.is_away.store(away, Ordering::SeqCst);
    }

    fn answer<T>(&self, value: T) -> Result<T, StoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            Err(StoreError::Unavailable("away".into()))
        } else {
            Ok(value)
        }
    }
}

#[async_trait]
impl Registry for Told {
    async fn snapshot(&self, of: Of) -> Result<Snapshot, StoreError> {
        let mut found = self.answer(self.content.lock().unwrap().clone())?;
        self.read.lock().unwrap().push(of);
        found.marks = self.marks_now();
        match of {
            Of::Everything => unreachable!("the cache reads pages"),
            Of::Endpoint(_, id) => {
                found.endpoints.retain(|e| e.id == id);
                (found.tenants, found.keys, found.event_types) = (vec![], vec![], vec![]);
            }
            Of::Tenant(id) => {
                found.tenants.retain(|t| t.id == id);
                found.keys.retain(|k| k.tenant == Some(id));
                found.endpoints.retain(|e| e.tenant == id);
                found.event_types = vec![];
            }
            Of::Operators => {
                found.keys.retain(|k| k.tenant.is_none());
                (found.tenants, found.endpoints, found.event_types) = (vec![], vec![], vec![]);
            }
            Of::EventTypes => (found.tenants, found.keys, found.endpoints) = (vec![], vec![], vec![]),
        }
        Ok(found)
    }

    /// Pages of one tenant, so that there are several.
    async fn snapshot_page(&self, after: Option<TenantId>, _: u32) -> Result<Snapshot, StoreError> {
        let mut found = self.answer(self.content.lock().unwrap().clone())?;
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        found.event_types = vec![];
        found.tenants.sort_by_key(|tenant| tenant.id);
        found
            .tenants
            .retain(|tenant| after.is_none_or(|after| tenant.id > after));
        found.next = (found.tenants.len() > 1).then(|| found.tenants[0].id);
        found.tenants.truncate(1);
        let here = found.tenants.first().map(|tenant| tenant.id);
        found.keys.retain(|key| key.tenant.is_some() && key.tenant == here);
        found.endpoints.retain(|endpoint| Some(endpoint.tenant) == here);
        found.marks = self.marks_now();
        Ok(found)
    }

    async fn marks(&self) -> Result<HashMap<TenantId, Mark>, StoreError> {
        self.answer(self.marks_now())
    }

    fn open(&self, _: &Endpoint) -> Result<Endpoint, StoreError> {
        unreachable!("the cache opens nothing")
    }

    async fn changes(&self) -> Result<mpsc::Receiver<Of>, StoreError> {
        let (sender, receiver) = mpsc::channel(16);
        self.subscribers.lock().unwrap().push(sender);
        self.answer(receiver)
    }

    async fn note_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        self.answer(())?;
        self.uses.lock().unwrap().extend(uses);
        Ok(())
    }

    async fn create_tenant(&self, _: &Tenant, _: &ApiKey, _: &AuditEntry) -> Result<(), StoreError> {
        unreachable!("the cache only reads")
    }
    async fn tenant(&self, _: TenantId) -> Result<Option<Tenant>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn tenants(&self, _: Option<TenantId>, _: u32) -> Result<Vec<Tenant>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn replace_tenant(&self, _: &Tenant, _: Timestamp, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn delete_tenant(&self, _: TenantId, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn create_key(&self, _: &ApiKey, _: &AuditEntry) -> Result<(), StoreError> {
        unreachable!("the cache only reads")
    }
    async fn create_first_operator_key(&self, _: &ApiKey, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn rotate_key(&self, _: KeyId, _: Timestamp, _: &ApiKey, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn key(&self, _: KeyId) -> Result<Option<ApiKey>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn keys(&self, _: Option<TenantId>, _: bool) -> Result<Vec<ApiKey>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn replace_key_expiry(&self, _: KeyId, _: Option<Timestamp>, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn exchange_key(&self, _: &ApiKey, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn delete_key(&self, _: KeyId, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn create_endpoint(&self, _: &Endpoint, _: &AuditEntry) -> Result<(), StoreError> {
        unreachable!("the cache only reads")
    }
    async fn endpoint(&self, _: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn endpoints(&self, _: TenantId, _: Option<EndpointId>, _: u32) -> Result<Vec<Endpoint>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn search_endpoints(&self, _: &EndpointQuery) -> Result<Vec<Endpoint>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn replace_endpoint(&self, _: &Endpoint, _: Timestamp, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn delete_endpoint(
        &self,
        _: EndpointId,
        _: Option<Timestamp>,
        _: &AuditEntry,
    ) -> Result<Deletion, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn disable_endpoint(
        &self,
        _: EndpointId,
        _: DisabledReason,
        _: &str,
        _: Option<&url::Url>,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn endpoints_failing_for(&self, _: Duration, _: Timestamp, _: u32) -> Result<Vec<EndpointId>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn rekey(&self, _: Option<EndpointId>, _: u32) -> Result<Rekeyed, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn seal_uses(&self) -> Result<Vec<SealUse>, StoreError> {
        unreachable!("the cache only reads")
    }

    async fn create_event_type_version(
        &self,
        _: &NewEventTypeVersion,
        _: &AuditEntry,
    ) -> Result<EventTypeVersion, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn event_types(&self, _: Option<EventType>, _: u32) -> Result<Vec<EventTypeVersion>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn event_type_versions(&self, _: &EventType) -> Result<Vec<EventTypeVersion>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
    async fn delete_event_type(&self, _: &EventType, _: &AuditEntry) -> Result<bool, StoreError> {
        unreachable!("the cache only reads")
    }
    async fn note(&self, _: &AuditEntry) -> Result<(), StoreError> {
        unreachable!("the cache only reads")
    }
    async fn audit(&self, _: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        unreachable!("the cache reads snapshots")
    }
}

/// A tenant with one key and one endpoint for everything.
struct Owner {
    tenant: Tenant,
    key: ApiKey,
    endpoint: Endpoint,
}

fn owner() -> Owner {
    let now = Timestamp::now();
    let tenant = Tenant::new("Acme", now);
    let key = key(Some(tenant.id));
    let endpoint = Endpoint {
        subscriptions: vec![Subscription::to(EventPattern::Any)],
        ..Endpoint::new(tenant.id, "https://example.com/hook".parse().unwrap(), "standard", now)
    };
    Owner { tenant, key, endpoint }
}

fn key(tenant: Option<TenantId>) -> ApiKey {
    ApiKey::new(tenant, vec![Scope::Read], Timestamp::now()).0
}

fn start(registry: &Arc<Told>) -> (Arc<RegistryCache>, Health) {
    let health = Health::new();
    let registry: Arc<dyn Registry> = registry.clone();
    (
        RegistryCache::start(registry, health.component("registry"), CancellationToken::new()),
        health,
    )
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "{what}");
}

fn created() -> EventType {
    "feedback.created".parse().unwrap()
}

#[tokio::test]
async fn what_is_registered_is_found_and_matched() {
    let (registry, one, other) = (Arc::new(Told::default()), owner(), owner());
    registry.add(&one);
    registry.add(&other);
    let (cache, health) = start(&registry);
    assert_eq!(cache.key(&one.key.hash, Timestamp::now()), Err(KeyError::NotLoaded));
    cache.loaded().await;
    tokio::time::timeout(DEADLINE, health.wait_until(true)).await.unwrap();
    assert_eq!(cache.tenant(one.tenant.id).as_deref(), Some(&one.tenant));
    assert_eq!(cache.endpoint(one.endpoint.id).as_deref(), Some(&one.endpoint));
    assert_eq!(
        cache.matching(one.tenant.id, &created()),
        [Arc::new(one.endpoint.clone())]
    );
    assert!(cache.matching(TenantId::new(), &created()).is_empty());
}

#[tokio::test]
async fn a_change_is_in_force_soon_and_touches_only_its_tenant() {
    let (registry, one, other) = (Arc::new(Told::default()), owner(), owner());
    registry.add(&one);
    registry.add(&other);
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    registry.change(Of::Tenant(one.tenant.id), |content| {
        content
            .endpoints
            .iter_mut()
            .find(|e| e.id == one.endpoint.id)
            .unwrap()
            .subscriptions
            .clear();
    });
    eventually("nothing is wanted", || {
        cache.matching(one.tenant.id, &created()).is_empty()
    })
    .await;
    registry.change(Of::Tenant(one.tenant.id), |content| {
        content.tenants.retain(|t| t.id != one.tenant.id);
        content.keys.retain(|k| k.tenant != Some(one.tenant.id));
        content.endpoints.retain(|e| e.tenant != one.tenant.id);
    });
    eventually("the tenant is gone", || cache.tenant(one.tenant.id).is_none()).await;
    assert!(cache.endpoint(one.endpoint.id).is_none());
    assert_eq!(cache.key(&one.key.hash, Timestamp::now()), Err(KeyError::Unknown));
    assert_eq!(cache.matching(other.tenant.id, &created()).len(), 1);
    assert!(cache.key(&other.key.hash, Timestamp::now()).is_ok());
}

#[tokio::test]
async fn the_token_of_a_link_that_works_once_leads_to_its_key_and_is_none() {
    let (registry, mut one) = (Arc::new(Told::default()), owner());
    let plain = one.key.hash;
    let (key, link) = one.key.behind_link_once();
    one.key = key;
    registry.add(&one);
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    let now = Timestamp::now();
    assert_eq!(cache.key(&plain, now), Err(KeyError::Unknown));
    assert_eq!(cache.key(&link.hash(), now), Err(KeyError::Link));
    assert_eq!(cache.linked(&link.hash(), now).unwrap().as_deref(), Some(&one.key));
    assert_eq!(cache.linked(&one.key.hash, now), Ok(None));

    let (exchanged, token) = one.key.exchanged(now).unwrap();
    registry.change(Of::Tenant(one.tenant.id), |content| {
        content.keys.retain(|key| key.id != exchanged.id);
        content.keys.push(exchanged.clone());
    });
    eventually("the key has another token", || cache.key(&token.hash(), now).is_ok()).await;
    assert_eq!(cache.key(&one.key.hash, now), Err(KeyError::Unknown));
    for used in [
        cache.key(&link.hash(), now).map(drop),
        cache.linked(&link.hash(), now).map(drop),
    ] {
        assert_eq!(used, Err(KeyError::UsedLink));
    }
}

#[tokio::test]
async fn a_change_during_the_full_load_is_not_lost() {
    let (registry, one, late) = (Arc::new(Told::default()), owner(), owner());
    registry.add(&one);
    let gate = Arc::new(Semaphore::new(0));
    *registry.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let (cache, _health) = start(&registry);
    eventually("it subscribed", || !registry.subscribers.lock().unwrap().is_empty()).await;
    // The load has been read, or will read more than it must; either way the change is announced before it ends.
    registry.add(&late);
    registry.change(Of::Tenant(late.tenant.id), |_| ());
    let own = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { cache.refresh(Of::Tenant(late.tenant.id)).await }
    });
    tokio::task::yield_now().await;
    gate.add_permits(1);
    own.await.unwrap().unwrap();
    // The refresh is in force, and the older full load did not replace it.
    cache.loaded().await;
    assert!(cache.tenant(late.tenant.id).is_some() && cache.tenant(one.tenant.id).is_some());
}

#[tokio::test]
async fn it_serves_what_it_has_while_the_registry_is_away_and_catches_up() {
    let (registry, one, late) = (Arc::new(Told::default()), owner(), owner());
    registry.add(&one);
    let (cache, health) = start(&registry);
    tokio::time::timeout(DEADLINE, health.wait_until(true)).await.unwrap();
    registry.away(true);
    registry.lose_subscribers();
    tokio::time::timeout(DEADLINE, health.wait_until(false)).await.unwrap();
    assert!(cache.endpoint(one.endpoint.id).is_some());
    assert!(cache.key(&one.key.hash, Timestamp::now()).is_ok());
    registry.add(&late);
    registry.away(false);
    tokio::time::timeout(DEADLINE, health.wait_until(true)).await.unwrap();
    assert!(cache.tenant(late.tenant.id).is_some());
}

#[tokio::test]
async fn keys_are_found_by_their_tokens() {
    let (registry, one) = (Arc::new(Told::default()), owner());
    registry.add(&one);
    let (operator, expired) = (key(None), key(Some(one.tenant.id)));
    let expired = ApiKey {
        expires_at: Some(Timestamp::now()),
        ..expired
    };
    let keys = [operator.clone(), expired.clone()];
    registry.content.lock().unwrap().keys.extend(keys);
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    let found = |key: &ApiKey| cache.key(&key.hash, Timestamp::now()).map(|found| found.id);
    assert_eq!(found(&one.key), Ok(one.key.id));
    assert_eq!(found(&operator), Ok(operator.id));
    assert_eq!(found(&expired), Err(KeyError::Expired));
    assert_eq!(found(&key(None)), Err(KeyError::Unknown));

    registry.change(Of::Operators, |content| content.keys.retain(|k| k.tenant.is_some()));
    eventually("the operator's key is gone", || found(&operator).is_err()).await;
    assert_eq!(found(&one.key), Ok(one.key.id));
}

#[tokio::test]
async fn the_newest_version_of_an_event_type_is_known() {
    let (registry, one) = (Arc::new(Told::default()), owner());
    registry.add(&one);
    let version = |version| EventTypeVersion {
        event_type: created(),
        version,
        description: String::new(),
        schema: None,
        created_at: Timestamp::now(),
    };
    registry.content.lock().unwrap().event_types.push(version(1));
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    let known = || cache.schema(&created()).map(|newest| newest.version);
    assert_eq!(known(), Some(1));
    registry.change(Of::EventTypes, |content| content.event_types = vec![version(2)]);
    eventually("the second version is known", || known() == Some(2)).await;
    registry.change(Of::EventTypes, |content| content.event_types.clear());
    eventually("the type is gone", || known().is_none()).await;
    assert!(cache.tenant(one.tenant.id).is_some() && cache.endpoint(one.endpoint.id).is_some());
}

#[tokio::test]
async fn uses_of_keys_are_written_down_and_not_lost_while_the_registry_is_away() {
    let (registry, one, unused) = (Arc::new(Told::default()), owner(), owner());
    registry.add(&one);
    registry.add(&unused);
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    let (noting, shutdown) = (Arc::clone(&cache), CancellationToken::new());
    let stopping = shutdown.clone();
    let loop_ = tokio::spawn(async move { noting.note_uses(Duration::from_millis(5), stopping).await });
    let written = || registry.uses.lock().unwrap().clone();
    let authenticate = |at: Timestamp| cache.key(&one.key.hash, at).unwrap();

    registry.away(true);
    let (first, later) = (Timestamp::now(), Timestamp::now() + Duration::from_secs(1));
    authenticate(later);
    authenticate(first);
    registry.away(false);
    eventually("the latest use is written", || written() == [(one.key.id, later)]).await;

    shutdown.cancel();
    loop_.await.unwrap();
    registry.uses.lock().unwrap().clear();
    authenticate(first);
    cache.note_uses(Duration::from_secs(3600), shutdown).await;
    assert_eq!(written(), [(one.key.id, first)], "a last time at the end");
}

#[tokio::test]
async fn a_change_of_an_endpoint_reads_that_endpoint() {
    let (registry, one, other) = (Arc::new(Told::default()), owner(), owner());
    registry.add(&one);
    registry.add(&other);
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    let of = Of::Endpoint(one.tenant.id, one.endpoint.id);
    registry.read.lock().unwrap().clear();
    let untouched = cache.endpoint(other.endpoint.id).unwrap();
    registry.change(of, |content| content.endpoints[0].enabled = false);
    let enabled = || cache.endpoint(one.endpoint.id).map(|endpoint| endpoint.enabled);
    eventually("it is off", || enabled() == Some(false)).await;
    assert!(!cache.matching(one.tenant.id, &created())[0].enabled);
    registry.change(of, |content| {
        content.endpoints.retain(|endpoint| endpoint.id != one.endpoint.id)
    });
    eventually("it is gone", || enabled().is_none()).await;
    assert!(cache.matching(one.tenant.id, &created()).is_empty());
    assert_eq!(*registry.read.lock().unwrap(), [of, of]);
    assert!(Arc::ptr_eq(&untouched, &cache.endpoint(other.endpoint.id).unwrap()));

    // One of a tenant that is not known yet brings its tenant.
    let late = owner();
    registry.add(&late);
    registry.change(Of::Endpoint(late.tenant.id, late.endpoint.id), |_| ());
    eventually("its tenant is known", || cache.tenant(late.tenant.id).is_some()).await;
    assert!(cache.endpoint(late.endpoint.id).is_some());
}

#[tokio::test]
async fn what_nobody_announced_is_found_and_only_that_is_read() {
    let (registry, one, other, gone) = (Arc::new(Told::default()), owner(), owner(), owner());
    for owner in [&one, &other, &gone] {
        registry.add(owner);
    }
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    {
        let mut content = registry.content.lock().unwrap();
        let changed = content
            .endpoints
            .iter_mut()
            .find(|endpoint| endpoint.id == one.endpoint.id)
            .unwrap();
        (changed.enabled, changed.updated_at) = (false, changed.updated_at + Duration::from_secs(1));
        content.tenants.retain(|tenant| tenant.id != gone.tenant.id);
        content.endpoints.retain(|endpoint| endpoint.tenant != gone.tenant.id);
    }
    registry.read.lock().unwrap().clear();
    cache.resync().await.unwrap();
    assert!(!cache.endpoint(one.endpoint.id).unwrap().enabled);
    assert!(cache.tenant(gone.tenant.id).is_none() && cache.endpoint(gone.endpoint.id).is_none());
    let read: HashSet<Of> = registry.read.lock().unwrap().drain(..).collect();
    let tenants = [Of::Tenant(one.tenant.id), Of::Tenant(gone.tenant.id)];
    assert_eq!(
        read,
        HashSet::from_iter(tenants.into_iter().chain([Of::Operators, Of::EventTypes]))
    );
}

#[tokio::test]
async fn what_is_gone_after_changes_were_missed_is_gone_here() {
    let (registry, stays, gone) = (Arc::new(Told::default()), owner(), owner());
    registry.add(&stays);
    registry.add(&gone);
    let (cache, _health) = start(&registry);
    cache.loaded().await;
    let before = cache.endpoint(stays.endpoint.id).unwrap();
    registry
        .content
        .lock()
        .unwrap()
        .tenants
        .retain(|tenant| tenant.id != gone.tenant.id);
    registry
        .content
        .lock()
        .unwrap()
        .endpoints
        .retain(|endpoint| endpoint.tenant != gone.tenant.id);
    registry.lose_subscribers();
    eventually("the tenant is gone", || cache.tenant(gone.tenant.id).is_none()).await;
    assert!(cache.endpoint(gone.endpoint.id).is_none());
    assert!(
        Arc::ptr_eq(&before, &cache.endpoint(stays.endpoint.id).unwrap()),
        "it is in memory once"
    );
    assert_eq!(cache.bytes(stays.tenant.id, EndpointId::new()), before.size());
    assert_eq!(cache.bytes(stays.tenant.id, before.id), 0);
}

#[test]
fn many_changed_endpoints_are_their_tenant() {
    let (one, other) = (TenantId::new(), TenantId::new());
    let few = Of::Endpoint(other, EndpointId::new());
    let many = (0..=ENDPOINTS).map(|_| Of::Endpoint(one, EndpointId::new()));
    assert_eq!(together(many.chain([few])), HashSet::from([Of::Tenant(one), few]));
    assert_eq!(
        together([few, Of::Tenant(other)].into_iter()),
        HashSet::from([Of::Tenant(other)])
    );
    assert_eq!(
        together([few, Of::Everything].into_iter()),
        HashSet::from([Of::Everything])
    );
}
