use tidings_domain::{DeliveryId, DeliveryState, EndpointId, EventId, TenantId, Timestamp};
use tidings_queue::embedded::Embedded;
use tidings_queue::topology::Topology;
use tidings_queue::{LaneKind, Queue};
use tidings_service::Health;
use tidings_store::ledger::{Delivery, NewEvent, Record};
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

/// A queue with one shard, for which a sweeper that believes in two has something in every second endpoint that the queue
/// surely does not take.
struct Half {
    store: Sqlite,
    queue: Arc<dyn Queue>,
    sweeper: Sweeper,
    _directory: tempfile::TempDir,
}

async fn half() -> Half {
    let directory = tempfile::tempdir().unwrap();
    let sealer = Sealer::new(vec![SealKey::generate()]).unwrap();
    let store = Sqlite::open(&directory.path().join("tidings.db"), sealer).unwrap();
    let queue: Arc<dyn Queue> = Embedded::open(store.clone(), Topology::new(1).unwrap(), &Health::new())
        .await
        .unwrap();
    let ledger: Arc<dyn Ledger> = Arc::new(store.clone());
    let republisher = Republisher {
        queue: queue.clone(),
        ledger: ledger.clone(),
        shards: 2,
        grace: HOUR,
    };
    let sweeper = Sweeper {
        lanes: Lanes::new(2, HOUR),
        ledger,
        republisher,
        grace: HOUR,
        behind: None,
        batch: BATCH,
    };
    Half {
        store,
        queue,
        sweeper,
        _directory: directory,
    }
}

impl Half {
    /// A delivery that has been overdue for an hour, to an endpoint of one of the two shards.
    async fn overdue(&self, shard: u16) -> DeliveryId {
        let of_shard = |_| Some(EndpointId::new()).filter(|endpoint| endpoint.shard(2) == shard);
        let endpoint = (0..).find_map(of_shard).unwrap();
        let accepted_at = Timestamp::now() - 2 * HOUR;
        let event = NewEvent {
            id: EventId::at(accepted_at),
            tenant: TenantId::new(),
            event_type: "feedback.created".parse().unwrap(),
            occurred_at: accepted_at,
            accepted_at,
            payload: "{}".into(),
            idempotency_key: None,
            traceparent: None,
            deliveries: vec![(endpoint, DeliveryState::Pending)],
            grace: HOUR,
            test: false,
        };
        let id = DeliveryId::derive(event.id, endpoint);
        self.store.record(vec![Record::Event(event)]).await.unwrap();
        id
    }

    async fn delivery(&self, id: DeliveryId) -> Delivery {
        self.store.delivery(id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn what_the_queue_refuses_is_due_again_in_a_moment() {
    let mut half = half().await;
    let (taken, refused) = (half.overdue(0).await, half.overdue(1).await);
    let before = Timestamp::now();
    assert_eq!(
        half.sweeper.round().await.unwrap(),
        More::No,
        "a refusal ends the round"
    );
    let soon = Timestamp::now() + Duration::from_secs(2);

    let kept = half.delivery(refused).await;
    assert!(kept.is_kept_by_ledger(), "{kept:?}");
    let due = kept.state.due().unwrap();
    assert!(before < due && due < soon, "{due}");
    let hidden = half.delivery(taken).await;
    assert_eq!(hidden.state, DeliveryState::Pending);
    assert!(hidden.sweep_at.unwrap() > soon);
    let retries = half.queue.depths_of(Source::Work(LaneKind::Retry)).await.unwrap();
    assert_eq!(retries.iter().map(|depth| depth.ready).sum::<u64>(), 1);
}

#[tokio::test]
async fn a_queue_that_takes_nothing_is_tried_with_few() {
    let mut half = half().await;
    for _ in 0..2 * TRIED {
        half.overdue(1).await;
    }
    half.sweeper.round().await.unwrap();
    assert_eq!(half.sweeper.batch, TRIED);

    let mut taking = self::half().await;
    taking.sweeper.batch = TRIED;
    taking.overdue(0).await;
    taking.sweeper.round().await.unwrap();
    assert_eq!(taking.sweeper.batch, 4 * TRIED, "one that takes again");
}

#[tokio::test]
async fn only_what_the_ledger_kept_is_swept_while_records_wait() {
    let mut half = half().await;
    half.sweeper.behind = Some(Instant::now());
    let record = tidings_queue::Outgoing {
        to: tidings_queue::Route::Records,
        body: "a record".into(),
    };
    half.queue.publish(record).await.unwrap();
    let lost = half.overdue(0).await;
    half.sweeper.round().await.unwrap();
    assert!(
        half.delivery(lost).await.sweep_at.unwrap() < Timestamp::now(),
        "it may have been attempted"
    );

    let mut records = half.queue.consume(Source::Records, 1).await;
    assert!(records.recv().await.unwrap().ack().await);
    // The embedded queue counts an acknowledged message until it is deleted.
    let deadline = Instant::now() + Duration::from_secs(60);
    while half.delivery(lost).await.sweep_at.unwrap() < Timestamp::now() {
        assert!(Instant::now() < deadline, "it was never swept");
        half.sweeper.round().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
