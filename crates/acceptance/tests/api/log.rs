//! `AttemptLogService`.

use std::collections::HashSet;

use serde_json::json;
use tidings_acceptance::{Client, SOON, Standalone, Tenant, endpoint, request};
use tidings_proto::pb;
use tidings_testkit::{Answer, Receiver};
use tonic::Code;

use crate::{invalid, refused};

/// A system in which something of every kind has happened.
///
/// | event         | to `good` | to `bad`                       |
/// | ------------- | --------- | ------------------------------ |
/// | `good.first`  | 200       |                                |
/// | `good.second` | 200       |                                |
/// | `bad.refused` |           | 422, final                     |
/// | `bad.failing` |           | 503, 503: exhausted            |
/// | `bad.silent`  |           | no answer, 404: exhausted      |
/// | `off.held`    |           | (to `off`, which is disabled)  |
/// | `nobody.asks` |           |                                |
struct Case {
    system: Standalone,
    tenant: Tenant,
    client: Client,
    good: pb::Endpoint,
    bad: pb::Endpoint,
    off: pb::Endpoint,
    /// The ids of the events, in the order above.
    events: Vec<String>,
    _receivers: [Receiver; 2],
}

impl Case {
    async fn start() -> Self {
        let system = Standalone::start().await;
        let receivers = [Receiver::start().await, Receiver::start().await];
        let tenant = system.operator.create_tenant("log").await;
        let wanting = |pattern: &str, receiver: &Receiver| pb::Endpoint {
            subscriptions: vec![pb::Subscription {
                pattern: pattern.to_owned(),
                disabled: false,
                ..pb::Subscription::default()
            }],
            schedule: vec![prost_types::Duration {
                seconds: 0,
                nanos: 1_000_000,
            }],
            final_statuses: vec!["422".to_owned()],
            ..endpoint(&tenant, &receiver.url())
        };
        let off = pb::CreateEndpointRequest {
            endpoint: Some(wanting("off.*", &receivers[0])),
            disabled: true,
        };
        let off = system
            .operator
            .endpoints()
            .create_endpoint(off)
            .await
            .expect("it is made")
            .into_inner();
        let good = system.operator.create_endpoint(wanting("good.*", &receivers[0])).await;
        let bad = system.operator.create_endpoint(wanting("bad.*", &receivers[1])).await;
        let mut case = Self {
            client: system.client(&tenant.token),
            system,
            tenant,
            good,
            bad,
            off,
            events: Vec::new(),
            _receivers: receivers,
        };
        case.publish("good.first", "succeeded", &[]).await;
        case.publish("good.second", "succeeded", &[]).await;
        case.publish("bad.refused", "exhausted", &[Answer::Status(422)]).await;
        case.publish("bad.failing", "exhausted", &[Answer::Status(503), Answer::Status(503)])
            .await;
        case.publish("bad.silent", "exhausted", &[Answer::Disconnect, Answer::Status(404)])
            .await;
        case.publish("off.held", "held", &[]).await;
        let nowhere = case
            .system
            .operator
            .publish(&case.tenant, "nobody.asks", json!({}))
            .await;
        case.events.push(nowhere);
        case
    }

    /// Publishes an event that gets these answers and waits until its delivery is in this state.
    async fn publish(&mut self, event_type: &str, state: &str, answers: &[Answer]) {
        self._receivers[1].answer_next(answers.to_vec());
        let event = self
            .system
            .operator
            .publish(&self.tenant, event_type, json!({ "of": event_type }))
            .await;
        self.system.operator.wait_for_state(&event, state).await;
        self.events.push(event);
    }

    /// The types and statuses of the attempts that a filter finds, oldest first.
    async fn attempts(&self, change: impl FnOnce(&mut pb::AttemptFilter)) -> Vec<(String, u32)> {
        let found = self.list_attempts(change).await;
        found
            .into_iter()
            .map(|attempt| (attempt.event_type, attempt.status_code))
            .collect()
    }

    async fn list_attempts(&self, change: impl FnOnce(&mut pb::AttemptFilter)) -> Vec<pb::Attempt> {
        let mut filter = pb::AttemptFilter::default();
        change(&mut filter);
        let request = pb::ListAttemptsRequest {
            filter: Some(filter),
            ..pb::ListAttemptsRequest::default()
        };
        let mut attempts = self
            .client
            .log()
            .list_attempts(request)
            .await
            .expect("a list")
            .into_inner()
            .attempts;
        attempts.reverse();
        attempts
    }

