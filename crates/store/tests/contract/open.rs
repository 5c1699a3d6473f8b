use std::collections::HashSet;
use std::sync::Arc;

use futures::future::join_all;
use tidings_domain::{CancelReason, DeliveryId, DeliveryState, EndpointId, HoldReason, Step, TenantId};
use tidings_store::Store;
use tidings_store::ledger::{OpenDelivery, Record};

use crate::fixtures::{HOUR, MINUTE, delivery, event, event_at, failed, now, succeeded, to};

pub(crate) async fn what_is_overdue_is_swept_once_and_hidden(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let accepted = event(TenantId::new(), &[endpoint]);
    store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
    let grace_ends = accepted.accepted_at + accepted.grace;
    assert!(store.sweep(grace_ends - MINUTE, HOUR, 10).await.unwrap().is_empty());

    let swept = store.sweep(grace_ends, HOUR, 10).await.unwrap();
    let expected = OpenDelivery {
        id: DeliveryId::derive(accepted.id, endpoint),
        event: accepted.id,
        tenant: accepted.tenant,
        endpoint,
        step: Step::FIRST.moved(),
        due: None,
        kept_by_ledger: false,
    };
    assert_eq!(swept, [expected]);
    let found = delivery(&store, accepted.id, endpoint).await.unwrap();
    assert_eq!((found.state, found.updated_at), (DeliveryState::Pending, grace_ends));
    assert!(
        store
            .sweep(grace_ends + HOUR - MINUTE, HOUR, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let again = store.sweep(grace_ends + HOUR, HOUR, 10).await.unwrap();
    assert_eq!(again[0].step, Step::FIRST.moved().moved());
    // Then it is hidden twice as long.
    let later = grace_ends + HOUR + HOUR * 2;
    assert!(store.sweep(later - MINUTE, HOUR, 10).await.unwrap().is_empty());
    assert_eq!(store.sweep(later, HOUR, 10).await.unwrap().len(), 1);
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
        store.sweep(due, HOUR, 10).await.unwrap().is_empty(),
        "some grace is left to the broker"
    );

    let swept = store.sweep(due + MINUTE, HOUR, 10).await.unwrap();
    assert_eq!(
        (swept[0].step, swept[0].due),
        (Step::FIRST.after_attempt().moved(), Some(due))
    );
    let found = delivery(&store, accepted.id, endpoint).await.unwrap();
    assert_eq!((found.state, found.attempts), (DeliveryState::Scheduled { due }, 1));

    // What was true before the sweep and is recorded after it changes nothing.
    store.record(vec![failed(&accepted, endpoint)]).await.unwrap();
    assert!(store.sweep(due + MINUTE, HOUR, 10).await.unwrap().is_empty());
    let fetched = store.fetch(&[swept[0].id]).await.unwrap();
    assert_eq!(fetched[0].step, swept[0].step);
    // What happened next does.
    store.record(vec![succeeded(&accepted, endpoint)]).await.unwrap();
    assert!(store.sweep(due + 100 * HOUR, HOUR, 10).await.unwrap().is_empty());
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
    assert!(store.sweep(now() + 100 * HOUR, HOUR, 10).await.unwrap().is_empty());
}

pub(crate) async fn two_sweepers_never_take_the_same(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let events: Vec<_> = (0..300)
        .map(|_| Record::Event(event(TenantId::new(), &[endpoint])))
        .collect();
    store.record(events).await.unwrap();
    let at = now() + HOUR;
    let sweepers = (0..4).map(|_| all(async || store.sweep(at, HOUR, 20).await.unwrap()));
    assert_each_once(join_all(sweepers).await, 300);
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
    assert!(store.sweep(at + HOUR - MINUTE, HOUR, 10).await.unwrap().is_empty());

    assert_eq!(store.release_held(endpoint, at, HOUR, 2).await.unwrap().len(), 1);
    assert!(store.release_held(endpoint, at, HOUR, 2).await.unwrap().is_empty());
    assert_eq!(store.endpoints_with_held().await.unwrap(), [other]);
    assert_eq!(
        store.sweep(at + HOUR, HOUR, 10).await.unwrap().len(),
        3,
        "released and then lost"
    );
}

pub(crate) async fn two_releasers_never_take_the_same(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let moves = (0..300).map(|_| {
        let accepted = event(TenantId::new(), &[endpoint]);
        Record::Move(to(
            &accepted,
            endpoint,
            Step::FIRST.moved(),
            DeliveryState::Held(HoldReason::EndpointBusy),
        ))
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

pub(crate) async fn held_deliveries_of_older_events_are_cancelled_on_request(store: Arc<dyn Store>) {
    let (endpoint, at) = (EndpointId::new(), now());
    let mut events = Vec::new();
    for accepted_at in [at - HOUR, at, at + HOUR] {
        let mut accepted = event_at(accepted_at, TenantId::new(), &[endpoint]);
        accepted.deliveries[0].1 = DeliveryState::Held(HoldReason::EndpointDisabled);
        store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
        events.push(accepted.id);
    }
    let reason = CancelReason::ByRequest;
    let cancelled = store.cancel_held(endpoint, reason, Some(at), now(), 10).await.unwrap();
    assert_eq!(cancelled, 1);
    let oldest = delivery(&store, events[0], endpoint).await.unwrap();
    assert_eq!(oldest.state, DeliveryState::Cancelled(CancelReason::ByRequest));
    let newest = delivery(&store, events[2], endpoint).await.unwrap();
    assert_eq!(newest.state, DeliveryState::Held(HoldReason::EndpointDisabled));
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
    let swept = store.sweep(lost.accepted_at + lost.grace, HOUR, 10).await.unwrap();
    assert_eq!(swept.len(), 2);
    for delivery in swept {
        assert_eq!(delivery.kept_by_ledger, delivery.event == kept.id);
    }
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
