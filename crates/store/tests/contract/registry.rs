use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{
    Authorization, DisabledReason, Endpoint, EndpointId, PreviousSecret, Schedule, SchemaValidation, Secret,
    Subscription, Tenant, TenantId, TenantSettings, Timestamp,
};
use tidings_store::registry::{Deletion, EndpointQuery, EndpointState, Of};
use tidings_store::{Store, StoreError};

use crate::fixtures::{endpoint, entry, key, new_version, now, stored_tenant, tenant};

pub(crate) async fn a_tenant_comes_with_its_first_key_or_not_at_all(store: Arc<dyn Store>) {
    let (acme, rival) = (tenant(), tenant());
    let first = key(Some(acme.id));
    store.create_tenant(&acme, &first, &entry()).await.unwrap();
    assert_eq!(store.tenant(acme.id).await.unwrap(), Some(acme.clone()));
    assert_eq!(
        store.keys(Some(acme.id), true).await.unwrap(),
        std::slice::from_ref(&first)
    );

    let mut stolen = key(Some(rival.id));
    stolen.hash = first.hash;
    assert!(matches!(
        store.create_tenant(&rival, &stolen, &entry()).await,
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(store.tenant(rival.id).await.unwrap(), None);
    assert!(matches!(
        store.create_tenant(&acme, &key(Some(acme.id)), &entry()).await,
        Err(StoreError::Conflict(_))
    ));
}

pub(crate) async fn tenants_are_listed_newest_first_in_pages(store: Arc<dyn Store>) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, stored_tenant(&store).await);
    }
    let page = async |before| -> Vec<TenantId> {
        store
            .tenants(before, 2)
            .await
            .unwrap()
            .iter()
            .map(|tenant| tenant.id)
            .collect()
    };
    assert_eq!(page(None).await, ids[..2]);
    assert_eq!(page(Some(ids[1])).await, ids[2..4]);
    assert_eq!(page(Some(ids[3])).await, ids[4..]);
    assert!(page(Some(ids[4])).await.is_empty());
}

pub(crate) async fn deleting_a_tenant_takes_its_keys_and_endpoints(store: Arc<dyn Store>) {
    let (gone, stays) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let (of_gone, of_other) = (endpoint(gone), endpoint(stays));
    store.create_endpoint(&of_gone, &entry()).await.unwrap();
    store.create_endpoint(&of_other, &entry()).await.unwrap();

    assert!(store.delete_tenant(gone, &entry()).await.unwrap());
    assert!(!store.delete_tenant(gone, &entry()).await.unwrap());
    assert_eq!(store.tenant(gone).await.unwrap(), None);
    assert!(store.keys(Some(gone), true).await.unwrap().is_empty());
    assert_eq!(store.endpoint(of_gone.id).await.unwrap(), None);
    assert_eq!(store.keys(Some(stays), true).await.unwrap().len(), 1);
    assert_eq!(store.endpoint(of_other.id).await.unwrap(), Some(of_other));
}

pub(crate) async fn endpoints_are_stored_with_everything(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let plain = endpoint(tenant);
    let mut rich = endpoint(tenant);
    rich.secret = Some(Secret::generate());
    rich.enabled = false;
    rich.subscriptions.push(Subscription {
        pattern: "*".parse().unwrap(),
        enabled: false,
        filter: Some("payload.rating <= 2".into()),
    });
    rich.overrides.schedule = Some(Schedule::default());
    rich.overrides.timeout = Some(Duration::from_millis(1_500));
    rich.overrides.final_statuses = Some(vec!["410".parse().unwrap(), "400-404".parse().unwrap()]);
    rich.overrides.concurrency = Some(3);
    rich.previous_secret = Some(PreviousSecret {
        secret: Secret::generate(),
        until: now(),
    });
    rich.authentication.headers.insert("x-key".into(), "hunter2".into());
    rich.authentication.authorization = Some(Authorization::Basic {
        username: "tidings".into(),
        password: "sesame".into(),
    });
    for endpoint in [&plain, &rich] {
        store.create_endpoint(endpoint, &entry()).await.unwrap();
        assert_eq!(store.endpoint(endpoint.id).await.unwrap().as_ref(), Some(endpoint));
        assert!(matches!(
            store.create_endpoint(endpoint, &entry()).await,
            Err(StoreError::Conflict(_))
        ));
    }
    let delete = async || store.delete_endpoint(rich.id, None, &entry()).await.unwrap();
    assert_eq!(delete().await, Deletion::Deleted);
    assert_eq!(delete().await, Deletion::Gone);
    assert_eq!(store.endpoint(rich.id).await.unwrap(), None);
}

