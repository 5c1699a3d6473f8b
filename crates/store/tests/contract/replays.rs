//! Replays.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_domain::{CancelReason, DeliveryId, DeliveryState, EndpointId, ErasureId, ReplayId, Step, TenantId};
use tidings_store::Store;
use tidings_store::erasures::{Erasure, Removed};
use tidings_store::ledger::{DeliveryQuery, NewEvent, Overdue, Record};
use tidings_store::registry::AuditQuery;
use tidings_store::replays::{Batch, Progress, Replay, ReplayState, Retried};

use crate::fixtures::{HOUR, MINUTE, attempt, endpoint, entry, event, now, stored_tenant, to};

async fn record(store: &Arc<dyn Store>, records: Vec<Record>) {
    store.record(records).await.unwrap();
}

const LEASE: Duration = Duration::from_secs(10);

fn replay(tenant: TenantId) -> Replay {
    Replay {
        id: ReplayId::new(),
        tenant,
        rows: Bytes::from_static(b"rows"),
        to: Some(EndpointId::new()),
        only_undelivered: false,
        per_second: 200,
        state: ReplayState::Running,
        matched: 3,
        matched_at_least: true,
        progress: Progress::default(),
        error: String::new(),
        created_at: now(),
        updated_at: now(),
        ended_at: None,
    }
}

async fn stored(store: &Arc<dyn Store>, replay: &Replay) {
    store.create_replay(replay, &entry()).await.unwrap();
}

async fn stored_endpoint(store: &Arc<dyn Store>, tenant: TenantId) -> EndpointId {
    let endpoint = endpoint(tenant);
    store.create_endpoint(&endpoint, &entry()).await.unwrap();
    endpoint.id
}

/// A batch of this event for these endpoints.
fn batch(event: &NewEvent, endpoints: &[EndpointId]) -> Batch {
    Batch {
        rows: endpoints.len() as u64,
        last: event.id.uuid(),
        again: endpoints.iter().map(|endpoint| (event.id, *endpoint)).collect(),
    }
}

async fn state(store: &Arc<dyn Store>, id: DeliveryId) -> Option<DeliveryState> {
    store.delivery(id).await.unwrap().map(|delivery| delivery.state)
}

pub(crate) async fn a_replay_reads_back(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let (first, second) = (replay(tenant), replay(tenant));
    stored(&store, &first).await;
    stored(&store, &second).await;
    stored(&store, &replay(TenantId::new())).await;
    assert_eq!(store.replay(first.id).await.unwrap().unwrap(), first);
    assert_eq!(store.replay(ReplayId::new()).await.unwrap(), None);
    let newest = store.replays(tenant, None, 1).await.unwrap();
    assert_eq!(newest, std::slice::from_ref(&second));
    assert_eq!(store.replays(tenant, Some(second.id), 10).await.unwrap(), [first]);
}

pub(crate) async fn a_replay_that_gets_on_does_not_stand(store: Arc<dyn Store>) {
    let (stands, gets_on, paused) = (
        replay(TenantId::new()),
        replay(TenantId::new()),
        replay(TenantId::new()),
    );
    let paused = Replay {
        state: ReplayState::Paused,
        ..paused
    };
    let later = stands.updated_at + HOUR;
    let gets_on = Replay {
        updated_at: later,
        created_at: later,
        ..gets_on
    };
    for replay in [&stands, &gets_on, &paused] {
        stored(&store, replay).await;
    }
    assert_eq!(store.replays_standing(later, 10).await.unwrap(), [stands]);
    assert_eq!(store.replays_standing(later - 2 * HOUR, 10).await.unwrap(), []);
    assert_eq!(store.replays_standing(later + HOUR, 1).await.unwrap().len(), 1);
}

pub(crate) async fn a_replay_is_one_workers_until_its_claim_ends(store: Arc<dyn Store>) {
    let replay = replay(stored_tenant(&store).await);
    stored(&store, &replay).await;
    let at = now();
    let (taken, first) = store.claim_replay(at, LEASE).await.unwrap().unwrap();
    assert_eq!(taken.id, replay.id);
    assert_eq!(store.claim_replay(at, LEASE).await.unwrap(), None);

    let later = at + 2 * LEASE;
    let (_, second) = store.claim_replay(later, LEASE).await.unwrap().unwrap();
    let event = event(replay.tenant, &[]);
    let nothing = batch(&event, &[]);
    let done = store.replay_batch(&replay, first, nothing.clone(), later, LEASE).await;
    assert_eq!(done.unwrap(), None, "the first has lost its claim");
    assert!(!store.end_replay(replay.id, first, None, later).await.unwrap());
    let done = store.replay_batch(&replay, second, nothing, later, LEASE).await;
    assert_eq!(done.unwrap().unwrap().walked_to, Some(event.id.uuid()));

    store.release_replay(replay.id, second).await.unwrap();
    let (_, third) = store.claim_replay(later, LEASE).await.unwrap().unwrap();
    assert!(
        store
            .end_replay(replay.id, third, Some("it broke"), later)
            .await
            .unwrap()
    );
    let ended = store.replay(replay.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.error.as_str()), (ReplayState::Failed, "it broke"));
    assert_eq!(ended.ended_at, Some(later));
    assert_eq!(store.claim_replay(later + HOUR, LEASE).await.unwrap(), None);
}

