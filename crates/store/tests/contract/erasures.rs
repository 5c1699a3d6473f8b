//! Erasures and retention.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{
    AttemptId, CancelReason, DeliveryId, DeliveryState, EndpointId, ErasureId, EventId, SignedDuration, Step, TenantId,
};
use tidings_store::erasures::{Erasure, Forgetting, Removed};
use tidings_store::ledger::{AttemptQuery, DeliveryQuery, EventQuery, NewEvent, Record, RequestBody};
use tidings_store::{Claim, Store};

use crate::fixtures::{HOUR, attempt, entry, event_at, now, stored_tenant, to};

async fn record(store: &Arc<dyn Store>, records: Vec<Record>) {
    store.record(records).await.unwrap();
}

const LEASE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn erasure(tenant: TenantId, event: Option<EventId>) -> Erasure {
    Erasure {
        id: ErasureId::new(),
        tenant,
        event,
        removed: Removed::default(),
        created_at: now(),
        updated_at: now(),
        ended_at: None,
    }
}

/// An event of so many days ago with a failed attempt, so that its delivery is open.
async fn failed_event(store: &Arc<dyn Store>, tenant: TenantId, days_ago: u32, endpoint: EndpointId) -> NewEvent {
    let at = now() - SignedDuration::try_from(days_ago * DAY).unwrap();
    let event = event_at(at, tenant, &[endpoint]);
    let due = at + HOUR;
    let after = to(
        &event,
        endpoint,
        Step::FIRST.after_attempt(),
        DeliveryState::Scheduled { due },
    );
    record(
        store,
        vec![
            Record::Event(event.clone()),
            Record::Attempt(Box::new(attempt(&event, 1, after))),
        ],
    )
    .await;
    event
}

async fn counts(store: &Arc<dyn Store>, tenant: TenantId) -> [u64; 3] {
    let (tenant, all) = (Some(tenant), 1_000);
    let events = EventQuery {
        tenant,
        ..EventQuery::default()
    };
    let deliveries = DeliveryQuery {
        tenant,
        ..DeliveryQuery::default()
    };
    let attempts = AttemptQuery {
        tenant,
        ..AttemptQuery::default()
    };
    [
        store.count_events(&events, all).await.unwrap().rows,
        store.count_deliveries(&deliveries, all).await.unwrap().rows,
        store.count_attempts(&attempts, all).await.unwrap().rows,
    ]
}

/// Whether the content of an event is still there: its payload, and the bodies of its attempts.
async fn has_content(store: &Arc<dyn Store>, event: &NewEvent) -> [bool; 2] {
    let (summary, payload) = store.event(event.id).await.unwrap().unwrap();
    assert_eq!(summary.erased_at.is_some(), payload.is_empty());
    let query = AttemptQuery {
        event: Some(event.id),
        limit: 1,
        ..AttemptQuery::default()
    };
    let id = store.attempts(&query).await.unwrap().rows[0].id;
    let attempt = store.attempt(id).await.unwrap().unwrap();
    let sent = attempt.request_body != RequestBody::Whole(Default::default());
    assert_eq!(sent, !attempt.response_body.is_empty());
    [!payload.is_empty(), sent]
}

