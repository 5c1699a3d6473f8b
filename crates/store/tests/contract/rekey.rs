//! Sealing again with another key. The store is opened again and again, with other keys each time.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{Authorization, Endpoint, PreviousSecret, Secret};
use tidings_store::Store;
use tidings_store::registry::Rekeyed;
use tidings_store::seal::{SealKey, Sealer};

use crate::fixtures::{endpoint, entry, now, stored_tenant};
use crate::stores::{Postgres, Sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_sealed_again_in_postgres() {
    let place = Postgres::create().await;
    secrets_are_sealed_again(async |keys| place.open(keys).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_sealed_again_in_sqlite() {
    let place = Sqlite::create();
    secrets_are_sealed_again(async |keys| place.open(keys)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_the_same_moment_is_kept_in_postgres() {
    let place = Postgres::create().await;
    a_change_at_the_same_moment_is_kept(async |keys| place.open(keys).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_at_the_same_moment_is_kept_in_sqlite() {
    let place = Sqlite::create();
    a_change_at_the_same_moment_is_kept(async |keys| place.open(keys)).await;
}

async fn secrets_are_sealed_again(open: impl AsyncFn(Sealer) -> Arc<dyn Store>) {
    let store = open(sealer(&["old"])).await;
    let tenant = stored_tenant(&store).await;
    let mut endpoints = vec![endpoint(tenant)];
    endpoints.extend((0..3).map(|_| secretive(endpoint(tenant))));
    endpoints[3].secret = None;
    for endpoint in &endpoints {
        store.create_endpoint(endpoint, &entry()).await.unwrap();
    }
    drop(store);

    let store = open(sealer(&["new", "old"])).await;
    endpoints.push(secretive(endpoint(tenant)));
    store.create_endpoint(&endpoints[4], &entry()).await.unwrap();
    let used = async || store.seal_uses().await.unwrap().into_iter().map(|used| used.key);
    assert!(used().await.eq(["new", "old"]));
    assert_eq!(rekey(&store).await, (3, vec![]));
    assert_eq!(rekey(&store).await, (0, vec![]));
    assert!(used().await.eq(["new"]));
    drop(store);

    let store = open(sealer(&["new"])).await;
    for endpoint in &endpoints {
        assert_eq!(store.endpoint(endpoint.id).await.unwrap().as_ref(), Some(endpoint));
    }
    drop(store);

    let store = open(sealer(&["third"])).await;
    let lost: Vec<_> = endpoints[1..].iter().map(|endpoint| endpoint.id).collect();
    assert_eq!(rekey(&store).await, (0, lost));
    drop(store);
    let store = open(sealer(&["new"])).await;
    assert_eq!(
        store.endpoint(endpoints[1].id).await.unwrap().as_ref(),
        Some(&endpoints[1])
    );
}

async fn a_change_at_the_same_moment_is_kept(open: impl AsyncFn(Sealer) -> Arc<dyn Store>) {
    let store = open(sealer(&["old"])).await;
    let tenant = stored_tenant(&store).await;
    let mut current = secretive(endpoint(tenant));
    store.create_endpoint(&current, &entry()).await.unwrap();
    drop(store);
    for round in 0..20 {
        let keys = if round % 2 == 0 { ["new", "old"] } else { ["old", "new"] };
        let store = open(sealer(&keys)).await;
        let next = Endpoint {
            updated_at: current.updated_at + Duration::from_secs(1),
            ..secretive(current.clone())
        };
        let no_entry = entry();
        let (replaced, rekeyed) = tokio::join!(
            store.replace_endpoint(&next, current.updated_at, &no_entry),
            store.rekey(None, 10)
        );
        assert!(replaced.unwrap(), "sealing again is no change of it");
        assert_eq!(rekeyed.unwrap().unreadable, []);
        assert_eq!(store.endpoint(next.id).await.unwrap().as_ref(), Some(&next));
        current = next;
    }
}

/// Goes through everything in small pages.
async fn rekey(store: &Arc<dyn Store>) -> (u32, Vec<tidings_domain::EndpointId>) {
    let (mut sealed, mut unreadable, mut after) = (0, Vec::new(), None);
    loop {
        let Rekeyed {
            sealed: more,
            unreadable: lost,
            next,
        } = store.rekey(after, 2).await.unwrap();
        sealed += more;
        unreadable.extend(lost);
        if next.is_none() {
            return (sealed, unreadable);
        }
        after = next;
    }
}

pub(crate) fn secretive(endpoint: Endpoint) -> Endpoint {
    let mut endpoint = Endpoint {
        secret: Some(Secret::generate()),
        previous_secret: Some(PreviousSecret {
            secret: Secret::generate(),
            until: now(),
        }),
        ..endpoint
    };
    endpoint.authentication.authorization = Some(Authorization::Bearer {
        token: Secret::generate().reveal().to_owned(),
    });
    endpoint
}

/// A sealer with keys of these names, each the same every time.
fn sealer(names: &[&str]) -> Sealer {
    let key = |name: &&str| SealKey::new(name, [name.as_bytes()[0]; 32]).unwrap();
    Sealer::new(names.iter().map(key).collect()).unwrap()
}