pub(crate) async fn endpoints_are_listed_newest_first_in_pages_of_one_tenant(store: Arc<dyn Store>) {
    let (tenant, other) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let mut ids: Vec<EndpointId> = Vec::new();
    for _ in 0..3 {
        store.create_endpoint(&endpoint(other), &entry()).await.unwrap();
        let mine = endpoint(tenant);
        store.create_endpoint(&mine, &entry()).await.unwrap();
        ids.insert(0, mine.id);
    }
    let page = async |before| -> Vec<EndpointId> {
        store
            .endpoints(tenant, before, 2)
            .await
            .unwrap()
            .iter()
            .map(|endpoint| endpoint.id)
            .collect()
    };
    assert_eq!(page(None).await, ids[..2]);
    assert_eq!(page(Some(ids[1])).await, ids[2..]);
}

pub(crate) async fn endpoints_of_all_tenants_are_found_by_state_host_and_dialect(store: Arc<dyn Store>) {
    let (acme, rival) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let at = |tenant, url: &str, dialect: &str| Endpoint::new(tenant, url.parse().unwrap(), dialect, now());
    let works = at(acme, "https://hooks.example.com/a", "slack");
    let mut failing = at(rival, "https://hooks.example.com:8443/b", "standard");
    failing.failing_since = Some(now());
    let mut off = at(acme, "http://[2001:db8::1]:8080/c", "standard");
    off.enabled = false;
    let mut turned_off = at(rival, "https://hooks.example.com.evil.example/d", "slack");
    turned_off.enabled = false;
    turned_off.disabled_reason = Some(DisabledReason::Failing);
    turned_off.failing_since = Some(now());
    let all = [&works, &failing, &off, &turned_off];
    for endpoint in all {
        store.create_endpoint(endpoint, &entry()).await.unwrap();
    }
    let ids = |endpoints: &[&Endpoint]| endpoints.iter().rev().map(|endpoint| endpoint.id).collect::<Vec<_>>();
    let found = async |query: EndpointQuery| -> Vec<EndpointId> {
        let query = EndpointQuery { limit: 2, ..query };
        let page = store.search_endpoints(&query).await.unwrap();
        page.iter().map(|endpoint| endpoint.id).collect()
    };
    let of = EndpointQuery::default;

    assert_eq!(found(of()).await, ids(&[&off, &turned_off]));
    let before = Some(off.id);
    assert_eq!(found(EndpointQuery { before, ..of() }).await, ids(&[&works, &failing]));
    for (state, expected) in EndpointState::ALL.into_iter().zip(all) {
        let state = Some(state);
        assert_eq!(found(EndpointQuery { state, ..of() }).await, [expected.id], "{state:?}");
    }
    for (host, expected) in [
        ("hooks.example.com", ids(&[&works, &failing])),
        ("[2001:db8::1]", ids(&[&off])),
        ("hooks.example.com.evil.example", ids(&[&turned_off])),
        ("example.com", ids(&[])),
        ("hooks_example.com", ids(&[])),
        ("%", ids(&[])),
    ] {
        let host = Some(host.to_owned());
        assert_eq!(
            found(EndpointQuery {
                host: host.clone(),
                ..of()
            })
            .await,
            expected,
            "{host:?}"
        );
    }
    let dialect = Some("slack".to_owned());
    assert_eq!(
        found(EndpointQuery {
            dialect: dialect.clone(),
            ..of()
        })
        .await,
        ids(&[&works, &turned_off])
    );
    let both = EndpointQuery {
        tenant: Some(rival),
        state: Some(EndpointState::TurnedOff),
        host: Some("hooks.example.com.evil.example".into()),
        dialect,
        ..of()
    };
    assert_eq!(found(both.clone()).await, ids(&[&turned_off]));
    let tenant = Some(acme);
    assert_eq!(found(EndpointQuery { tenant, ..both }).await, ids(&[]));
    assert_eq!(found(EndpointQuery { tenant, ..of() }).await, ids(&[&works, &off]));
}

