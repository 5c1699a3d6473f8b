//! The audit log: what is written to it with which change, and how it is read.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidings_domain::{Actor, AuditEntry, AuditId, Endpoint, EventType, KeyId, Tenant, TenantId};
use tidings_store::registry::AuditQuery;
use tidings_store::{Store, StoreError};

use crate::fixtures::{HOUR, endpoint, entry, key, new_version, now, tenant};

/// An entry with this action and nothing else of note.
fn of(action: &str) -> AuditEntry {
    AuditEntry::new(now(), Actor::System, action, "target")
}

async fn actions(store: &Arc<dyn Store>) -> Vec<String> {
    let query = AuditQuery {
        limit: 100,
        ..AuditQuery::default()
    };
    let mut entries = store.audit(&query).await.unwrap();
    entries.reverse();
    entries.into_iter().map(|entry| entry.action).collect()
}

async fn found(store: &Arc<dyn Store>, query: AuditQuery) -> Vec<AuditEntry> {
    store.audit(&AuditQuery { limit: 10, ..query }).await.unwrap()
}

pub(crate) async fn what_changes_something_writes_an_entry(store: Arc<dyn Store>) {
    let (acme, mut one) = (tenant(), endpoint(TenantId::new()));
    one.tenant = acme.id;
    let (first, second, operator) = (key(Some(acme.id)), key(Some(acme.id)), key(None));
    let created: EventType = "feedback.created".parse().unwrap();
    store.create_tenant(&acme, &first, &of("a")).await.unwrap();
    store.replace_tenant(&acme, acme.updated_at, &of("b")).await.unwrap();
    store.create_first_operator_key(&operator, &of("c")).await.unwrap();
    store.create_key(&second, &of("d")).await.unwrap();
    store
        .rotate_key(second.id, now(), &key(Some(acme.id)), &of("e"))
        .await
        .unwrap();
    store.replace_key_expiry(second.id, None, &of("f")).await.unwrap();
    store.delete_key(second.id, &of("g")).await.unwrap();
    store.create_endpoint(&one, &of("h")).await.unwrap();
    store.replace_endpoint(&one, one.updated_at, &of("i")).await.unwrap();
    store
        .delete_endpoint(one.id, Some(one.updated_at), &of("j"))
        .await
        .unwrap();
    store
        .create_event_type_version(&new_version(created.as_str()), &of("k"))
        .await
        .unwrap();
    store.delete_event_type(&created, &of("l")).await.unwrap();
    store.delete_tenant(acme.id, &of("m")).await.unwrap();
    store.note(&of("n")).await.unwrap();
    let expected: Vec<String> = ('a'..='n').map(String::from).collect();
    assert_eq!(actions(&store).await, expected);
}

pub(crate) async fn what_changes_nothing_writes_no_entry(store: Arc<dyn Store>) {
    let acme = tenant();
    let (first, operator, one) = (key(Some(acme.id)), key(None), endpoint(acme.id));
    store.create_tenant(&acme, &first, &of("made")).await.unwrap();
    store.create_first_operator_key(&operator, &of("made")).await.unwrap();
    store.create_endpoint(&one, &of("made")).await.unwrap();

    let (old, no) = (now() - HOUR, of("nothing"));
    let taken = store.create_tenant(&acme, &key(Some(acme.id)), &no).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))));
    let changed = Tenant {
        name: "Lost".into(),
        ..acme.clone()
    };
    assert!(!store.replace_tenant(&changed, old, &no).await.unwrap());
    assert!(!store.delete_tenant(TenantId::new(), &no).await.unwrap());
    assert!(matches!(
        store.create_key(&first, &no).await,
        Err(StoreError::Conflict(_))
    ));
    assert!(!store.create_first_operator_key(&key(None), &no).await.unwrap());
    assert!(!store.rotate_key(KeyId::new(), now(), &key(None), &no).await.unwrap());
    assert!(!store.replace_key_expiry(KeyId::new(), None, &no).await.unwrap());
    assert!(!store.delete_key(KeyId::new(), &no).await.unwrap());
    let taken = store.create_endpoint(&one, &no).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))));
    assert!(!store.replace_endpoint(&one, old, &no).await.unwrap());
    store.delete_endpoint(one.id, Some(old), &no).await.unwrap();
    let unknown: EventType = "unknown".parse().unwrap();
    assert!(!store.delete_event_type(&unknown, &no).await.unwrap());
    assert_eq!(actions(&store).await, ["made", "made", "made"]);
}

