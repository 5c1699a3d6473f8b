//! Endpoints that fail, recover or are turned off, and the notices of it.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{
    Actor, DeliveryState, DisabledReason, Endpoint, EndpointId, FailureReason, Notice, NoticeKind, Outcome, Step,
    TenantId, Timestamp,
};
use tidings_store::Store;
use tidings_store::ledger::{Attempt, NewEvent, Record};
use tidings_store::registry::AuditQuery;

use crate::fixtures::{HOUR, MINUTE, attempt, endpoint, entry, event, event_at, now, stored_tenant, succeeded, to};

async fn stored_endpoint(store: &Arc<dyn Store>, tenant: TenantId) -> EndpointId {
    let endpoint = endpoint(tenant);
    store.create_endpoint(&endpoint, &entry()).await.unwrap();
    endpoint.id
}

/// An attempt by which a delivery is given up.
fn last_attempt(event: &NewEvent, endpoint: EndpointId) -> Attempt {
    attempt(
        event,
        1,
        to(event, endpoint, Step::FIRST.after_attempt(), DeliveryState::Exhausted),
    )
}

fn exhausted(event: &NewEvent, endpoint: EndpointId) -> Record {
    Record::Attempt(Box::new(last_attempt(event, endpoint)))
}

async fn failing_since(store: &Arc<dyn Store>, endpoint: EndpointId) -> Option<Timestamp> {
    store.endpoint(endpoint).await.unwrap().unwrap().failing_since
}

/// Takes all notices there are, and removes them; gives their kinds.
async fn told(store: &Arc<dyn Store>) -> Vec<NoticeKind> {
    let mut kinds = Vec::new();
    for notice in taken(store).await {
        store.remove_notice(notice.id).await.unwrap();
        kinds.push(notice.kind);
    }
    kinds.sort_by_key(|kind| kind.as_str());
    kinds
}

async fn taken(store: &Arc<dyn Store>) -> Vec<Notice> {
    store.take_notices(now() + MINUTE, 100).await.unwrap()
}

pub(crate) async fn an_endpoint_fails_and_recovers_with_one_notice_each(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let first = event_at(now() - MINUTE, tenant, &[id]);
    let lost = exhausted(&first, id);
    store.record(vec![lost.clone()]).await.unwrap();
    let at = first.accepted_at + Duration::from_secs(2);
    assert_eq!(failing_since(&store, id).await, Some(at));
    let [notice] = &taken(&store).await[..] else {
        panic!("one notice is left")
    };
    assert_eq!(
        (notice.kind, notice.tenant, notice.endpoint),
        (NoticeKind::EndpointFailing, tenant, id)
    );
    assert_eq!((notice.at, notice.tries), (at, 0));
    assert_eq!(notice.delivery.map(|(_, event)| event), Some(first.id));
    assert_eq!(notice.detail, "the receiver answered 503");
    store.remove_notice(notice.id).await.unwrap();

    // It goes on failing, and the record comes again.
    let second = event(tenant, &[id]);
    store.record(vec![exhausted(&second, id), lost.clone()]).await.unwrap();
    assert_eq!(
        (failing_since(&store, id).await, told(&store).await),
        (Some(at), vec![])
    );

    let third = event(tenant, &[id]);
    store.record(vec![succeeded(&third, id)]).await.unwrap();
    assert_eq!(failing_since(&store, id).await, None);
    assert_eq!(told(&store).await, [NoticeKind::EndpointRecovered]);
    store.record(vec![lost, succeeded(&third, id)]).await.unwrap();
    assert_eq!((failing_since(&store, id).await, told(&store).await), (None, vec![]));
}

