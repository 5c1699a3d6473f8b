use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{
    AttemptId, DeliveryId, DeliveryState, EndpointId, EventId, FailureReason, HoldReason, Outcome, Step, TenantId,
    Timestamp,
};
use tidings_store::Store;
use tidings_store::ledger::{
    Attempt, AttemptQuery, Counted, DeliveryQuery, EventQuery, NewEvent, Outcomes, Page, Record, Tally,
};

use crate::fixtures::{HOUR, MINUTE, attempt, event_at, now, to, uuid_at};

const MICROSECOND: Duration = Duration::from_micros(1);
const MILLISECOND: Duration = Duration::from_millis(1);

pub(crate) async fn attempts_are_filtered(store: Arc<dyn Store>) {
    let (tenant, here, there) = (TenantId::new(), EndpointId::new(), EndpointId::new());
    let early = event_at(now() - HOUR, tenant, &[here, there]);
    let mut late = event_at(now(), tenant, &[here]);
    late.event_type = "nps.answered".parse().unwrap();
    let mut success = made(&early, here, Some(204), Outcome::Succeeded);
    success.summary.error = String::new();
    let mut refused = made(&early, there, Some(503), Outcome::retryable(FailureReason::Status));
    refused.summary.error = "the receiver answered 503".into();
    let mut silent = made(&late, here, None, Outcome::fatal(FailureReason::Dns));
    silent.summary.duration = Duration::from_secs(10);
    silent.summary.error = "No such host: 100%_Sure\\'\"".into();
    store
        .record(
            [&success, &refused, &silent]
                .map(|a| Record::Attempt(Box::new(a.clone())))
                .into(),
        )
        .await
        .unwrap();
    let [success, refused, silent] = [success, refused, silent].map(|attempt| attempt.summary);
    let [brief, long] = [success.duration, silent.duration];

    let all = AttemptQuery {
        tenant: Some(tenant),
        limit: 10,
        ..Default::default()
    };
    let check = async |query: AttemptQuery, expected: &[AttemptId]| {
        let mut found: Vec<_> = store
            .attempts(&query)
            .await
            .unwrap()
            .rows
            .iter()
            .map(|a| a.id)
            .collect();
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{query:?}");
    };
    check(all.clone(), &[success.id, refused.id, silent.id]).await;
    check(
        AttemptQuery {
            tenant: None,
            ..all.clone()
        },
        &[success.id, refused.id, silent.id],
    )
    .await;
    check(
        AttemptQuery {
            endpoint: Some(here),
            ..all.clone()
        },
        &[success.id, silent.id],
    )
    .await;
    check(
        AttemptQuery {
            event: Some(early.id),
            ..all.clone()
        },
        &[success.id, refused.id],
    )
    .await;
    check(
        AttemptQuery {
            event: Some(early.id),
            endpoint: Some(there),
            ..all.clone()
        },
        &[refused.id],
    )
    .await;
    check(
        AttemptQuery {
            delivery: Some(refused.delivery),
            ..all.clone()
        },
        &[refused.id],
    )
    .await;
    check(
        AttemptQuery {
            event_types: vec![late.event_type.clone()],
            ..all.clone()
        },
        &[silent.id],
    )
    .await;
    let types = vec![late.event_type.clone(), early.event_type.clone()];
    check(
        AttemptQuery {
            event_types: types,
            ..all.clone()
        },
        &[success.id, refused.id, silent.id],
    )
    .await;
    check(
        AttemptQuery {
            status_codes: vec![204, 500],
            ..all.clone()
        },
        &[success.id],
    )
    .await;
    check(
        AttemptQuery {
            status_classes: vec![5, 0],
            ..all.clone()
        },
        &[refused.id, silent.id],
    )
    .await;
    check(
        AttemptQuery {
            status_classes: vec![2],
            ..all.clone()
        },
        &[success.id],
    )
    .await;
    check(
        AttemptQuery {
            status_classes: vec![5],
            status_codes: vec![204],
            ..all.clone()
        },
        &[],
    )
    .await;
    let outcomes = vec!["failed_retryable".into(), "failed_final".into()];
    check(
        AttemptQuery {
            outcomes,
            ..all.clone()
        },
        &[refused.id, silent.id],
    )
    .await;
    for (reasons, expected) in [
        (vec![FailureReason::Dns], vec![silent.id]),
        (
            vec![FailureReason::Dns, FailureReason::Status],
            vec![refused.id, silent.id],
        ),
        (vec![FailureReason::Tls], vec![]),
    ] {
        let query = AttemptQuery {
            failure_reasons: reasons,
            ..all.clone()
        };
        check(query, &expected).await;
    }
    let everything = [success.id, refused.id, silent.id];
    for (least, most, expected) in [
        (Some(long), None, &everything[2..]),
        (Some(brief), None, &everything),
        (None, Some(brief), &everything[..2]),
        (Some(brief + MICROSECOND), Some(long - MICROSECOND), &[]),
        (Some(brief), Some(long), &everything),
        (Some(Duration::MAX), None, &[]),
    ] {
        let query = AttemptQuery {
            min_duration: least,
            max_duration: most,
            ..all.clone()
        };
        check(query, expected).await;
    }
    for (text, expected) in [
        ("no such HOST", &everything[2..]),
        ("100%_sure\\'\"", &everything[2..]),
        ("o%h", &[]),
        ("n_ such", &[]),
        ("answered 503", &everything[1..2]),
        ("s", &everything[1..]),
        ("elsewhere", &[]),
    ] {
        let query = AttemptQuery {
            error_contains: Some(text.into()),
            ..all.clone()
        };
        check(query, expected).await;
    }
    check(
        AttemptQuery {
            since: Some(late.accepted_at),
            ..all.clone()
        },
        &[silent.id],
    )
    .await;
    check(
        AttemptQuery {
            until: Some(late.accepted_at),
            ..all.clone()
        },
        &[success.id, refused.id],
    )
    .await;
    let hour_before = Some(early.accepted_at);
    check(
        AttemptQuery {
            since: hour_before,
            until: hour_before,
            ..all.clone()
        },
        &[],
    )
    .await;

    let found = store
        .attempts(&AttemptQuery {
            delivery: Some(silent.delivery),
            ..all
        })
        .await
        .unwrap()
        .rows;
    assert_eq!(found, [silent]);
}

