//! `GET /events` and `GET /deliveries`.

use serde_json::{Value, json};
use tidings_acceptance::{Standalone, Tenant};
use tidings_domain::{DeliveryId, EventId};
use tidings_testkit::Receiver;

use super::{Caller, ids};

/// A tenant with an endpoint, to which two events went.
struct Case {
    tenant: Tenant,
    caller: Caller,
    endpoint: String,
    /// The ids of the events, first to last.
    events: Vec<String>,
    _receiver: Receiver,
}

impl Case {
    async fn new(system: &Standalone) -> Self {
        let receiver = Receiver::start().await;
        let tenant = system.operator.create_tenant("events").await;
        let caller = Caller::new(system, &tenant.token);
        let asked = json!({ "url": receiver.url(), "subscriptions": [{ "pattern": "order.*" }] });
        let endpoint = caller.post("/endpoints", asked).await.is(201);
        system.operator.ingest_is_up_to_date().await;
        let mut events = Vec::new();
        for event_type in ["order.paid", "user.left"] {
            let event = json!({ "event_type": event_type, "payload": { "n": 1 }, "idempotency_key": event_type });
            let accepted = caller.post("/events", event).await.is(202);
            events.push(accepted["event_id"].as_str().unwrap().to_owned());
        }
        system.operator.wait_for_state(&events[0], "succeeded").await;
        Self {
            tenant,
            caller,
            endpoint: endpoint["id"].as_str().unwrap().to_owned(),
            events,
            _receiver: receiver,
        }
    }
}

#[tokio::test]
async fn events_are_listed_and_shown() {
    let system = Standalone::start().await;
    let (case, other) = (Case::new(&system).await, Case::new(&system).await);
    let [paid, left] = [case.events[0].as_str(), case.events[1].as_str()];
    for (query, expected) in [
        (String::new(), vec![left, paid]),
        ("event_type=user.left".to_owned(), vec![left]),
        ("event_type=user.left,order.paid".to_owned(), vec![left, paid]),
        ("idempotency_key=order.paid".to_owned(), vec![paid]),
        ("until=2020-01-01".to_owned(), vec![]),
        ("since=2020-01-01&limit=1".to_owned(), vec![left]),
        (format!("limit=1&after={left}"), vec![paid]),
        (format!("tenant_id={}", case.tenant.id), vec![left, paid]),
    ] {
        let page = case.caller.get(&format!("/events?{query}")).await.is(200);
        assert_eq!(ids(&page), expected, "{query}");
    }
    let shown = case.caller.get(&format!("/events/{paid}")).await.is(200);
    assert_eq!(shown["payload"], json!({ "n": 1 }));
    assert_eq!(
        (&shown["event_type"], &shown["delivery_count"], &shown["erased_at"]),
        (&json!("order.paid"), &json!(1), &Value::Null)
    );
    assert_eq!(shown["deliveries"][0]["endpoint_id"], case.endpoint);
    assert_eq!(shown["deliveries"][0]["state"], "succeeded");

    let operator = Caller::new(&system, &system.operator_token);
    assert_eq!(ids(&operator.get("/events").await.is(200)).len(), 4);
    let anothers = case.caller.get(&format!("/events/{}", other.events[0])).await;
    anothers.is_problem(404, "event_unknown", "", "no event");
    let unknown = case.caller.get(&format!("/events/{}", EventId::new())).await;
    unknown.is_problem(404, "event_unknown", "", "no event");
    for (query, code, field) in [
        ("event_type=a%20b", "event_type_invalid", "event_type"),
        ("since=yesterday", "time_invalid", "since"),
        ("since=2024-03-15&until=2024-03-10", "range_contradictory", "since"),
        ("idempotency_key=", "idempotency_key_empty", "idempotency_key"),
        ("idempotency_key=%00", "text_invalid", "idempotency_key"),
        ("after=1", "id_invalid", "after"),
        ("state=held", "field_unknown", "state"),
    ] {
        let answer = case.caller.get(&format!("/events?{query}")).await;
        answer.is_problem(400, code, field, "");
    }
}

#[tokio::test]
async fn deliveries_are_listed_and_shown() {
    let system = Standalone::start().await;
    let (case, other) = (Case::new(&system).await, Case::new(&system).await);
    let page = case.caller.get("/deliveries").await.is(200);
    assert_eq!(ids(&page).len(), 1);
    let delivery = &page["data"][0];
    assert_eq!(
        (
            &delivery["event_id"],
            &delivery["state"],
            &delivery["attempts"],
            &delivery["due_at"]
        ),
        (&json!(case.events[0]), &json!("succeeded"), &json!(1), &Value::Null)
    );
    let shown = case.caller.get(&format!("/deliveries/{}", ids(&page)[0])).await.is(200);
    assert_eq!(&shown, delivery);
    for (query, count) in [
        (format!("endpoint_id={}", case.endpoint), 1),
        (format!("endpoint_id={}", other.endpoint), 0),
        (format!("event_id={}", case.events[0]), 1),
        (format!("event_id={}", case.events[1]), 0),
        ("state=succeeded,held".to_owned(), 1),
        ("state=held".to_owned(), 0),
        ("until=2020-01-01".to_owned(), 0),
    ] {
        let page = case.caller.get(&format!("/deliveries?{query}")).await.is(200);
        assert_eq!((ids(&page).len(), &page["next"]), (count, &Value::Null), "{query}");
    }
    let anothers = other.caller.get(&format!("/deliveries/{}", ids(&page)[0])).await;
    anothers.is_problem(404, "delivery_unknown", "", "no delivery");
    let unknown = case.caller.get(&format!("/deliveries/{}", DeliveryId::new())).await;
    unknown.is_problem(404, "delivery_unknown", "", "no delivery");
    let wrong = case.caller.get("/deliveries?state=lost").await;
    wrong.is_problem(400, "name_unknown", "state", "exhausted");
}
