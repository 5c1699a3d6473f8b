//! Notifications between log processes reach the others, and not their sender.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::AttemptId;
use tidings_store::Store;
use tidings_store::watch::{MAX_ATTEMPTS, Notification};
use tokio::time::timeout;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn a_process_hears_what_others_tell_and_not_itself(store: Arc<dyn Store>) {
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let received = store.subscribe(one).await.unwrap();
    let many = std::iter::repeat_with(AttemptId::new).take(MAX_ATTEMPTS).collect();
    let notifications = [
        Notification::Watched,
        Notification::Recorded(vec![AttemptId::new()]),
        Notification::Recorded(many),
    ];
    for notification in &notifications {
        store.notify(one, notification.clone()).await.unwrap();
        store.notify(other, notification.clone()).await.unwrap();
    }
    // Where a process has the store for itself there are no others.
    let Some(mut received) = received else { return };
    for notification in notifications {
        assert_eq!(timeout(SOON, received.recv()).await.unwrap(), Some(notification));
    }
    assert!(received.try_recv().is_err());
}
