//! The promises.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidings_queue::{
    LaneKind, ParkedKind, ParkedQueue, PublishError, Queue, Route, Selection, Settle, Settled, Source,
};
use tidings_testkit::wait_until;

use crate::places::{Place, SHORT, SOON, delivery, live, message, next, publish_all, retry, silence, text};

const LIVE: Source = Source::Work(LaneKind::Live);
const RETRY: Source = Source::Work(LaneKind::Retry);
const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn what_is_acknowledged_never_comes_again(place: &impl Place) {
    let queue = place.open().await;
    publish_all(&*queue, Route::Work(live(0)), ["one".into()]).await;
    publish_all(&*queue, Route::Work(live(1)), [String::new()]).await;
    let mut messages = queue.consume(LIVE, 10).await;
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let incoming = next(&mut messages).await;
        assert!(!incoming.redelivered);
        seen.insert(text(&incoming));
        assert!(incoming.ack().await);
    }
    assert_eq!(seen, HashSet::from(["one".to_owned(), String::new()]));
    queue.close(GRACE).await;

    let queue = place.open().await;
    let mut messages = queue.consume(LIVE, 10).await;
    silence(&mut messages).await;
}

pub(crate) async fn what_is_dropped_comes_again_marked(place: &impl Place) {
    let queue = place.open().await;
    publish_all(&*queue, Route::Work(live(0)), ["again".into()]).await;
    let mut messages = queue.consume(LIVE, 1).await;
    for attempt in 0..3 {
        let incoming = next(&mut messages).await;
        assert_eq!(
            (text(&incoming), incoming.redelivered),
            ("again".to_owned(), attempt > 0)
        );
    }
    assert!(next(&mut messages).await.ack().await);
    silence(&mut messages).await;
}

pub(crate) async fn delay_queues_are_never_early_and_hardly_late(place: &impl Place) {
    let queue = place.open().await;
    let mut messages = queue.consume(RETRY, 100).await;
    for delay in [SHORT, Duration::from_secs(1)] {
        assert!(queue.delays().contains(&delay));
        let mut sent = BTreeMap::new();
        for n in 0..20 {
            sent.insert(n.to_string(), Instant::now());
            queue
                .publish(message(Route::Delay(delay, retry(n % 2)), n.to_string()))
                .await
                .unwrap();
        }
        while !sent.is_empty() {
            let incoming = next(&mut messages).await;
            let waited = sent.remove(&text(&incoming)).expect("each message once").elapsed();
            assert!(waited >= delay, "{delay:?} took only {waited:?}");
            assert!(waited < delay + Duration::from_millis(500), "{delay:?} took {waited:?}");
            assert!(incoming.ack().await);
        }
    }
}

pub(crate) async fn a_lane_keeps_its_shard_through_a_delay_queue(place: &impl Place) {
    let queue = place.open().await;
    for (lane, name) in [
        (retry(1), "tidings.work.v1.retry.01"),
        (live(0), "tidings.work.v1.live.00"),
    ] {
        queue.publish(message(Route::Delay(SHORT, lane), "late")).await.unwrap();
        wait_until(SOON, "the message to reach its lane", async || {
            depth(&*queue, name).await == 1
        })
        .await;
    }
    assert_eq!(depth(&*queue, "tidings.work.v1.retry.00").await, 0);
    assert_eq!(depth(&*queue, "tidings.work.v1.live.01").await, 0);
}

pub(crate) async fn other_delays_have_no_delay_queue(place: &impl Place) {
    let queue = place.open().await;
    let odd = Duration::from_secs(137);
    assert_eq!(
        queue.publish(message(Route::Delay(odd, retry(0)), "")).await,
        Err(PublishError::NoDelayQueue(odd))
    );
    assert!(queue.delays().is_sorted() && !queue.delays().contains(&odd));
}

pub(crate) async fn prefetch_bounds_what_is_unsettled(place: &impl Place) {
    let queue = place.open().await;
    publish_all(&*queue, Route::Work(live(1)), (0..10).map(|n| n.to_string())).await;
    let mut messages = queue.consume(LIVE, 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut messages).await);
    }
    silence(&mut messages).await;
    for n in 3..10 {
        assert!(held.remove(0).ack().await);
        held.push(next(&mut messages).await);
        assert_eq!(text(&held[2]), n.to_string());
    }
    silence(&mut messages).await;
}

pub(crate) async fn records_keep_their_order(place: &impl Place) {
    let queue = place.open().await;
    let bodies: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    publish_all(&*queue, Route::Records, bodies[..100].to_vec()).await;
    let mut messages = queue.consume(Source::Records, 20).await;
    publish_all(&*queue, Route::Records, bodies[100..].to_vec()).await;
    for body in bodies {
        let incoming = next(&mut messages).await;
        assert_eq!(text(&incoming), body);
        assert!(incoming.ack().await);
    }
}