pub(crate) async fn entries_outlive_their_tenant_and_are_paged_newest_first(store: Arc<dyn Store>) {
    let acme = tenant();
    let mut one = endpoint(acme.id);
    let entry = |action: &str| of(action).of(Some(acme.id));
    store
        .create_tenant(&acme, &key(Some(acme.id)), &entry("0"))
        .await
        .unwrap();
    store.create_endpoint(&one, &entry("1")).await.unwrap();
    for action in ["2", "3"] {
        let was = one.updated_at;
        one = Endpoint {
            updated_at: was + Duration::from_secs(1),
            ..one
        };
        assert!(store.replace_endpoint(&one, was, &entry(action)).await.unwrap());
    }
    store.delete_tenant(acme.id, &entry("4")).await.unwrap();
    let mut before = None;
    for page in [&["4", "3"][..], &["2", "1"], &["0"], &[]] {
        let query = AuditQuery {
            tenant: Some(acme.id),
            before,
            limit: 2,
            ..AuditQuery::default()
        };
        let found = store.audit(&query).await.unwrap();
        let actions: Vec<_> = found.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, page);
        before = found.last().map(|entry| entry.id).or(before);
    }
}

pub(crate) async fn entries_are_filtered(store: Arc<dyn Store>) {
    let (mine, others, at) = (tenant(), tenant(), now() - HOUR);
    let (my_key, operator_key) = (KeyId::new(), KeyId::new());
    let rich = AuditEntry {
        id: AuditId::at(at),
        ..AuditEntry::new(at, Actor::Key(my_key), "tenant.updated", mine.id)
            .of(Some(mine.id))
            .change(
                Some(json!({"name": "Old", "settings": {"b": 1.5, "a": [null, true]}})),
                Some(json!({"name": "New"})),
            )
            .from(Some("2001:db8::1".into()), Some("curl/8"))
    };
    let plain = AuditEntry::new(now(), Actor::Operator(operator_key), "tenant.created", others.id).of(Some(others.id));
    store.create_tenant(&mine, &key(Some(mine.id)), &rich).await.unwrap();
    store
        .create_tenant(&others, &key(Some(others.id)), &plain)
        .await
        .unwrap();
    store.create_first_operator_key(&key(None), &entry()).await.unwrap();

    let all = AuditQuery::default;
    let of_tenant = AuditQuery {
        tenant: Some(mine.id),
        ..all()
    };
    let with_key = AuditQuery {
        key: Some(my_key),
        ..all()
    };
    let done = AuditQuery {
        action: Some("tenant.updated".into()),
        ..all()
    };
    let begun_so = AuditQuery {
        action: Some("tenant.u*".into()),
        ..all()
    };
    let to = AuditQuery {
        target: Some(mine.id.to_string()),
        tenant: Some(mine.id),
        ..all()
    };
    let then = AuditQuery {
        since: Some(at),
        until: Some(at + Duration::from_millis(1)),
        ..all()
    };
    for query in [of_tenant, with_key, done, begun_so, to, then] {
        assert_eq!(found(&store, query).await, std::slice::from_ref(&rich));
    }
    let before = AuditQuery {
        until: Some(at),
        ..all()
    };
    assert_eq!(found(&store, before).await, []);
    let elsewhere = AuditQuery {
        tenant: Some(others.id),
        target: Some(mine.id.to_string()),
        ..all()
    };
    assert_eq!(found(&store, elsewhere).await, []);
    assert_eq!(found(&store, all()).await.len(), 3);
}

pub(crate) async fn what_is_kept_elsewhere_can_be_noted(store: Arc<dyn Store>) {
    let requeued = of("message.requeued").change(None, Some(json!({ "queue": "parked" })));
    store.note(&requeued).await.unwrap();
    assert_eq!(found(&store, AuditQuery::default()).await, [requeued]);
}