pub(crate) async fn the_last_word_of_a_batch_counts(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let (earlier, later) = (event_at(now() - MINUTE, tenant, &[id]), event(tenant, &[id]));
    store
        .record(vec![succeeded(&later, id), exhausted(&earlier, id)])
        .await
        .unwrap();
    assert_eq!((failing_since(&store, id).await, told(&store).await), (None, vec![]));

    let (earlier, later) = (event_at(now() - MINUTE, tenant, &[id]), event(tenant, &[id]));
    store
        .record(vec![exhausted(&later, id), succeeded(&earlier, id)])
        .await
        .unwrap();
    assert!(failing_since(&store, id).await.is_some());
    assert_eq!(told(&store).await, [NoticeKind::EndpointFailing]);

    // A success from before it failed proves nothing.
    let old = event_at(now() - 2 * MINUTE, tenant, &[id]);
    store.record(vec![succeeded(&old, id)]).await.unwrap();
    assert!(failing_since(&store, id).await.is_some());
}

pub(crate) async fn tests_and_what_can_not_be_rendered_mark_nothing(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let (tested, unrenderable) = (event(tenant, &[id]), event(tenant, &[id]));
    let mut test = last_attempt(&tested, id);
    test.summary.test = true;
    let mut render = last_attempt(&unrenderable, id);
    render.summary.outcome = Outcome::fatal(FailureReason::Render);
    let records = [test.clone(), render].map(|attempt| Record::Attempt(Box::new(attempt)));
    let marked = NewEvent { test: true, ..tested };
    store.record(records.to_vec()).await.unwrap();
    store.record(vec![Record::Event(marked.clone())]).await.unwrap();
    assert_eq!((failing_since(&store, id).await, told(&store).await), (None, vec![]));
    assert!(store.attempt(test.summary.id).await.unwrap().unwrap().summary.test);
    assert!(store.event(marked.id).await.unwrap().unwrap().0.test);
}

pub(crate) async fn single_deliveries_are_told_to_operational_endpoints_but_not_their_own(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let operational = Endpoint {
        operational: true,
        ..endpoint(tenant)
    };
    let (one, two) = (event(tenant, &[id]), event(tenant, &[id]));
    store.record(vec![exhausted(&one, id)]).await.unwrap();
    assert_eq!(told(&store).await, [NoticeKind::EndpointFailing]);

    store.create_endpoint(&operational, &entry()).await.unwrap();
    store.record(vec![exhausted(&two, id)]).await.unwrap();
    assert_eq!(told(&store).await, [NoticeKind::DeliveryExhausted]);
    let own = event(tenant, &[operational.id]);
    store.record(vec![exhausted(&own, operational.id)]).await.unwrap();
    assert_eq!(told(&store).await, [NoticeKind::EndpointFailing]);
}

pub(crate) async fn an_endpoint_is_turned_off_once_with_a_notice(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let lost = event_at(now() - MINUTE, tenant, &[id]);
    store.record(vec![exhausted(&lost, id)]).await.unwrap();
    let since = failing_since(&store, id).await.unwrap();
    let failing = async |seconds: u64| {
        let period = Duration::from_secs(100);
        let at = since + Duration::from_secs(seconds);
        store.endpoints_failing_for(period, at, 10).await.unwrap()
    };
    assert_eq!(failing(10_000).await, [], "one delivery that was given up is no proof");
    let early = event_at(since + Duration::from_secs(60), tenant, &[id]);
    store.record(vec![exhausted(&early, id)]).await.unwrap();
    assert_eq!(failing(10_000).await, [], "nor are two, both early");
    let late = event_at(since + Duration::from_secs(80), tenant, &[id]);
    store.record(vec![exhausted(&late, id)]).await.unwrap();
    assert_eq!(failing(100).await, []);
    assert_eq!(failing(101).await, [id]);

    assert!(
        store
            .disable_endpoint(id, DisabledReason::Failing, "it failed", None, now())
            .await
            .unwrap()
    );
    assert!(
        !store
            .disable_endpoint(id, DisabledReason::Gone, "", None, now())
            .await
            .unwrap()
    );
    assert!(
        !store
            .disable_endpoint(EndpointId::new(), DisabledReason::Gone, "", None, now())
            .await
            .unwrap()
    );
    let found = store.endpoint(id).await.unwrap().unwrap();
    assert_eq!(
        (found.enabled, found.disabled_reason),
        (false, Some(DisabledReason::Failing))
    );
    assert_eq!(failing(101).await, []);
    assert_eq!(
        told(&store).await,
        [NoticeKind::EndpointDisabled, NoticeKind::EndpointFailing]
    );
    let query = AuditQuery {
        target: Some(id.to_string()),
        limit: 10,
        ..AuditQuery::default()
    };
    let entries = store.audit(&query).await.unwrap();
    let [written] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (written.actor, written.action.as_str(), written.tenant),
        (Actor::System, "endpoint.disabled", Some(tenant))
    );
    assert_eq!(written.after.as_ref().unwrap()["disabled_reason"], "failing");
}

