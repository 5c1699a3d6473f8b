//! Messages that are set aside on a broker: nothing of them is dropped for what comes later, and a queue of an earlier
//! version is emptied like the present one.

use bytes::Bytes;
use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, ExchangeKind};
use tidings_queue::{Parked, ParkedKind, ParkedQueue, PublishError, Selection, Settle};
use tidings_testkit::wait_until;

use crate::broker_only::{channel, declare};
use crate::damage::put_policy;
use crate::places::{Broker, Place, SOON};

const NOW: &str = "tidings.parked.v2";
const EARLIER: &str = "tidings.parked";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_set_aside_makes_room_for_what_comes_later() {
    let broker = Broker::new().await;
    put_policy(&broker, r"tidings\.parked\.v2", r#"{"max-length": 2}"#).await;
    let queue = broker.open().await;
    let mut kept = Vec::new();
    // A queue that is full may take a few more before it says so.
    while kept.len() < 100 {
        let body = Bytes::from(kept.len().to_string());
        match queue.park_record(body.clone(), "refused").await {
            Ok(()) => kept.push(body),
            Err(error) => {
                assert!(matches!(error, PublishError::Rejected(_)), "{error}");
                break;
            }
        }
    }
    assert!((2..100).contains(&kept.len()), "{}", kept.len());
    let shown = queue.parked(ParkedQueue::Parked, &Selection::All, 100).await.unwrap();
    let shown: Vec<_> = shown.into_iter().map(|parked| parked.body).collect();
    assert_eq!(shown, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_version_set_aside_is_shown_and_settled() {
    let broker = Broker::new().await;
    let before = channel(&broker).await;
    let options = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let exchange = before.exchange_declare(EARLIER.into(), ExchangeKind::Fanout, options, FieldTable::default());
    exchange.await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    declare(&before, EARLIER, arguments).await;
    let (options, no_arguments) = (QueueBindOptions::default(), FieldTable::default());
    let bound = before.queue_bind(EARLIER.into(), EARLIER.into(), EARLIER.into(), options, no_arguments);
    bound.await.unwrap();
    let old = Parked::now(ParkedKind::Record, Bytes::from_static(b"old"), "refused");
    let (old, options) = (old.encode(), BasicPublishOptions::default());
    let sent = before.basic_publish(
        EARLIER.into(),
        EARLIER.into(),
        options,
        &old,
        BasicProperties::default(),
    );
    sent.await.unwrap().await.unwrap();
    wait_until(SOON, "the old one", async || broker.0.queue_depth(EARLIER).await == 1).await;

    let queue = broker.open().await;
    queue.park_record(Bytes::from_static(b"new"), "refused").await.unwrap();
    wait_until(SOON, "the new one", async || broker.0.queue_depth(NOW).await == 1).await;
    let shown = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
    let bodies: Vec<&[u8]> = shown.iter().map(|parked| parked.body.as_ref()).collect();
    assert_eq!(bodies, [b"old", b"new"], "the new one is in one queue only");
    let found = queue
        .parked(ParkedQueue::Parked, &Selection::One(shown[1].id.clone()), 10)
        .await
        .unwrap();
    assert_eq!(found, shown[1..]);
    let settled = queue
        .settle_parked(ParkedQueue::Parked, &Selection::All, Settle::Requeue)
        .await
        .unwrap();
    assert_eq!(settled.done, 2);
    wait_until(SOON, "both to be requeued", async || {
        broker.0.queue_depth("tidings.records").await == 2
    })
    .await;
    assert_eq!(
        queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap(),
        []
    );
}
