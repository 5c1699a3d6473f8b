use std::sync::Arc;

use tidings_domain::{DeliveryId, EndpointId, EventId, Step, TenantId};
use tidings_queue::embedded::Embedded;
use tidings_queue::topology::Topology;
use tidings_queue::{ParkedKind, ParkedQueue, Selection, Source};
use tidings_recorder::{Config, LogClient};
use tidings_service::Health;
use tidings_service::config::SecretText;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tidings_testkit::{Answer, Receiver};
use tonic::Code;

use super::*;

const SHARDS: u16 = 2;
const SECOND: Duration = Duration::from_secs(1);

/// A settler that writes to this log service, and its queue.
async fn settler(log: &Receiver) -> (Settler, Arc<Embedded>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let sealer = Sealer::new(vec![SealKey::generate()]).unwrap();
    let store = Sqlite::open(&directory.path().join("tidings.db"), sealer).unwrap();
    let queue = Embedded::open(store, Topology::new(SHARDS).unwrap(), &Health::new())
        .await
        .unwrap();
    let config = Config {
        servers: vec![format!("http://{}", log.address())],
        ..Config::default()
    };
    let client = LogClient::new(
        config.replicas().unwrap(),
        config.deadline,
        &SecretText::from("internal"),
    )
    .unwrap();
    let settler = Settler {
        recorder: Recorder::start(client, queue.clone(), &Health::new()),
        queue: queue.clone(),
        shards: SHARDS,
        stopping: CancellationToken::new(),
    };
    (settler, queue, directory)
}

fn message() -> Message {
    Message {
        delivery: DeliveryId::new(),
        event: EventId::new(),
        tenant: TenantId::new(),
        endpoint: EndpointId::new(),
        step: Step::FIRST,
        due: None,
        content: None,
    }
}

/// The record of an attempt that left the delivery in this state.
fn attempt(message: &Message, state: &DeliveryState) -> pb::Record {
    let moved = record::delivery_moved(message, message.step.after_attempt(), state, true);
    let Some(pb::record::Record::Move(delivery)) = moved.record else {
        unreachable!("a move is recorded as a move");
    };
    let attempt = pb::AttemptMade {
        delivery: Some(delivery),
        ..pb::AttemptMade::default()
    };
    pb::Record {
        record: Some(pb::record::Record::Attempt(attempt)),
        ..pb::Record::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_whose_record_is_refused_is_set_aside_and_its_delivery_goes_on() {
    let log = Receiver::start().await;
    let (settler, queue, _directory) = settler(&log).await;
    log.answer_next([Answer::Grpc(Code::FailedPrecondition as i32)]);
    log.answer_always(Answer::Grpc(0));
    let message = message();
    let due = Timestamp::now().saturating_add(SECOND).unwrap();
    let state = DeliveryState::Scheduled { due };
    let made = attempt(&message, &state);
    let disposition = settler.attempted(&message, made.clone(), state, Some(SECOND)).await;
    assert_eq!(disposition, Disposition::Acknowledge);

    // The ledger knows how the delivery goes on, although not what the attempt was like.
    let calls = log.wait_for(2, SECOND * 20).await;
    let written = pb::RecordRequest::decode(&calls[1].body[5..]).unwrap().records;
    assert_eq!(written, [record::outcome_alone(made.clone()).unwrap()]);
    // The record can be looked at and written again.
    let parked = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].kind, ParkedKind::Record);
    assert_eq!(pb::Record::decode(parked[0].body.clone()).unwrap(), made);
    // The next attempt comes.
    let mut retries = queue.consume(Source::Work(LaneKind::Retry), 1).await;
    let next = tokio::time::timeout(SECOND * 20, retries.recv())
        .await
        .unwrap()
        .unwrap();
    let next = Message::decode(next.body.clone()).unwrap();
    assert_eq!(
        (next.delivery, next.step),
        (message.delivery, message.step.after_attempt())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_even_the_outcome_is_refused_everything_is_set_aside_and_the_message_is_settled() {
    let log = Receiver::start().await;
    let (settler, queue, _directory) = settler(&log).await;
    log.answer_always(Answer::Grpc(Code::FailedPrecondition as i32));
    let message = message();
    let made = attempt(&message, &DeliveryState::Succeeded);
    let disposition = settler.attempted(&message, made, DeliveryState::Succeeded, None).await;
    assert_eq!(disposition, Disposition::Acknowledge);
    let parked = queue.parked(ParkedQueue::Parked, &Selection::All, 10).await.unwrap();
    assert!(parked.len() == 2 && parked.iter().all(|parked| parked.kind == ParkedKind::Record));
}
