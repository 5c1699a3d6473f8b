//! `EventService` over gRPC.

use futures::StreamExt as _;
use serde_json::json;
use tidings_acceptance::{Standalone, Tenant, request};
use tidings_domain::{SignedDuration, Timestamp};
use tidings_proto::{pb, timestamp};
use tonic::Code;

use crate::{invalid, nobody, refused};

/// An event with one thing changed.
fn event(change: impl FnOnce(&mut pb::PublishRequest)) -> pb::PublishRequest {
    let tenant = Tenant {
        id: String::new(),
        token: String::new(),
    };
    let mut event = request(&tenant, "feedback.created", json!({ "id": 1 }));
    change(&mut event);
    event
}

fn in_seconds(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(timestamp(Timestamp::now() + SignedDuration::from_secs(seconds)))
}

#[tokio::test]
async fn what_is_wrong_with_an_event_is_named() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("publishing").await;
    let mut events = system.client(&tenant.token).events();
    let mut publish = async |event| events.publish(event).await;
    const DAY: i64 = 24 * 3600;

    for event_type in ["", "feedback created", "feedback.", "feedback.*"] {
        let answer = publish(event(|e| e.event_type = event_type.to_owned())).await;
        invalid(answer, "event_type_invalid", "event_type", "like `feedback.created`");
    }
    for payload in ["", "{", "1 2", "{\"a\":}"] {
        let answer = publish(event(|e| e.payload = payload.to_owned().into())).await;
        invalid(answer, "payload_not_json", "payload", "not one JSON text in UTF-8");
    }
    let answer = publish(event(|e| e.payload = b"\"\xff\"".to_vec().into())).await;
    invalid(answer, "payload_not_json", "payload", "UTF-8");
    let answer = publish(event(|e| e.payload = vec![b' '; 256 * 1024 + 1].into())).await;
    invalid(answer, "payload_too_large", "payload", "at most 262144 are accepted");
    let answer = publish(event(|e| e.occurred_at = in_seconds(-31 * DAY))).await;
    invalid(
        answer,
        "occurred_at_out_of_range",
        "occurred_at",
        "more than 30 days ago: send",
    );
    let answer = publish(event(|e| e.occurred_at = in_seconds(360))).await;
    invalid(
        answer,
        "occurred_at_out_of_range",
        "occurred_at",
        "more than 5 minutes in the future: send",
    );
    let answer = publish(event(|e| {
        e.occurred_at = Some(prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        });
    }))
    .await;
    invalid(
        answer,
        "occurred_at_invalid",
        "occurred_at",
        "between the years 1 and 9999",
    );
    for key in ["a b", "schlüssel", &"k".repeat(256)] {
        let answer = publish(event(|e| e.idempotency_key = key.to_owned())).await;
        invalid(
            answer,
            "idempotency_key_invalid",
            "idempotency_key",
            "1 to 255 visible ASCII characters",
        );
    }
    let answer = publish(event(|e| e.tenant_id = "acme".to_owned())).await;
    invalid(
        answer,
        "tenant_id_invalid",
        "tenant_id",
        "write `ten_` followed by 32 hexadecimal digits",
    );
}

#[tokio::test]
async fn what_is_at_a_limit_is_accepted() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("publishing").await;
    let mut events = system.client(&tenant.token).events();

    let payload = format!("\"{}\"", "x".repeat(256 * 1024 - 2));
    let largest = event(|e| {
        e.payload = payload.into();
        e.event_type = "t".repeat(128);
        e.idempotency_key = "k".repeat(255);
        e.occurred_at = in_seconds(290);
    });
    let accepted = events
        .publish(largest)
        .await
        .expect("it is within the limits")
        .into_inner();
    assert!(accepted.event_id.starts_with("evt_"));
    let old = event(|e| e.occurred_at = in_seconds(-29 * 24 * 3600));
    events.publish(old).await.expect("29 days are not too long");
}

