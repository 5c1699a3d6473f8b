//! Content filters on subscriptions, and trying them out.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::Caller;

#[tokio::test]
async fn filters_are_set_shown_and_tried() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("filters").await;
    let caller = Caller::new(&system, &tenant.token);
    let wanted = json!([{ "pattern": "feedback.*", "filter": "payload.rating <= 2" }, { "pattern": "issue.created" }]);
    let new = json!({ "url": "https://example.com/webhooks", "subscriptions": wanted });
    let made = caller.post("/endpoints", new).await.is(201);
    assert_eq!(made["subscriptions"][0]["filter"], "payload.rating <= 2");
    assert_eq!(made["subscriptions"][1]["filter"], Value::Null);
    let path = format!("/endpoints/{}", made["id"].as_str().unwrap());
    let wrong = json!({ "subscriptions": [{ "pattern": "*", "filter": "payload.rating =< 2" }] });
    let answer = caller.patch(&path, wrong).await;
    answer.is_problem(
        400,
        "filter_invalid",
        "subscriptions",
        "the filter of `*`: line 1, column",
    );

    let path = format!("{path}/filters/try");
    let tried = caller
        .post(
            &path,
            json!({ "event_type": "feedback.created", "payload": { "rating": 3 } }),
        )
        .await;
    let tried = tried.is(200);
    assert_eq!((&tried["matched"], &tried["error"]), (&json!(false), &Value::Null));
    let [first, second] = [&tried["subscriptions"][0], &tried["subscriptions"][1]];
    assert_eq!(
        (&first["type_matched"], &first["filter_matched"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&second["type_matched"], &second["filter_matched"]),
        (&json!(false), &json!(true))
    );
    let given = json!({ "filter": "payload.rating == 3", "payload": { "rating": 3 } });
    let tried = caller.post(&path, given).await.is(200);
    assert_eq!((&tried["matched"], &tried["subscriptions"]), (&json!(true), &json!([])));
    let tried = caller.post(&path, Value::Null).await.is(200);
    assert_eq!(
        tried["event_type"], "feedback.created",
        "the sample that it is subscribed to"
    );
    let answer = caller.post(&path, json!({ "filter": "1 +" })).await;
    answer.is_problem(400, "filter_invalid", "filter", "line 1, column");
}
