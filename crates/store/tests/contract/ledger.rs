use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_domain::trace::TraceParent;
use tidings_domain::{
    AttemptId, CancelReason, DeliveryId, DeliveryState, EndpointId, EventId, HoldReason, Step, TenantId, Timestamp,
};
use tidings_store::Store;
use tidings_store::ledger::{AttemptQuery, DeliveryQuery, Overdue, Record, RequestBody};

use crate::fixtures::{HOUR, attempt, delivery, event, event_at, failed, now, succeeded, to};

pub(crate) async fn nothing_to_record_is_recorded(store: Arc<dyn Store>) {
    store.record(Vec::new()).await.unwrap();
    store.ping().await.unwrap();
}

pub(crate) async fn an_event_reads_back(store: Arc<dyn Store>) {
    let (here, there, nowhere) = (EndpointId::new(), EndpointId::new(), EndpointId::new());
    let filtered = DeliveryState::Cancelled(CancelReason::Filtered);
    let mut accepted = event(TenantId::new(), &[here, there, nowhere]);
    accepted.deliveries[1].1 = DeliveryState::Held(HoldReason::EndpointDisabled);
    accepted.deliveries[2].1 = filtered.clone();
    accepted.idempotency_key = Some("order-7".into());
    accepted.occurred_at = now() - HOUR;
    store.record(vec![Record::Event(accepted.clone())]).await.unwrap();

    let (summary, payload) = store.event(accepted.id).await.unwrap().unwrap();
    assert_eq!(payload, accepted.payload);
    assert_eq!(summary.id, accepted.id);
    assert_eq!(summary.tenant, accepted.tenant);
    assert_eq!(summary.event_type, accepted.event_type);
    assert_eq!(
        (summary.occurred_at, summary.accepted_at),
        (accepted.occurred_at, accepted.accepted_at)
    );
    assert_eq!(summary.idempotency_key.as_deref(), Some("order-7"));
    assert_eq!(summary.delivery_count, 2);
    assert_eq!(summary.erased_at, None);

    let pending = delivery(&store, accepted.id, here).await.unwrap();
    assert_eq!(pending.id, DeliveryId::derive(accepted.id, here));
    assert_eq!((pending.state, pending.attempts), (DeliveryState::Pending, 0));
    assert_eq!(pending.updated_at, accepted.accepted_at);
    let held = delivery(&store, accepted.id, there).await.unwrap();
    assert_eq!(held.state, DeliveryState::Held(HoldReason::EndpointDisabled));
    let kept_back = delivery(&store, accepted.id, nowhere).await.unwrap();
    assert_eq!((kept_back.state, kept_back.attempts), (filtered, 0));
    assert_eq!(store.event(EventId::new()).await.unwrap(), None);

    // Accepting an event that nobody wants is no error either.
    let unwanted = event(TenantId::new(), &[]);
    store.record(vec![Record::Event(unwanted.clone())]).await.unwrap();
    assert_eq!(store.event(unwanted.id).await.unwrap().unwrap().0.delivery_count, 0);
}

pub(crate) async fn an_attempt_reads_back(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let accepted = event(TenantId::new(), &[endpoint]);
    let state = DeliveryState::Scheduled { due: now() + HOUR };
    let mut made = attempt(
        &accepted,
        1,
        to(&accepted, endpoint, Step::FIRST.after_attempt(), state),
    );
    made.summary.error = "quoted: \0".into();
    let mut whole = made.clone();
    whole.summary.id = AttemptId::new();
    whole.summary.status_code = None;
    whole.request_body = RequestBody::Whole(Bytes::from_static(b"all of it"));
    store
        .record(vec![
            Record::Attempt(Box::new(made.clone())),
            Record::Attempt(Box::new(whole.clone())),
            Record::Event(accepted.clone()),
        ])
        .await
        .unwrap();

    let read = store.attempt(made.summary.id).await.unwrap().unwrap();
    assert!(read.summary.error.starts_with("quoted: "));
    made.summary.error = read.summary.error.clone();
    assert_eq!(read.summary, made.summary);
    assert!(read.after.is_none());
    assert_eq!(read.request_headers, made.request_headers);
    assert_eq!(read.request_body, made.request_body);
    assert_eq!(
        read.request_body.assemble(&accepted.payload),
        br#"{"data":{"rating":5}}"#[..]
    );
    assert_eq!(read.response_headers, made.response_headers);
    assert_eq!(read.response_body, made.response_body);
    assert!(read.response_truncated);
    assert_eq!(read.remote_address, made.remote_address);
    assert_eq!(read.timing, made.timing);
    assert_eq!(read.sent_again, made.sent_again);

    let read = store.attempt(whole.summary.id).await.unwrap().unwrap();
    assert_eq!(read.summary.status_code, None);
    assert_eq!(read.request_body, whole.request_body);
    assert!(store.attempt(AttemptId::new()).await.unwrap().is_none());

    let ids = [whole.summary.id, AttemptId::new(), made.summary.id];
    let mut read = store.attempts_by_id(&ids).await.unwrap();
    read.sort_by_key(|attempt| attempt.id == whole.summary.id);
    whole.summary.error = made.summary.error.clone();
    assert_eq!(read, [made.summary, whole.summary]);
    assert!(store.attempts_by_id(&[]).await.unwrap().is_empty());
}