pub(crate) async fn an_endpoint_is_replaced_only_if_it_has_not_changed(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let mut first = endpoint(tenant);
    // Finer than any store keeps.
    first.updated_at = Timestamp::new(now().as_second(), 123_456_499).unwrap();
    store.create_endpoint(&first, &entry()).await.unwrap();

    let second = Endpoint {
        name: "New".into(),
        secret: Some(Secret::generate()),
        updated_at: now() + Duration::from_secs(1),
        ..first.clone()
    };
    assert!(
        store
            .replace_endpoint(&second, first.updated_at, &entry())
            .await
            .unwrap()
    );
    assert_eq!(store.endpoint(first.id).await.unwrap(), Some(second.clone()));

    let third = Endpoint {
        name: "Lost".into(),
        ..second.clone()
    };
    assert!(
        !store
            .replace_endpoint(&third, first.updated_at, &entry())
            .await
            .unwrap()
    );
    assert_eq!(store.endpoint(first.id).await.unwrap(), Some(second.clone()));

    let read = store.endpoint(first.id).await.unwrap().unwrap();
    assert!(store.replace_endpoint(&third, read.updated_at, &entry()).await.unwrap());
    store.delete_endpoint(first.id, None, &entry()).await.unwrap();
    assert!(
        !store
            .replace_endpoint(&third, third.updated_at, &entry())
            .await
            .unwrap()
    );
}

pub(crate) async fn an_endpoint_is_deleted_only_as_it_was_seen(store: Arc<dyn Store>) {
    let tenant = stored_tenant(&store).await;
    let first = endpoint(tenant);
    store.create_endpoint(&first, &entry()).await.unwrap();
    let second = Endpoint {
        updated_at: first.updated_at + Duration::from_micros(1),
        ..first.clone()
    };
    assert!(
        store
            .replace_endpoint(&second, first.updated_at, &entry())
            .await
            .unwrap()
    );
    let delete = async |was: &Endpoint| {
        let was = Some(was.updated_at);
        store.delete_endpoint(first.id, was, &entry()).await.unwrap()
    };
    assert_eq!(delete(&first).await, Deletion::Changed);
    assert_eq!(store.endpoint(first.id).await.unwrap(), Some(second.clone()));
    assert_eq!(delete(&second).await, Deletion::Deleted);
    assert_eq!(delete(&second).await, Deletion::Gone);
}

pub(crate) async fn a_tenant_is_replaced_only_if_it_has_not_changed(store: Arc<dyn Store>) {
    let first = tenant();
    store
        .create_tenant(&first, &key(Some(first.id)), &entry())
        .await
        .unwrap();
    let second = Tenant {
        name: "New".into(),
        settings: TenantSettings {
            schema_validation: SchemaValidation::Warn,
            attempt_retention: Some(7),
            publish_per_second: Some(100),
            ..TenantSettings::default()
        },
        updated_at: first.updated_at + Duration::from_micros(1),
        ..first.clone()
    };
    let replace = async |new: &Tenant, was| store.replace_tenant(new, was, &entry()).await.unwrap();
    assert!(replace(&second, first.updated_at).await);
    assert!(!replace(&first, first.updated_at).await);
    assert_eq!(store.tenant(first.id).await.unwrap(), Some(second.clone()));
    let snapshot = store.snapshot(Of::Tenant(first.id)).await.unwrap();
    assert_eq!(snapshot.tenants, std::slice::from_ref(&second));
    assert_eq!(store.tenants(None, 1).await.unwrap(), std::slice::from_ref(&second));
    store.delete_tenant(first.id, &entry()).await.unwrap();
    assert!(!replace(&first, second.updated_at).await);
}

pub(crate) async fn what_needs_a_tenant_is_refused_without_one(store: Arc<dyn Store>) {
    let nobody = TenantId::new();
    assert!(matches!(
        store.create_key(&key(Some(nobody)), &entry()).await,
        Err(StoreError::Conflict(_))
    ));
    assert!(matches!(
        store.create_endpoint(&endpoint(nobody), &entry()).await,
        Err(StoreError::Conflict(_))
    ));
}