    /// The positions of the events that a question finds, oldest first.
    async fn events(&self, change: impl FnOnce(&mut pb::ListEventsRequest)) -> Vec<usize> {
        let mut request = pb::ListEventsRequest::default();
        change(&mut request);
        let events = self
            .client
            .log()
            .list_events(request)
            .await
            .expect("a list")
            .into_inner()
            .events;
        events.iter().rev().map(|event| self.position(&event.id)).collect()
    }

    /// The positions of the events whose deliveries a question finds, oldest first.
    async fn deliveries(&self, change: impl FnOnce(&mut pb::ListDeliveriesRequest)) -> Vec<usize> {
        let mut request = pb::ListDeliveriesRequest::default();
        change(&mut request);
        let deliveries = self
            .client
            .log()
            .list_deliveries(request)
            .await
            .expect("a list")
            .into_inner()
            .deliveries;
        deliveries
            .iter()
            .rev()
            .map(|delivery| self.position(&delivery.event_id))
            .collect()
    }

    fn position(&self, event: &str) -> usize {
        self.events
            .iter()
            .position(|id| id == event)
            .expect("an event of this case")
    }

    async fn accepted_at(&self, position: usize) -> Option<prost_types::Timestamp> {
        let request = pb::GetEventRequest {
            event_id: self.events[position].clone(),
        };
        let found = self
            .client
            .log()
            .get_event(request)
            .await
            .expect("it is on record")
            .into_inner();
        found.event.expect("the event").accepted_at
    }
}

fn pairs(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected
        .iter()
        .map(|(event_type, status)| (event_type.to_string(), *status))
        .collect()
}

#[tokio::test]
async fn filters_narrow_as_they_say() {
    let case = Case::start().await;
    attempts_are_filtered(&case).await;
    events_are_filtered(&case).await;
    deliveries_are_filtered(&case).await;
}

async fn attempts_are_filtered(case: &Case) {
    let all = pairs(&[
        ("good.first", 200),
        ("good.second", 200),
        ("bad.refused", 422),
        ("bad.failing", 503),
        ("bad.failing", 503),
        ("bad.silent", 0),
        ("bad.silent", 404),
    ]);
    let silent = &all[5..];
    assert_eq!(case.attempts(|_| ()).await, all);
    assert_eq!(case.attempts(|f| f.tenant_id.clone_from(&case.tenant.id)).await, all);
    assert_eq!(
        case.attempts(|f| f.endpoint_id.clone_from(&case.good.id)).await,
        all[..2]
    );
    assert_eq!(case.attempts(|f| f.endpoint_id.clone_from(&case.off.id)).await, []);
    assert_eq!(case.attempts(|f| f.event_id.clone_from(&case.events[4])).await, silent);
    let delivery = case.client.deliveries_of(&case.events[4]).await[0].id.clone();
    assert_eq!(case.attempts(|f| f.delivery_id = delivery).await, silent);
    let types = ["good.first", "bad.refused"].map(str::to_owned).to_vec();
    assert_eq!(
        case.attempts(|f| f.event_types = types).await,
        [&all[..1], &all[2..3]].concat()
    );
    assert_eq!(
        case.attempts(|f| f.status_codes = vec![422, 404]).await,
        [&all[2..3], &all[6..]].concat()
    );
    assert_eq!(case.attempts(|f| f.status_classes = vec![5]).await, all[3..5]);
    assert_eq!(case.attempts(|f| f.status_classes = vec![0]).await, all[5..6]);
    assert_eq!(
        case.attempts(|f| f.status_classes = vec![0, 4]).await,
        [&all[2..3], &all[5..]].concat()
    );
    for (outcome, found) in [("succeeded", 0..2), ("failed_final", 2..3), ("failed_retryable", 3..7)] {
        let found = &all[found];
        assert_eq!(
            case.attempts(|f| f.outcomes = vec![outcome.to_owned()]).await,
            found,
            "{outcome}"
        );
    }
    let listed = case.list_attempts(|_| ()).await;
    let middle = listed[3].started_at;
    assert_eq!(case.attempts(|f| f.since = middle).await, all[3..]);
    assert_eq!(case.attempts(|f| f.until = middle).await, all[..3]);
    let narrow = case.attempts(|f| {
        f.endpoint_id.clone_from(&case.bad.id);
        f.status_classes = vec![4];
        f.outcomes = vec!["failed_retryable".to_owned()];
    });
    assert_eq!(narrow.await, all[6..], "everything given must hold");
    assert!(
        listed
            .iter()
            .all(|attempt| attempt.request_body.is_empty() && attempt.request_headers.is_empty())
    );
    assert_eq!((listed[3].number, listed[4].number), (1, 2));
    assert!(listed[3].next_attempt_at.is_some() && listed[4].next_attempt_at.is_none());
}