pub(crate) async fn records_merge_in_any_order_and_any_batches(store: Arc<dyn Store>) {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    // How many records the batches have; the last repeats everything.
    let batches: [&[usize]; 4] = [&[1, 1, 1], &[2, 1], &[1, 2], &[3, 3]];
    for order in orders {
        for sizes in batches {
            let endpoint = EndpointId::new();
            let accepted = event(TenantId::new(), &[endpoint]);
            let records = [
                Record::Event(accepted.clone()),
                failed(&accepted, endpoint),
                succeeded(&accepted, endpoint),
            ];
            let mut shuffled = order.iter().cycle().map(|at| records[*at].clone());
            for size in sizes {
                store.record(shuffled.by_ref().take(*size).collect()).await.unwrap();
            }
            let case = format!("{order:?} in {sizes:?}");
            let found = delivery(&store, accepted.id, endpoint).await.expect(&case);
            assert_eq!(found.state, DeliveryState::Succeeded, "{case}");
            assert_eq!(found.attempts, 2, "{case}");
            let query = AttemptQuery {
                event: Some(accepted.id),
                limit: 10,
                ..Default::default()
            };
            assert_eq!(store.attempts(&query).await.unwrap().rows.len(), 2, "{case}");
            assert!(store.event(accepted.id).await.unwrap().is_some(), "{case}");
        }
    }
}

