use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_domain::{EventId, TenantId};
use tidings_store::{Claim, ClaimToken, Store};

const LEASE: Duration = Duration::from_secs(60);
/// A lease that every claim outlives.
const NO_LEASE: Duration = Duration::ZERO;
const CONTENT: [u8; 32] = [1; 32];
const OTHER_CONTENT: [u8; 32] = [2; 32];

pub(crate) async fn a_key_is_claimed_once(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    assert_eq!(claimed(&store, tenant, CONTENT, event, LEASE).await.0, event);
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    let Claim::InFlight(left) = again else {
        panic!("{again:?}")
    };
    assert!(left <= LEASE && left > LEASE / 2, "{left:?}");
}

pub(crate) async fn a_settled_key_is_a_duplicate(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    let (_, token) = claimed(&store, tenant, CONTENT, event, LEASE).await;
    store.settle(tenant, "k", token).await.unwrap();
    for lease in [LEASE, NO_LEASE] {
        let again = store.claim(tenant, "k", CONTENT, EventId::new(), lease).await.unwrap();
        assert_eq!(again, Claim::Duplicate(event));
    }
}

pub(crate) async fn a_key_with_other_content_is_told_apart(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    let (_, token) = claimed(&store, tenant, CONTENT, event, LEASE).await;
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
    store.settle(tenant, "k", token).await.unwrap();
    assert_eq!(claim(LEASE).await, Claim::OtherContent(event));
}

pub(crate) async fn a_stale_claim_is_taken_over_with_its_event(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    claimed(&store, tenant, CONTENT, event, LEASE).await;
    let (taken_over, token) = claimed(&store, tenant, CONTENT, EventId::new(), NO_LEASE).await;
    assert_eq!(taken_over, event);
    // The lease begins anew.
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    assert!(matches!(again, Claim::InFlight(_)), "{again:?}");
    store.settle(tenant, "k", token).await.unwrap();
    let again = store
        .claim(tenant, "k", CONTENT, EventId::new(), NO_LEASE)
        .await
        .unwrap();
    assert_eq!(again, Claim::Duplicate(event));
}

pub(crate) async fn only_its_holder_settles_or_releases_a_claim(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    let (_, stale) = claimed(&store, tenant, CONTENT, event, LEASE).await;
    let (_, holder) = claimed(&store, tenant, CONTENT, EventId::new(), NO_LEASE).await;
    assert_ne!(stale, holder);

    store.release(tenant, "k", stale).await.unwrap();
    store.settle(tenant, "k", stale).await.unwrap();
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    assert!(
        matches!(again, Claim::InFlight(_)),
        "the holder still publishes: {again:?}"
    );

    store.settle(tenant, "k", holder).await.unwrap();
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    assert_eq!(again, Claim::Duplicate(event));
}

pub(crate) async fn a_released_key_is_free_at_once_for_the_same_event(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    let (_, token) = claimed(&store, tenant, CONTENT, event, LEASE).await;
    store.release(tenant, "k", token).await.unwrap();
    let other = store
        .claim(tenant, "k", OTHER_CONTENT, EventId::new(), LEASE)
        .await
        .unwrap();
    assert_eq!(
        other,
        Claim::OtherContent(event),
        "what was not accepted may be durable all the same"
    );
    let (again, next) = claimed(&store, tenant, CONTENT, EventId::new(), LEASE).await;
    assert_eq!(again, event);
    assert_ne!(next, token);
    let third = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    assert!(matches!(third, Claim::InFlight(_)), "{third:?}");
}

pub(crate) async fn a_settled_key_is_not_released(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    let (_, token) = claimed(&store, tenant, CONTENT, event, LEASE).await;
    store.settle(tenant, "k", token).await.unwrap();
    store.release(tenant, "k", token).await.unwrap();
    let again = store.claim(tenant, "k", CONTENT, EventId::new(), LEASE).await.unwrap();
    assert_eq!(again, Claim::Duplicate(event));
}

pub(crate) async fn old_keys_are_forgotten(store: Arc<dyn Store>) {
    let (tenant, event) = (TenantId::new(), EventId::new());
    for key in ["a", "b", "c"] {
        let claim = store.claim(tenant, key, CONTENT, event, LEASE).await.unwrap();
        if let ("a", Claim::Claimed { token, .. }) = (key, claim) {
            store.settle(tenant, key, token).await.unwrap();
        }
    }
    assert_eq!(store.forget_older_than(LEASE).await.unwrap(), 0);
    // The store's clock decides what is older than no time at all; it moves on at once.
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut forgotten = 0;
    while forgotten < 3 && Instant::now() < deadline {
        forgotten += store.forget_older_than(Duration::ZERO).await.unwrap();
    }
    assert_eq!(forgotten, 3);
    let again = store.claim(tenant, "a", OTHER_CONTENT, event, LEASE).await.unwrap();
    assert!(matches!(again, Claim::Claimed { .. }), "{again:?}");
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
            if let Claim::Claimed { event, .. } = claim.await.unwrap().unwrap() {
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
        assert_eq!(claimed(&store, tenant, CONTENT, event, LEASE).await.0, event);
    }
}

/// Claims the key `k`, which must be possible.
async fn claimed(
    store: &Arc<dyn Store>,
    tenant: TenantId,
    content: [u8; 32],
    event: EventId,
    lease: Duration,
) -> (EventId, ClaimToken) {
    match store.claim(tenant, "k", content, event, lease).await.unwrap() {
        Claim::Claimed { event, token } => (event, token),
        other => panic!("{other:?}"),
    }
}