pub(crate) async fn writers_that_give_up_at_the_same_time_tell_of_it_once(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    for _ in 0..10 {
        let id = stored_endpoint(&store, tenant).await;
        let began = now() - HOUR;
        let at = |seconds: u32| event_at(began + Duration::from_secs(1) * seconds, tenant, &[id]);
        let given_up = (0..6).map(|second| store.record(vec![exhausted(&at(second), id)]));
        for recorded in futures::future::join_all(given_up).await {
            recorded.unwrap();
        }
        store.record(vec![succeeded(&at(60), id)]).await.unwrap();
        assert_eq!(
            told(&store).await,
            [NoticeKind::EndpointFailing, NoticeKind::EndpointRecovered]
        );
        assert_eq!(failing_since(&store, id).await, None);
    }
}

pub(crate) async fn an_endpoint_that_fails_by_turns_is_told_once_and_stays_failing(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let began = now() - 2 * HOUR;
    let at = |minutes: u32| event_at(began + MINUTE * minutes, tenant, &[id]);
    for minute in 0..20 {
        let (lost, well) = (at(2 * minute), at(2 * minute + 1));
        store.record(vec![exhausted(&lost, id)]).await.unwrap();
        store.record(vec![succeeded(&well, id)]).await.unwrap();
    }
    assert_eq!(
        told(&store).await,
        [NoticeKind::EndpointFailing, NoticeKind::EndpointRecovered]
    );
    let since = failing_since(&store, id).await;
    assert!(since.is_some(), "it stays failing while it answers now and then");
    let period = Duration::from_secs(60);
    assert_eq!(
        store
            .endpoints_failing_for(period, at(45).accepted_at, 10)
            .await
            .unwrap(),
        []
    );

    // The last that was given up is minute 38's.
    store.record(vec![succeeded(&at(47), id)]).await.unwrap();
    assert_eq!(failing_since(&store, id).await, since);
    store.record(vec![succeeded(&at(49), id)]).await.unwrap();
    assert_eq!((failing_since(&store, id).await, told(&store).await), (None, vec![]));
}

pub(crate) async fn a_second_outage_in_a_day_is_told_when_it_lasts(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let began = now() - 30 * HOUR;
    let at = |minutes: u32| event_at(began + MINUTE * minutes, tenant, &[id]);
    store.record(vec![exhausted(&at(0), id)]).await.unwrap();
    store.record(vec![succeeded(&at(1), id)]).await.unwrap();
    assert_eq!(
        told(&store).await,
        [NoticeKind::EndpointFailing, NoticeKind::EndpointRecovered]
    );
    for minute in 2..12 {
        store.record(vec![exhausted(&at(minute), id)]).await.unwrap();
    }
    assert_eq!(told(&store).await, []);
    store.record(vec![exhausted(&at(12), id)]).await.unwrap();
    assert_eq!(told(&store).await, [NoticeKind::EndpointFailing]);
    store.record(vec![exhausted(&at(13), id)]).await.unwrap();
    store.record(vec![succeeded(&at(14), id)]).await.unwrap();
    assert_eq!(told(&store).await, [NoticeKind::EndpointRecovered]);
    // A day after it was told last it is told at once again.
    store.record(vec![exhausted(&at(24 * 60 + 13), id)]).await.unwrap();
    assert_eq!(told(&store).await, [NoticeKind::EndpointFailing]);
}