pub(crate) async fn many_publishers_lose_and_double_nothing(place: &impl Place) {
    const TASKS: usize = 64;
    const EACH: usize = 500;
    let queue = place.open().await;
    let mut messages = queue.consume(LIVE, 200).await;
    let publishers: Vec<_> = (0..TASKS)
        .map(|task| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let lane = live((task % 2) as u16);
                publish_all(&*queue, Route::Work(lane), (0..EACH).map(|n| format!("{task}/{n}"))).await;
            })
        })
        .collect();
    let mut seen = HashSet::new();
    while seen.len() < TASKS * EACH {
        let incoming = next(&mut messages).await;
        assert!(
            !incoming.redelivered && seen.insert(text(&incoming)),
            "{} came twice",
            text(&incoming)
        );
        assert!(incoming.ack().await);
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    silence(&mut messages).await;
}

pub(crate) async fn parked_messages_stay_and_are_shown(place: &impl Place) {
    let queue = place.open().await;
    let (body, _) = delivery();
    queue.park(body.clone(), "its endpoint is odd").await.unwrap();
    queue
        .park(Bytes::from_static(b"not a message"), "unreadable")
        .await
        .unwrap();
    queue
        .park_record(Bytes::from_static(b"a record"), "refused")
        .await
        .unwrap();
    wait_until(SOON, "three in the queue", async || {
        depth(&*queue, "tidings.parked.v2").await == 3
    })
    .await;
    queue.close(GRACE).await;

    let queue = place.open().await;
    // Looking takes nothing away and disturbs no order, however often it is done.
    for _ in 0..25 {
        let shown = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
        let reasons: Vec<&str> = shown.iter().map(|parked| parked.reason.as_str()).collect();
        assert_eq!(reasons, ["its endpoint is odd", "unreadable", "refused"]);
        assert_eq!((&shown[0].body, shown[0].kind), (&body, ParkedKind::Delivery));
        assert_eq!(shown[2].kind, ParkedKind::Record);
        assert!(shown.iter().all(|parked| parked.parked_at.is_some()));
    }
    let first = queue.parked(ParkedQueue::Parked, &Selection::All, 2).await.unwrap();
    assert_eq!(first.len(), 2);
    let mut shown = queue.parked(ParkedQueue::Parked, &Selection::All, 3).await.unwrap();
    shown.retain(|parked| parked.reason == "refused");
    let last = Selection::One(shown[0].id.clone());
    let found = queue.parked(ParkedQueue::Parked, &last, 1).await.unwrap();
    assert_eq!(found[0].reason, "refused");
    let unknown = Selection::One("unknown".into());
    assert_eq!(queue.parked(ParkedQueue::Parked, &unknown, 1).await.unwrap(), []);
    assert_eq!(
        queue.parked(ParkedQueue::Unrouted, &Selection::All, 10).await.unwrap(),
        []
    );
}

pub(crate) async fn parked_messages_go_back_where_they_came_from(place: &impl Place) {
    let queue = place.open().await;
    let (body, _) = delivery();
    queue
        .park(Bytes::from_static(b"not a message"), "unreadable")
        .await
        .unwrap();
    queue.park(body.clone(), "by mistake").await.unwrap();
    queue
        .park_record(Bytes::from_static(b"a record"), "too early")
        .await
        .unwrap();
    let parked = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
    let requeue = async |which: Selection| {
        queue
            .settle_parked(ParkedQueue::Parked, &which, Settle::Requeue)
            .await
            .unwrap()
    };

    let one = requeue(Selection::One(parked[1].id.clone())).await;
    assert_eq!((one.done, one.refused), (1, 0));
    let mut retries = queue.consume(RETRY, 1).await;
    let incoming = next(&mut retries).await;
    assert_eq!((&incoming.body, incoming.redelivered), (&body, false));
    assert!(incoming.ack().await);

    let rest = requeue(Selection::All).await;
    assert_eq!((rest.done, rest.refused), (1, 1));
    assert!(rest.refusal.unwrap().to_string().contains("unreadable message"));
    let mut records = queue.consume(Source::Records, 1).await;
    assert_eq!(text(&next(&mut records).await), "a record");
    let left = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
    assert_eq!(left, parked[..1], "what can't be read stays");
    let unknown = requeue(Selection::One("unknown".into())).await;
    assert_eq!(unknown, Settled::default());
    silence(&mut retries).await;
}

pub(crate) async fn parked_messages_are_discarded_one_or_all(place: &impl Place) {
    let queue = place.open().await;
    for n in 0..4 {
        queue.park(n.to_string().into(), "unreadable").await.unwrap();
    }
    let bodies = async || {
        let parked = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
        parked.into_iter().map(|parked| parked.body).collect::<Vec<_>>()
    };
    let second = queue
        .parked(ParkedQueue::Parked, &Selection::All, 2)
        .await
        .unwrap()
        .remove(1);
    let discard = async |which| {
        queue
            .settle_parked(ParkedQueue::Parked, &which, Settle::Discard)
            .await
            .unwrap()
    };
    assert_eq!(discard(Selection::One(second.id)).await.done, 1);
    assert_eq!(bodies().await, ["0", "2", "3"]);
    assert_eq!(discard(Selection::All).await.done, 3);
    assert_eq!(bodies().await, Vec::<Bytes>::new());
}

