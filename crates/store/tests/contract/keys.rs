//! API keys: their lives, their rotation and their use.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{ApiKey, KeyId, Scope, TenantId, Timestamp};
use tidings_store::registry::{AuditQuery, Of};
use tidings_store::{Store, StoreError};

use crate::fixtures::{HOUR, entry, key, now, stored_tenant};

pub(crate) async fn keys_are_stored_listed_and_deleted(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let mut second = key(Some(tenant));
    second.scopes = vec![Scope::Manage];
    second.expires_at = Some(now());
    let operator = key(None);
    store.create_key(&second, &entry()).await.unwrap();
    store.create_key(&operator, &entry()).await.unwrap();

    assert_eq!(store.key(second.id).await.unwrap(), Some(second.clone()));
    assert_eq!(store.keys(None, true).await.unwrap(), [operator]);
    let listed = store.keys(Some(tenant), true).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0], second);

    assert!(matches!(
        store.create_key(&second, &entry()).await,
        Err(StoreError::Conflict(_))
    ));
    assert!(store.delete_key(second.id, &entry()).await.unwrap());
    assert!(!store.delete_key(second.id, &entry()).await.unwrap());
    assert_eq!(store.key(second.id).await.unwrap(), None);
    assert_eq!(store.key(KeyId::new()).await.unwrap(), None);
}

pub(crate) async fn only_one_operator_key_is_the_first(store: Arc<dyn Store>) {
    stored_tenant(&store).await;
    let tries = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.create_first_operator_key(&key(None), &entry()).await.unwrap() })
    });
    let mut stored = 0;
    for tried in tries.collect::<Vec<_>>() {
        stored += usize::from(tried.await.unwrap());
    }
    assert_eq!(stored, 1);
    assert_eq!(store.keys(None, true).await.unwrap().len(), 1);
}

pub(crate) async fn keys_of_portal_links_are_listed_on_request_and_removed_when_expired(store: Arc<dyn Store>) {
    let (tenant, other) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let portal = |tenant: TenantId, expires_at: Timestamp| ApiKey {
        portal: true,
        name: "Support".into(),
        expires_at: Some(expires_at),
        ..key(Some(tenant))
    };
    let expired = [portal(tenant, now() - HOUR), portal(other, now() - HOUR)];
    let valid = [portal(tenant, now() + HOUR), portal(tenant, now() + HOUR)];
    for link in expired.iter().chain(&valid) {
        store.create_key(link, &entry()).await.unwrap();
    }
    assert_eq!(store.keys(Some(tenant), false).await.unwrap().len(), 1);
    let listed = store.keys(Some(tenant), true).await.unwrap();
    let listed: Vec<_> = listed.into_iter().filter(|key| key.portal).collect();
    assert_eq!(listed, [valid[1].clone(), valid[0].clone()]);
    assert_eq!(store.key(expired[1].id).await.unwrap(), Some(expired[1].clone()));
}