pub(crate) async fn an_endpoint_that_was_turned_on_again_is_told_of_at_once(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    store.record(vec![exhausted(&event(tenant, &[id]), id)]).await.unwrap();
    assert!(
        store
            .disable_endpoint(id, DisabledReason::Failing, "", None, now())
            .await
            .unwrap()
    );
    let off = store.endpoint(id).await.unwrap().unwrap();
    let on = Endpoint {
        enabled: true,
        failing_since: None,
        disabled_reason: None,
        updated_at: off.updated_at + Duration::from_secs(1),
        ..off.clone()
    };
    assert!(store.replace_endpoint(&on, off.updated_at, &entry()).await.unwrap());
    told(&store).await;
    store.record(vec![exhausted(&event(tenant, &[id]), id)]).await.unwrap();
    assert_eq!(told(&store).await, [NoticeKind::EndpointFailing]);
}

pub(crate) async fn a_mark_is_a_change_that_a_replacement_must_know(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let before = store.endpoint(id).await.unwrap().unwrap();
    store.record(vec![exhausted(&event(tenant, &[id]), id)]).await.unwrap();
    assert!(
        !store
            .replace_endpoint(&before, before.updated_at, &entry())
            .await
            .unwrap()
    );
    let marked = store.endpoint(id).await.unwrap().unwrap();
    let mended = Endpoint {
        failing_since: None,
        updated_at: marked.updated_at + Duration::from_secs(1),
        ..marked.clone()
    };
    assert!(
        store
            .replace_endpoint(&mended, marked.updated_at, &entry())
            .await
            .unwrap()
    );
    assert_eq!(store.endpoint(id).await.unwrap(), Some(mended));
}

pub(crate) async fn an_endpoint_that_is_gone_is_not_marked(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    store.delete_endpoint(id, None, &entry()).await.unwrap();
    store.record(vec![exhausted(&event(tenant, &[id]), id)]).await.unwrap();
    assert_eq!(told(&store).await, []);
}

pub(crate) async fn a_notice_that_is_taken_is_hidden_longer_each_time(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let lost = event(tenant, &[id]);
    store.record(vec![exhausted(&lost, id)]).await.unwrap();
    let at = lost.accepted_at + Duration::from_secs(2);
    let take = async |after: u64| store.take_notices(at + Duration::from_secs(after), 10).await.unwrap();
    for (tries, after) in [(0, 0), (1, 30), (2, 90), (3, 210)] {
        if after > 0 {
            assert_eq!(take(after - 1).await, []);
        }
        assert_eq!(take(after).await[0].tries, tries);
    }
    let far = 40 * 24 * 3_600;
    for tries in 4..20 {
        assert_eq!(take(far + u64::from(tries) * 3_600).await[0].tries, tries);
    }
}

pub(crate) async fn two_notifiers_never_take_the_same(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let mut endpoints = Vec::new();
    for _ in 0..40 {
        endpoints.push(stored_endpoint(&store, tenant).await);
    }
    let lost: Vec<_> = endpoints
        .iter()
        .map(|id| exhausted(&event(tenant, &[*id]), *id))
        .collect();
    store.record(lost).await.unwrap();
    let takers = (0..4).map(|_| async { store.take_notices(now() + MINUTE, 10).await.unwrap() });
    let taken = futures::future::join_all(takers).await.concat();
    let mut found: Vec<_> = taken.iter().map(|notice| notice.endpoint).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), taken.len());
}

pub(crate) async fn what_a_url_said_turns_off_nothing_that_is_elsewhere_by_now(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let id = stored_endpoint(&store, tenant).await;
    let here = store.endpoint(id).await.unwrap().unwrap().url;
    let elsewhere = "https://crm.example.com/elsewhere".parse().unwrap();
    let gone = async |at| {
        store
            .disable_endpoint(id, DisabledReason::Gone, "it is gone", Some(at), now())
            .await
            .unwrap()
    };
    assert!(!gone(&elsewhere).await);
    assert!(store.endpoint(id).await.unwrap().unwrap().enabled);
    assert_eq!(told(&store).await, []);
    assert!(gone(&here).await);
    assert!(!store.endpoint(id).await.unwrap().unwrap().enabled);
}
