//! The lookup tables of the cache.

use std::collections::HashMap;
use std::sync::Arc;

use tidings_domain::key::TokenHash;
use tidings_domain::{ApiKey, Endpoint, EndpointId, EventType, EventTypeVersion, Tenant, TenantId};

use crate::lenient::Unreadable;
use crate::registry::{Mark, Snapshot};

#[derive(Default)]
pub(super) struct Index {
    pub(super) tenants: HashMap<TenantId, Entry>,
    pub(super) endpoints: HashMap<EndpointId, Arc<Endpoint>>,
    /// Keys by their tokens; those behind links that work once also by the links'.
    pub(super) keys: HashMap<TokenHash, Arc<ApiKey>>,
    operator_keys: Vec<TokenHash>,
    pub(super) event_types: HashMap<EventType, Arc<EventTypeVersion>>,
    /// Rows that can't be read in full.
    pub(super) unreadable: Vec<Unreadable>,
    /// Memory used by endpoints, in bytes.
    pub(super) bytes: usize,
}

pub(super) struct Entry {
    pub(super) tenant: Arc<Tenant>,
    pub(super) endpoints: Arc<[Arc<Endpoint>]>,
    keys: Vec<TokenHash>,
    /// The mark under which all this was read; none if a part of it was read later than the rest.
    mark: Option<Mark>,
}

impl Index {
    /// The tenants whose marks differ from these.
    pub(super) fn stale(&self, marks: &HashMap<TenantId, Mark>) -> Vec<TenantId> {
        let gone = self.tenants.keys().filter(|id| !marks.contains_key(id));
        let known = |id: &TenantId| self.tenants.get(id).and_then(|entry| entry.mark);
        let changed = marks.iter().filter(|(id, mark)| known(id) != Some(**mark));
        gone.chain(changed.map(|(id, _)| id)).copied().collect()
    }

    /// Replaces these tenants by their present state; those that the snapshot lacks are removed.
    pub(super) fn replace_tenants(&mut self, ids: impl IntoIterator<Item = TenantId>, snapshot: Snapshot) {
        let mut before = HashMap::new();
        for id in ids {
            let Some(old) = self.tenants.remove(&id) else {
                continue;
            };
            for endpoint in old.endpoints.iter() {
                before.extend(self.endpoints.remove(&endpoint.id).map(|old| (old.id, old)));
                self.bytes -= endpoint.size();
            }
            for hash in &old.keys {
                self.keys.remove(hash);
            }
            self.unreadable.retain(|row| row.tenant != Some(id));
        }
        self.add_tenants(snapshot, &before);
    }

    /// Replaces one endpoint, or removes it if the snapshot lacks it. Returns `false`, with nothing done, if its tenant
    /// is unknown.
    pub(super) fn replace_endpoint(&mut self, tenant: TenantId, id: EndpointId, snapshot: Snapshot) -> bool {
        let Some(entry) = self.tenants.get_mut(&tenant) else {
            return false;
        };
        let new = snapshot.endpoints.into_iter().next().map(Arc::new);
        let others = entry.endpoints.iter().filter(|endpoint| endpoint.id != id);
        entry.endpoints = others.chain(&new).cloned().collect();
        entry.mark = None;
        let old = match &new {
            Some(new) => self.endpoints.insert(id, Arc::clone(new)),
            None => self.endpoints.remove(&id),
        };
        self.bytes -= old.map_or(0, |old| old.size());
        self.bytes += new.map_or(0, |new| new.size());
        let shown = id.to_string();
        self.unreadable.retain(|row| row.kind != "endpoint" || row.id != shown);
        self.note(snapshot.unreadable);
        true
    }

    pub(super) fn replace_operators(&mut self, snapshot: Snapshot) {
        for hash in std::mem::take(&mut self.operator_keys) {
            self.keys.remove(&hash);
        }
        for key in snapshot.keys {
            let hashes = insert_key(&mut self.keys, key);
            self.operator_keys.extend(hashes);
        }
        self.unreadable.retain(|row| row.kind != "key" || row.tenant.is_some());
        self.note(snapshot.unreadable);
    }

    /// Replaces the catalogue. An unchanged version keeps its `Arc`, so that what was compiled from it stays valid.
    pub(super) fn replace_event_types(&mut self, snapshot: Snapshot) {
        let before = std::mem::take(&mut self.event_types);
        for newest in snapshot.event_types {
            let kept = before.get(&newest.event_type).filter(|old| ***old == newest).cloned();
            let event_type = newest.event_type.clone();
            self.event_types
                .insert(event_type, kept.unwrap_or_else(|| Arc::new(newest)));
        }
        self.unreadable.retain(|row| row.kind != "event_type");
        self.note(snapshot.unreadable);
    }

    /// Adds whole tenants. An endpoint that is equal to the one `before` keeps its `Arc`, so that what others cache for
    /// it stays valid.
    fn add_tenants(&mut self, mut snapshot: Snapshot, before: &HashMap<EndpointId, Arc<Endpoint>>) {
        let mut endpoints: HashMap<TenantId, Vec<Arc<Endpoint>>> = HashMap::new();
        for endpoint in snapshot.endpoints {
            let endpoint = match before.get(&endpoint.id) {
                Some(old) if **old == endpoint => Arc::clone(old),
                _ => Arc::new(endpoint),
            };
            self.bytes += endpoint.size();
            self.endpoints.insert(endpoint.id, Arc::clone(&endpoint));
            endpoints.entry(endpoint.tenant).or_default().push(endpoint);
        }
        let mut keys: HashMap<TenantId, Vec<TokenHash>> = HashMap::new();
        for key in snapshot.keys {
            if let Some(tenant) = key.tenant {
                let hashes = insert_key(&mut self.keys, key);
                keys.entry(tenant).or_default().extend(hashes);
            }
        }
        for tenant in snapshot.tenants {
            let id = tenant.id;
            let entry = Entry {
                tenant: Arc::new(tenant),
                endpoints: endpoints.remove(&id).unwrap_or_default().into(),
                keys: keys.remove(&id).unwrap_or_default(),
                mark: snapshot.marks.remove(&id),
            };
            self.tenants.insert(id, entry);
        }
        self.note(snapshot.unreadable);
    }

    fn note(&mut self, unreadable: Vec<Unreadable>) {
        for row in unreadable {
            if !self.unreadable.contains(&row) {
                let Unreadable { kind, id, why, .. } = &row;
                tracing::warn!(kind, id, why, "a row of the registry can't be read in full");
                self.unreadable.push(row);
            }
        }
    }
}

/// Files a key under the hashes of all tokens that lead to it, and returns them.
fn insert_key(keys: &mut HashMap<TokenHash, Arc<ApiKey>>, key: ApiKey) -> impl Iterator<Item = TokenHash> + use<> {
    let key = Arc::new(key);
    let hashes = std::iter::once(key.hash).chain(key.link.map(|link| link.hash));
    for hash in hashes.clone() {
        keys.insert(hash, Arc::clone(&key));
    }
    hashes
}