pub(crate) async fn a_batch_makes_deliveries_that_are_due_now_and_each_once(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let endpoints = [
        stored_endpoint(&store, tenant).await,
        stored_endpoint(&store, tenant).await,
    ];
    let event = event(tenant, &[]);
    record(&store, vec![Record::Event(event.clone())]).await;
    let replay = replay(tenant);
    stored(&store, &replay).await;
    let at = now();
    let (_, claim) = store.claim_replay(at, LEASE).await.unwrap().unwrap();

    // An endpoint that is gone, and one of another tenant, get nothing.
    let stranger = stored_endpoint(&store, stored_tenant(&store).await).await;
    let all = [endpoints[0], endpoints[1], EndpointId::new(), stranger];
    let progress = store.replay_batch(&replay, claim, batch(&event, &all), at, LEASE).await;
    let progress = progress.unwrap().unwrap();
    assert_eq!((progress.walked, progress.deliveries, progress.skipped), (4, 2, 2));
    let again = store
        .replay_batch(&replay, claim, batch(&event, &endpoints), at, LEASE)
        .await;
    let again = again.unwrap().unwrap();
    assert_eq!((again.walked, again.deliveries, again.skipped), (6, 2, 4));

    let made = DeliveryId::derive_again(event.id, endpoints[0], replay.id);
    assert_eq!(state(&store, made).await, Some(DeliveryState::Scheduled { due: at }));
    let due = store.sweep(Overdue::All, at, MINUTE, 10).await.unwrap();
    assert_eq!(due.len(), 2);
    assert!(
        due.iter()
            .all(|delivery| delivery.kept_by_ledger && delivery.step.attempt() == 1)
    );
    let query = DeliveryQuery {
        event: Some(event.id),
        limit: 10,
        ..DeliveryQuery::default()
    };
    assert_eq!(store.deliveries(&query).await.unwrap().rows.len(), 2);
    let fetched = store.fetch(&[made]).await.unwrap();
    assert_eq!(fetched[0].content.as_ref().unwrap().payload, event.payload);
}

pub(crate) async fn what_an_endpoint_got_can_be_left_out(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let (got, missed) = (
        stored_endpoint(&store, tenant).await,
        stored_endpoint(&store, tenant).await,
    );
    let event = event(tenant, &[got, missed]);
    let delivered = attempt(
        &event,
        1,
        to(&event, got, Step::FIRST.after_attempt(), DeliveryState::Succeeded),
    );
    record(
        &store,
        vec![Record::Event(event.clone()), Record::Attempt(Box::new(delivered))],
    )
    .await;
    let replay = Replay {
        only_undelivered: true,
        ..replay(tenant)
    };
    stored(&store, &replay).await;
    let (_, claim) = store.claim_replay(now(), LEASE).await.unwrap().unwrap();
    let made = store
        .replay_batch(&replay, claim, batch(&event, &[got, missed]), now(), LEASE)
        .await;
    assert_eq!(made.unwrap().unwrap().deliveries, 1);
    let id = |endpoint| DeliveryId::derive_again(event.id, endpoint, replay.id);
    assert_eq!(state(&store, id(got)).await, None);
    assert!(state(&store, id(missed)).await.is_some());
}

pub(crate) async fn a_replay_that_is_paused_or_cancelled_makes_nothing(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let to_endpoint = stored_endpoint(&store, tenant).await;
    let event = event(tenant, &[]);
    record(&store, vec![Record::Event(event.clone())]).await;
    let replay = replay(tenant);
    stored(&store, &replay).await;
    let (_, claim) = store.claim_replay(now(), LEASE).await.unwrap().unwrap();
    let turn = async |from, to| {
        store
            .transition_replay(replay.id, from, to, now(), &entry())
            .await
            .unwrap()
    };

    assert!(
        !turn(ReplayState::Paused, ReplayState::Running).await,
        "it is not paused"
    );
    assert!(turn(ReplayState::Running, ReplayState::Paused).await);
    let made = store
        .replay_batch(&replay, claim, batch(&event, &[to_endpoint]), now(), LEASE)
        .await;
    assert_eq!(made.unwrap(), None);
    assert_eq!(store.claim_replay(now(), LEASE).await.unwrap(), None);
    assert!(turn(ReplayState::Paused, ReplayState::Running).await);
    assert!(store.claim_replay(now(), LEASE).await.unwrap().is_some());
    assert!(turn(ReplayState::Running, ReplayState::Cancelled).await);
    let cancelled = store.replay(replay.id).await.unwrap().unwrap();
    assert_eq!(cancelled.state, ReplayState::Cancelled);
    assert!(cancelled.ended_at.is_some());
    assert_eq!(store.claim_replay(now() + HOUR, LEASE).await.unwrap(), None);
}

