//! The catalogue of event types.

use std::sync::Arc;

use tidings_domain::{EventType, EventTypeVersion};
use tidings_store::Store;
use tidings_store::registry::NewEventTypeVersion;

use crate::fixtures::{entry, new_version};

async fn create(store: &Arc<dyn Store>, new: &NewEventTypeVersion) -> EventTypeVersion {
    store.create_event_type_version(new, &entry()).await.unwrap()
}

pub(crate) async fn versions_are_counted_from_one(store: Arc<dyn Store>) {
    let described = new_version("feedback.created");
    let any = NewEventTypeVersion {
        schema: None,
        ..new_version("feedback.created")
    };
    let first = create(&store, &described).await;
    let second = create(&store, &any).await;
    let other = create(&store, &new_version("nps.ask_later")).await;
    assert_eq!((first.version, second.version, other.version), (1, 2, 1));
    assert_eq!(first.schema, described.schema);
    assert_eq!(second.schema, None);
    let versions = store.event_type_versions(&described.event_type).await.unwrap();
    assert_eq!(versions, [second.clone(), first]);
    assert_eq!(store.event_types(None, 10).await.unwrap(), [second, other]);
}

pub(crate) async fn versions_made_at_once_have_different_numbers(store: Arc<dyn Store>) {
    let making = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { create(&store, &new_version("feedback.created")).await.version })
    });
    let mut numbers = Vec::new();
    for made in making.collect::<Vec<_>>() {
        numbers.push(made.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
}

pub(crate) async fn event_types_are_listed_by_name_in_pages(store: Arc<dyn Store>) {
    // By bytes, in every language of a database.
    let names = ["ISSUE_STATUS_CHANGE", "a-b", "a.b", "b", "feedback.created"];
    for name in names.iter().rev() {
        create(&store, &new_version(name)).await;
        create(&store, &new_version(name)).await;
    }
    let mut after: Option<EventType> = None;
    for page in [&names[..2], &names[2..4], &names[4..], &[]] {
        let found = store.event_types(after.clone(), 2).await.unwrap();
        let found_names: Vec<_> = found.iter().map(|newest| newest.event_type.as_str()).collect();
        assert_eq!(found_names, page);
        assert!(found.iter().all(|newest| newest.version == 2));
        after = found.last().map(|newest| newest.event_type.clone()).or(after);
    }
}

pub(crate) async fn a_deleted_event_type_is_gone_with_its_versions(store: Arc<dyn Store>) {
    let new = new_version("feedback.created");
    create(&store, &new).await;
    create(&store, &new).await;
    let stays = create(&store, &new_version("feedback")).await;
    let delete = async || store.delete_event_type(&new.event_type, &entry()).await.unwrap();
    assert!(delete().await);
    assert!(!delete().await);
    assert!(store.event_type_versions(&new.event_type).await.unwrap().is_empty());
    assert_eq!(store.event_types(None, 10).await.unwrap(), [stays]);
}
