//! The queue in SQLite, for a single process.
//!
//! The table holds every message until it is acknowledged; delivery state exists in memory only. So after a crash,
//! every unacknowledged message is delivered again, marked as redelivered. A delayed message is one with a time in
//! the future; a timer waits for the earliest.
//!
//! An acknowledgement counts once its deletion is queued, not committed. A deletion is lost only in a crash, after
//! which duplicates are allowed (guarantee G3), and a commit per message would halve the throughput.

mod clock;
mod in_memory;
mod parked;
mod tasks;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tidings_service::{Health, Supervisor};
use tidings_store::StoreError;
use tidings_store::sqlite::Sqlite;
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::clock::Clock;
use self::in_memory::{Held, Lanes};
use self::tasks::{Job, Returned};
use crate::topology::{self, Topology};
use crate::{
    Acknowledge, Depth, Incoming, Lane, LaneKind, Outgoing, Parked, ParkedQueue, PublishError, Queue, Route, Selection,
    Settle, Settled, Source, metrics,
};

/// Queue implementation on SQLite. Only one may be open per store.
pub struct Embedded {
    inner: Arc<Inner>,
    supervisor: Supervisor,
    /// Ends the tasks of a queue that was dropped without being closed.
    _closes_on_drop: DropGuard,
}

/// State shared by the tasks and the unsettled messages of one queue.
struct Inner {
    store: Sqlite,
    topology: Topology,
    lanes: Mutex<Lanes>,
    jobs: mpsc::Sender<Job>,
    acknowledged: mpsc::Sender<i64>,
    returned: mpsc::UnboundedSender<Returned>,
    /// A lane has become empty enough to be read on.
    unread: Notify,
    clock: Clock,
    closing: CancellationToken,
}

/// Maximum publishes and acknowledgements that wait for the store; further callers wait for a slot.
const WAITING: usize = 4096;

impl Embedded {
    /// Opens the queue in a store; `health` shows its tasks. Only one queue may be open in it at a time.
    pub async fn open(store: Sqlite, topology: Topology, health: &Health) -> Result<Arc<Self>, StoreError> {
        metrics::register();
        // Lanes that a configuration with more shards left behind are still emptied.
        let stored = store.count_messages().await?.into_iter().map(|(number, _)| number);
        let known = topology.lanes().map(lane_number).chain([RECORDS]);
        let lanes = Mutex::new(Lanes::new(known.chain(stored.filter(|number| *number != PARKED))));
        let (jobs, published) = mpsc::channel(WAITING);
        let (acknowledged, to_delete) = mpsc::channel(WAITING);
        let (returned, dropped) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        let inner = Arc::new(Inner {
            store,
            topology,
            lanes,
            jobs,
            acknowledged,
            returned,
            unread: Notify::new(),
            clock: Clock::new(),
            closing: closing.clone(),
        });
        // What a former process left in the table has to be read before anything new arrives.
        inner.unread.notify_one();
        let supervisor = Supervisor::new(health.clone(), closing.clone());
        supervisor.spawn("queue_store", {
            // Shared, so that a task that is started again after a panic goes on with the same receiver.
            let (inner, published) = (inner.clone(), Arc::new(AsyncMutex::new(published)));
            move || tasks::store_and_read(inner.clone(), published.clone())
        });
        supervisor.spawn("queue_delete", {
            let (inner, to_delete) = (inner.clone(), Arc::new(AsyncMutex::new(to_delete)));
            move || tasks::delete(inner.clone(), to_delete.clone())
        });
        supervisor.spawn("queue_give_back", {
            let (inner, dropped) = (inner.clone(), Arc::new(AsyncMutex::new((dropped, VecDeque::new()))));
            move || tasks::give_back(inner.clone(), dropped.clone())
        });
        Ok(Arc::new(Self {
            inner,
            supervisor,
            _closes_on_drop: closing.drop_guard(),
        }))
    }
}