pub(crate) async fn a_snapshot_shows_the_part_asked_for(store: Arc<dyn Store>) {
    let (one, other) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let mut signed = endpoint(one);
    signed.secret = Some(Secret::generate());
    store.create_endpoint(&signed, &entry()).await.unwrap();
    store.create_endpoint(&endpoint(other), &entry()).await.unwrap();
    let operator = key(None);
    store.create_key(&operator, &entry()).await.unwrap();

    let version = new_version("feedback.created");
    store.create_event_type_version(&version, &entry()).await.unwrap();
    let newest = store.create_event_type_version(&version, &entry()).await.unwrap();

    let all = store.snapshot(Of::Everything).await.unwrap();
    assert_eq!((all.tenants.len(), all.keys.len(), all.endpoints.len()), (2, 3, 2));
    assert_eq!(all.event_types, std::slice::from_ref(&newest));
    let catalogue = store.snapshot(Of::EventTypes).await.unwrap();
    assert!(catalogue.tenants.is_empty() && catalogue.keys.is_empty() && catalogue.endpoints.is_empty());
    assert_eq!(catalogue.event_types, [newest]);
    let part = store.snapshot(Of::Tenant(one)).await.unwrap();
    assert_eq!((part.tenants.len(), part.keys.len()), (1, 1));
    assert_eq!(part.tenants[0].id, one);
    assert_eq!(part.endpoints.len(), 1);
    assert_eq!(
        (&part.endpoints[0].secret, part.endpoints[0].is_signed()),
        (&None, true)
    );
    assert_eq!(store.open(&part.endpoints[0]).unwrap(), signed);
    let one_of_it = store.snapshot(Of::Endpoint(one, signed.id)).await.unwrap();
    assert_eq!(one_of_it.endpoints, part.endpoints);
    assert!(one_of_it.tenants.is_empty() && one_of_it.keys.is_empty());
    assert!(
        store
            .snapshot(Of::Endpoint(other, signed.id))
            .await
            .unwrap()
            .endpoints
            .is_empty()
    );
    let operators = store.snapshot(Of::Operators).await.unwrap();
    assert!(operators.tenants.is_empty() && operators.endpoints.is_empty() && operators.event_types.is_empty());
    assert_eq!(operators.keys, [operator]);
    let nothing = store.snapshot(Of::Tenant(TenantId::new())).await.unwrap();
    assert!(nothing.tenants.is_empty() && nothing.keys.is_empty() && nothing.endpoints.is_empty());
}

pub(crate) async fn everything_is_read_in_pages_of_whole_tenants(store: Arc<dyn Store>) {
    let mut tenants = Vec::new();
    for _ in 0..5 {
        let tenant = stored_tenant(&store).await;
        store.create_endpoint(&endpoint(tenant), &entry()).await.unwrap();
        tenants.push(tenant);
    }
    store.create_key(&key(None), &entry()).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    for size in [2, 2, 1] {
        let page = store.snapshot_page(after, 2).await.unwrap();
        assert_eq!(
            (page.tenants.len(), page.keys.len(), page.endpoints.len()),
            (size, size, size)
        );
        let here: Vec<TenantId> = page.tenants.iter().map(|tenant| tenant.id).collect();
        assert!(page.endpoints.iter().all(|endpoint| here.contains(&endpoint.tenant)));
        assert!(here.iter().all(|tenant| page.marks.contains_key(tenant)));
        seen.extend(here);
        after = page.next;
    }
    assert_eq!(after, None);
    tenants.sort();
    assert_eq!(seen, tenants);
    assert!(
        store
            .snapshot_page(seen.last().copied(), 2)
            .await
            .unwrap()
            .tenants
            .is_empty()
    );
}

/// Of the marks only that of the tenant that changed is another, and it is the one with which it is read.
pub(crate) async fn a_mark_is_another_after_each_change_of_its_tenant(store: Arc<dyn Store>) {
    let (one, other) = (stored_tenant(&store).await, stored_tenant(&store).await);
    let mut endpoint = endpoint(one);
    let mut before = store.marks().await.unwrap();
    let mut changed = async || {
        let now = store.marks().await.unwrap();
        assert_eq!(now.get(&other), before.get(&other));
        assert_ne!(now.get(&one), before.get(&one));
        assert_eq!(
            store.snapshot(Of::Tenant(one)).await.unwrap().marks.get(&one),
            now.get(&one)
        );
        before = now;
    };
    store.create_endpoint(&endpoint, &entry()).await.unwrap();
    changed().await;
    let was = std::mem::replace(&mut endpoint.updated_at, now() + Duration::from_secs(1));
    assert!(store.replace_endpoint(&endpoint, was, &entry()).await.unwrap());
    changed().await;
    let mine = key(Some(one));
    store.create_key(&mine, &entry()).await.unwrap();
    changed().await;
    store.replace_key_expiry(mine.id, Some(now()), &entry()).await.unwrap();
    changed().await;
    store.delete_endpoint(endpoint.id, None, &entry()).await.unwrap();
    changed().await;
    store.delete_tenant(one, &entry()).await.unwrap();
    assert_eq!(store.marks().await.unwrap().keys().collect::<Vec<_>>(), [&other]);
}

