//! What only a broker can show: lost connections, wrong topologies, refused messages.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tidings_queue::rabbit::Rabbit;
use tidings_queue::{LaneKind, Outgoing, PublishError, Queue, Route, Source};
use tidings_service::Health;
use tidings_testkit::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::places::{Broker, Place, SOON, config, live, message, next, publish_all, retry, text, topology};

const LIVE: Source = Source::Work(LaneKind::Live);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declaring_again_changes_nothing() {
    let broker = Broker::new().await;
    let first = broker.open().await;
    publish_all(&*first, Route::Work(live(0)), ["kept".into()]).await;
    let second = broker.open().await;
    assert_eq!(
        first.depths().await.unwrap().len(),
        second.depths().await.unwrap().len()
    );
    let mut messages = second.consume(LIVE, 1).await;
    assert_eq!(text(&next(&mut messages).await), "kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_queues_rest_before_they_are_trusted() {
    const SETTLE: Duration = Duration::from_secs(2);
    let broker = Broker::new().await;
    let mut config = broker.config();
    config.settle = SETTLE;
    let (queue, health) = broker.start(config.clone());
    wait_until(SOON, "the declaration", async || {
        reason(&health).contains("declared new queues")
    })
    .await;
    let declared = Instant::now();
    let refused = queue.publish(message(Route::Records, "")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    timeout(SOON, health.wait_until(true)).await.unwrap();
    assert!(declared.elapsed() > SETTLE / 2);
    queue.close(SOON).await;

    let started = Instant::now();
    let (_queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    assert!(
        started.elapsed() < SETTLE,
        "nothing was new, yet it took {:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_arguments_is_named() {
    let broker = Broker::new().await;
    let channel = channel(&broker).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(999));
    declare(&channel, "tidings.delay.v1.1000", arguments).await;
    let (queue, health) = broker.start(broker.config());
    wait_until(SOON, "the mismatch", async || {
        reason(&health).contains("tidings.delay.v1.1000")
    })
    .await;
    let reason = reason(&health);
    assert!(
        reason.contains("inequivalent arg 'x-") && reason.contains("delete it by hand"),
        "{reason}"
    );
    let refused = queue.publish(message(Route::Records, "")).await;
    assert_eq!(refused, Err(PublishError::Unavailable(reason)));
    ends_at_once(&*queue).await;
}

/// Queues that an earlier version made say nothing of their leader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_of_an_earlier_version_stay_and_new_ones_are_spread() {
    let broker = Broker::new().await;
    let channel = channel(&broker).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(1_000_000_000));
    declare(&channel, "tidings.records", arguments.clone()).await;
    let queue = broker.open().await;
    publish_all(&*queue, Route::Records, ["kept".into()]).await;
    queue.close(SOON).await;
    arguments.insert(
        "x-queue-leader-locator".into(),
        AMQPValue::LongString("balanced".into()),
    );
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(100));
    arguments.insert(
        "x-dead-letter-exchange".into(),
        AMQPValue::LongString("tidings.parked".into()),
    );
    declare(&channel, "tidings.work.v1.live.00", arguments).await;
    let queue = broker.open().await;
    let mut messages = queue.consume(Source::Records, 1).await;
    assert_eq!(text(&next(&mut messages).await), "kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_another_number_of_shards_is_refused() {
    let broker = Broker::new().await;
    let first = broker.open().await;
    let health = Health::new();
    let other = Rabbit::start(
        broker.config(),
        tidings_queue::topology::Topology::new(3).unwrap(),
        health.component("rabbitmq"),
        CancellationToken::new(),
    );
    wait_until(SOON, "the reason", async || {
        reason(&health).contains("amqp.shards is 3 here")
    })
    .await;
    assert!(reason(&health).contains("current is '2'"), "{}", reason(&health));
    ends_at_once(&*other).await;
    first.publish(message(Route::Work(live(0)), "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_a_queue_is_unroutable() {
    let broker = Broker::new().await;
    let queue = broker.open().await;
    broker.0.delete_queue("tidings.work.v1.live.01").await;
    let refused = queue.publish(message(Route::Work(live(1)), "")).await;
    assert_eq!(refused, Err(PublishError::Unroutable("tidings.work live.01".into())));
    queue.publish(message(Route::Work(live(0)), "")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_was_deleted_is_declared_again_for_who_consumes_it() {
    let broker = Broker::new().await;
    let queue = broker.open().await;
    let mut messages = queue.consume(LIVE, 10).await;
    for round in ["before", "after"] {
        let publish = async || queue.publish(message(Route::Work(live(1)), round)).await.is_ok();
        wait_until(SOON, "a queue", publish).await;
        let incoming = next(&mut messages).await;
        assert_eq!(text(&incoming), round);
        assert!(incoming.ack().await);
        broker.0.delete_queue("tidings.work.v1.live.01").await;
    }
}

/// The regression test for upgrades of lapin: on a channel that is shared carelessly, rejected messages are
/// reported as acknowledged and unroutable ones as delivered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_outcome_is_the_brokers() {
    const TASKS: usize = 64;
    const EACH: usize = 2_000;
    let broker = Broker::new().await;
    let queue = broker.open().await;
    let channel = channel(&broker).await;
    // Unroutable: live.01. Rejected: retry.00, whose place a queue without any room takes.
    for gone in ["tidings.work.v1.live.01", "tidings.work.v1.retry.00"] {
        channel
            .queue_delete(gone.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(0));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    declare(&channel, "full", arguments).await;
    let options = QueueBindOptions::default();
    let key = "retry.00".into();
    channel
        .queue_bind(
            "full".into(),
            "tidings.work".into(),
            key,
            options,
            FieldTable::default(),
        )
        .await
        .unwrap();

    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let mut good = 0_u64;
                for n in 0..EACH {
                    let lane = [live(0), retry(0), live(1)][(task + n) % 3];
                    let outcome = queue.publish(message(Route::Work(lane), format!("{task}/{n}"))).await;
                    match (lane, outcome) {
                        (lane, Ok(())) if lane == live(0) => good += 1,
                        (lane, Err(PublishError::Rejected(_))) if lane == retry(0) => {}
                        (lane, Err(PublishError::Unroutable(_))) if lane == live(1) => {}
                        (lane, outcome) => panic!("{lane:?}: {outcome:?}"),
                    }
                }
                good
            })
        })
        .collect();
    let mut good = 0;
    for task in tasks {
        good += task.await.unwrap();
    }
    let options = QueueDeclareOptions {
        passive: true,
        durable: true,
        ..Default::default()
    };
    let lane = channel
        .queue_declare("tidings.work.v1.live.00".into(), options, FieldTable::default())
        .await
        .unwrap();
    assert_eq!(u64::from(lane.message_count()), good);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_survives_lost_connections() {
    const ROUNDS: usize = 3;
    let broker = Broker::new().await;
    let queue = broker.open().await;
    let mut messages = queue.consume(LIVE, 50).await;
    let stop = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..8)
        .map(|task| {
            let (queue, stop) = (Arc::clone(&queue), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut confirmed = Vec::new();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let body = format!("{task}/{n}");
                    match queue.publish(message(Route::Work(live(n % 2)), body.clone())).await {
                        Ok(()) => confirmed.push(body),
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                }
                confirmed
            })
        })
        .collect();
    let reader = tokio::spawn(async move {
        let mut settled = HashSet::new();
        while let Some(incoming) = messages.recv().await {
            let body = text(&incoming);
            assert!(
                incoming.redelivered || !settled.contains(&body),
                "{body} came twice unmarked"
            );
            if body == "end" {
                break;
            }
            settled.insert(body);
            incoming.ack().await;
        }
        (settled, messages)
    });
    for _ in 0..ROUNDS {
        // The broker's list of connections lags.
        wait_until(SOON, "connections to close", async || {
            broker.0.close_connections().await > 0
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut confirmed = Vec::new();
    for publisher in publishers {
        confirmed.extend(publisher.await.unwrap());
    }
    wait_until(SOON, "a connection", async || {
        queue.publish(message(Route::Work(live(0)), "end")).await.is_ok()
    })
    .await;
    let (mut settled, mut messages) = timeout(SOON, reader).await.unwrap().unwrap();
    // The other shard has no end mark.
    while let Ok(Some(incoming)) = timeout(Duration::from_secs(2), messages.recv()).await {
        settled.insert(text(&incoming));
        incoming.ack().await;
    }
    let missing: Vec<_> = confirmed.iter().filter(|body| !settled.contains(*body)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} confirmed messages are missing",
        missing.len(),
        confirmed.len()
    );
    assert!(confirmed.len() > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_at_the_start_is_waited_for() {
    let broker = Broker::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let (url, target) = through(&broker.0.amqp_url(), at);
    let health = Health::new();
    let queue = Rabbit::start(
        config(&url),
        topology(),
        health.component("rabbitmq"),
        CancellationToken::new(),
    );
    wait_until(SOON, "the reason", async || {
        reason(&health).contains("connection refused")
    })
    .await;
    let started = Instant::now();
    let refused = queue.publish(message(Route::Records, "")).await;
    assert!(
        matches!(refused, Err(PublishError::Unavailable(ref why)) if why.contains("refused")),
        "{refused:?}"
    );
    assert!(started.elapsed() < Duration::from_millis(500));
    let mut messages = queue.consume(Source::Records, 1).await;

    tokio::spawn(forward(
        TcpListener::bind(at).await.unwrap(),
        target,
        watch::channel(false).1,
    ));
    timeout(SOON, health.wait_until(true)).await.unwrap();
    queue.publish(message(Route::Records, "at last")).await.unwrap();
    assert_eq!(text(&next(&mut messages).await), "at last");
}

/// A network that swallows packets answers nothing, so only silence gives it away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_falls_silent_is_noticed_and_left() {
    let broker = Broker::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, target) = through(&broker.0.amqp_url(), listener.local_addr().unwrap());
    let (silent, listening) = watch::channel(false);
    tokio::spawn(forward(listener, target, listening));
    let mut config = config(&format!("{url}?heartbeat=1"));
    config.connect_timeout = Duration::from_secs(1);
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    let mut messages = queue.consume(LIVE, 1).await;
    publish_all(&*queue, Route::Work(live(0)), ["held".into(), "next".into()]).await;
    let held = next(&mut messages).await;

    silent.send_replace(true);
    timeout(SOON, health.wait_until(false)).await.unwrap();
    wait_until(SOON, "both sides to notice", async || {
        reason(&health).contains("no answer within 1s")
    })
    .await;
    silent.send_replace(false);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    queue.publish(message(Route::Work(live(1)), "later")).await.unwrap();
    assert!(!held.ack().await, "its connection is gone");
    let mut came = Vec::new();
    while came.len() < 3 {
        let incoming = next(&mut messages).await;
        came.push(text(&incoming));
        assert!(incoming.ack().await);
    }
    came.sort();
    assert_eq!(came, ["held", "later", "next"]);

    silent.send_replace(true);
    let started = Instant::now();
    queue.close(Duration::from_secs(2)).await;
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "closing hung for {:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reason_says_what_to_correct() {
    let broker = Broker::new().await;
    let good = broker.0.amqp_url();
    let scheme = "amqp://";
    let rest = good.strip_prefix(scheme).unwrap().split_once('@').unwrap().1;
    let host = rest.split_once('/').unwrap().0;
    for (url, expected) in [
        (format!("{scheme}nobody:wrong@{rest}"), "bad credentials"),
        (
            format!(
                "{scheme}{}@{host}/nowhere",
                good[scheme.len()..].split_once('@').unwrap().0
            ),
            "wrong virtual host",
        ),
        ("nonsense".to_owned(), "the AMQP URL is not valid"),
    ] {
        let (queue, health) = broker.start(config(&url));
        wait_until(SOON, expected, async || reason(&health).contains(expected)).await;
        ends_at_once(&*queue).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_shutdown_nothing_is_handed_out_but_all_can_be_settled() {
    let broker = Broker::new().await;
    let (shutdown, health) = (CancellationToken::new(), Health::new());
    let queue = Rabbit::start(
        broker.config(),
        topology(),
        health.component("rabbitmq"),
        shutdown.clone(),
    );
    timeout(SOON, health.wait_until(true)).await.unwrap();
    let mut messages = queue.consume(LIVE, 1).await;
    publish_all(&*queue, Route::Work(live(0)), ["one".into(), "two".into()]).await;
    let held = next(&mut messages).await;
    shutdown.cancel();
    assert!(timeout(SOON, messages.recv()).await.unwrap().is_none());
    queue.publish(message(Route::Records, "what came of it")).await.unwrap();
    assert!(held.ack().await);
    queue.close(SOON).await;

    let queue = broker.open().await;
    let mut messages = queue.consume(LIVE, 1).await;
    assert_eq!(text(&next(&mut messages).await), "two");
}

/// A delay queue ends in the alternate exchange when the lane's queue is gone, instead of being blocked by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_queue_is_not_blocked_by_a_lane_that_is_gone() {
    let broker = Broker::new().await;
    let queue = broker.open().await;
    broker.0.delete_queue("tidings.work.v1.retry.01").await;
    let delay = Duration::from_secs(1);
    for lane in [retry(1), retry(0)] {
        queue.publish(message(Route::Delay(delay, lane), "late")).await.unwrap();
    }
    for name in ["tidings.work.v1.retry.00", "tidings.unrouted"] {
        wait_until(SOON, name, async || broker.0.queue_depth(name).await == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_persistent_and_their_bodies_untouched() {
    let broker = Broker::new().await;
    let queue = broker.open().await;
    let body = vec![0xfe; 300_000];
    queue
        .publish(Outgoing {
            to: Route::Records,
            body: body.clone().into(),
        })
        .await
        .unwrap();
    // A foreign message in the queue is handed out like any other.
    let channel = channel(&broker).await;
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(
        "".into(),
        "tidings.records".into(),
        options,
        b"foreign",
        BasicProperties::default(),
    );
    sent.await.unwrap().await.unwrap();
    let mut messages = queue.consume(Source::Records, 1).await;
    let incoming = next(&mut messages).await;
    assert_eq!(incoming.body, body);
    assert!(incoming.ack().await);
    assert_eq!(text(&next(&mut messages).await), "foreign");
}

/// An alarm stops every publisher of a broker, so this test wants one of its own:
/// `TIDINGS_TEST_AMQP_URL=… TIDINGS_TEST_RABBITMQ_API=… TIDINGS_TEST_RABBITMQCTL="rabbitmqctl -n …"`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a broker of its own and TIDINGS_TEST_RABBITMQCTL"]
async fn an_alarm_is_back_pressure_and_acknowledging_goes_on() {
    let watermark = async |share: &str| {
        let command = std::env::var("TIDINGS_TEST_RABBITMQCTL").unwrap();
        let shell = format!("{command} set_vm_memory_high_watermark {share}");
        let done = tokio::process::Command::new("sh")
            .args(["-c", &shell])
            .output()
            .await
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let broker = Broker::new().await;
    let mut config = broker.config();
    config.confirm_timeout = Duration::from_secs(3);
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    publish_all(&*queue, Route::Work(live(0)), (0..5).map(|n| n.to_string())).await;
    let mut messages = queue.consume(LIVE, 10).await;
    let held = next(&mut messages).await;

    watermark("0.0000001").await;
    // The broker tells a connection that publishes when it publishes next; that message is stuck.
    let stuck = queue.publish(message(Route::Work(live(0)), "stuck")).await;
    assert!(matches!(stuck, Err(PublishError::Unknown(_))), "{stuck:?}");
    assert!(reason(&health).contains("blocked by an alarm"), "{}", reason(&health));
    let started = Instant::now();
    let refused = queue.publish(message(Route::Work(live(0)), "refused")).await;
    assert!(
        matches!(refused, Err(PublishError::Unavailable(ref why)) if why.starts_with("blocked: ")),
        "{refused:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(held.ack().await);
    for _ in 1..5 {
        assert!(next(&mut messages).await.ack().await);
    }
    // Far longer than a batch may take otherwise.
    tokio::time::sleep(Duration::from_secs(5)).await;

    let waiting = queue.publish(message(Route::Work(live(0)), "waited"));
    let (waited, ()) = tokio::join!(waiting, watermark("0.5"));
    timeout(SOON, health.wait_until(true)).await.unwrap();
    queue.publish(message(Route::Work(live(0)), "after")).await.unwrap();
    let mut expected = vec!["stuck", "after"];
    if waited.is_ok() {
        expected.insert(1, "waited");
    }
    let mut came = Vec::new();
    while came.len() < expected.len() {
        let incoming = next(&mut messages).await;
        came.push(text(&incoming));
        assert!(incoming.ack().await);
    }
    came.sort();
    expected.sort_unstable();
    assert_eq!(came, expected);
}

/// A queue that can't work says so to everybody and holds nobody up.
async fn ends_at_once(queue: &dyn Queue) {
    const AT_ONCE: Duration = Duration::from_secs(2);
    assert!(!queue.available());
    let mut messages = queue.consume(LIVE, 1).await;
    let refused = timeout(AT_ONCE, queue.depths()).await.unwrap();
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    let started = Instant::now();
    queue.close(SOON).await;
    assert!(started.elapsed() < AT_ONCE, "closing took {:?}", started.elapsed());
    assert!(timeout(AT_ONCE, messages.recv()).await.unwrap().is_none());
}

pub(crate) fn reason(health: &Health) -> String {
    health.missing().into_iter().map(|missing| missing.reason).collect()
}

pub(crate) async fn channel(broker: &Broker) -> Channel {
    let connection = Connection::connect(&broker.0.amqp_url(), ConnectionProperties::default())
        .await
        .unwrap();
    connection.create_channel().await.unwrap()
}

pub(crate) async fn declare(channel: &Channel, name: &str, arguments: FieldTable) {
    let options = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    channel.queue_declare(name.into(), options, arguments).await.unwrap();
}

/// The same URL by way of another address, and the address it named.
pub(crate) fn through(url: &str, at: SocketAddr) -> (String, String) {
    let (before, rest) = url.split_once('@').unwrap();
    let (target, vhost) = rest.split_once('/').unwrap();
    (format!("{before}@{at}/{vhost}"), target.to_owned())
}

/// Forwards connections, and nothing while `silent`.
async fn forward(listener: TcpListener, target: String, silent: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(&target).await.unwrap();
        let (from_near, to_near) = near.into_split();
        let (from_far, to_far) = far.into_split();
        tokio::spawn(copy(from_near, to_far, silent.clone()));
        tokio::spawn(copy(from_far, to_near, silent.clone()));
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silent: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if silent.wait_for(|silent| !silent).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