pub(crate) async fn an_events_content_goes_and_that_it_happened_stays(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let endpoint = EndpointId::new();
    let event = failed_event(&store, tenant, 0, endpoint).await;
    let other = failed_event(&store, tenant, 0, endpoint).await;
    assert_eq!(has_content(&store, &event).await, [true, true]);
    let asked = erasure(tenant, Some(event.id));
    store.create_erasure(&asked, &entry()).await.unwrap();
    assert_eq!(store.erasure(asked.id).await.unwrap(), Some(asked.clone()));

    let taken = store.claim_erasure(now(), LEASE).await.unwrap().unwrap();
    assert_eq!(taken.id, asked.id);
    assert_eq!(store.claim_erasure(now(), LEASE).await.unwrap(), None);
    let (removed, done) = store.erase_some(&taken, now(), LEASE, 100).await.unwrap();
    let each = Removed {
        events: 1,
        deliveries: 1,
        attempts: 1,
    };
    assert_eq!((removed, done), (each, true));
    assert_eq!(has_content(&store, &event).await, [false, false]);
    let delivery = store
        .delivery(DeliveryId::derive(event.id, endpoint))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(delivery.state, DeliveryState::Cancelled(CancelReason::Erased));
    assert_eq!(has_content(&store, &other).await, [true, true]);

    let ended = store.erasure(asked.id).await.unwrap().unwrap();
    assert!(ended.ended_at.is_some() && ended.removed == each);
    assert_eq!(store.claim_erasure(now() + DAY, LEASE).await.unwrap(), None);
    let (removed, done) = store.erase_some(&taken, now(), LEASE, 100).await.unwrap();
    assert!(done && removed.is_nothing(), "a second worker changes nothing");
    assert_eq!(store.erasure(asked.id).await.unwrap(), Some(ended));
}

pub(crate) async fn an_event_of_another_tenant_is_not_erased(store: Arc<dyn Store>) {
    let (tenant, stranger) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let event = failed_event(&store, tenant, 0, EndpointId::new()).await;
    let asked = erasure(stranger, Some(event.id));
    store.create_erasure(&asked, &entry()).await.unwrap();
    let (removed, _) = store.erase_some(&asked, now(), LEASE, 100).await.unwrap();
    assert!(removed.is_nothing());
    assert_eq!(has_content(&store, &event).await, [true, true]);
}

