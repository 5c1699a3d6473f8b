//! Where queues live while a test runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use tidings_domain::{DeliveryId, EndpointId, EventId, Step, TenantId};
use tidings_queue::embedded::Embedded;
use tidings_queue::rabbit::{self, Rabbit};
use tidings_queue::topology::Topology;
use tidings_queue::{Incoming, Lane, LaneKind, Message, Outgoing, Queue, Route};
use tidings_service::Health;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tidings_testkit::TestVhost;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A delay queue besides the base delay queues.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

pub(crate) const SHARDS: u16 = 2;

/// Something that queues can be opened in, one after the other, with the same messages.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    async fn open(&self) -> Arc<dyn Queue>;
}

/// A virtual host.
pub(crate) struct Broker(pub TestVhost);

/// A database file.
pub(crate) struct File {
    pub store: Sqlite,
    _directory: TempDir,
}

pub(crate) fn topology() -> Topology {
    Topology::new(SHARDS).unwrap().with_delays([SHORT]).unwrap()
}

impl Broker {
    pub(crate) async fn new() -> Self {
        Self(TestVhost::create().await)
    }

    pub(crate) fn config(&self) -> rabbit::Config {
        config(&self.0.amqp_url())
    }

    pub(crate) fn start(&self, config: rabbit::Config) -> (Arc<Rabbit>, Health) {
        let health = Health::new();
        (
            Rabbit::start(
                config,
                topology(),
                health.component("rabbitmq"),
                CancellationToken::new(),
            ),
            health,
        )
    }
}

pub(crate) fn config(url: &str) -> rabbit::Config {
    rabbit::Config {
        url: url.into(),
        settle: Duration::ZERO,
        // Tests that break something look at it before it is repaired.
        check_every: Duration::ZERO,
        ..Default::default()
    }
}

#[async_trait]
impl Place for Broker {
    async fn open(&self) -> Arc<dyn Queue> {
        let (queue, health) = self.start(self.config());
        timeout(SOON, health.wait_until(true)).await.expect("a connection");
        queue
    }
}

impl File {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sealer = Sealer::new(vec![SealKey::generate()]).unwrap();
        Self {
            store: Sqlite::open(&directory.path().join("tidings.db"), sealer).unwrap(),
            _directory: directory,
        }
    }
}

#[async_trait]
impl Place for File {
    async fn open(&self) -> Arc<dyn Queue> {
        Embedded::open(self.store.clone(), topology(), &Health::new())
            .await
            .unwrap()
    }
}

pub(crate) fn live(shard: u16) -> Lane {
    Lane {
        kind: LaneKind::Live,
        shard,
    }
}

pub(crate) fn retry(shard: u16) -> Lane {
    Lane {
        kind: LaneKind::Retry,
        shard,
    }
}

pub(crate) fn message(to: Route, body: impl Into<String>) -> Outgoing {
    Outgoing {
        to,
        body: Bytes::from(body.into()),
    }
}

/// A delivery's next attempt, and its lane.
pub(crate) fn delivery() -> (Bytes, Lane) {
    let message = Message {
        delivery: DeliveryId::new(),
        event: EventId::new(),
        tenant: TenantId::new(),
        endpoint: EndpointId::new(),
        step: Step::FIRST.after_attempt(),
        due: None,
        content: None,
    };
    (message.encode(), message.lane(SHARDS))
}

/// A delivery of this lane.
pub(crate) fn delivery_of(lane: Lane) -> Bytes {
    loop {
        let (body, of) = delivery();
        if of == lane {
            return body;
        }
    }
}

pub(crate) async fn publish_all(queue: &dyn Queue, to: Route, bodies: impl IntoIterator<Item = String>) {
    for body in bodies {
        queue.publish(message(to, body)).await.unwrap();
    }
}

pub(crate) async fn next(messages: &mut mpsc::Receiver<Incoming>) -> Incoming {
    timeout(SOON, messages.recv())
        .await
        .expect("a message in time")
        .expect("an open stream")
}

pub(crate) fn text(incoming: &Incoming) -> String {
    String::from_utf8(incoming.body.to_vec()).unwrap()
}

/// Nothing comes for a while; longer than what was there could take.
pub(crate) async fn silence(messages: &mut mpsc::Receiver<Incoming>) {
    let more = timeout(Duration::from_millis(400), messages.recv()).await;
    assert!(
        more.is_err(),
        "{:?} came too",
        more.unwrap().map(|incoming| text(&incoming))
    );
}
