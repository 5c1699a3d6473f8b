//! `/event-types`: the catalogue of operators, beside what dialects have samples of.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::Caller;

#[tokio::test]
async fn the_catalogue_stands_beside_what_dialects_know() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("catalogue").await;
    let (operator, caller) = (
        Caller::new(&system, &system.operator_token),
        Caller::new(&system, &tenant.token),
    );
    let schema = json!({ "type": "object", "required": ["id"] });
    let new = |name: &str| json!({ "name": name, "description": "Something", "schema": schema });
    let answer = operator.post("/event-types", new("aa.made")).await;
    assert_eq!(answer.header("location"), "/api/v2/event-types/aa.made");
    let made = answer.is(201);
    assert_eq!((&made["version"], &made["schema"]), (&json!(1), &schema));
    operator.post("/event-types", new("submission.created")).await.is(201);
    let newest = operator
        .post("/event-types", json!({ "name": "submission.created" }))
        .await
        .is(201);
    assert_eq!((&newest["version"], &newest["schema"]), (&json!(2), &Value::Null));

    // What only the catalogue has, what only dialects have, and what both have.
    let first = caller.get("/event-types?limit=1").await.is(200);
    assert_eq!(first["data"][0]["name"], "aa.made");
    assert_eq!(
        (&first["data"][0]["dialects"], &first["data"][0]["sample"]),
        (&json!([]), &Value::Null)
    );
    assert_eq!(
        (&first["data"][0]["version"], &first["data"][0]["schema"]),
        (&json!(1), &schema)
    );
    let mut all = Vec::new();
    let mut path = "/event-types?limit=7".to_owned();
    loop {
        let page = caller.get(&path).await.is(200);
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/event-types?limit=7&after={next}");
    }
    let whole = caller.get("/event-types?limit=200").await.is(200);
    assert_eq!(&json!(all), &whole["data"]);
    let of = |name: &str| all.iter().find(|one| one["name"] == name).unwrap();
    let both = of("submission.created");
    assert_eq!((&both["version"], &both["description"]), (&json!(2), &json!("")));
    assert!(both["dialects"].as_array().unwrap().contains(&json!("feedbackpulse")));
    let of_dialects = of("submission.status_changed");
    assert_eq!(
        (&of_dialects["version"], &of_dialects["description"]),
        (&Value::Null, &Value::Null)
    );
    let of_one = caller.get("/event-types?dialect=feedbackpulse").await.is(200);
    let of_one = of_one["data"].as_array().unwrap();
    assert!(of_one.iter().all(|one| one["name"] != "aa.made"));
    assert_eq!(
        of_one.iter().find(|one| one["name"] == "submission.created").unwrap()["version"],
        2
    );

    let shown = caller.get("/event-types/submission.created").await.is(200);
    let versions: Vec<_> = shown["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["version"])
        .collect();
    assert_eq!(versions, [2, 1]);
    assert!(shown["sample"].is_object());
    let shown = caller.get("/event-types/submission.status_changed").await.is(200);
    assert_eq!(shown["versions"], json!([]));

    caller
        .post("/event-types", new("a.b"))
        .await
        .is_problem(403, "operator_only", "", "");
    caller
        .delete("/event-types/aa.made")
        .await
        .is_problem(403, "operator_only", "", "");
    operator.delete("/event-types/aa.made").await.is(204);
    let gone = operator.delete("/event-types/aa.made").await;
    gone.is_problem(404, "event_type_unknown", "name", "aa.made");
    caller
        .get("/event-types/aa.made")
        .await
        .is_problem(404, "event_type_unknown", "name", "aa.made");
    let wrong = operator
        .post("/event-types", json!({ "name": "a.b", "schema": { "type": 1 } }))
        .await;
    wrong.is_problem(400, "schema_invalid", "schema", "/type");
    operator
        .get("/event-types/%20")
        .await
        .is_problem(400, "id_invalid", "name", "");

    let audit = operator.get("/audit?action=event_type.*").await.is(200);
    let actions: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["action"])
        .collect();
    assert_eq!(actions[0], "event_type.deleted");
    assert_eq!(actions[1..], ["event_type.version_created"; 3]);
    assert_eq!(audit["data"][0]["before"]["schema"], schema);
}

#[tokio::test]
async fn a_payload_is_checked_before_it_is_published() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("check").await;
    let (operator, caller) = (
        Caller::new(&system, &system.operator_token),
        Caller::new(&system, &tenant.token),
    );
    let check = "/event-types/order.paid/check";
    let wrong = json!({ "payload": { "lines": [{ "price": 1 }, { "price": "2" }] } });
    let unknown = caller.post(check, wrong.clone()).await.is(200);
    assert_eq!(
        unknown,
        json!({ "name": "order.paid", "version": null, "violations": [] })
    );

    let price = json!({ "type": "object", "properties": { "price": { "type": "integer" } } });
    let schema = json!({ "required": ["id"], "properties": { "lines": { "items": price } } });
    let version = json!({ "name": "order.paid", "schema": schema });
    operator.post("/event-types", version).await.is(201);
    let found = caller.post(check, wrong.clone()).await.is(200);
    assert_eq!(found["version"], 1);
    let paths: Vec<_> = found["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| violation["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["", "/lines/1/price"]);
    let words = found["violations"].to_string();
    assert!(words.contains("required") && words.contains("integer"), "{words}");
    let right = caller.post(check, json!({ "payload": { "id": 1 } })).await.is(200);
    assert_eq!((&right["version"], &right["violations"]), (&json!(1), &json!([])));

    // A schema is tried before it is added.
    let tried = json!({ "payload": { "id": 1 }, "schema": { "required": ["total"] } });
    let tried = caller.post(check, tried).await.is(200);
    assert_eq!(
        (&tried["version"], tried["violations"].as_array().unwrap().len()),
        (&Value::Null, 1)
    );
    let answer = caller
        .post(check, json!({ "payload": 1, "schema": { "type": "strin" } }))
        .await;
    answer.is_problem(400, "schema_invalid", "schema", "/type");
    let answer = caller.post(check, json!({})).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}
