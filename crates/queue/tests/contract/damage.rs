//! What becomes of messages when somebody damages the topology, and who notices.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;
use tidings_queue::{Incoming, LaneKind, ParkedQueue, PublishError, Queue, Route, Selection, Settle, Source};
use tidings_testkit::services::running;
use tidings_testkit::wait_until;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::broker_only::channel;
use crate::places::{Broker, Place, SOON, delivery_of, live, message, next, publish_all, retry, silence, text};

const RETRY: Source = Source::Work(LaneKind::Retry);
const DELAY: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_without_a_binding_is_unrouted_and_can_be_requeued() {
    const EACH: usize = 500;
    let broker = Broker::new().await;
    let queue = broker.open().await;
    unbind(&broker, "tidings.work.v1.retry.01", "tidings.due", "retry.01").await;
    let lost: HashSet<_> = (0..EACH).map(|_| delivery_of(retry(1))).collect();
    for body in &lost {
        let to = Route::Delay(DELAY, retry(1));
        queue
            .publish(tidings_queue::Outgoing { to, body: body.clone() })
            .await
            .unwrap();
    }
    publish_all(&*queue, Route::Delay(DELAY, retry(0)), (0..EACH).map(|n| n.to_string())).await;

    // Nothing else waits for those that have no way to go.
    let mut messages = queue.consume(RETRY, 100).await;
    settle(&mut messages, EACH, |incoming| {
        text(incoming).parse::<usize>().unwrap() < EACH
    })
    .await;
    wait_until(SOON, "the others", async || {
        depth(&*queue, "tidings.unrouted").await == EACH as u64
    })
    .await;
    let shown = queue.parked(ParkedQueue::Unrouted, &Selection::All, 10).await.unwrap();
    assert!(
        shown
            .iter()
            .all(|parked| parked.reason.contains("lane was gone") && lost.contains(&parked.body))
    );

    let requeued = queue
        .settle_parked(ParkedQueue::Unrouted, &Selection::All, Settle::Requeue)
        .await
        .unwrap();
    assert_eq!((requeued.done, requeued.refused), (EACH as u64, 0));
    settle(&mut messages, EACH, |incoming| lost.contains(&incoming.body)).await;
    silence(&mut messages).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_without_its_binding_is_unroutable_and_no_other() {
    let broker = Broker::new().await;
    let queue = broker.open().await;
    unbind(&broker, "tidings.work.v1.live.01", "tidings.work", "live.01").await;
    let refused = queue.publish(message(Route::Work(live(1)), "")).await;
    assert_eq!(refused, Err(PublishError::Unroutable("tidings.work live.01".into())));
    queue.publish(message(Route::Work(live(0)), "")).await.unwrap();
    // Delay queues reach the lane by another binding.
    queue
        .publish(message(Route::Delay(DELAY, live(1)), "late"))
        .await
        .unwrap();
    wait_until(SOON, "the message to reach its lane", async || {
        depth(&*queue, "tidings.work.v1.live.01").await == 1
    })
    .await;
}

/// Both ways into a lane, and a delay queue that nobody consumes: their loss ends no connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_of_the_topology_is_made_again() {
    let broker = Broker::new().await;
    let mut config = broker.config();
    config.check_every = Duration::from_millis(200);
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    unbind(&broker, "tidings.work.v1.live.01", "tidings.work", "live.01").await;
    unbind(&broker, "tidings.work.v1.retry.01", "tidings.due", "retry.01").await;
    broker.0.delete_queue("tidings.delay.v1.5000").await;
    for to in [Route::Work(live(1)), Route::Delay(Duration::from_secs(5), retry(1))] {
        wait_until(SOON, "a way", async || queue.publish(message(to, "")).await.is_ok()).await;
    }
    let mut messages = queue.consume(RETRY, 10).await;
    wait_until(SOON, "the way out of a delay queue", async || {
        queue
            .publish(message(Route::Delay(DELAY, retry(1)), "due"))
            .await
            .unwrap();
        matches!(timeout(2 * DELAY, messages.recv()).await, Ok(Some(_)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_queue_that_is_full_refuses_and_keeps_what_it_has() {
    const ROOM: u64 = 20;
    let broker = Broker::new().await;
    let queue = broker.open().await;
    let delay = "tidings.delay.v1.60000";
    put_policy(&broker, delay, r#"{"max-length": 20}"#).await;
    let minute = Route::Delay(Duration::from_secs(60), retry(0));
    let mut confirmed = 0;
    let refused = async {
        loop {
            match queue.publish(message(minute, "")).await {
                Ok(()) => confirmed += 1,
                Err(error) => return error,
            }
        }
    };
    let refused = timeout(SOON, refused).await.unwrap();
    assert!(
        matches!(refused, PublishError::Rejected(ref to) if to.contains(delay)),
        "{refused:?}"
    );
    assert!(confirmed >= ROOM);
    assert_eq!(
        depth(&*queue, delay).await,
        confirmed,
        "what was confirmed, and nothing of what was refused"
    );
    queue
        .publish(message(Route::Delay(DELAY, retry(0)), "other delay queues go on"))
        .await
        .unwrap();
    assert!(queue.available());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_out_too_often_is_parked() {
    let broker = Broker::new().await;
    let mut config = broker.config();
    config.redeliver_after = Duration::ZERO;
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    let body = delivery_of(retry(0));
    let to = Route::Work(retry(0));
    queue
        .publish(tidings_queue::Outgoing { to, body: body.clone() })
        .await
        .unwrap();
    let mut messages = queue.consume(RETRY, 1).await;
    for _ in 0..100 {
        drop(next(&mut messages).await);
    }
    // Brokers differ by one in what "a hundred times" means.
    let parked = async {
        loop {
            tokio::select! {
                Some(again) = messages.recv() => drop(again),
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    let parked = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
                    if !parked.is_empty() {
                        return parked;
                    }
                }
            }
        }
    };
    let parked = timeout(SOON, parked).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].body, body);
    assert_eq!(parked[0].reason, "handed out 100 times without being settled");
    let which = Selection::One(parked[0].id.clone());
    let requeued = queue
        .settle_parked(ParkedQueue::Parked, &which, Settle::Requeue)
        .await
        .unwrap();
    assert_eq!(requeued.done, 1);
    let incoming = next(&mut messages).await;
    assert_eq!(
        (&incoming.body, incoming.redelivered),
        (&body, false),
        "it starts afresh"
    );
    assert!(incoming.ack().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_does_not_come_back_is_missing_until_it_does() {
    const TWO_ROUNDS: Duration = Duration::from_secs(40);
    let broker = Broker::new().await;
    let (first, second) = (broker.open().await, broker.open().await);
    let stop = CancellationToken::new();
    watch(&first, &stop);
    wait_until(SOON, "the first to come back", async || {
        metric("tidings_queue_canary_seconds") >= 0.3
    })
    .await;
    assert_eq!(metric("tidings_queue_canary_missing"), 0.0);
    watch(&second, &stop);

    unbind(&broker, "tidings.canary.v1", "tidings.due", "canary").await;
    wait_until(TWO_ROUNDS, "it to be missing", async || {
        metric("tidings_queue_canary_missing") == 1.0
    })
    .await;
    bind(&broker, "tidings.canary.v1", "tidings.due", "canary").await;
    wait_until(TWO_ROUNDS, "it to come back", async || {
        metric("tidings_queue_canary_missing") == 0.0
    })
    .await;

    // One process watches, and another when that one is gone.
    assert_eq!(queue_depth(&*second, "tidings.canary.v1").await.consumers, 1);
    first.close(SOON).await;
    let last = metric("tidings_queue_canary_seconds");
    wait_until(TWO_ROUNDS, "the other to watch", async || {
        metric("tidings_queue_canary_seconds") != last
    })
    .await;
    stop.cancel();
    second.close(SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_overrides_our_arguments_is_seen() {
    let broker = Broker::new().await;
    let mut config = broker.config();
    config.management_url = running().await.rabbitmq_api.as_str().into();
    put_policy(
        &broker,
        r"tidings\.delay\.v1\.(60000|63000)",
        r#"{"overflow": "drop-head"}"#,
    )
    .await;
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    let queue: Arc<dyn Queue> = queue;
    let stop = CancellationToken::new();
    watch(&queue, &stop);
    wait_until(2 * SOON, "the policy to be seen", async || {
        metric("tidings_queue_policy_conflicts") == 2.0
    })
    .await;
    assert_eq!(metric("tidings_queue_stuck_messages"), 0.0);
    stop.cancel();
}

fn watch(queue: &Arc<dyn Queue>, stop: &CancellationToken) {
    let (queue, stop) = (Arc::clone(queue), stop.clone());
    tokio::spawn(async move { queue.watch(stop).await });
}

/// The sum of a metric over its labels.
fn metric(name: &str) -> f64 {
    let families = prometheus::gather();
    let family = families.iter().find(|family| family.name() == name);
    let values = family.into_iter().flat_map(|family| family.get_metric());
    values.map(|metric| metric.get_gauge().get_value()).sum()
}

async fn settle(messages: &mut mpsc::Receiver<Incoming>, count: usize, expected: impl Fn(&Incoming) -> bool) {
    let mut seen = HashSet::new();
    while seen.len() < count {
        let incoming = next(messages).await;
        assert!(expected(&incoming), "a message that does not belong here");
        assert!(seen.insert(incoming.body.clone()), "a message came twice");
        assert!(incoming.ack().await);
    }
}

async fn queue_depth(queue: &dyn Queue, name: &str) -> tidings_queue::Depth {
    let depths = queue.depths().await.unwrap();
    depths
        .into_iter()
        .find(|depth| depth.name == name)
        .expect("a queue of this name")
}

async fn depth(queue: &dyn Queue, name: &str) -> u64 {
    queue_depth(queue, name).await.ready
}

async fn unbind(broker: &Broker, queue: &str, exchange: &str, key: &str) {
    let channel = channel(broker).await;
    let unbound = channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default());
    unbound.await.unwrap();
}

async fn bind(broker: &Broker, queue: &str, exchange: &str, key: &str) {
    let channel = channel(broker).await;
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        options,
        FieldTable::default(),
    );
    bound.await.unwrap();
}

/// Sets a policy for queues whose names match.
pub(crate) async fn put_policy(broker: &Broker, pattern: &str, definition: &str) {
    let url = policy(broker).await;
    let body = format!(
        r#"{{"pattern": {}, "definition": {definition}, "apply-to": "queues"}}"#,
        serde_json::Value::from(format!("^{pattern}$"))
    );
    let put = tokio::task::spawn_blocking(move || {
        ureq::put(url.as_str())
            .header("content-type", "application/json")
            .send(body)
            .unwrap();
    });
    put.await.unwrap();
}

/// Takes it away again.
pub(crate) async fn delete_policy(broker: &Broker) {
    let url = policy(broker).await;
    let deleted = tokio::task::spawn_blocking(move || ureq::delete(url.as_str()).call().unwrap());
    deleted.await.unwrap();
}

async fn policy(broker: &Broker) -> url::Url {
    let mut url = running().await.rabbitmq_api.clone();
    url.path_segments_mut()
        .unwrap()
        .extend(["api", "policies", broker.0.name(), "of-a-test"]);
    url
}
