//! What a queue carries: 1 KB messages published, consumed and acknowledged through the seam, by many
//! publishers at once. `cargo bench -p tidings-queue` starts the broker it needs.

#![allow(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_queue::embedded::Embedded;
use tidings_queue::rabbit::{Config, Rabbit};
use tidings_queue::topology::Topology;
use tidings_queue::{Lane, LaneKind, Outgoing, Queue, Route, Source};
use tidings_service::Health;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tidings_testkit::TestVhost;
use tokio_util::sync::CancellationToken;

const PUBLISHERS: usize = 512;
const WORKERS: usize = 64;
const MESSAGES: usize = 100_000;

#[tokio::main]
async fn main() {
    let vhost = TestVhost::create().await;
    let config = Config {
        url: vhost.amqp_url().into(),
        settle: Duration::ZERO,
        ..Default::default()
    };
    let health = Health::new();
    let topology = Topology::default();
    let rabbit = Rabbit::start(
        config,
        topology.clone(),
        health.component("rabbitmq"),
        CancellationToken::new(),
    );
    health.wait_until(true).await;
    measure("rabbitmq", rabbit).await;

    let directory = tempfile::tempdir().unwrap();
    let sealer = Sealer::new(vec![SealKey::generate()]).unwrap();
    let store = Sqlite::open(&directory.path().join("bench.db"), sealer).unwrap();
    measure(
        "embedded",
        Embedded::open(store, topology, &Health::new()).await.unwrap(),
    )
    .await;
}

async fn measure(name: &str, queue: Arc<dyn Queue>) {
    let started = Instant::now();
    let messages = queue.consume(Source::Work(LaneKind::Live), 200).await;
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|n| tokio::spawn(publish(Arc::clone(&queue), n)))
        .collect();
    let messages = Arc::new(tokio::sync::Mutex::new((messages, 0)));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let messages = Arc::clone(&messages);
            tokio::spawn(async move {
                loop {
                    let incoming = {
                        let mut taken = messages.lock().await;
                        if taken.1 == MESSAGES / PUBLISHERS * PUBLISHERS {
                            return;
                        }
                        taken.1 += 1;
                        taken.0.recv().await.unwrap()
                    };
                    assert!(incoming.ack().await);
                }
            })
        })
        .collect();
    let mut confirms = Vec::with_capacity(MESSAGES);
    for publisher in publishers {
        confirms.extend(publisher.await.unwrap());
    }
    let published = started.elapsed();
    for worker in workers {
        worker.await.unwrap();
    }
    let settled = started.elapsed();
    confirms.sort_unstable();
    let per_second = |took: Duration| confirms.len() as f64 / took.as_secs_f64();
    println!(
        "{name}: {:.0}/s published, {:.0}/s published, consumed and acknowledged; confirm p50 {:.1?}, p99 {:.1?}",
        per_second(published),
        per_second(settled),
        confirms[confirms.len() / 2],
        confirms[confirms.len() * 99 / 100],
    );
    let mut lone = Vec::new();
    for _ in 0..200 {
        lone.extend(publish_some(&queue, 0, 1).await);
    }
    lone.sort_unstable();
    println!(
        "{name}: a lone publish takes p50 {:.1?}, p99 {:.1?}",
        lone[100], lone[198]
    );
    queue.close(Duration::from_secs(5)).await;
}

async fn publish(queue: Arc<dyn Queue>, publisher: usize) -> Vec<Duration> {
    publish_some(&queue, publisher, MESSAGES / PUBLISHERS).await
}

async fn publish_some(queue: &Arc<dyn Queue>, publisher: usize, count: usize) -> Vec<Duration> {
    let body = Bytes::from(vec![b'x'; 1024]);
    let lane = Lane {
        kind: LaneKind::Live,
        shard: (publisher % 8) as u16,
    };
    let mut confirms = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        queue
            .publish(Outgoing {
                to: Route::Work(lane),
                body: body.clone(),
            })
            .await
            .unwrap();
        confirms.push(started.elapsed());
    }
    confirms
}