pub(crate) async fn a_rotated_key_expires_and_has_a_successor(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let soon = ApiKey {
        expires_at: Some(now() + Duration::from_secs(60)),
        ..key(Some(tenant))
    };
    let endless = key(Some(tenant));
    for (old, expected) in [(&soon, soon.expires_at), (&endless, Some(now() + HOUR))] {
        store.create_key(old, &entry()).await.unwrap();
        let new = key(Some(tenant));
        let at = expected.unwrap().max(now() + HOUR);
        assert!(store.rotate_key(old.id, at, &new, &entry()).await.unwrap());
        assert_eq!(store.key(new.id).await.unwrap(), Some(new));
        let expires_at = store.key(old.id).await.unwrap().unwrap().expires_at;
        assert_eq!(expires_at, if old.expires_at.is_some() { expected } else { Some(at) });
    }

    let new = key(Some(tenant));
    assert!(!store.rotate_key(KeyId::new(), now(), &new, &entry()).await.unwrap());
    assert_eq!(store.key(new.id).await.unwrap(), None);
    let taken = ApiKey {
        id: KeyId::new(),
        ..soon.clone()
    };
    let before = store.key(endless.id).await.unwrap();
    assert!(matches!(
        store.rotate_key(endless.id, now(), &taken, &entry()).await,
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(store.key(endless.id).await.unwrap(), before);
}

pub(crate) async fn a_key_expires_when_it_is_told_to(store: Arc<dyn Store>) {
    let operator = key(None);
    store.create_key(&operator, &entry()).await.unwrap();
    for expires_at in [Some(now() + HOUR), None] {
        let replaced = store.replace_key_expiry(operator.id, expires_at, &entry()).await;
        assert!(replaced.unwrap());
        assert_eq!(store.key(operator.id).await.unwrap().unwrap().expires_at, expires_at);
    }
    assert!(!store.replace_key_expiry(KeyId::new(), None, &entry()).await.unwrap());
}

/// A key behind a link that works once, stored.
async fn stored_link(store: &Arc<dyn Store>, tenant: TenantId) -> ApiKey {
    let key = ApiKey {
        portal: true,
        expires_at: Some(now() + HOUR),
        ..key(Some(tenant))
    };
    let (key, _) = key.behind_link_once();
    store.create_key(&key, &entry()).await.unwrap();
    key
}

pub(crate) async fn the_token_of_a_link_is_exchanged_once(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let key = stored_link(&store, tenant).await;
    assert_eq!(store.key(key.id).await.unwrap(), Some(key.clone()));
    let (first, _) = key.exchanged(now()).unwrap();
    let (second, _) = key.exchanged(now()).unwrap();
    assert!(store.exchange_key(&first, &entry()).await.unwrap());
    let before = store.audit(&AuditQuery::default()).await.unwrap().len();
    assert!(!store.exchange_key(&second, &entry()).await.unwrap());
    assert_eq!(store.audit(&AuditQuery::default()).await.unwrap().len(), before);
    assert_eq!(store.key(key.id).await.unwrap(), Some(first.clone()));
    let snapshot = store.snapshot(Of::Tenant(tenant)).await.unwrap();
    assert!(snapshot.keys.contains(&first));

    // Neither a key without such a link nor one that is gone can be exchanged.
    let plain = crate::fixtures::key(Some(tenant));
    store.create_key(&plain, &entry()).await.unwrap();
    let (pretended, _) = plain.clone().behind_link_once().0.exchanged(now()).unwrap();
    assert!(!store.exchange_key(&pretended, &entry()).await.unwrap());
    assert_eq!(store.key(plain.id).await.unwrap(), Some(plain));
    let gone = stored_link(&store, tenant).await;
    assert!(store.delete_key(gone.id, &entry()).await.unwrap());
    let (late, _) = gone.exchanged(now()).unwrap();
    assert!(!store.exchange_key(&late, &entry()).await.unwrap());
}

pub(crate) async fn of_many_exchanges_at_once_one_succeeds(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    for _ in 0..5 {
        let key = stored_link(&store, tenant).await;
        let tries = (0..8).map(|_| {
            let (store, (exchanged, _)) = (store.clone(), key.exchanged(now()).unwrap());
            tokio::spawn(async move { (store.exchange_key(&exchanged, &entry()).await.unwrap(), exchanged) })
        });
        let mut winners = Vec::new();
        for tried in tries.collect::<Vec<_>>() {
            let (is_first, exchanged) = tried.await.unwrap();
            winners.extend(is_first.then_some(exchanged));
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.key(key.id).await.unwrap(), winners.pop());
    }
}

pub(crate) async fn the_latest_use_of_a_key_is_kept(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let (used, gone) = (key(Some(tenant)), key(Some(tenant)));
    store.create_key(&used, &entry()).await.unwrap();
    let last_used = async || {
        let one = store.key(used.id).await.unwrap().unwrap().last_used_at;
        let listed = store.keys(Some(tenant), false).await.unwrap();
        let listed = listed.into_iter().find(|key| key.id == used.id).unwrap();
        assert_eq!(listed.last_used_at, one);
        one
    };
    assert_eq!(last_used().await, None);
    store.note_key_uses(&[]).await.unwrap();
    let (first, later) = (now(), now() + HOUR);
    store.note_key_uses(&[(used.id, first)]).await.unwrap();
    assert_eq!(last_used().await, Some(first));
    store
        .note_key_uses(&[(gone.id, first), (used.id, later)])
        .await
        .unwrap();
    store.note_key_uses(&[(used.id, first)]).await.unwrap();
    assert_eq!(last_used().await, Some(later));
    let snapshot = store.snapshot(Of::Tenant(tenant)).await.unwrap();
    assert!(snapshot.keys.iter().all(|key| key.last_used_at.is_none()));
    assert!(store.delete_key(used.id, &entry()).await.unwrap());
}

pub(crate) async fn uses_noted_by_many_at_once_do_not_block_each_other(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        let key = key(Some(tenant));
        store.create_key(&key, &entry()).await.unwrap();
        ids.push(key.id);
    }
    let noting = (0..8u32).map(|process| {
        let (store, mut ids) = (store.clone(), ids.clone());
        ids.rotate_left(process as usize * 2);
        tokio::spawn(async move {
            for second in 0..5 {
                let at = now() + Duration::from_secs(second);
                let uses: Vec<_> = ids.iter().map(|id| (*id, at)).collect();
                store.note_key_uses(&uses).await.unwrap();
            }
        })
    });
    for noted in noting.collect::<Vec<_>>() {
        noted.await.unwrap();
    }
    let listed = store.keys(Some(tenant), false).await.unwrap();
    assert_eq!(listed.iter().filter(|key| key.last_used_at.is_some()).count(), 20);
}