pub(crate) async fn attempts_are_paged_newest_first(store: Arc<dyn Store>) {
    let (tenant, endpoint) = (TenantId::new(), EndpointId::new());
    let accepted = event_at(now(), tenant, &[endpoint]);
    let mut attempts: Vec<Attempt> = Vec::new();
    for minute in 0..5u32 {
        let mut attempt = made(
            &accepted,
            endpoint,
            Some(503),
            Outcome::retryable(FailureReason::Status),
        );
        attempt.summary.id = AttemptId::from_uuid(uuid_at(accepted.accepted_at + minute * MINUTE));
        attempts.insert(0, attempt);
    }
    store
        .record(attempts.iter().map(|a| Record::Attempt(Box::new(a.clone()))).collect())
        .await
        .unwrap();
    let newest_first: Vec<_> = attempts.iter().map(|a| a.summary.id).collect();

    for query in [
        AttemptQuery {
            tenant: Some(tenant),
            ..Default::default()
        },
        AttemptQuery {
            delivery: Some(attempts[0].summary.delivery),
            ..Default::default()
        },
        AttemptQuery {
            event: Some(accepted.id),
            ..Default::default()
        },
    ] {
        let mut seen = Vec::new();
        loop {
            let page = AttemptQuery {
                before: seen.last().copied(),
                limit: 2,
                ..query.clone()
            };
            let found = store.attempts(&page).await.unwrap().rows;
            assert!(found.len() <= 2);
            if found.is_empty() {
                break;
            }
            seen.extend(found.iter().map(|attempt| attempt.id));
        }
        assert_eq!(seen, newest_first, "{query:?}");
    }
}