#[tokio::test]
async fn an_operator_names_the_tenant() {
    let system = Standalone::start().await;
    let mut events = system.operator.events();
    let answer = events.publish(event(|_| ())).await;
    invalid(answer, "tenant_missing", "tenant_id", "name one");
    let nobody = nobody();
    let answer = events.publish(event(|e| e.tenant_id.clone_from(&nobody.id))).await;
    let words = format!("there is no tenant {}", nobody.id);
    refused(answer, Code::NotFound, "tenant_unknown", "tenant_id", &words);
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_event() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("publishing").await;
    let mut events = system.client(&tenant.token).events();
    let keyed = event(|e| e.idempotency_key = "fb-1".to_owned());
    let first = events
        .publish(keyed.clone())
        .await
        .expect("it is accepted")
        .into_inner();
    let again = events.publish(keyed.clone()).await.expect("it is known").into_inner();
    assert!(!first.duplicate && again.duplicate);
    assert_eq!((again.event_id, again.deliveries), (first.event_id.clone(), 0));

    let mut other = keyed;
    other.payload = "{\"id\":2}".into();
    let answer = events.publish(other).await;
    let words = format!(
        "was used for {}, which has another type, time or payload",
        first.event_id
    );
    refused(
        answer,
        Code::AlreadyExists,
        "idempotency_key_reused",
        "idempotency_key",
        &words,
    );
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_event_in_order() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("publishing").await;
    let mut events = system.client(&tenant.token).events();

    let answer = events.publish_batch(pb::PublishBatchRequest::default()).await;
    invalid(answer, "batch_empty", "events", "has no events");
    let too_many = pb::PublishBatchRequest {
        events: vec![event(|_| ()); 1_001],
    };
    let answer = events.publish_batch(too_many).await;
    invalid(
        answer,
        "batch_too_large",
        "events",
        "at most 1000 are accepted: send several batches",
    );

    let mixed = pb::PublishBatchRequest {
        events: vec![
            event(|_| ()),
            event(|e| e.event_type = "no type".to_owned()),
            event(|_| ()),
            event(|e| e.payload = "nonsense".into()),
        ],
    };
    let results = events
        .publish_batch(mixed)
        .await
        .expect("the batch is taken")
        .into_inner()
        .results;
    let mut found = results
        .into_iter()
        .map(|result| match result.result.expect("either or") {
            pb::publish_result::Result::Accepted(accepted) => Ok(accepted.event_id),
            pb::publish_result::Result::Error(error) => {
                assert!(!error.detail.is_empty());
                Err((error.status, error.code, error.field))
            }
        });
    let error = |code: &str, field: &str| Some(Err((Code::InvalidArgument as i32, code.to_owned(), field.to_owned())));
    let first = found.next().expect("a result for the first").expect("it is accepted");
    assert_eq!(found.next(), error("event_type_invalid", "event_type"));
    let third = found.next().expect("a result for the third").expect("it is accepted");
    assert_eq!(found.next(), error("payload_not_json", "payload"));
    assert_eq!(found.next(), None);
    let operator = &system.operator;
    for id in [first, third] {
        let found = operator.log().get_event(pb::GetEventRequest { event_id: id }).await;
        found.expect("an accepted event is on record");
    }
}

#[tokio::test]
async fn a_stream_answers_each_event_by_its_number() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("publishing").await;
    let mut events = system.client(&tenant.token).events();
    let numbered = (0..100_u64).map(|number| pb::PublishStreamRequest {
        sequence: 1_000 + number,
        event: match number {
            13 => None,
            n if n % 10 == 7 => Some(event(|e| e.event_type = "no type".to_owned())),
            _ => Some(event(|_| ())),
        },
    });
    let answers = events.publish_stream(futures::stream::iter(numbered)).await;
    let answers: Vec<_> = answers.expect("the stream is taken").into_inner().collect().await;
    let mut sequences = Vec::new();
    for answer in answers {
        let answer = answer.expect("the stream goes on");
        let bad = answer.sequence % 10 == 7 || answer.sequence == 1_013;
        match answer.result.and_then(|result| result.result).expect("either or") {
            pb::publish_result::Result::Accepted(accepted) => assert!(!bad && accepted.event_id.starts_with("evt_")),
            pb::publish_result::Result::Error(error) => {
                assert!(bad);
                assert_eq!(
                    (error.code.as_str(), error.field.as_str()),
                    ("event_type_invalid", "event_type")
                );
            }
        }
        sequences.push(answer.sequence);
    }
    sequences.sort_unstable();
    assert_eq!(sequences, (1_000..1_100).collect::<Vec<_>>());
}