pub(crate) async fn everything_of_a_tenant_goes_in_batches(store: Arc<dyn Store>) {
    let (tenant, neighbour) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let endpoint = EndpointId::new();
    for _ in 0..5 {
        failed_event(&store, tenant, 1, endpoint).await;
    }
    failed_event(&store, neighbour, 1, endpoint).await;
    let asked = erasure(tenant, None);
    store.create_erasure(&asked, &entry()).await.unwrap();
    let taken = store.claim_erasure(now(), LEASE).await.unwrap().unwrap();
    let mut rounds = 0;
    let removed = loop {
        rounds += 1;
        let (removed, done) = store.erase_some(&taken, now(), LEASE, 2).await.unwrap();
        if done {
            break removed;
        }
    };
    assert!(rounds > 9, "{rounds} batches of 2 for 15 rows");
    assert_eq!([removed.events, removed.deliveries, removed.attempts], [5, 5, 5]);
    assert_eq!(counts(&store, tenant).await, [0, 0, 0]);
    assert_eq!(counts(&store, neighbour).await, [1, 1, 1]);
    let listed = store.erasures(Some(tenant), None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(store.erasures(Some(neighbour), None, 10).await.unwrap().is_empty());
    assert_eq!(store.erasures(None, Some(listed[0].id), 10).await.unwrap(), []);
}

pub(crate) async fn days_that_are_too_old_are_dropped_with_what_is_open_in_them(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let endpoint = EndpointId::new();
    // The partitions of those days, as they were made when they were ahead.
    store
        .prepare_partitions(now() - SignedDuration::from_hours(24 * 40), 1)
        .await
        .unwrap();
    failed_event(&store, tenant, 40, endpoint).await;
    let young = failed_event(&store, tenant, 1, endpoint).await;
    let before = now() - SignedDuration::from_hours(24 * 30);
    while store.drop_days_before(before, now(), 1_000).await.unwrap() > 0 {}
    assert_eq!(counts(&store, tenant).await, [1, 1, 1]);
    assert_eq!(has_content(&store, &young).await, [true, true]);
    assert_eq!(store.drop_days_before(before, now(), 1_000).await.unwrap(), 0);
}

pub(crate) async fn a_tenant_may_keep_less_than_others(store: Arc<dyn Store>) {
    let (tenant, neighbour) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let endpoint = EndpointId::new();
    let old = failed_event(&store, tenant, 20, endpoint).await;
    let older = failed_event(&store, tenant, 40, endpoint).await;
    let young = failed_event(&store, tenant, 1, endpoint).await;
    let theirs = failed_event(&store, neighbour, 40, endpoint).await;
    let ago = |days: i64| Some(now() - SignedDuration::from_hours(24 * days));
    let what = Forgetting {
        tenant,
        content_before: ago(10),
        attempts_before: ago(30),
    };
    while store.forget(what, now(), 1).await.unwrap() > 0 {}
    assert_eq!(
        counts(&store, tenant).await,
        [3, 3, 2],
        "attempts of 40 days ago are gone"
    );
    assert_eq!(has_content(&store, &old).await, [false, false]);
    assert!(store.event(older.id).await.unwrap().unwrap().1.is_empty());
    assert_eq!(has_content(&store, &young).await, [true, true]);
    assert_eq!(has_content(&store, &theirs).await, [true, true]);
    let expired = store
        .delivery(DeliveryId::derive(old.id, endpoint))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(expired.state, DeliveryState::Cancelled(CancelReason::Expired));
    assert_eq!(store.forget(what, now(), 100).await.unwrap(), 0);
}

/// Works an erasure off.
async fn erase(store: &Arc<dyn Store>, erasure: &Erasure) -> Removed {
    loop {
        let (removed, done) = store.erase_some(erasure, now(), LEASE, 100).await.unwrap();
        if done {
            return removed;
        }
    }
}

pub(crate) async fn what_was_erased_does_not_come_back(store: Arc<dyn Store>) {
    let (tenant, neighbour) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let endpoint = EndpointId::new();
    let event = failed_event(&store, tenant, 1, endpoint).await;
    let late = event_at(now() - HOUR, tenant, &[endpoint]);
    let asked = erasure(tenant, None);
    store.create_erasure(&asked, &entry()).await.unwrap();
    let after = |event: &NewEvent, state| to(event, endpoint, Step::FIRST.after_attempt().moved(), state);
    let again = |event: &NewEvent| {
        vec![
            Record::Event(event.clone()),
            Record::Attempt(Box::new(attempt(event, 2, after(event, DeliveryState::Succeeded)))),
            Record::Move(after(event, DeliveryState::Cancelled(CancelReason::EndpointDeleted))),
        ]
    };
    // What arrives while it runs, what it removes, and what arrives when it has ended.
    record(&store, again(&late)).await;
    assert_eq!(erase(&store, &asked).await.events, 1);
    for event in [&event, &late] {
        record(&store, again(event)).await;
        for one in again(event) {
            record(&store, vec![one]).await;
        }
    }
    assert_eq!(counts(&store, tenant).await, [0, 0, 0]);
    let theirs = event_at(now() - HOUR, neighbour, &[endpoint]);
    let asked = [
        (tenant, event.id),
        (tenant, late.id),
        (neighbour, theirs.id),
        (neighbour, event.id),
    ];
    let mut erased = store.erased(&asked).await.unwrap();
    erased.sort_unstable();
    let mut expected = vec![event.id, late.id];
    expected.sort_unstable();
    assert_eq!(erased, expected);
    assert!(store.erased(&[]).await.unwrap().is_empty());

    // Of a single event that was erased, attempts are recorded without content.
    let event = failed_event(&store, neighbour, 0, endpoint).await;
    let asked = erasure(neighbour, Some(event.id));
    store.create_erasure(&asked, &entry()).await.unwrap();
    store.erase_some(&asked, now(), LEASE, 100).await.unwrap();
    let mut made = attempt(&event, 2, after(&event, DeliveryState::Succeeded));
    made.summary.id = AttemptId::new();
    let id = made.summary.id;
    record(&store, vec![Record::Attempt(Box::new(made))]).await;
    let made = store.attempt(id).await.unwrap().unwrap();
    assert_eq!(made.request_body, RequestBody::Whole(Default::default()));
    assert!(made.response_body.is_empty());
    assert_eq!(has_content(&store, &event).await, [false, false]);
}

pub(crate) async fn an_erasure_leaves_alone_what_is_younger(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let endpoint = EndpointId::new();
    failed_event(&store, tenant, 1, endpoint).await;
    let asked = Erasure {
        id: ErasureId::at(now() - HOUR),
        ..erasure(tenant, None)
    };
    store.create_erasure(&asked, &entry()).await.unwrap();
    let young = failed_event(&store, tenant, 0, endpoint).await;
    assert_eq!(erase(&store, &asked).await.events, 1);
    assert_eq!(counts(&store, tenant).await, [1, 1, 1]);
    assert_eq!(has_content(&store, &young).await, [true, true]);
    assert!(store.erased(&[(tenant, young.id)]).await.unwrap().is_empty());
}

pub(crate) async fn erasures_take_turns(store: Arc<dyn Store>) {
    let (busy, quiet) = (stored_tenant(&store).await, stored_tenant(&store).await);
    for _ in 0..3 {
        failed_event(&store, busy, 1, EndpointId::new()).await;
    }
    let first = erasure(busy, None);
    let second = Erasure {
        created_at: first.created_at + LEASE,
        ..erasure(quiet, None)
    };
    for asked in [&first, &second] {
        store.create_erasure(asked, &entry()).await.unwrap();
    }
    let at = second.created_at + LEASE;
    let taken = store.claim_erasure(at, LEASE).await.unwrap().unwrap();
    assert_eq!(taken.id, first.id);
    let (_, done) = store.erase_some(&taken, at, LEASE, 1).await.unwrap();
    assert!(!done);
    store.release_erasure(taken.id).await.unwrap();
    let next = store.claim_erasure(at, LEASE).await.unwrap().unwrap();
    assert_eq!(next.id, second.id, "the other waited longer");
    assert_eq!(store.claim_erasure(at, LEASE).await.unwrap().unwrap().id, first.id);
    assert_eq!(store.claim_erasure(at, LEASE).await.unwrap(), None);
}

pub(crate) async fn an_erasure_removes_idempotency_keys_in_batches(store: Arc<dyn Store>) {
    let (tenant, neighbour) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let claim = async |tenant, key: &str| {
        let claimed = store.claim(tenant, key, [0; 32], EventId::new(), LEASE).await.unwrap();
        matches!(claimed, Claim::Claimed { .. })
    };
    for key in ["a", "b", "c", "d", "e"] {
        assert!(claim(tenant, key).await && claim(neighbour, key).await);
    }
    let asked = erasure(tenant, None);
    store.create_erasure(&asked, &entry()).await.unwrap();
    let mut rounds = 1;
    while !store.erase_some(&asked, now(), LEASE, 2).await.unwrap().1 {
        rounds += 1;
    }
    assert!(rounds > 3, "{rounds} batches of 2 for 5 keys");
    for key in ["a", "e"] {
        assert!(claim(tenant, key).await, "{key} is free again");
        assert!(!claim(neighbour, key).await, "{key} is not");
    }
}

pub(crate) async fn one_process_at_a_time_has_the_upkeep(store: Arc<dyn Store>) {
    let (one, other) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    let claim = async |process, after: Duration| store.claim_upkeep(process, now() + after, LEASE).await.unwrap();
    assert!(claim(one, Duration::ZERO).await);
    assert!(claim(one, Duration::ZERO).await, "it keeps it");
    // A store for one process alone lets it have it always.
    let alone = claim(other, Duration::ZERO).await;
    assert!(claim(one, Duration::ZERO).await);
    if !alone {
        store.end_upkeep(one, now() + DAY).await.unwrap();
        assert!(
            !claim(one, Duration::ZERO).await && !claim(other, Duration::ZERO).await,
            "it is not due"
        );
        assert!(claim(other, DAY + LEASE).await);
        assert!(!claim(one, DAY + LEASE).await);
        assert!(claim(one, DAY + 3 * LEASE).await, "the other has died");
    }
}