pub(crate) async fn events_are_filtered_and_paged(store: Arc<dyn Store>) {
    let tenant = TenantId::new();
    let start = now() - HOUR;
    let mut events: Vec<NewEvent> = (0..5u32)
        .map(|minute| event_at(start + minute * MINUTE, tenant, &[]))
        .collect();
    events[1].event_type = "nps.answered".parse().unwrap();
    events[2].idempotency_key = Some("k".into());
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    store
        .record(events.iter().cloned().map(Record::Event).collect())
        .await
        .unwrap();

    let all = EventQuery {
        tenant: Some(tenant),
        limit: 10,
        ..Default::default()
    };
    let check = async |query: EventQuery, expected: &[usize]| {
        let found: Vec<_> = store
            .events(&query)
            .await
            .unwrap()
            .rows
            .iter()
            .map(|event| event.id)
            .collect();
        assert_eq!(
            found,
            expected.iter().map(|at| ids[*at]).collect::<Vec<_>>(),
            "{query:?}"
        );
    };
    check(all.clone(), &[4, 3, 2, 1, 0]).await;
    check(
        EventQuery {
            tenant: None,
            ..all.clone()
        },
        &[4, 3, 2, 1, 0],
    )
    .await;
    check(
        EventQuery {
            limit: 2,
            ..all.clone()
        },
        &[4, 3],
    )
    .await;
    check(
        EventQuery {
            limit: 2,
            before: Some(ids[3]),
            ..all.clone()
        },
        &[2, 1],
    )
    .await;
    check(
        EventQuery {
            event_types: vec![events[1].event_type.clone()],
            ..all.clone()
        },
        &[1],
    )
    .await;
    check(
        EventQuery {
            idempotency_key: Some("k".into()),
            ..all.clone()
        },
        &[2],
    )
    .await;
    check(
        EventQuery {
            idempotency_key: Some("other".into()),
            ..all.clone()
        },
        &[],
    )
    .await;
    let (since, until) = (Some(events[1].accepted_at), Some(events[3].accepted_at));
    check(
        EventQuery {
            since,
            until,
            ..all.clone()
        },
        &[2, 1],
    )
    .await;
}

pub(crate) async fn deliveries_are_filtered_and_paged(store: Arc<dyn Store>) {
    let (tenant, here, there) = (TenantId::new(), EndpointId::new(), EndpointId::new());
    let early = event_at(now() - HOUR, tenant, &[here, there]);
    let late = event_at(now(), tenant, &[here]);
    let held = to(
        &late,
        here,
        Step::FIRST.moved(),
        DeliveryState::Held(HoldReason::EndpointBusy),
    );
    let done = to(&early, there, Step::FIRST, DeliveryState::Succeeded);
    store
        .record(vec![
            Record::Event(early.clone()),
            Record::Event(late.clone()),
            Record::Move(held.clone()),
            Record::Move(done.clone()),
        ])
        .await
        .unwrap();
    let pending = DeliveryId::derive(early.id, here);

    let all = DeliveryQuery {
        tenant: Some(tenant),
        limit: 10,
        ..Default::default()
    };
    let check = async |query: DeliveryQuery, expected: &[DeliveryId]| {
        let found: Vec<_> = store
            .deliveries(&query)
            .await
            .unwrap()
            .rows
            .iter()
            .map(|delivery| delivery.id)
            .collect();
        let mut newest_first = expected.to_vec();
        newest_first.sort_by(|one, other| other.cmp(one));
        assert_eq!(found, newest_first, "{query:?}");
    };
    check(all.clone(), &[held.id, done.id, pending]).await;
    check(
        DeliveryQuery {
            endpoint: Some(here),
            ..all.clone()
        },
        &[held.id, pending],
    )
    .await;
    check(
        DeliveryQuery {
            event: Some(early.id),
            ..all.clone()
        },
        &[done.id, pending],
    )
    .await;
    check(
        DeliveryQuery {
            states: vec!["held".into()],
            ..all.clone()
        },
        &[held.id],
    )
    .await;
    let states = vec!["held".into(), "succeeded".into()];
    check(DeliveryQuery { states, ..all.clone() }, &[held.id, done.id]).await;
    check(
        DeliveryQuery {
            since: Some(late.accepted_at),
            ..all.clone()
        },
        &[held.id],
    )
    .await;
    check(
        DeliveryQuery {
            until: Some(late.accepted_at),
            ..all.clone()
        },
        &[done.id, pending],
    )
    .await;
    check(
        DeliveryQuery {
            limit: 1,
            ..all.clone()
        },
        &[held.id],
    )
    .await;
    check(
        DeliveryQuery {
            before: Some(held.id),
            ..all.clone()
        },
        &[done.id, pending],
    )
    .await;

    // An event has no bound on its deliveries, so these are paged too.
    let of_event = DeliveryQuery {
        event: Some(early.id),
        limit: 1,
        ..all
    };
    let first = store.deliveries(&of_event).await.unwrap().rows;
    let second = store
        .deliveries(&DeliveryQuery {
            before: Some(first[0].id),
            ..of_event
        })
        .await
        .unwrap()
        .rows;
    assert_eq!(second.len(), 1);
    assert!(second[0].id < first[0].id);
}

