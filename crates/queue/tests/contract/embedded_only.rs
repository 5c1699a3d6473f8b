//! What only the embedded queue can show.

use std::collections::HashSet;
use std::time::Duration;

use tidings_queue::{LaneKind, PublishError, Route, Source};
use tidings_store::sqlite::NewMessage;

use crate::places::{File, Place, SHORT, live, message, next, publish_all, retry, silence, text};

const LIVE: Source = Source::Work(LaneKind::Live);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_acknowledged_outlives_a_queue_that_was_dropped() {
    let file = File::new();
    let queue = file.open().await;
    publish_all(&*queue, Route::Work(live(0)), (0..20).map(|n| n.to_string())).await;
    queue
        .publish(message(Route::Delay(SHORT, live(1)), "late"))
        .await
        .unwrap();
    let mut messages = queue.consume(LIVE, 5).await;
    let held = next(&mut messages).await;
    drop((queue, messages, held));

    let queue = file.open().await;
    let mut messages = queue.consume(LIVE, 50).await;
    let mut seen = HashSet::new();
    for _ in 0..21 {
        let incoming = next(&mut messages).await;
        assert!(incoming.redelivered && seen.insert(text(&incoming)));
        assert!(incoming.ack().await);
    }
    assert!(seen.contains("late"));
    queue.publish(message(Route::Work(live(0)), "new")).await.unwrap();
    assert!(!next(&mut messages).await.redelivered);
}

/// Far more than is kept in memory, stored both before and while it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_read_in_order_and_without_gaps() {
    const BACKLOG: i64 = 3000;
    let file = File::new();
    let live_00 = 0;
    let stored = (0..BACKLOG).map(|n| NewMessage {
        lane: live_00,
        ready_at_ms: n / 100,
        body: n.to_string().into(),
    });
    file.store.insert_messages(stored.collect()).await.unwrap();
    let queue = file.open().await;
    let publishing = (BACKLOG..2 * BACKLOG).map(|n| queue.publish(message(Route::Work(live(0)), n.to_string())));
    let publishing = futures::future::try_join_all(publishing);
    let taking = async {
        let mut messages = queue.consume(LIVE, 10).await;
        let mut later = HashSet::new();
        for n in 0..2 * BACKLOG {
            let incoming = next(&mut messages).await;
            assert_eq!(
                incoming.redelivered,
                n < BACKLOG,
                "what was there at the start may have been handed out"
            );
            if n < BACKLOG {
                assert_eq!(text(&incoming), n.to_string());
            } else {
                assert!(later.insert(text(&incoming)), "{} came twice", text(&incoming));
            }
            assert!(incoming.ack().await);
        }
        silence(&mut messages).await;
    };
    let (published, ()) = tokio::join!(publishing, taking);
    published.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_message_does_not_wait_behind_a_delay_queue() {
    let file = File::new();
    let queue = file.open().await;
    let mut messages = queue.consume(Source::Work(LaneKind::Retry), 10).await;
    let publish = async |to, body| queue.publish(message(to, body)).await.unwrap();
    tokio::join!(
        publish(Route::Delay(Duration::from_secs(1), retry(0)), "second"),
        publish(Route::Delay(SHORT, retry(0)), "first"),
        publish(Route::Work(retry(0)), "now"),
    );
    for expected in ["now", "first", "second"] {
        let incoming = next(&mut messages).await;
        assert_eq!((text(&incoming).as_str(), incoming.redelivered), (expected, false));
        assert!(incoming.ack().await);
    }
}

#[tokio::test]
async fn a_shard_that_does_not_exist_is_unroutable() {
    let file = File::new();
    let queue = file.open().await;
    let refused = queue.publish(message(Route::Work(live(2)), "")).await;
    assert_eq!(refused, Err(PublishError::Unroutable("tidings.work.v1.live.02".into())));
}