async fn events_are_filtered(case: &Case) {
    assert_eq!(case.events(|_| ()).await, [0, 1, 2, 3, 4, 5, 6]);
    let types = ["good.second", "nobody.asks"].map(str::to_owned).to_vec();
    assert_eq!(case.events(|q| q.event_types = types).await, [1, 6]);
    let middle = case.accepted_at(3).await;
    assert_eq!(case.events(|q| q.since = middle).await, [3, 4, 5, 6]);
    assert_eq!(case.events(|q| q.until = middle).await, [0, 1, 2]);
    let mut keyed = request(&case.tenant, "nobody.asks", json!(1));
    keyed.idempotency_key = "fb-1".to_owned();
    let keyed = case
        .client
        .events()
        .publish(keyed)
        .await
        .expect("it is accepted")
        .into_inner()
        .event_id;
    let request = pb::ListEventsRequest {
        idempotency_key: "fb-1".to_owned(),
        ..pb::ListEventsRequest::default()
    };
    let found = case
        .client
        .log()
        .list_events(request)
        .await
        .expect("a list")
        .into_inner()
        .events;
    assert_eq!(found.iter().map(|event| &event.id).collect::<Vec<_>>(), [&keyed]);
    assert_eq!(found[0].idempotency_key, "fb-1");
}