#[async_trait]
impl Queue for Embedded {
    async fn publish(&self, outgoing: Outgoing) -> Result<(), PublishError> {
        let started = Instant::now();
        let result = self.inner.publish(outgoing).await;
        metrics::published(&result, started.elapsed());
        result
    }

    async fn consume(&self, source: Source, prefetch: u16) -> mpsc::Receiver<Incoming> {
        let mut lanes = self.inner.lanes();
        let numbers: Vec<i64> = lanes.numbers().filter(|number| is_of(*number, source)).collect();
        // 0 would hand out nothing here, and everything at once with the broker.
        let prefetch = prefetch.max(1);
        let (messages, taken) = mpsc::channel(usize::from(prefetch) * numbers.len());
        if self.inner.closing.is_cancelled() {
            return taken;
        }
        // Room for the whole prefetch of every lane, so that handing out never has to wait.
        lanes.add_taker(&numbers, prefetch, messages, metrics::Taken::of(source));
        // `hand_out` takes the same lock.
        drop(lanes);
        for number in numbers {
            self.inner.hand_out(number);
        }
        taken
    }

    fn delays(&self) -> &[Duration] {
        self.inner.topology.delays()
    }

    fn available(&self) -> bool {
        !self.inner.closing.is_cancelled()
    }

    /// Counts delayed and unsettled messages with their lane.
    async fn depths(&self) -> Result<Vec<Depth>, PublishError> {
        let counts = self.inner.store.count_messages().await;
        let counts = counts.map_err(|error| PublishError::Unavailable(error.to_string()))?;
        let count = |number| {
            counts
                .iter()
                .find(|(lane, _)| *lane == number)
                .map_or(0, |(_, count)| *count)
        };
        let lanes = self.inner.lanes();
        let depth = |number| Depth {
            name: queue_name(number),
            lane: lane_of(number),
            ready: count(number),
            consumers: lanes.takers_of(number),
        };
        Ok(lanes.numbers().chain([PARKED]).map(depth).collect())
    }

    async fn depths_of(&self, source: Source) -> Result<Vec<Depth>, PublishError> {
        let numbers: Vec<i64> = {
            let lanes = self.inner.lanes();
            lanes.numbers().filter(|number| is_of(*number, source)).collect()
        };
        let counts = self
            .inner
            .store
            .count_ready(numbers, self.inner.now_ms(), crate::COUNTED)
            .await
            .map_err(|error| PublishError::Unavailable(error.to_string()))?;
        let lanes = self.inner.lanes();
        let depth = |(number, ready)| Depth {
            name: queue_name(number),
            lane: lane_of(number),
            ready,
            consumers: lanes.takers_of(number),
        };
        Ok(counts.into_iter().map(depth).collect())
    }

    async fn parked(
        &self,
        from: ParkedQueue,
        selection: &Selection,
        limit: usize,
    ) -> Result<Vec<Parked>, PublishError> {
        parked::list(&self.inner, from, selection, limit).await
    }

    async fn settle_parked(
        &self,
        from: ParkedQueue,
        selection: &Selection,
        how: Settle,
    ) -> Result<Settled, PublishError> {
        parked::settle(&self.inner, from, selection, how).await
    }

    async fn close(&self, grace: Duration) {
        self.inner.closing.cancel();
        self.inner.lanes().remove_takers();
        if timeout(grace, self.supervisor.ended()).await.is_err() {
            tracing::warn!(?grace, "the embedded queue did not close in time");
        }
    }
}

