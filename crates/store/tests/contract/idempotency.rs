use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::{EventId, TenantId};
use tidings_store::{Claim, Store};

const LEASE: Duration = Duration::from_secs(60);
/// A lease that every claim outlives.
const NO_LEASE: Duration = Duration::ZERO;
const CONTENT: [u8; 32] = [1; 32];
const OTHER_CONTENT: [u8; 32] = [2; 32];

pub(crate) async fn a_key_is_claimed_once(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    assert_eq!(
        store.claim(tenant, "k", CONTENT, event, LEASE).await.unwrap(),
        Claim::Claimed(event)
    );
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    let Claim::InFlight(left) = again else {
        panic!("{again:?}")
    };
    assert!(left <= LEASE && left > LEASE / 2, "{left:?}");
}

pub(crate) async fn a_settled_key_is_a_duplicate(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    store.claim(tenant, "k", CONTENT, event, LEASE).await.unwrap();
    store.settle(tenant, "k", event).await.unwrap();
    for lease in [LEASE, NO_LEASE] {
        let again = store.claim(tenant, "k", CONTENT, EventId::new(), lease).await.unwrap();
        assert_eq!(again, Claim::Duplicate(event));
    }
}

pub(crate) async fn a_key_with_other_content_is_told_apart(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    store.claim(tenant, "k", CONTENT, event, LEASE).await.unwrap();
    let claim = async |lease| {
        store
            .claim(tenant, "k", OTHER_CONTENT, EventId::new(), lease)
            .await
            .unwrap()
    };
    assert_eq!(claim(LEASE).await, Claim::OtherContent(event));
    assert_eq!(
        claim(NO_LEASE).await,
        Claim::OtherContent(event),
        "stale, but half of it may have been published"
    );
    store.settle(tenant, "k", event).await.unwrap();
    assert_eq!(claim(LEASE).await, Claim::OtherContent(event));
}

pub(crate) async fn a_stale_claim_is_taken_over_with_its_event(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    store.claim(tenant, "k", CONTENT, event, LEASE).await.unwrap();
    let taken_over = store
        .claim(tenant, "k", CONTENT, EventId::new(), NO_LEASE)
        .await
        .unwrap();
    assert_eq!(taken_over, Claim::Claimed(event));
    // The lease begins anew.
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    assert!(matches!(again, Claim::InFlight(_)), "{again:?}");
    store.settle(tenant, "k", event).await.unwrap();
    let again = store
        .claim(tenant, "k", CONTENT, EventId::new(), NO_LEASE)
        .await
        .unwrap();
    assert_eq!(again, Claim::Duplicate(event));
}

pub(crate) async fn a_released_key_is_free_again(store: Arc<dyn Store>) {
    let (tenant, first, second) = (TenantId::new(), EventId::new(), EventId::new());
    store.claim(tenant, "k", CONTENT, first, LEASE).await.unwrap();
    store.release(tenant, "k", second).await.unwrap();
    let again = store.claim(tenant, "k", CONTENT, second, LEASE).await.unwrap();
    assert!(
        matches!(again, Claim::InFlight(_)),
        "who does not hold the key can't release it: {again:?}"
    );
    store.release(tenant, "k", first).await.unwrap();
    let again = store.claim(tenant, "k", OTHER_CONTENT, second, LEASE).await.unwrap();
    assert_eq!(again, Claim::Claimed(second));
}

pub(crate) async fn a_settled_key_is_not_released(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    store.claim(tenant, "k", CONTENT, event, LEASE).await.unwrap();
    store.settle(tenant, "k", event).await.unwrap();
    store.release(tenant, "k", event).await.unwrap();
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    assert_eq!(again, Claim::Duplicate(event));
}

pub(crate) async fn old_keys_are_forgotten(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    for key in ["a", "b", "c"] {
        store.claim(tenant, key, CONTENT, event, LEASE).await.unwrap();
    }
    store.settle(tenant, "a", event).await.unwrap();
    assert_eq!(store.forget_older_than(LEASE).await.unwrap(), 0);
    // The store's clock decides what is older than no time at all; it moves on at once.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut forgotten = 0;
    while forgotten < 3 && Instant::now() < deadline {
        forgotten += store.forget_older_than(Duration::ZERO).await.unwrap();
    }
    assert_eq!(forgotten, 3);
    assert_eq!(
        store.claim(tenant, "a", OTHER_CONTENT, event, LEASE).await.unwrap(),
        Claim::Claimed(event)
    );
}

pub(crate) async fn one_of_many_claims_wins(store: Arc<dyn Store>) {
    let tenant = TenantId::new();
    for lease in [LEASE, NO_LEASE] {
        let claims = (0..12).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .claim(tenant, &format!("{lease:?}"), CONTENT, EventId::new(), lease)
                    .await
            })
        });
        let mut claimed = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            if let Claim::Claimed(event) = claim.await.unwrap().unwrap() {
                claimed.push(event);
            }
        }
        // Without a lease everybody takes over from somebody, and all have the first one's event.
        let expected = if lease == LEASE { 1 } else { claimed.len() };
        assert_eq!(claimed.len(), expected);
        assert!(
            !claimed.is_empty() && claimed.iter().all(|event| *event == claimed[0]),
            "{claimed:?}"
        );
    }
}

pub(crate) async fn keys_belong_to_tenants(store: Arc<dyn Store>) {
    for tenant in [TenantId::new(), TenantId::new()] {
        let event = EventId::new();
        assert_eq!(
            store.claim(tenant, "k", CONTENT, event, LEASE).await.unwrap(),
            Claim::Claimed(event)
        );
    }
}
