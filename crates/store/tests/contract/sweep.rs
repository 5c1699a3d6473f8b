use std::collections::HashSet;
use std::sync::Arc;

use futures::future::join_all;
use tidings_domain::{
    CancelReason, DeliveryId, DeliveryState, Endpoint, EndpointId, EventId, HoldReason, Step, TenantId, Timestamp,
};
use tidings_store::Store;
use tidings_store::ledger::{DeliveryMove, NewEvent, OpenDelivery, Overdue, Record};
use tidings_store::registry::Of;

use crate::fixtures::{
    HOUR, MINUTE, delivery, endpoint, entry, event, event_at, failed, now, stored_tenant, succeeded, to,
};

pub(crate) async fn what_is_overdue_is_swept_once_and_hidden(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let accepted = event(TenantId::new(), &[endpoint]);
    store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
    let grace_ends = accepted.accepted_at + accepted.grace;
    assert!(
        store
            .sweep(Overdue::All, grace_ends - MINUTE, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );

    let swept = store.sweep(Overdue::All, grace_ends, HOUR, 10).await.unwrap();
    let expected = OpenDelivery {
        id: DeliveryId::derive(accepted.id, endpoint),
        event: accepted.id,
        tenant: accepted.tenant,
        endpoint,
        step: Step::FIRST.moved(),
        due: None,
        since: accepted.accepted_at,
        kept_by_ledger: false,
        undecided: false,
    };
    assert_eq!(swept, [expected]);
    let found = delivery(&store, accepted.id, endpoint).await.unwrap();
    assert_eq!((found.state, found.updated_at), (DeliveryState::Pending, grace_ends));
    assert!(
        store
            .sweep(Overdue::All, grace_ends + HOUR - MINUTE, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let again = store.sweep(Overdue::All, grace_ends + HOUR, HOUR, 10).await.unwrap();
    assert_eq!(again[0].step, Step::FIRST.moved().moved());
    assert_eq!(again[0].since, grace_ends, "then it was taken to be published");
    // It is hidden for as long each time.
    let later = grace_ends + HOUR + HOUR;
    assert!(
        store
            .sweep(Overdue::All, later - MINUTE, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.sweep(Overdue::All, later, HOUR, 10).await.unwrap().len(), 1);
}

pub(crate) async fn what_is_overdue_longest_can_be_looked_at(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let accepted = now();
    let first = event_at(accepted, TenantId::new(), &[endpoint]);
    let second = event_at(accepted + MINUTE, TenantId::new(), &[endpoint]);
    let ends = |event: &NewEvent| event.accepted_at + event.grace;
    for event in [&first, &second] {
        store.record(vec![Record::Event(event.clone())]).await.unwrap();
    }
    assert_eq!(store.oldest_overdue(ends(&first) - MINUTE).await.unwrap(), None);
    let oldest = (DeliveryId::derive(first.id, endpoint), ends(&first));
    for _ in 0..2 {
        assert_eq!(store.oldest_overdue(ends(&second) + HOUR).await.unwrap(), Some(oldest));
    }
    store
        .record(vec![succeeded(&first, endpoint), succeeded(&second, endpoint)])
        .await
        .unwrap();
    assert_eq!(store.oldest_overdue(ends(&second) + HOUR).await.unwrap(), None);
}

pub(crate) async fn a_swept_delivery_is_a_step_further(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let accepted = event(TenantId::new(), &[endpoint]);
    store
        .record(vec![Record::Event(accepted.clone()), failed(&accepted, endpoint)])
        .await
        .unwrap();
    let due = accepted.accepted_at + HOUR;
    assert!(
        store.sweep(Overdue::All, due, HOUR, 10).await.unwrap().is_empty(),
        "some grace is left to the broker"
    );

    let swept = store.sweep(Overdue::All, due + MINUTE, HOUR, 10).await.unwrap();
    assert_eq!(
        (swept[0].step, swept[0].due),
        (Step::FIRST.after_attempt().moved(), Some(due))
    );
    let found = delivery(&store, accepted.id, endpoint).await.unwrap();
    assert_eq!((found.state, found.attempts), (DeliveryState::Scheduled { due }, 1));

    // What was true before the sweep and is recorded after it changes nothing.
    store.record(vec![failed(&accepted, endpoint)]).await.unwrap();
    assert!(
        store
            .sweep(Overdue::All, due + MINUTE, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let fetched = store.fetch(&[swept[0].id]).await.unwrap();
    assert_eq!(fetched[0].step, swept[0].step);
    // What happened next does.
    store.record(vec![succeeded(&accepted, endpoint)]).await.unwrap();
    assert!(
        store
            .sweep(Overdue::All, due + 100 * HOUR, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn what_is_put_off_is_known_to_wait_since_before(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let (accepted, other) = (event(TenantId::new(), &[endpoint]), event(TenantId::new(), &[endpoint]));
    let events = [&accepted, &other].map(|event| Record::Event(event.clone()));
    store.record(events.to_vec()).await.unwrap();
    let at = accepted.accepted_at + HOUR;
    let swept = store.sweep(Overdue::All, at, 100 * HOUR, 10).await.unwrap();
    store.record(vec![succeeded(&other, endpoint)]).await.unwrap();
    store.put_off(&swept, at + MINUTE).await.unwrap();
    store.put_off(&[], at).await.unwrap();

    assert!(store.sweep(Overdue::All, at, HOUR, 10).await.unwrap().is_empty());
    let again = store.sweep(Overdue::All, at + MINUTE, HOUR, 10).await.unwrap();
    assert_eq!(again.len(), 1, "the other has ended");
    assert_eq!((again[0].event, again[0].since), (accepted.id, accepted.accepted_at));
    // Somebody else has taken it since.
    store.put_off(&swept, at + MINUTE).await.unwrap();
    assert!(
        store
            .sweep(Overdue::All, at + 2 * MINUTE, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn nothing_terminal_or_held_is_swept(store: Arc<dyn Store>) {
    let (done, held, filtered) = (EndpointId::new(), EndpointId::new(), EndpointId::new());
    let mut accepted = event(TenantId::new(), &[done, held, filtered]);
    accepted.deliveries[1].1 = DeliveryState::Held(HoldReason::EndpointDisabled);
    accepted.deliveries[2].1 = DeliveryState::Cancelled(CancelReason::Filtered);
    store
        .record(vec![Record::Event(accepted.clone()), succeeded(&accepted, done)])
        .await
        .unwrap();
    assert!(
        store
            .sweep(Overdue::All, now() + 100 * HOUR, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn two_sweepers_never_take_the_same(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let events: Vec<_> = (0..300)
        .map(|_| Record::Event(event(TenantId::new(), &[endpoint])))
        .collect();
    store.record(events).await.unwrap();
    let at = now() + HOUR;
    let sweepers = (0..4).map(|_| all(async || store.sweep(Overdue::All, at, HOUR, 20).await.unwrap()));
    assert_each_once(join_all(sweepers).await, 300);
}

pub(crate) async fn what_was_held_undecided_is_told_from_the_rest(store: Arc<dyn Store>) {
    let (tenant, endpoint) = (TenantId::new(), EndpointId::new());
    let reasons = [HoldReason::SubscriptionsUnreadable, HoldReason::EndpointDisabled];
    for reason in reasons {
        let mut accepted = event(tenant, &[endpoint]);
        accepted.deliveries[0].1 = DeliveryState::Held(reason);
        store.record(vec![Record::Event(accepted)]).await.unwrap();
    }
    let mut undecided: Vec<bool> = Vec::new();
    for _ in reasons {
        let released = store.release_held(endpoint, now(), HOUR, 1).await.unwrap();
        undecided.extend(released.iter().map(|delivery| delivery.undecided));
    }
    undecided.sort_unstable();
    assert_eq!(undecided, [false, true]);
}

pub(crate) async fn held_deliveries_are_released_oldest_first(store: Arc<dyn Store>) {
    let (endpoint, other) = (EndpointId::new(), EndpointId::new());
    let tenant = TenantId::new();
    assert!(store.endpoints_with_held().await.unwrap().is_empty());
    let mut ids = Vec::new();
    for minute in 0..3u32 {
        let mut accepted = event_at(now() - HOUR + minute * MINUTE, tenant, &[endpoint, other]);
        for (_, state) in &mut accepted.deliveries {
            *state = DeliveryState::Held(HoldReason::EndpointDisabled);
        }
        store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
        ids.push(accepted.id);
    }
    let mut with_held = store.endpoints_with_held().await.unwrap();
    with_held.sort();
    let mut both = [endpoint, other];
    both.sort();
    assert_eq!(with_held, both);

    let at = now();
    let released = store.release_held(endpoint, at, HOUR, 2).await.unwrap();
    assert_eq!(released.iter().map(|open| open.event).collect::<Vec<_>>(), ids[..2]);
    assert!(
        released
            .iter()
            .all(|open| open.step == Step::FIRST.moved() && open.due.is_none())
    );
    assert!(
        released
            .iter()
            .all(|open| open.endpoint == endpoint && open.tenant == tenant)
    );
    assert_eq!(
        delivery(&store, ids[0], endpoint).await.unwrap().state,
        DeliveryState::Pending
    );
    assert_eq!(delivery(&store, ids[2], endpoint).await.unwrap().state.name(), "held");
    assert!(
        store
            .sweep(Overdue::All, at + HOUR - MINUTE, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );

    assert_eq!(store.release_held(endpoint, at, HOUR, 2).await.unwrap().len(), 1);
    assert!(store.release_held(endpoint, at, HOUR, 2).await.unwrap().is_empty());
    assert_eq!(store.endpoints_with_held().await.unwrap(), [other]);
    assert_eq!(
        store.sweep(Overdue::All, at + HOUR, HOUR, 10).await.unwrap().len(),
        3,
        "released and then lost"
    );
}

pub(crate) async fn two_releasers_never_take_the_same(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let moves = (0..300).flat_map(|_| {
        let accepted = event(TenantId::new(), &[endpoint]);
        let held = DeliveryState::Held(HoldReason::EndpointBusy);
        let held = Record::Move(to(&accepted, endpoint, Step::FIRST.moved(), held));
        [Record::Event(accepted), held]
    });
    store.record(moves.collect()).await.unwrap();
    let releasers = (0..4).map(|_| all(async || store.release_held(endpoint, now(), HOUR, 20).await.unwrap()));
    assert_each_once(join_all(releasers).await, 300);
}

pub(crate) async fn held_deliveries_of_a_deleted_endpoint_are_cancelled(store: Arc<dyn Store>) {
    let (gone, stays) = (EndpointId::new(), EndpointId::new());
    let mut events = Vec::new();
    for _ in 0..3 {
        let mut accepted = event(TenantId::new(), &[gone, stays]);
        for (_, state) in &mut accepted.deliveries {
            *state = DeliveryState::Held(HoldReason::EndpointDisabled);
        }
        store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
        events.push(accepted.id);
    }
    let at = now();
    let cancel = async |limit| {
        let reason = CancelReason::EndpointDeleted;
        store.cancel_held(gone, reason, None, at, limit).await.unwrap()
    };
    assert_eq!([cancel(2).await, cancel(2).await, cancel(2).await], [2, 1, 0]);
    for event in events {
        let cancelled = delivery(&store, event, gone).await.unwrap();
        assert_eq!(cancelled.state, DeliveryState::Cancelled(CancelReason::EndpointDeleted));
        assert_eq!((cancelled.attempts, cancelled.updated_at), (0, at));
        let states = store.states(&[cancelled.id]).await.unwrap();
        assert_eq!(states[0].1, Step::FIRST.moved());
        assert_eq!(delivery(&store, event, stays).await.unwrap().state.name(), "held");
    }
    assert_eq!(store.endpoints_with_held().await.unwrap(), [stays]);
}

/// Takes until nothing is left.
async fn all(take: impl AsyncFn() -> Vec<OpenDelivery>) -> Vec<OpenDelivery> {
    let mut taken = Vec::new();
    loop {
        let more = take().await;
        if more.is_empty() {
            return taken;
        }
        taken.extend(more);
    }
}

fn assert_each_once(taken: Vec<Vec<OpenDelivery>>, count: usize) {
    let mut seen = HashSet::new();
    for open in taken.into_iter().flatten() {
        assert!(seen.insert(open.id), "{open:?} was taken twice");
    }
    assert_eq!(seen.len(), count);
}

/// An endpoint that is stored, of which somebody asked to cancel what is held.
async fn endpoint_to_cancel(store: &Arc<dyn Store>, before: Timestamp) -> Endpoint {
    let tenant = stored_tenant(store).await;
    let endpoint = Endpoint {
        cancel_held_before: Some(before),
        ..endpoint(tenant)
    };
    store.create_endpoint(&endpoint, &entry()).await.unwrap();
    endpoint
}

/// A delivery of an event of an hour ago that is held since a time.
async fn held_since(store: &Arc<dyn Store>, endpoint: EndpointId, since: Timestamp) -> EventId {
    let accepted = event_at(now() - HOUR, TenantId::new(), &[endpoint]);
    let held = DeliveryMove {
        at: since,
        ..to(
            &accepted,
            endpoint,
            Step::FIRST.moved(),
            DeliveryState::Held(HoldReason::CircuitOpen),
        )
    };
    let records = vec![Record::Event(accepted.clone()), Record::Move(held)];
    store.record(records).await.unwrap();
    accepted.id
}

pub(crate) async fn what_is_held_when_somebody_asks_is_cancelled_once(store: Arc<dyn Store>) {
    let at = now();
    let asked = endpoint_to_cancel(&store, at).await;
    let endpoint = asked.id;
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(held_since(&store, endpoint, at - MINUTE).await);
    }
    let young = held_since(&store, endpoint, at + MINUTE).await;
    assert_eq!(store.cancellations().await.unwrap(), [(endpoint, at)]);

    let reason = CancelReason::ByRequest;
    let cancel = async || store.cancel_held(endpoint, reason, Some(at), now(), 2).await.unwrap();
    assert_eq!(cancel().await, 2);
    assert!(!store.end_cancellation(endpoint, at).await.unwrap(), "one is left");
    assert_eq!(
        store.cancellations().await.unwrap().len(),
        1,
        "whoever starts anew goes on"
    );
    assert_eq!([cancel().await, cancel().await], [1, 0]);
    assert!(
        !store.end_cancellation(endpoint, at - MINUTE).await.unwrap(),
        "it was asked anew"
    );
    assert!(store.end_cancellation(endpoint, at).await.unwrap());
    for event in old {
        let found = delivery(&store, event, endpoint).await.unwrap();
        assert_eq!(found.state, DeliveryState::Cancelled(reason));
    }
    assert_eq!(delivery(&store, young, endpoint).await.unwrap().state.name(), "held");

    // The endpoint is free of it, and was changed by nobody.
    assert!(store.cancellations().await.unwrap().is_empty());
    let free = store.endpoint(endpoint).await.unwrap().unwrap();
    assert_eq!((free.cancel_held_before, free.updated_at), (None, asked.updated_at));
    assert!(!store.end_cancellation(endpoint, at).await.unwrap());
    let again = held_since(&store, endpoint, now()).await;
    assert_eq!(store.release_held(endpoint, now(), HOUR, 10).await.unwrap().len(), 2);
    assert_eq!(
        delivery(&store, again, endpoint).await.unwrap().state,
        DeliveryState::Pending
    );
}

pub(crate) async fn the_end_of_a_cancellation_is_announced(store: Arc<dyn Store>) {
    let at = now();
    let asked = endpoint_to_cancel(&store, at).await;
    let mut changes = store.changes().await.unwrap();
    assert!(store.end_cancellation(asked.id, at).await.unwrap());
    let change = tokio::time::timeout(MINUTE, changes.recv()).await.unwrap();
    assert!(
        matches!(change, Some(Of::Tenant(tenant) | Of::Endpoint(tenant, _)) if tenant == asked.tenant),
        "{change:?}"
    );
}

pub(crate) async fn what_only_the_ledger_keeps_is_told_from_what_the_queue_lost(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let mut kept = event(TenantId::new(), &[endpoint]);
    let due = kept.accepted_at;
    kept.deliveries[0].1 = DeliveryState::Scheduled { due };
    kept.grace = std::time::Duration::ZERO;
    let lost = event(TenantId::new(), &[endpoint]);
    store
        .record(vec![Record::Event(kept.clone()), Record::Event(lost.clone())])
        .await
        .unwrap();
    let at = lost.accepted_at + lost.grace;
    let before = delivery(&store, kept.id, endpoint).await.unwrap();
    assert!(before.is_kept_by_ledger() && before.sweep_at == Some(due));
    assert!(!delivery(&store, lost.id, endpoint).await.unwrap().is_kept_by_ledger());
    let swept = store.sweep(Overdue::KeptByLedger, at, MINUTE, 10).await.unwrap();
    assert_eq!(swept.len(), 1);
    assert!(swept[0].kept_by_ledger && swept[0].event == kept.id);
    assert!(!delivery(&store, kept.id, endpoint).await.unwrap().is_kept_by_ledger());

    let swept = store.sweep(Overdue::All, at, HOUR, 10).await.unwrap();
    assert_eq!(swept.len(), 1);
    assert!(!swept[0].kept_by_ledger && swept[0].event == lost.id);
    let swept = store.sweep(Overdue::All, at + MINUTE, HOUR, 10).await.unwrap();
    assert!(
        swept.len() == 1 && !swept[0].kept_by_ledger,
        "since then the queue should have it"
    );
}

pub(crate) async fn states_tell_how_far_deliveries_are(store: Arc<dyn Store>) {
    let (first, second) = (EndpointId::new(), EndpointId::new());
    let accepted = event(TenantId::new(), &[first, second]);
    store
        .record(vec![Record::Event(accepted.clone()), succeeded(&accepted, first)])
        .await
        .unwrap();
    let ids = [first, second].map(|endpoint| DeliveryId::derive(accepted.id, endpoint));
    let mut states = store.states(&[ids[0], ids[1], DeliveryId::new()]).await.unwrap();
    states.sort_unstable_by_key(|(id, ..)| *id != ids[0]);
    let expected = [
        (ids[0], Step::FIRST.after_attempt(), DeliveryState::Succeeded),
        (ids[1], Step::FIRST, DeliveryState::Pending),
    ];
    assert_eq!(states, expected);
    assert!(store.states(&[]).await.unwrap().is_empty());
}
