//! Tests of releasers on a real store: one whose cache lacks an endpoint, and one whose endpoint was repaired.

use tidings_domain::{Actor, ApiKey, AuditEntry, EventId, Tenant};
use tidings_queue::embedded::Embedded;
use tidings_queue::topology::Topology;
use tidings_service::health::Health;
use tidings_store::ledger::{NewEvent, Record};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_undecided_is_sent_if_it_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let sealer = Sealer::new(vec![SealKey::generate()]).unwrap();
    let store = Sqlite::open(&directory.path().join("store.db"), sealer).unwrap();
    let now = Timestamp::now();
    let filtered = tidings_domain::Subscription {
        filter: Some("payload.rating <= 2".into()),
        ..tidings_domain::Subscription::to("feedback.*".parse().unwrap())
    };
    let endpoint = Endpoint {
        subscriptions: vec![filtered],
        ..Endpoint::new(
            tidings_domain::TenantId::new(),
            "https://example.com/hook".parse().unwrap(),
            "standard",
            now,
        )
    };
    let reason = HoldReason::SubscriptionsUnreadable;
    let mut deliveries = Vec::new();
    for (event_type, payload) in [
        ("feedback.created", r#"{"rating": 1}"#),
        ("feedback.created", r#"{"rating": 5}"#),
        ("comment.created", r#"{"rating": 1}"#),
    ] {
        let event = EventId::new();
        let accepted = NewEvent {
            id: event,
            tenant: endpoint.tenant,
            event_type: event_type.parse().unwrap(),
            occurred_at: now,
            accepted_at: now,
            payload: payload.into(),
            idempotency_key: None,
            traceparent: None,
            deliveries: vec![(endpoint.id, DeliveryState::Held(reason))],
            grace: Duration::ZERO,
            test: false,
        };
        store.record(vec![Record::Event(accepted)]).await.unwrap();
        deliveries.push(DeliveryId::derive(event, endpoint.id));
    }
    let released = store
        .release_held(endpoint.id, now, Duration::from_secs(75), 10)
        .await
        .unwrap();
    let wanted = undecided::decide(&store, &endpoint, released).await.unwrap();
    assert_eq!(wanted.iter().map(|open| open.id).collect::<Vec<_>>(), deliveries[..1]);
    for unwanted in &deliveries[1..] {
        let (_, _, state) = store.states(&[*unwanted]).await.unwrap().remove(0);
        assert_eq!(state, DeliveryState::Cancelled(CancelReason::Filtered));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_registry_itself_says_that_an_endpoint_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let sealer = Sealer::new(vec![SealKey::generate()]).unwrap();
        Sqlite::open(&directory.path().join(name), sealer).unwrap()
    };
    let (store, empty) = (Arc::new(open("store.db")), Arc::new(open("empty.db")));
    let now = Timestamp::now();
    let entry = || AuditEntry::new(now, Actor::Internal, "test", "nothing");
    let tenant = Tenant::new("Acme", now);
    let (key, _) = ApiKey::new(Some(tenant.id), vec![], now);
    let endpoint = Endpoint {
        enabled: false,
        ..Endpoint::new(tenant.id, "https://example.com/hook".parse().unwrap(), "standard", now)
    };
    store.create_tenant(&tenant, &key, &entry()).await.unwrap();
    store.create_endpoint(&endpoint, &entry()).await.unwrap();
    let event = EventId::at(now);
    let held = DeliveryState::Held(HoldReason::EndpointDisabled);
    let accepted = NewEvent {
        id: event,
        tenant: tenant.id,
        event_type: "feedback.created".parse().unwrap(),
        occurred_at: now,
        accepted_at: now,
        payload: "{}".into(),
        idempotency_key: None,
        traceparent: None,
        deliveries: vec![(endpoint.id, held.clone())],
        grace: Duration::ZERO,
        test: false,
    };
    store.record(vec![Record::Event(accepted)]).await.unwrap();

    // The cache has nothing of what the registry has.
    let shutdown = CancellationToken::new();
    let cache = RegistryCache::start(empty, Health::new().component("registry"), shutdown.clone());
    cache.loaded().await;
    let queue = Embedded::open(Sqlite::clone(&store), Topology::new(1).unwrap(), &Health::new())
        .await
        .unwrap();
    let releaser = Releaser {
        ledger: store.clone(),
        registry: cache,
        source: store.clone(),
        republisher: Republisher {
            queue,
            shards: 1,
            ledger: store.clone(),
            grace: Duration::from_secs(75),
        },
        grace: Duration::from_secs(75),
        max_window: 100,
        backlog: Backlog::default(),
    };
    let mut flows = HashMap::new();
    let delivery = DeliveryId::derive(event, endpoint.id);
    let mut after_a_round = async || {
        releaser.round(true, &mut flows, &shutdown).await.unwrap();
        store.states(&[delivery]).await.unwrap().remove(0).2
    };
    assert_eq!(after_a_round().await, held);
    store.delete_endpoint(endpoint.id, None, &entry()).await.unwrap();
    let gone = DeliveryState::Cancelled(CancelReason::EndpointDeleted);
    assert_eq!(after_a_round().await, gone);
}