pub(crate) async fn many_parked_messages_go_back(place: &impl Place) {
    const MANY: usize = 300;
    let queue = place.open().await;
    let mut bodies = HashSet::new();
    for _ in 0..MANY {
        let (body, _) = delivery();
        queue.park(body.clone(), "a bad release").await.unwrap();
        bodies.insert(body);
    }
    let requeued = queue
        .settle_parked(ParkedQueue::Parked, &Selection::All, Settle::Requeue)
        .await
        .unwrap();
    assert_eq!(requeued.done, MANY as u64);
    let mut messages = queue.consume(RETRY, 100).await;
    while !bodies.is_empty() {
        let incoming = next(&mut messages).await;
        assert!(bodies.remove(&incoming.body), "each message once");
        assert!(incoming.ack().await);
    }
    silence(&mut messages).await;
    assert_eq!(queue.parked(ParkedQueue::Parked, &Selection::All, 1).await.unwrap(), []);
}

pub(crate) async fn depths_count_what_waits(place: &impl Place) {
    let queue = place.open().await;
    publish_all(&*queue, Route::Work(live(0)), (0..3).map(|n| n.to_string())).await;
    publish_all(&*queue, Route::Records, (0..2).map(|n| n.to_string())).await;
    wait_until(SOON, "three in a lane", async || {
        depth(&*queue, "tidings.work.v1.live.00").await == 3
    })
    .await;
    wait_until(SOON, "two records", async || {
        depth(&*queue, "tidings.records").await == 2
    })
    .await;
    assert_eq!(depth(&*queue, "tidings.work.v1.live.01").await, 0);

    // What waits in a delay queue is not in its lane yet.
    publish_all(
        &*queue,
        Route::Delay(Duration::from_secs(60), retry(0)),
        ["later".into()],
    )
    .await;
    for (source, expected) in [(LIVE, vec![3, 0]), (RETRY, vec![0, 0]), (Source::Records, vec![2])] {
        for _ in 0..3 {
            let depths = queue.depths_of(source).await.unwrap();
            let names: Vec<_> = depths.iter().map(|depth| depth.name.as_str()).collect();
            let ready: Vec<_> = depths.iter().map(|depth| depth.ready).collect();
            assert_eq!(ready, expected, "{names:?}");
        }
    }
}

pub(crate) async fn closing_hands_back_what_is_unsettled(place: &impl Place) {
    let queue = place.open().await;
    publish_all(&*queue, Route::Work(live(0)), (0..8).map(|n| n.to_string())).await;
    let mut messages = queue.consume(LIVE, 5).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(next(&mut messages).await);
    }
    let started = Instant::now();
    queue.close(GRACE).await;
    assert!(started.elapsed() < GRACE, "closing took {:?}", started.elapsed());
    assert!(messages.recv().await.is_none(), "the stream ends");
    assert!(!held.remove(0).ack().await, "it was handed back");
    let refused = queue.publish(message(Route::Records, "")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    drop((queue, held));

    let queue = place.open().await;
    let mut messages = queue.consume(LIVE, 10).await;
    let mut seen = HashSet::new();
    for _ in 0..8 {
        let incoming = next(&mut messages).await;
        let number: u32 = text(&incoming).parse().unwrap();
        assert!(incoming.redelivered || number >= 5, "{number} was handed out before");
        assert!(seen.insert(number) && incoming.ack().await);
    }
    silence(&mut messages).await;
}

pub(crate) async fn a_taker_that_leaves_hands_back_at_once(place: &impl Place) {
    let queue = place.open().await;
    publish_all(&*queue, Route::Work(live(0)), (0..4).map(|n| n.to_string())).await;
    let mut messages = queue.consume(LIVE, 4).await;
    let held = next(&mut messages).await;
    drop(messages);
    let mut messages = queue.consume(LIVE, 4).await;
    let mut seen = HashSet::new();
    for _ in 0..3 {
        let incoming = next(&mut messages).await;
        assert!(seen.insert(text(&incoming)));
        assert!(incoming.ack().await);
    }
    assert!(!seen.contains(&text(&held)), "what is being worked on stays");
    assert!(held.ack().await, "and can still be settled");
    silence(&mut messages).await;
}

async fn depth(queue: &dyn Queue, name: &str) -> u64 {
    let depths = queue.depths().await.unwrap();
    depths
        .iter()
        .find(|depth| depth.name == name)
        .expect("a queue of this name")
        .ready
}