pub(crate) async fn a_terminal_state_is_final(store: Arc<dyn Store>) {
    let terminal = [
        DeliveryState::Succeeded,
        DeliveryState::Exhausted,
        DeliveryState::Cancelled(CancelReason::ByRequest),
    ];
    for state in terminal {
        let endpoint = EndpointId::new();
        let accepted = event(TenantId::new(), &[endpoint]);
        let step = Step::FIRST.after_attempt();
        store
            .record(vec![
                Record::Move(to(&accepted, endpoint, step, state.clone())),
                Record::Event(accepted.clone()),
            ])
            .await
            .unwrap();
        let later = step.after_attempt();
        for other in [
            DeliveryState::Pending,
            DeliveryState::Held(HoldReason::EndpointBusy),
            DeliveryState::Scheduled { due: now() + HOUR },
            DeliveryState::Cancelled(CancelReason::EndpointDeleted),
            DeliveryState::Exhausted,
        ] {
            store
                .record(vec![Record::Move(to(&accepted, endpoint, later, other))])
                .await
                .unwrap();
        }
        store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
        let found = delivery(&store, accepted.id, endpoint).await.unwrap();
        assert_eq!((found.state, found.attempts), (state, 1));
        assert!(
            store
                .sweep(Overdue::All, Timestamp::now() + 100 * HOUR, HOUR, 10)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

pub(crate) async fn the_higher_step_wins_and_the_first_of_equals(store: Arc<dyn Store>) {
    let steps = [
        Step::FIRST,
        Step::FIRST.moved(),
        Step::FIRST.after_attempt(),
        Step::FIRST.after_attempt().moved(),
    ];
    for together in [true, false] {
        for (lower, higher) in [(0, 1), (1, 2), (0, 2), (2, 3)] {
            for turned in [true, false] {
                let endpoint = EndpointId::new();
                let accepted = event(TenantId::new(), &[endpoint]);
                let mut records = vec![
                    Record::Move(to(&accepted, endpoint, steps[lower], DeliveryState::Pending)),
                    Record::Move(to(
                        &accepted,
                        endpoint,
                        steps[higher],
                        DeliveryState::Held(HoldReason::EndpointBusy),
                    )),
                ];
                if turned {
                    records.reverse();
                }
                records.insert(0, Record::Event(accepted.clone()));
                record(&store, records, together).await;
                let found = delivery(&store, accepted.id, endpoint).await.unwrap();
                assert_eq!(found.state.name(), "held", "{lower} {higher} {turned} {together}");
                assert_eq!(found.attempts, steps[higher].attempt() - 1);
            }
        }
        let endpoint = EndpointId::new();
        let accepted = event(TenantId::new(), &[endpoint]);
        let first = to(
            &accepted,
            endpoint,
            steps[1],
            DeliveryState::Held(HoldReason::EndpointBusy),
        );
        let second = to(&accepted, endpoint, steps[1], DeliveryState::Pending);
        let records = vec![
            Record::Event(accepted.clone()),
            Record::Move(first),
            Record::Move(second),
        ];
        record(&store, records, together).await;
        assert_eq!(
            delivery(&store, accepted.id, endpoint).await.unwrap().state.name(),
            "held"
        );
    }
}

pub(crate) async fn a_terminal_state_wins_over_a_higher_step(store: Arc<dyn Store>) {
    for together in [true, false] {
        let endpoint = EndpointId::new();
        let accepted = event(TenantId::new(), &[endpoint]);
        let higher = Step::FIRST.after_attempt().after_attempt();
        let records = vec![
            Record::Event(accepted.clone()),
            Record::Move(to(&accepted, endpoint, higher, DeliveryState::Pending)),
            Record::Move(to(
                &accepted,
                endpoint,
                Step::FIRST,
                DeliveryState::Cancelled(CancelReason::EndpointUnusable),
            )),
        ];
        record(&store, records, together).await;
        let found = delivery(&store, accepted.id, endpoint).await.unwrap();
        assert_eq!(found.state, DeliveryState::Cancelled(CancelReason::EndpointUnusable));
    }
}

pub(crate) async fn an_attempt_makes_its_delivery_before_the_event_is_known(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let accepted = event(TenantId::new(), &[endpoint]);
    store.record(vec![failed(&accepted, endpoint)]).await.unwrap();
    let due = accepted.accepted_at + HOUR;
    let found = delivery(&store, accepted.id, endpoint).await.unwrap();
    assert_eq!((found.state, found.attempts), (DeliveryState::Scheduled { due }, 1));
    assert_eq!(found.tenant, accepted.tenant);
    let id = DeliveryId::derive(accepted.id, endpoint);
    let fetched = &store.fetch(&[id]).await.unwrap()[0];
    assert_eq!(fetched.step, Step::FIRST.after_attempt());
    assert!(fetched.content.is_none(), "without its event there is nothing to send");

    store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
    let found = delivery(&store, accepted.id, endpoint).await.unwrap();
    assert_eq!((found.state, found.attempts), (DeliveryState::Scheduled { due }, 1));
    let fetched = &store.fetch(&[id]).await.unwrap()[0];
    assert_eq!(fetched.step, Step::FIRST.after_attempt());
    assert!(fetched.content.is_some());
}

pub(crate) async fn a_move_makes_no_delivery(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let accepted = event(TenantId::new(), &[endpoint]);
    let moves = [
        DeliveryState::Held(HoldReason::EndpointBusy),
        DeliveryState::Cancelled(CancelReason::EndpointDeleted),
        DeliveryState::Scheduled { due: now() + HOUR },
    ];
    for state in moves {
        let moved = to(&accepted, endpoint, Step::FIRST.moved(), state);
        store.record(vec![Record::Move(moved)]).await.unwrap();
        assert_eq!(delivery(&store, accepted.id, endpoint).await, None);
    }
    // Once its event arrives it is moved on from its beginning.
    store.record(vec![Record::Event(accepted.clone())]).await.unwrap();
    let found = delivery(&store, accepted.id, endpoint).await.unwrap();
    assert_eq!((found.state, found.attempts), (DeliveryState::Pending, 0));
    let held = DeliveryState::Held(HoldReason::EndpointBusy);
    let moved = to(&accepted, endpoint, Step::FIRST.moved(), held.clone());
    store.record(vec![Record::Move(moved)]).await.unwrap();
    assert_eq!(delivery(&store, accepted.id, endpoint).await.unwrap().state, held);
}

pub(crate) async fn fetching_gives_what_a_dispatcher_needs(store: Arc<dyn Store>) {
    let (here, there) = (EndpointId::new(), EndpointId::new());
    let trace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let mut old = event_at(now() - 50 * HOUR, TenantId::new(), &[here]);
    old.traceparent.clone_from(&trace);
    let new = event(TenantId::new(), &[here, there]);
    store
        .record(vec![
            Record::Event(old.clone()),
            Record::Event(new.clone()),
            succeeded(&new, there),
        ])
        .await
        .unwrap();

    let of_old = DeliveryId::derive(old.id, here);
    let (open, done) = (DeliveryId::derive(new.id, here), DeliveryId::derive(new.id, there));
    let unknown = DeliveryId::derive(EventId::new(), here);
    let mut fetched = store.fetch(&[of_old, unknown, done, open, open]).await.unwrap();
    fetched.sort_by_key(|delivery| delivery.id != of_old);
    assert_eq!(fetched.len(), 3, "{fetched:?}");
    let content = fetched[0].content.as_ref().unwrap();
    assert_eq!(content.traceparent, trace);
    assert_eq!(
        (content.occurred_at, content.accepted_at),
        (old.occurred_at, old.accepted_at)
    );
    assert_eq!((&content.payload, &content.event_type), (&old.payload, &old.event_type));
    assert!(
        fetched
            .iter()
            .any(|delivery| delivery.id == open && !delivery.terminal && delivery.step == Step::FIRST)
    );
    assert!(fetched.iter().any(|delivery| delivery.id == done && delivery.terminal));
    assert!(store.fetch(&[]).await.unwrap().is_empty());
}

pub(crate) async fn concurrent_batches_with_the_same_rows_agree(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let events: Vec<_> = (0..40).map(|_| event(TenantId::new(), &[endpoint])).collect();
    let writers = (0..6).map(|writer| {
        let mut records: Vec<Record> = events
            .iter()
            .flat_map(|e| [Record::Event(e.clone()), failed(e, endpoint), succeeded(e, endpoint)])
            .collect();
        let at = writer * 17 % records.len();
        records.rotate_left(at);
        if writer % 2 == 1 {
            records.reverse();
        }
        let store = store.clone();
        tokio::spawn(async move { store.record(records).await.unwrap() })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let query = DeliveryQuery {
        endpoint: Some(endpoint),
        limit: 100,
        ..Default::default()
    };
    let found = store.deliveries(&query).await.unwrap().rows;
    assert_eq!(found.len(), 40);
    assert!(
        found
            .iter()
            .all(|delivery| delivery.state == DeliveryState::Succeeded && delivery.attempts == 2)
    );
}

pub(crate) async fn big_batches_are_written(store: Arc<dyn Store>) {
    let endpoints: Vec<_> = (0..20).map(|_| EndpointId::new()).collect();
    let tenant = TenantId::new();
    let records: Vec<_> = (0..200).map(|_| Record::Event(event(tenant, &endpoints))).collect();
    tokio::time::timeout(Duration::from_secs(30), store.record(records))
        .await
        .unwrap()
        .unwrap();
    let query = DeliveryQuery {
        tenant: Some(tenant),
        limit: 5_000,
        ..Default::default()
    };
    assert_eq!(store.deliveries(&query).await.unwrap().rows.len(), 4_000);
}

pub(crate) async fn partitions_can_be_prepared_again_and_again(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let tomorrow = event_at(now() + 30 * HOUR, TenantId::new(), &[endpoint]);
    let long_ago = event_at(now() - 2_000 * HOUR, TenantId::new(), &[endpoint]);
    store
        .record(vec![Record::Event(tomorrow.clone()), Record::Event(long_ago.clone())])
        .await
        .unwrap();
    let (one, other) = tokio::join!(store.prepare_partitions(now(), 5), store.prepare_partitions(now(), 5));
    one.unwrap();
    other.unwrap();
    store.prepare_partitions(now(), 5).await.unwrap();
    for event in [&tomorrow, &long_ago] {
        assert!(store.event(event.id).await.unwrap().is_some());
        assert!(delivery(&store, event.id, endpoint).await.is_some());
    }
}

/// Records all in one batch, or each in its own.
async fn record(store: &Arc<dyn Store>, records: Vec<Record>, together: bool) {
    if together {
        return store.record(records).await.unwrap();
    }
    for record in records {
        store.record(vec![record]).await.unwrap();
    }
}
