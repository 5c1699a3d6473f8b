//! Which way a record takes, with a log service that answers as it is told and queues that are there or away.

#![allow(clippy::unwrap_used, reason = "a test panics with what it found")]

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prost::Message as _;
use tempfile::TempDir;
use tidings_proto::pb;
use tidings_queue::embedded::Embedded;
use tidings_queue::rabbit::{self, Rabbit};
use tidings_queue::topology::Topology;
use tidings_queue::{Queue, Source};
use tidings_recorder::{Config, Durable, LogClient, RecordError, Recorder};
use tidings_service::Health;
use tidings_service::config::SecretText;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tidings_testkit::{Answer, Receiver, Reserved};
use tokio_util::sync::CancellationToken;
use tonic::Code;

const SOON: Duration = Duration::from_secs(20);

/// A queue in a file, which is there as long as this is.
async fn healthy_queue() -> (Arc<Embedded>, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(
        &directory.path().join("tidings.db"),
        Sealer::new(vec![SealKey::generate()]).unwrap(),
    )
    .unwrap();
    let queue = Embedded::open(store, Topology::new(2).unwrap(), &Health::new())
        .await
        .unwrap();
    (queue, directory)
}

/// A broker that nobody reaches.
fn queue_that_is_away(port: &Reserved) -> Arc<Rabbit> {
    let config = rabbit::Config {
        url: format!("amqp://{}", port.socket()).as_str().into(),
        ..rabbit::Config::default()
    };
    let health = Health::new().component("rabbitmq");
    Rabbit::start(config, Topology::default(), health, CancellationToken::new())
}

fn recorder(log: &Receiver, queue: Arc<dyn Queue>) -> Recorder {
    let config = Config {
        servers: vec![format!("http://{}", log.address())],
        deadline: Duration::from_secs(10),
        ..Config::default()
    };
    let client = LogClient::new(
        config.replicas().unwrap(),
        config.deadline,
        &SecretText::from("internal"),
    )
    .unwrap();
    Recorder::start(client, queue, &Health::new())
}

/// A record that is told from others by its number.
fn record(number: u8) -> pb::Record {
    let moved = pb::DeliveryMoved {
        delivery_id: vec![number; 16],
        ..pb::DeliveryMoved::default()
    };
    pb::Record {
        record: Some(pb::record::Record::Move(moved)),
        ..pb::Record::default()
    }
}

fn code(code: Code) -> Answer {
    Answer::Grpc(code as i32)
}

/// How many records each call to the log service had.
fn sizes_of_calls(log: &Receiver) -> Vec<usize> {
    let size = |body: &[u8]| pb::RecordRequest::decode(&body[5..]).unwrap().records.len();
    log.requests().iter().map(|request| size(&request.body)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_fails_at_for_its_own_reasons_goes_to_the_queue_in_one_step() {
    let (queue, _directory) = healthy_queue().await;
    let mut spilled = queue.consume(Source::Records, 100).await;
    for away in [Code::Unavailable, Code::Internal, Code::Unknown, Code::PermissionDenied] {
        let log = Receiver::start().await;
        log.answer_always(code(away));
        let recorder = recorder(&log, queue.clone());
        let results = join_all((0..40).map(|number| recorder.record(record(number)))).await;
        assert!(
            results.iter().all(|result| *result == Ok(Durable::Spilled)),
            "{results:?}"
        );
        let calls = sizes_of_calls(&log);
        assert!(calls.iter().sum::<usize>() <= 40, "no record was sent twice: {calls:?}");
        for _ in 0..40 {
            let incoming = tokio::time::timeout(SOON, spilled.recv()).await.unwrap().unwrap();
            incoming.ack().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_record_is_found_in_its_batch_and_refused_alone() {
    let (queue, _directory) = healthy_queue().await;
    let log = Receiver::start().await;
    let recorder = recorder(&log, queue);
    // Four slow calls take all places for calls, so that the other records form one batch of eight.
    log.answer_next((0..4).map(|_| code(Code::Ok).after(Duration::from_secs(1))));
    let mut first = Vec::new();
    for number in 0..4 {
        let recorder = recorder.clone();
        first.push(tokio::spawn(async move { recorder.record(record(number)).await }));
        log.wait_for(first.len(), SOON).await;
    }
    let refused = code(Code::FailedPrecondition);
    let ok = code(Code::Ok);
    // The whole, the first half, its first half, the bad one, its neighbour, the second quarter, the second half.
    log.answer_next([&refused, &refused, &refused, &refused, &ok, &ok, &ok].map(Clone::clone));
    let batch = join_all((10..18).map(|number| recorder.record(record(number)))).await;
    for taken in first {
        assert_eq!(taken.await.unwrap(), Ok(Durable::InLedger));
    }
    assert!(matches!(batch[0], Err(RecordError::Refused(_))), "{batch:?}");
    assert!(
        batch[1..].iter().all(|result| *result == Ok(Durable::InLedger)),
        "{batch:?}"
    );
    assert_eq!(sizes_of_calls(&log)[4..], [8, 4, 2, 1, 1, 2, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_queue_the_next_record_finds_a_log_that_is_back_at_once() {
    let port = Reserved::address();
    let log = Receiver::start().await;
    let recorder = recorder(&log, queue_that_is_away(&port));
    log.answer_next([code(Code::Unavailable)]);
    log.answer_always(code(Code::Ok));
    let lost = recorder.record(record(0)).await;
    assert!(matches!(lost, Err(RecordError::Unavailable { .. })), "{lost:?}");
    // Another replica answers: the first one's failure does not count against it.
    assert_eq!(recorder.record(record(1)).await, Ok(Durable::InLedger));
}