pub(crate) async fn changes_are_announced(store: Arc<dyn Store>) {
    let mut changes = store.changes().await.unwrap();
    // Announcements may come more than once and may name more than what changed, never less.
    let mut announced = async |expected: Of| {
        let wait = async {
            while let Some(of) = changes.recv().await {
                if of == expected || of == Of::Everything {
                    return;
                }
            }
            panic!("the channel closed");
        };
        tokio::time::timeout(Duration::from_secs(10), wait)
            .await
            .unwrap_or_else(|_| panic!("{expected:?}"));
        while changes.try_recv().is_ok() {}
    };

    let tenant = stored_tenant(&store).await;
    announced(Of::Tenant(tenant)).await;
    let mut endpoint = endpoint(tenant);
    let one = Of::Endpoint(tenant, endpoint.id);
    store.create_endpoint(&endpoint, &entry()).await.unwrap();
    announced(one).await;
    endpoint.enabled = false;
    store
        .replace_endpoint(&endpoint, endpoint.updated_at, &entry())
        .await
        .unwrap();
    announced(one).await;
    let (id, gone) = (endpoint.id, DisabledReason::Gone);
    endpoint.updated_at = store.endpoint(id).await.unwrap().unwrap().updated_at;
    let on = Endpoint {
        enabled: true,
        ..endpoint.clone()
    };
    assert!(
        store
            .replace_endpoint(&on, endpoint.updated_at, &entry())
            .await
            .unwrap()
    );
    announced(one).await;
    assert!(store.disable_endpoint(id, gone, "", None, now()).await.unwrap());
    announced(one).await;
    store.delete_endpoint(endpoint.id, None, &entry()).await.unwrap();
    announced(one).await;

    let (mine, operator) = (key(Some(tenant)), key(None));
    store.create_key(&mine, &entry()).await.unwrap();
    announced(Of::Tenant(tenant)).await;
    store.delete_key(mine.id, &entry()).await.unwrap();
    announced(Of::Tenant(tenant)).await;
    store.create_first_operator_key(&operator, &entry()).await.unwrap();
    announced(Of::Operators).await;
    store.delete_key(operator.id, &entry()).await.unwrap();
    announced(Of::Operators).await;
    let third = key(Some(tenant));
    store.create_key(&third, &entry()).await.unwrap();
    announced(Of::Tenant(tenant)).await;
    store.replace_key_expiry(third.id, Some(now()), &entry()).await.unwrap();
    announced(Of::Tenant(tenant)).await;
    let successor = key(Some(tenant));
    store.rotate_key(third.id, now(), &successor, &entry()).await.unwrap();
    announced(Of::Tenant(tenant)).await;
    let mut changed = store.tenant(tenant).await.unwrap().unwrap();
    changed.name = "Renamed".into();
    let was = changed.updated_at;
    store.replace_tenant(&changed, was, &entry()).await.unwrap();
    announced(Of::Tenant(tenant)).await;
    store.delete_tenant(tenant, &entry()).await.unwrap();
    announced(Of::Tenant(tenant)).await;

    let created = new_version("feedback.created");
    store.create_event_type_version(&created, &entry()).await.unwrap();
    announced(Of::EventTypes).await;
    store.delete_event_type(&created.event_type, &entry()).await.unwrap();
    announced(Of::EventTypes).await;
}

pub(crate) async fn a_listener_that_left_disturbs_nobody(store: Arc<dyn Store>) {
    let mut stays = store.changes().await.unwrap();
    drop(store.changes().await.unwrap());
    let tenant = stored_tenant(&store).await;
    let heard = tokio::time::timeout(Duration::from_secs(10), stays.recv())
        .await
        .unwrap();
    assert!(
        matches!(heard, Some(Of::Everything)) || heard == Some(Of::Tenant(tenant)),
        "{heard:?}"
    );
}
