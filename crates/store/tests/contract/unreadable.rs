//! What can't be read, or opened, of one row: it is named, and everything else is as if it were not there.

use std::sync::Arc;

use tidings_domain::{DisabledReason, Endpoint, EventType, NoticeKind, SchemaValidation, Scope, Subscription, Tenant};
use tidings_store::registry::Of;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::{Store, StoreError};

use crate::fixtures::{endpoint, entry, key, new_version, now, stored_tenant, tenant};
use crate::rekey::secretive;
use crate::stores::{Postgres, Sqlite, sealer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_row_keeps_nothing_else_from_being_read_in_postgres() {
    let place = Postgres::create().await;
    let store = place.open(sealer()).await;
    let by_hand = async |sql: &str| place.execute(sql).await;
    one_row_keeps_nothing_else_from_being_read(store, "ARRAY['read', 'fly']", by_hand).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_row_keeps_nothing_else_from_being_read_in_sqlite() {
    let place = Sqlite::create();
    let store = place.open(sealer());
    let by_hand = async |sql: &str| place.execute(sql);
    one_row_keeps_nothing_else_from_being_read(store, "'read fly'", by_hand).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_of_an_unknown_kind_hides_no_other_in_postgres() {
    let place = Postgres::create().await;
    let store = place.open(sealer()).await;
    a_notice_of_an_unknown_kind_hides_no_other(store, async |sql: &str| place.execute(sql).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_of_an_unknown_kind_hides_no_other_in_sqlite() {
    let place = Sqlite::create();
    let store = place.open(sealer());
    a_notice_of_an_unknown_kind_hides_no_other(store, async |sql: &str| place.execute(sql)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_key_opens_stays_as_it_is_in_postgres() {
    let place = Postgres::create().await;
    what_no_key_opens_stays_as_it_is(async |keys| place.open(keys).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_key_opens_stays_as_it_is_in_sqlite() {
    let place = Sqlite::create();
    what_no_key_opens_stays_as_it_is(async |keys| place.open(keys)).await;
}

async fn one_row_keeps_nothing_else_from_being_read(store: Arc<dyn Store>, scopes: &str, by_hand: impl AsyncFn(&str)) {
    let owner = Tenant {
        name: "Owner".into(),
        ..tenant()
    };
    let other = stored_tenant(&store).await;
    let mine = key(Some(owner.id));
    store.create_tenant(&owner, &mine, &entry()).await.unwrap();
    let mut endpoints = Vec::new();
    for name in ["overrides", "subscriptions", "url", "newer"] {
        let made = Endpoint {
            name: name.into(),
            ..endpoint(owner.id)
        };
        store.create_endpoint(&made, &entry()).await.unwrap();
        endpoints.push(made);
    }
    let untouched = endpoint(other);
    store.create_endpoint(&untouched, &entry()).await.unwrap();
    for event_type in ["feedback.created", "feedback.broken"] {
        store
            .create_event_type_version(&new_version(event_type), &entry())
            .await
            .unwrap();
    }
    for sql in [
        r#"UPDATE endpoints SET overrides = '{"schedule": ["soon"], "concurrency": 3}' WHERE name = 'overrides'"#,
        r#"UPDATE endpoints SET subscriptions = '[{"pattern": "**"}, {"pattern": "a.b"}]' WHERE name = 'subscriptions'"#,
        "UPDATE endpoints SET url = 'nowhere' WHERE name = 'url'",
        r#"UPDATE endpoints SET overrides = '{"of_a_newer_version": 1}',
           subscriptions = '[{"pattern": "a.b", "of_a_newer_version": 1}]' WHERE name = 'newer'"#,
        r#"UPDATE tenants SET settings = '{"schema_validation": "perhaps", "payload_retention": 7}' WHERE name = 'Owner'"#,
        "UPDATE event_types SET event_type = 'no event type' WHERE event_type = 'feedback.broken'",
    ] {
        by_hand(sql).await;
    }
    by_hand(&format!(
        "UPDATE api_keys SET scopes = {scopes} WHERE hint = '{}'",
        mine.hint
    ))
    .await;

    let all = store.snapshot(Of::Everything).await.unwrap();
    let named = |name: &str| all.endpoints.iter().find(|endpoint| endpoint.name == name).unwrap();
    assert_eq!(named("overrides").unreadable, ["overrides"]);
    assert_eq!(named("overrides").overrides.concurrency, Some(3));
    assert_eq!(named("subscriptions").unreadable, [Endpoint::SUBSCRIPTIONS]);
    let wanted = Subscription::to("a.b".parse().unwrap());
    assert_eq!(named("subscriptions").subscriptions, std::slice::from_ref(&wanted));
    let of_any_type: EventType = "anything.else".parse().unwrap();
    assert!(named("subscriptions").wants(&of_any_type) && !named("newer").wants(&of_any_type));
    assert_eq!(named("url").unreadable, ["url"]);
    assert_eq!(
        (&named("newer").unreadable, &named("newer").subscriptions),
        (&vec![], &vec![wanted])
    );
    assert!(all.endpoints.contains(&untouched));
    let settings = &all
        .tenants
        .iter()
        .find(|tenant| tenant.id == owner.id)
        .unwrap()
        .settings;
    assert_eq!(
        (settings.schema_validation, settings.payload_retention),
        (SchemaValidation::Off, Some(7))
    );
    let found = all.keys.iter().find(|key| key.id == mine.id).unwrap();
    assert_eq!(found.scopes, [Scope::Read]);
    let types: Vec<&str> = all
        .event_types
        .iter()
        .map(|version| version.event_type.as_str())
        .collect();
    assert_eq!(types, ["feedback.created"]);
    let mut told: Vec<&str> = all.unreadable.iter().map(|row| row.kind).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        ["endpoint", "endpoint", "endpoint", "event_type", "key", "tenant"]
    );

    // The same one by one, in lists and in parts.
    for endpoint in &endpoints {
        let found = store.endpoint(endpoint.id).await.unwrap().unwrap();
        assert_eq!(found.unreadable, named(&endpoint.name).unreadable);
    }
    assert_eq!(store.endpoints(owner.id, None, 10).await.unwrap().len(), 4);
    assert_eq!(store.tenants(None, 10).await.unwrap().len(), 2);
    assert_eq!(store.keys(Some(owner.id), true).await.unwrap()[0].scopes, [Scope::Read]);
    assert_eq!(store.event_types(None, 10).await.unwrap().len(), 1);
    let broken = &endpoints[0];
    assert!(
        store
            .disable_endpoint(broken.id, DisabledReason::Failing, "", None, now())
            .await
            .unwrap()
    );
    store.delete_endpoint(broken.id, None, &entry()).await.unwrap();
    assert_eq!(store.endpoint(broken.id).await.unwrap(), None);
}

async fn a_notice_of_an_unknown_kind_hides_no_other(store: Arc<dyn Store>, by_hand: impl AsyncFn(&str)) {
    let tenant = stored_tenant(&store).await;
    for name in ["first", "second"] {
        let made = Endpoint {
            name: name.into(),
            ..endpoint(tenant)
        };
        store.create_endpoint(&made, &entry()).await.unwrap();
        store
            .disable_endpoint(made.id, DisabledReason::Failing, name, None, now())
            .await
            .unwrap();
    }
    by_hand("UPDATE notices SET kind = 'endpoint.bored' WHERE detail = 'first'").await;
    let taken = store.take_notices(now(), 10).await.unwrap();
    let kinds: Vec<_> = taken
        .iter()
        .map(|notice| (notice.kind, notice.detail.as_str()))
        .collect();
    assert_eq!(kinds, [(NoticeKind::EndpointDisabled, "second")]);
    assert!(
        store.take_notices(now(), 10).await.unwrap().is_empty(),
        "both are hidden"
    );
}

async fn what_no_key_opens_stays_as_it_is(open: impl AsyncFn(Sealer) -> Arc<dyn Store>) {
    let named = |name: &str| Sealer::new(vec![SealKey::new(name, [name.as_bytes()[0]; 32]).unwrap()]).unwrap();
    let store = open(named("old")).await;
    let tenant = stored_tenant(&store).await;
    let made = secretive(endpoint(tenant));
    store.create_endpoint(&made, &entry()).await.unwrap();
    drop(store);

    let store = open(named("new")).await;
    let found = store.endpoint(made.id).await.unwrap().unwrap();
    let sealed: Vec<&str> = found.sealed.names().collect();
    assert_eq!(sealed, ["secret", "previous_secret", "authentication"]);
    assert!(found.is_signed() && found.secret.is_none());
    assert_eq!(
        store.snapshot(Of::Tenant(tenant)).await.unwrap().endpoints,
        std::slice::from_ref(&found)
    );
    assert_eq!(
        store.endpoints(tenant, None, 10).await.unwrap(),
        std::slice::from_ref(&found)
    );
    let refused = store.open(&found).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Corrupt(why) if why.contains("`old`")),
        "{refused:?}"
    );
    let renamed = Endpoint {
        name: "Renamed".into(),
        ..found
    };
    assert!(
        store
            .replace_endpoint(&renamed, made.updated_at, &entry())
            .await
            .unwrap()
    );
    drop(store);

    let store = open(named("old")).await;
    let expected = Endpoint {
        name: "Renamed".into(),
        ..made
    };
    assert_eq!(store.endpoint(expected.id).await.unwrap(), Some(expected.clone()));
    let closed = store.snapshot(Of::Tenant(tenant)).await.unwrap().endpoints.remove(0);
    assert_eq!(store.open(&closed).unwrap(), expected);
}
