//! Cache of endpoints with their secrets unsealed.
//!
//! Every attempt needs its endpoint's secrets, and unsealing them each time costs more than a look-up. An unsealed
//! endpoint is kept beside the sealed one it came from and is valid as long as the registry returns that very one.
//! The cache holds at most [`MAX_MEMORY`]; endpoints not used lately are unsealed again.

use std::sync::Arc;

use moka::sync::Cache;
use tidings_domain::{Endpoint, EndpointId};
use tidings_store::{Registry, StoreError};

/// Maximum memory of unsealed endpoints, bytes: about 40,000 typical ones.
const MAX_MEMORY: u64 = 64 * 1024 * 1024;

pub(crate) struct Opened(Cache<EndpointId, Pair>);

#[derive(Clone)]
struct Pair {
    sealed: Arc<Endpoint>,
    open: Arc<Endpoint>,
}

impl Default for Opened {
    fn default() -> Self {
        let size = |_: &EndpointId, pair: &Pair| u32::try_from(pair.open.size()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MAX_MEMORY).weigher(size).build())
    }
}

impl Opened {
    /// The endpoint with its secrets, or why they can't be opened.
    pub(crate) fn open(&self, registry: &dyn Registry, endpoint: &Arc<Endpoint>) -> Result<Arc<Endpoint>, StoreError> {
        if endpoint.sealed.is_empty() {
            return Ok(Arc::clone(endpoint));
        }
        if let Some(known) = self.0.get(&endpoint.id)
            && Arc::ptr_eq(&known.sealed, endpoint)
        {
            return Ok(known.open);
        }
        let pair = Pair {
            sealed: Arc::clone(endpoint),
            open: Arc::new(registry.open(endpoint)?),
        };
        let open = Arc::clone(&pair.open);
        self.0.insert(endpoint.id, pair);
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use tidings_domain::{Actor, ApiKey, AuditEntry, Secret, Tenant, Timestamp};
    use tidings_store::registry::Of;
    use tidings_store::seal::{SealKey, Sealer};
    use tidings_store::sqlite::Sqlite;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_was_opened_is_kept_as_long_as_it_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidings.db");
        let open = |key: &SealKey| Sqlite::open(&path, Sealer::new(vec![key.clone()]).unwrap()).unwrap();
        let key = SealKey::generate();
        let store = open(&key);
        let now = Timestamp::now();
        let entry = || AuditEntry::new(now, Actor::Internal, "test", "nothing");
        let tenant = Tenant::new("Acme", now);
        let (token, _) = ApiKey::new(Some(tenant.id), vec![], now);
        store.create_tenant(&tenant, &token, &entry()).await.unwrap();
        let signed = Endpoint {
            secret: Some(Secret::generate()),
            ..Endpoint::new(tenant.id, "https://example.com/".parse().unwrap(), "standard", now)
        };
        store.create_endpoint(&signed, &entry()).await.unwrap();
        let read = async |store: &Sqlite| {
            let mut found = store.snapshot(Of::Tenant(tenant.id)).await.unwrap();
            Arc::new(found.endpoints.remove(0))
        };

        let (opened, sealed) = (Opened::default(), read(&store).await);
        let first = opened.open(&store, &sealed).unwrap();
        assert_eq!(first.secret, signed.secret);
        assert!(Arc::ptr_eq(&first, &opened.open(&store, &sealed).unwrap()));
        let again = read(&store).await;
        assert!(
            !Arc::ptr_eq(&first, &opened.open(&store, &again).unwrap()),
            "it may have changed"
        );
        let unsigned = Arc::new(Endpoint::new(tenant.id, signed.url.clone(), "standard", now));
        assert!(Arc::ptr_eq(&unsigned, &opened.open(&store, &unsigned).unwrap()));
        drop(store);

        // A process without the key can't, and can as soon as it has the key.
        let store = open(&SealKey::generate());
        let opened = Opened::default();
        assert!(matches!(opened.open(&store, &sealed), Err(StoreError::Corrupt(_))));
        drop(store);
        assert_eq!(opened.open(&open(&key), &sealed).unwrap().secret, signed.secret);
    }
}