impl Inner {
    async fn publish(&self, outgoing: Outgoing) -> Result<(), PublishError> {
        let (lane, ready_at_ms) = match outgoing.to {
            Route::Work(lane) => (lane_number(lane), None),
            Route::Delay(delay, _) if !self.topology.delays().contains(&delay) => {
                return Err(PublishError::NoDelayQueue(delay));
            }
            Route::Delay(delay, lane) => (lane_number(lane), Some(self.after(delay))),
            Route::Records => (RECORDS, None),
            Route::Parked => (PARKED, None),
        };
        // This queue does not know such a lane, so what is stored there would be read by nobody.
        if matches!(outgoing.to, Route::Work(lane) | Route::Delay(_, lane) if lane.shard >= self.topology.shards()) {
            return Err(PublishError::Unroutable(queue_name(lane)));
        }
        let (reply, answer) = oneshot::channel();
        let closed = || PublishError::Unavailable("the queue is closed".into());
        self.jobs
            .send(Job {
                lane,
                ready_at_ms,
                body: outgoing.body,
                reply,
            })
            .await
            .map_err(|_| closed())?;
        answer
            .await
            // The task may have committed the message before it ended.
            .unwrap_or_else(|_| Err(PublishError::Unknown("the queue was closed".into())))
    }

    /// The clock shows whole milliseconds that have passed, so one more makes sure that nothing is early.
    fn after(&self, delay: Duration) -> i64 {
        self.now_ms()
            .saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
            .saturating_add(1)
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_out(self: &Arc<Self>, lane: i64) {
        let wrap = |message: Held, taker| Incoming {
            body: message.body.clone(),
            redelivered: message.redelivered,
            ack: Box::new(Unsettled {
                message: Some(message),
                taker,
                inner: self.clone(),
            }),
        };
        if self.lanes().hand_out(lane, wrap) {
            self.unread.notify_one();
        }
    }
}

/// A delivered message that is neither acknowledged nor dropped.
struct Unsettled {
    message: Option<Held>,
    taker: u64,
    inner: Arc<Inner>,
}

#[async_trait]
impl Acknowledge for Unsettled {
    async fn ack(mut self: Box<Self>) -> bool {
        // After closing, the message belongs to whoever opens the store next.
        let place = if self.inner.closing.is_cancelled() {
            None
        } else {
            self.inner.acknowledged.reserve().await.ok()
        };
        let (Some(place), Some(message)) = (place, self.message.take()) else {
            metrics::ACKS_FAILED.inc();
            return false;
        };
        place.send(message.place.seq);
        self.inner.lanes().settled(message.lane, self.taker);
        self.inner.hand_out(message.lane);
        true
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            // Fails only after the task ended with the queue; the message is still in the table then.
            let _ = self.inner.returned.send(Returned {
                message,
                taker: self.taker,
            });
        }
    }
}

// The numbers of lanes are stored: they must never change. A lane has at most 100 shards.
const RETRY: i64 = 100;
const RECORDS: i64 = 200;
const PARKED: i64 = 201;
const BULK: i64 = 300;
const SHARDS: i64 = 100;

/// The number of the first shard.
fn first_number(kind: LaneKind) -> i64 {
    match kind {
        LaneKind::Live => 0,
        LaneKind::Retry => RETRY,
        LaneKind::Bulk => BULK,
    }
}

fn lane_number(lane: Lane) -> i64 {
    first_number(lane.kind) + i64::from(lane.shard)
}

fn lane_of(number: i64) -> Option<Lane> {
    LaneKind::ALL.into_iter().find_map(|kind| {
        let shard = number - first_number(kind);
        let shard = u16::try_from(shard).ok().filter(|_| (0..SHARDS).contains(&shard))?;
        Some(Lane { kind, shard })
    })
}

fn is_of(number: i64, source: Source) -> bool {
    match source {
        Source::Work(kind) => lane_of(number).is_some_and(|lane| lane.kind == kind),
        Source::Records => number == RECORDS,
    }
}

/// The name that the queue has in RabbitMQ, so that metrics and operators need one vocabulary.
fn queue_name(number: i64) -> String {
    match lane_of(number) {
        Some(lane) => topology::work_queue(lane),
        None if number == RECORDS => topology::RECORDS.to_owned(),
        None => topology::PARKED.to_owned(),
    }
}