pub(crate) async fn changes_of_replays_are_audited(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let replay = replay(tenant);
    let created = entry().of(Some(tenant));
    store.create_replay(&replay, &created).await.unwrap();
    let refused = entry().of(Some(tenant));
    let turned = store
        .transition_replay(replay.id, ReplayState::Paused, ReplayState::Running, now(), &refused)
        .await;
    assert!(!turned.unwrap());
    let query = AuditQuery {
        tenant: Some(tenant),
        limit: 10,
        ..AuditQuery::default()
    };
    let ids: Vec<_> = store
        .audit(&query)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(ids, [created.id], "what did not happen is not on record");
}

pub(crate) async fn one_delivery_is_sent_again_whatever_became_of_it(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let endpoint = stored_endpoint(&store, tenant).await;
    let event = event(tenant, &[endpoint]);
    let id = DeliveryId::derive(event.id, endpoint);
    record(&store, vec![Record::Event(event.clone())]).await;
    let retry = async |id, tenant, at| store.retry_delivery(id, tenant, at, &entry()).await.unwrap();
    let at = now();

    assert_eq!(
        retry(id, TenantId::new(), at).await,
        None,
        "another tenant's does not exist"
    );
    assert_eq!(retry(id, tenant, at).await, Some(Retried::UnderWay));

    let due = at + HOUR;
    let failed = attempt(
        &event,
        1,
        to(
            &event,
            endpoint,
            Step::FIRST.after_attempt(),
            DeliveryState::Scheduled { due },
        ),
    );
    record(&store, vec![Record::Attempt(Box::new(failed))]).await;
    assert_eq!(retry(id, tenant, at).await, Some(Retried::Hastened));
    assert_eq!(retry(id, tenant, at).await, Some(Retried::AlreadyDue));
    assert_eq!(state(&store, id).await, Some(DeliveryState::Scheduled { due: at }));
    let swept = store.sweep(Overdue::All, at, MINUTE, 10).await.unwrap();
    assert_eq!(
        (swept[0].id, swept[0].step.attempt(), swept[0].kept_by_ledger),
        (id, 2, true)
    );

    let cancelled = to(
        &event,
        endpoint,
        swept[0].step.moved(),
        DeliveryState::Cancelled(CancelReason::ByRequest),
    );
    record(&store, vec![Record::Move(cancelled)]).await;
    let Some(Retried::Again(again)) = retry(id, tenant, at).await else {
        panic!("what has ended is sent as a new delivery");
    };
    assert_eq!(
        state(&store, id).await,
        Some(DeliveryState::Cancelled(CancelReason::ByRequest))
    );
    assert_eq!(state(&store, again).await, Some(DeliveryState::Scheduled { due: at }));
    let Some(Retried::Again(third)) = retry(id, tenant, at).await else {
        panic!("and as often as one likes");
    };
    assert_ne!(again, third);
}

pub(crate) async fn what_was_erased_is_not_sent_again(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let endpoint = stored_endpoint(&store, tenant).await;
    let event = event(tenant, &[endpoint]);
    record(&store, vec![Record::Event(event.clone())]).await;
    let erasure = Erasure {
        id: ErasureId::new(),
        tenant,
        event: Some(event.id),
        removed: Removed::default(),
        created_at: now(),
        updated_at: now(),
        ended_at: None,
    };
    store.create_erasure(&erasure, &entry()).await.unwrap();
    store.erase_some(&erasure, now(), LEASE, 100).await.unwrap();
    let id = DeliveryId::derive(event.id, endpoint);
    assert_eq!(
        state(&store, id).await,
        Some(DeliveryState::Cancelled(CancelReason::Erased))
    );
    let retried = store.retry_delivery(id, tenant, now(), &entry()).await.unwrap();
    assert_eq!(retried, Some(Retried::NotAgain));
}

pub(crate) async fn a_test_is_never_sent_again(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let endpoint = stored_endpoint(&store, tenant).await;
    let test = NewEvent {
        test: true,
        deliveries: vec![(endpoint, DeliveryState::Exhausted)],
        ..event(tenant, &[])
    };
    record(&store, vec![Record::Event(test.clone())]).await;
    let id = DeliveryId::derive(test.id, endpoint);
    let retried = store.retry_delivery(id, tenant, now(), &entry()).await.unwrap();
    assert_eq!(retried, Some(Retried::NotAgain));
    let replay = replay(tenant);
    stored(&store, &replay).await;
    let (_, claim) = store.claim_replay(now(), LEASE).await.unwrap().unwrap();
    let made = store
        .replay_batch(&replay, claim, batch(&test, &[endpoint]), now(), LEASE)
        .await;
    assert_eq!(made.unwrap().unwrap().deliveries, 0);
}