async fn deliveries_are_filtered(case: &Case) {
    assert_eq!(case.deliveries(|_| ()).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(
        case.deliveries(|q| q.endpoint_id.clone_from(&case.bad.id)).await,
        [2, 3, 4]
    );
    assert_eq!(case.deliveries(|q| q.event_id.clone_from(&case.events[1])).await, [1]);
    for (state, found) in [
        ("succeeded", &[0, 1][..]),
        ("exhausted", &[2, 3, 4]),
        ("held", &[5]),
        ("pending", &[]),
        ("scheduled", &[]),
        ("cancelled", &[]),
    ] {
        assert_eq!(
            case.deliveries(|q| q.states = vec![state.to_owned()]).await,
            found,
            "{state}"
        );
    }
    let states = ["succeeded", "held"].map(str::to_owned).to_vec();
    assert_eq!(case.deliveries(|q| q.states = states).await, [0, 1, 5]);
    let middle = case.accepted_at(2).await;
    assert_eq!(case.deliveries(|q| q.since = middle).await, [2, 3, 4, 5]);
    assert_eq!(case.deliveries(|q| q.until = middle).await, [0, 1]);
    let held = &case.client.deliveries_of(&case.events[5]).await[0];
    assert_eq!((held.reason.as_str(), held.attempts), ("endpoint_disabled", 0));
    let exhausted = &case.client.deliveries_of(&case.events[3]).await[0];
    assert_eq!((exhausted.state.as_str(), exhausted.attempts), ("exhausted", 2));
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_named() {
    let system = Standalone::start().await;
    let mut log = system.operator.log();
    type Change = fn(&mut pb::AttemptFilter);
    let far = prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    };
    let cases: [(Change, &str, &str, &str); 8] = [
        (
            |f| f.tenant_id = "x".into(),
            "id_invalid",
            "tenant_id",
            "write `ten_` followed by",
        ),
        (
            |f| f.endpoint_id = "x".into(),
            "id_invalid",
            "endpoint_id",
            "write `ep_` followed by",
        ),
        (
            |f| f.event_id = "x".into(),
            "id_invalid",
            "event_id",
            "write `evt_` followed by",
        ),
        (
            |f| f.delivery_id = "x".into(),
            "id_invalid",
            "delivery_id",
            "write `dlv_` followed by",
        ),
        (
            |f| f.event_types = vec!["no type".into()],
            "event_type_invalid",
            "event_types",
            "like `feedback.created`",
        ),
        (
            |f| f.status_codes = vec![99],
            "status_invalid",
            "status_codes",
            "99 is not in 100..=999",
        ),
        (
            |f| f.status_classes = vec![10],
            "status_invalid",
            "status_classes",
            "10 is not in 0..=9",
        ),
        (
            |f| f.outcomes = vec!["lost".into()],
            "name_unknown",
            "outcomes",
            "use succeeded, failed_retryable, failed_final",
        ),
    ];
    for (change, code, field, words) in cases {
        let mut filter = pb::AttemptFilter::default();
        change(&mut filter);
        let list = pb::ListAttemptsRequest {
            filter: Some(filter.clone()),
            ..pb::ListAttemptsRequest::default()
        };
        invalid(log.list_attempts(list).await, code, field, words);
        let watch = pb::WatchAttemptsRequest { filter: Some(filter) };
        invalid(log.watch_attempts(watch).await, code, field, words);
    }
    let list = pb::ListDeliveriesRequest {
        states: vec!["lost".to_owned()],
        ..pb::ListDeliveriesRequest::default()
    };
    invalid(
        log.list_deliveries(list).await,
        "name_unknown",
        "states",
        "use pending, scheduled, held,",
    );
    let list = pb::ListEventsRequest {
        since: Some(far),
        ..pb::ListEventsRequest::default()
    };
    invalid(
        log.list_events(list).await,
        "time_invalid",
        "since",
        "between the years 1 and 9999",
    );
    let list = pb::ListEventsRequest {
        page_size: 201,
        ..pb::ListEventsRequest::default()
    };
    invalid(
        log.list_events(list).await,
        "page_size_invalid",
        "page_size",
        "at most 200",
    );
    let list = pb::ListEventsRequest {
        page_token: "2".to_owned(),
        ..pb::ListEventsRequest::default()
    };
    invalid(
        log.list_events(list).await,
        "id_invalid",
        "page_token",
        "followed by 32 hexadecimal digits",
    );

    let id = tidings_domain::EventId::new().to_string();
    let answer = log.get_event(pb::GetEventRequest { event_id: id.clone() }).await;
    refused(
        answer,
        Code::NotFound,
        "event_unknown",
        "",
        &format!("there is no event {id}"),
    );
    let id = tidings_domain::AttemptId::new().to_string();
    let answer = log.get_attempt(pb::GetAttemptRequest { attempt_id: id.clone() }).await;
    refused(
        answer,
        Code::NotFound,
        "attempt_unknown",
        "",
        &format!("there is no attempt {id}"),
    );
    let answer = log
        .get_attempt(pb::GetAttemptRequest {
            attempt_id: "att_1".to_owned(),
        })
        .await;
    invalid(answer, "id_invalid", "attempt_id", "write `att_` followed by");
}

#[tokio::test]
async fn pages_show_everything_once() {
    let system = Standalone::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("pages").await;
    let made = system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    let batch = pb::PublishBatchRequest {
        events: (0..25).map(|number| request(&tenant, "a", json!(number))).collect(),
    };
    let client = system.client(&tenant.token);
    let results = client
        .events()
        .publish_batch(batch)
        .await
        .expect("the batch is taken")
        .into_inner()
        .results;
    let published: HashSet<String> = results
        .into_iter()
        .map(|result| match result.result.expect("either or") {
            pb::publish_result::Result::Accepted(accepted) => accepted.event_id,
            pb::publish_result::Result::Error(error) => panic!("{error:?}"),
        })
        .collect();
    let ids: Vec<_> = published.iter().cloned().collect();
    client.wait_for_all(&ids, &made, "succeeded").await;

    let mut log = client.log();
    macro_rules! pages {
        ($method:ident, $request:ident, $list:ident, $event:ident) => {{
            let mut request = pb::$request {
                page_size: 7,
                ..Default::default()
            };
            let (mut ids, mut events) = (Vec::new(), HashSet::new());
            loop {
                let page = log.$method(request.clone()).await.expect("a page").into_inner();
                assert!(page.$list.len() <= 7);
                for found in page.$list {
                    events.insert(found.$event);
                    ids.push(found.id);
                }
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            assert!(
                ids.is_sorted_by(|later, earlier| later > earlier),
                "newest first, each once: {ids:?}"
            );
            assert_eq!((ids.len(), &events), (25, &published));
        }};
    }
    pages!(list_deliveries, ListDeliveriesRequest, deliveries, event_id);
    pages!(list_attempts, ListAttemptsRequest, attempts, event_id);
    let mut request = pb::ListEventsRequest {
        page_size: 7,
        ..pb::ListEventsRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = log.list_events(request.clone()).await.expect("a page").into_inner();
        found.extend(page.events.into_iter().map(|event| event.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert!(found.is_sorted_by(|later, earlier| later > earlier));
    assert_eq!((found.len(), found.into_iter().collect()), (25, published));
}

#[tokio::test]
async fn an_attempt_shows_what_was_sent_and_what_came_back() {
    let system = Standalone::start().await;
    let receiver = Receiver::start().await;
    let body = "y".repeat(200 * 1024);
    receiver.answer_next([
        Answer::full(201, &[("x-trace", "77")], body.clone()),
        Answer::full(200, &[], "thanks"),
    ]);
    let tenant = system.operator.create_tenant("attempts").await;
    system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    let client = system.client(&tenant.token);
    for (number, expected, truncated) in [(0, &body[..64 * 1024], true), (1, "thanks", false)] {
        let event = client
            .publish(&tenant, "a", json!({ "number": number, "text": "ü" }))
            .await;
        client.wait_for_state(&event, "succeeded").await;
        let [listed] = <[_; 1]>::try_from(client.attempts_of(&event).await).expect("one attempt");
        let request = pb::GetAttemptRequest {
            attempt_id: listed.id.clone(),
        };
        let attempt = client
            .log()
            .get_attempt(request)
            .await
            .expect("it is on record")
            .into_inner();
        let received = &receiver.wait_for(number + 1, SOON).await[number];
        assert_eq!(attempt.request_body, received.body, "as sent");
        for name in [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
            "content-type",
            "user-agent",
        ] {
            let shown = attempt
                .request_headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            assert_eq!(
                shown.map(|header| header.value.as_str()),
                received.header(name),
                "{name}"
            );
            assert!(shown.is_some(), "{name}");
        }
        assert!(
            attempt.response_body == expected.as_bytes(),
            "{} bytes",
            attempt.response_body.len()
        );
        assert_eq!(attempt.response_truncated, truncated);
        let trace = attempt.response_headers.iter().find(|header| header.name == "x-trace");
        assert_eq!(trace.map(|header| header.value.as_str()), truncated.then_some("77"));
        assert_eq!(attempt.remote_address, receiver.address().ip().to_string());
        assert_eq!(
            (attempt.url.as_str(), attempt.dialect.as_str()),
            (receiver.url().as_str(), "standard")
        );
        assert_eq!(attempt.status_code, if truncated { 201 } else { 200 });
        assert!(
            attempt
                .duration
                .is_some_and(|took| took.seconds < 30 && took != prost_types::Duration::default())
        );
        let timing = attempt.timing.unwrap_or_default();
        assert!(timing.first_byte.is_some() && timing.tls.is_none(), "{timing:?}");
        let summary = pb::Attempt {
            request_headers: Vec::new(),
            request_body: Vec::new(),
            response_headers: Vec::new(),
            response_body: Vec::new(),
            response_truncated: false,
            remote_address: String::new(),
            timing: None,
            sent_again: String::new(),
            ..attempt
        };
        assert_eq!(summary, listed);
    }
}

#[tokio::test]
async fn a_live_tail_shows_what_its_filter_lets_through() {
    let system = Standalone::start().await;
    let receiver = Receiver::start().await;
    let tenant = system.operator.create_tenant("tail").await;
    system
        .operator
        .create_endpoint(endpoint(&tenant, &receiver.url()))
        .await;
    let client = system.client(&tenant.token);
    let before = client.publish(&tenant, "wanted", json!(0)).await;
    client.wait_for_state(&before, "succeeded").await;
    let filter = pb::AttemptFilter {
        event_types: vec!["wanted".to_owned()],
        ..pb::AttemptFilter::default()
    };
    let watch = pb::WatchAttemptsRequest { filter: Some(filter) };
    let mut tail = client
        .log()
        .watch_attempts(watch)
        .await
        .expect("one may watch")
        .into_inner();
    let other = client.publish(&tenant, "other", json!(1)).await;
    client.wait_for_state(&other, "succeeded").await;
    let wanted = client.publish(&tenant, "wanted", json!(2)).await;
    let message = tokio::time::timeout(SOON, tail.message())
        .await
        .expect("an attempt is shown");
    let message = message.expect("the tail goes on").expect("a message");
    assert_eq!(message.missed, 0);
    let shown = message.attempt.expect("an attempt");
    assert_eq!(
        (shown.event_id.as_str(), shown.status_code, shown.outcome.as_str()),
        (wanted.as_str(), 200, "succeeded")
    );
    client.wait_for_state(&wanted, "succeeded").await;
    assert_eq!(client.attempts_of(&wanted).await, [shown]);
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_on_record() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("lonely").await;
    let client = system.client(&tenant.token);
    let answer = client
        .events()
        .publish(request(&tenant, "a", json!({ "of": "nobody" })))
        .await;
    let accepted = answer.expect("it is accepted").into_inner();
    assert_eq!(accepted.deliveries, 0);
    let request = pb::GetEventRequest {
        event_id: accepted.event_id.clone(),
    };
    let found = client
        .log()
        .get_event(request)
        .await
        .expect("it is on record")
        .into_inner();
    let event = found.event.expect("the event");
    assert_eq!(
        (event.id, event.payload, event.delivery_count),
        (accepted.event_id, br#"{"of":"nobody"}"#.to_vec(), 0)
    );
    assert!(found.deliveries.is_empty());
}