/// However few pass, a page comes soon and says where to go on; nothing is left out or comes twice.
pub(crate) async fn what_is_rare_is_found_page_by_page(store: Arc<dyn Store>) {
    const MANY: u32 = 9_000;
    let (tenant, endpoint) = (TenantId::new(), EndpointId::new());
    let start = now() - HOUR;
    let mut rare = Vec::new();
    for batch in (0..MANY).step_by(1_000) {
        let records = (batch..batch + 1_000).flat_map(|number| {
            let mut event = event_at(start + number * MILLISECOND, tenant, &[endpoint]);
            let mut made = made(&event, endpoint, Some(200), Outcome::Succeeded);
            if [0, 1, 2_000, 4_321, MANY - 1].contains(&number) {
                event.event_type = "rare".parse().unwrap();
                made = attempt(&event, 1, to(&event, endpoint, Step::FIRST, DeliveryState::Exhausted));
                rare.insert(0, (made.summary.id, made.summary.delivery, event.id));
            }
            [Record::Event(event), Record::Attempt(Box::new(made))]
        });
        store.record(records.collect()).await.unwrap();
    }

    let event_types = vec!["rare".parse().unwrap()];
    for limit in [2, 10] {
        let attempts = AttemptQuery {
            tenant: Some(tenant),
            event_types: event_types.clone(),
            limit,
            ..Default::default()
        };
        let attempts = all_pages(async |before| {
            let query = attempts.clone();
            store.attempts(&AttemptQuery { before, ..query }).await.unwrap()
        });
        let deliveries = DeliveryQuery {
            endpoint: Some(endpoint),
            states: vec!["exhausted".into()],
            limit,
            ..Default::default()
        };
        let deliveries = all_pages(async |before| {
            let query = deliveries.clone();
            store.deliveries(&DeliveryQuery { before, ..query }).await.unwrap()
        });
        let events = EventQuery {
            tenant: Some(tenant),
            event_types: event_types.clone(),
            limit,
            ..Default::default()
        };
        let events = all_pages(async |before| {
            let query = events.clone();
            store.events(&EventQuery { before, ..query }).await.unwrap()
        });
        let found: Vec<_> = (attempts.await.iter().zip(&deliveries.await).zip(&events.await))
            .map(|((attempt, delivery), event)| (attempt.id, delivery.id, event.id))
            .collect();
        assert_eq!(found, rare);
    }

    let counted = |rows, at_least| Counted { rows, at_least };
    let of_tenant = EventQuery {
        tenant: Some(tenant),
        ..Default::default()
    };
    let rare = EventQuery {
        event_types: event_types.clone(),
        ..of_tenant.clone()
    };
    assert_eq!(store.count_events(&rare, 100).await.unwrap(), counted(5, false));
    assert_eq!(store.count_events(&rare, 5).await.unwrap(), counted(5, false));
    assert_eq!(store.count_events(&rare, 4).await.unwrap(), counted(4, true));
    for (limit, expected) in [
        (2_500, counted(2_500, true)),
        (u64::from(MANY), counted(MANY.into(), false)),
        (1_000_000, counted(MANY.into(), false)),
    ] {
        assert_eq!(store.count_events(&of_tenant, limit).await.unwrap(), expected);
        let of_endpoint = AttemptQuery {
            endpoint: Some(endpoint),
            ..Default::default()
        };
        assert_eq!(store.count_attempts(&of_endpoint, limit).await.unwrap(), expected);
    }

    // So many are counted in the time that there is, or as far as it says.
    let of_endpoint = AttemptQuery {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    let bounds = [Timestamp::UNIX_EPOCH, now() + HOUR];
    let tally = store.tally_attempts(&of_endpoint, &bounds).await.unwrap();
    let counted = tally.spans[0].succeeded + tally.spans[0].failed_retryable;
    assert!(counted == u64::from(MANY) || tally.counted_since.is_some(), "{tally:?}");
    assert!((500..=u64::from(MANY)).contains(&counted), "{tally:?}");

    // To look through another tenant's endpoint would tell that there is something.
    let anothers = AttemptQuery {
        tenant: Some(TenantId::new()),
        endpoint: Some(endpoint),
        event_types,
        limit: 10,
        ..Default::default()
    };
    let page = store.attempts(&anothers).await.unwrap();
    assert!(page.rows.is_empty() && page.next.is_none(), "{page:?}");
}

pub(crate) async fn attempts_are_tallied_by_outcome_and_span(store: Arc<dyn Store>) {
    let (tenant, endpoint) = (TenantId::new(), EndpointId::new());
    let at = now();
    let retryable = Outcome::retryable(FailureReason::Timeout);
    let ended = [
        (at - 3 * HOUR, Outcome::Succeeded),
        (at - 2 * HOUR, Outcome::Succeeded),
        (at - HOUR - MILLISECOND, retryable),
        (at - HOUR, retryable),
        (at - HOUR, Outcome::fatal(FailureReason::Status)),
        (at, Outcome::Succeeded),
    ];
    let attempts = ended.map(|(at, outcome)| {
        let event = event_at(at, tenant, &[endpoint]);
        Record::Attempt(Box::new(made(&event, endpoint, None, outcome)))
    });
    store.record(attempts.into()).await.unwrap();

    let outcomes = |succeeded, failed_retryable, failed_final| Outcomes {
        succeeded,
        failed_retryable,
        failed_final,
    };
    let tally = |spans: &[Outcomes]| Tally {
        spans: spans.to_vec(),
        counted_since: None,
    };
    // A span begins with its first millisecond and ends before that of the next.
    let bounds = [at - 2 * HOUR, at - HOUR, at];
    let of_tenant = AttemptQuery {
        tenant: Some(tenant),
        ..Default::default()
    };
    let of_endpoint = AttemptQuery {
        tenant: Some(tenant),
        endpoint: Some(endpoint),
        ..Default::default()
    };
    for query in [&of_tenant, &of_endpoint] {
        let found = store.tally_attempts(query, &bounds).await.unwrap();
        assert_eq!(found, tally(&[outcomes(1, 1, 0), outcomes(0, 1, 1)]), "{query:?}");
    }
    let late = AttemptQuery {
        outcomes: vec!["failed_retryable".into()],
        since: Some(at - HOUR),
        until: Some(at + HOUR),
        ..of_endpoint.clone()
    };
    let found = store.tally_attempts(&late, &bounds).await.unwrap();
    assert_eq!(found, tally(&[outcomes(0, 0, 0), outcomes(0, 1, 0)]));
    let anothers = AttemptQuery {
        tenant: Some(TenantId::new()),
        ..of_endpoint
    };
    let found = store.tally_attempts(&anothers, &bounds).await.unwrap();
    assert_eq!(found, tally(&[Outcomes::default(); 2]));
}

/// What all pages have, to the last.
async fn all_pages<T, Id: Copy>(page_before: impl AsyncFn(Option<Id>) -> Page<T, Id>) -> Vec<T> {
    let mut page = page_before(None).await;
    let mut all = std::mem::take(&mut page.rows);
    while let Some(next) = page.next {
        page = page_before(Some(next)).await;
        all.append(&mut page.rows);
    }
    all
}

pub(crate) async fn one_tenant_never_sees_anothers(store: Arc<dyn Store>) {
    let endpoint = EndpointId::new();
    let (mine, other) = (TenantId::new(), TenantId::new());
    let accepted = event_at(now(), other, &[endpoint]);
    let made = made(&accepted, endpoint, Some(200), Outcome::Succeeded);
    let delivery = made.summary.delivery;
    store
        .record(vec![Record::Event(accepted.clone()), Record::Attempt(Box::new(made))])
        .await
        .unwrap();

    let event = Some(accepted.id);
    for (tenant, count) in [(mine, 0), (other, 1)] {
        let (tenant, limit) = (Some(tenant), 10);
        for query in [
            AttemptQuery {
                tenant,
                limit,
                ..Default::default()
            },
            AttemptQuery {
                tenant,
                limit,
                event,
                ..Default::default()
            },
            AttemptQuery {
                tenant,
                limit,
                delivery: Some(delivery),
                ..Default::default()
            },
            AttemptQuery {
                tenant,
                limit,
                endpoint: Some(endpoint),
                ..Default::default()
            },
        ] {
            assert_eq!(store.attempts(&query).await.unwrap().rows.len(), count, "{query:?}");
        }
        for query in [
            DeliveryQuery {
                tenant,
                limit,
                ..Default::default()
            },
            DeliveryQuery {
                tenant,
                limit,
                event,
                ..Default::default()
            },
            DeliveryQuery {
                tenant,
                limit,
                endpoint: Some(endpoint),
                ..Default::default()
            },
        ] {
            assert_eq!(store.deliveries(&query).await.unwrap().rows.len(), count, "{query:?}");
        }
        let query = EventQuery {
            tenant,
            limit,
            ..Default::default()
        };
        assert_eq!(store.events(&query).await.unwrap().rows.len(), count);
    }
}

fn made(event: &NewEvent, endpoint: EndpointId, status_code: Option<u16>, outcome: Outcome) -> Attempt {
    let mut attempt = attempt(event, 1, to(event, endpoint, Step::FIRST, DeliveryState::Succeeded));
    attempt.summary.status_code = status_code;
    attempt.summary.outcome = outcome;
    attempt
}
