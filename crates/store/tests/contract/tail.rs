//! What log processes tell each other.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::AttemptId;
use tidings_store::Store;
use tidings_store::tail::{MAX_TOLD, Told};
use tokio::time::timeout;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn a_process_hears_what_others_tell_and_not_itself(store: Arc<dyn Store>) {
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let heard = store.others(one).await.unwrap();
    let many = std::iter::repeat_with(AttemptId::new).take(MAX_TOLD).collect();
    let told = [
        Told::Watched,
        Told::Recorded(vec![AttemptId::new()]),
        Told::Recorded(many),
    ];
    for told in &told {
        store.tell(one, told.clone()).await.unwrap();
        store.tell(other, told.clone()).await.unwrap();
    }
    // Where a process has the store for itself there are no others.
    let Some(mut heard) = heard else { return };
    for told in told {
        assert_eq!(timeout(SOON, heard.recv()).await.unwrap(), Some(told));
    }
    assert!(heard.try_recv().is_err());
}
