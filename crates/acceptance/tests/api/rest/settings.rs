//! What tenants choose.

use serde_json::{Value, json};
use tidings_acceptance::Standalone;

use super::Caller;

#[tokio::test]
async fn settings_are_shown_changed_and_taken_back() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("settings").await;
    let (own, operator) = (
        Caller::new(&system, &tenant.token),
        Caller::new(&system, &system.operator_token),
    );
    let path = format!("/tenants/{}", tenant.id);
    let shown = own.get(&path).await.is(200);
    assert_eq!(
        (
            &shown["schema_validation"],
            &shown["payload_retention_days"],
            &shown["publish_per_second"]
        ),
        (&json!("off"), &Value::Null, &Value::Null)
    );
    let asked = json!({ "schema_validation": "warn", "payload_retention_days": 30, "attempt_retention_days": 90 });
    let changed = own.patch(&path, asked).await.is(200);
    assert_eq!(
        (
            &changed["schema_validation"],
            &changed["payload_retention_days"],
            &changed["attempt_retention_days"],
            &changed["name"]
        ),
        (&json!("warn"), &json!(30), &json!(90), &json!("settings"))
    );
    let asked = json!({ "name": " Renamed ", "publish_per_second": 7, "publish_burst": 9 });
    let changed = operator.patch(&path, asked).await.is(200);
    assert_eq!(
        (
            &changed["name"],
            &changed["publish_per_second"],
            &changed["publish_burst"]
        ),
        (&json!("Renamed"), &json!(7), &json!(9))
    );
    assert_eq!(changed["payload_retention_days"], 30, "what is left out stays");
    let asked = json!({ "schema_validation": null, "payload_retention_days": null, "publish_per_second": null });
    let changed = operator.patch(&path, asked).await.is(200);
    assert_eq!(
        (
            &changed["schema_validation"],
            &changed["payload_retention_days"],
            &changed["publish_per_second"],
            &changed["publish_burst"]
        ),
        (&json!("off"), &Value::Null, &Value::Null, &json!(9))
    );
    assert_eq!(own.get(&path).await.is(200), changed);
}

#[tokio::test]
async fn a_tenant_does_not_set_its_own_name_and_share() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("settings").await;
    let own = Caller::new(&system, &tenant.token);
    let path = format!("/tenants/{}", tenant.id);
    for asked in [
        json!({ "name": "x" }),
        json!({ "publish_per_second": 100_000 }),
        json!({ "publish_burst": null }),
    ] {
        let answer = own.patch(&path, asked).await;
        answer.is_problem(403, "operator_only", "", "operator's key");
    }
    let other = system.operator.create_tenant("other").await;
    let answer = own
        .patch(&format!("/tenants/{}", other.id), json!({ "publish_burst": 1 }))
        .await;
    answer.is_problem(404, "tenant_unknown", "tenant_id", &other.id);
}

#[tokio::test]
async fn settings_have_ranges() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("settings").await;
    let operator = Caller::new(&system, &system.operator_token);
    let path = format!("/tenants/{}", tenant.id);
    for (field, max) in [
        ("payload_retention_days", 3_650),
        ("attempt_retention_days", 3_650),
        ("publish_per_second", 100_000),
        ("publish_burst", 1_000_000),
    ] {
        for allowed in [1, max] {
            operator.patch(&path, json!({ field: allowed })).await.is(200);
        }
        for wrong in [0, max + 1] {
            let answer = operator.patch(&path, json!({ field: wrong })).await;
            answer.is_problem(400, "setting_out_of_range", field, &format!("1 to {max}"));
        }
    }
    let answer = operator.patch(&path, json!({ "schema_validation": "strict" })).await;
    answer.is_problem(
        400,
        "schema_validation_unknown",
        "schema_validation",
        "`off`, `warn` or `reject`",
    );
    let answer = operator.patch(&path, json!({ "name": "  " })).await;
    answer.is_problem(400, "name_invalid", "name", "1 to 200");
    operator.patch(&path, json!({ "nme": "x" })).await.is(400);
}

#[tokio::test]
async fn a_tenant_is_changed_only_as_it_was_seen() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("settings").await;
    let operator = Caller::new(&system, &system.operator_token);
    let path = format!("/tenants/{}", tenant.id);
    let seen = operator.get(&path).await.header("etag").to_owned();
    let change = async |tag: &str, name: &str| {
        let body = json!({ "name": name }).to_string();
        operator.call("PATCH", &path, &[("if-match", tag)], body).await
    };
    let first = change(&seen, "first").await;
    assert_ne!(first.header("etag"), seen);
    let second = change(&seen, "second").await;
    second.is_problem(412, "tenant_changed", "", "fetch it again");
    change(first.header("etag"), "third").await.is(200);
    assert_eq!(operator.get(&path).await.is(200)["name"], "third");
}

#[tokio::test]
async fn what_is_beyond_a_tenants_share_waits_in_bulk_and_is_not_refused() {
    let system = Standalone::start().await;
    let tenant = system.operator.create_tenant("settings").await;
    let receiver = tidings_testkit::Receiver::start().await;
    let endpoint = tidings_acceptance::endpoint(&tenant, &receiver.url());
    system.operator.create_endpoint(endpoint).await;
    let operator = Caller::new(&system, &system.operator_token);
    let asked = json!({ "publish_per_second": 1, "publish_burst": 2 });
    operator.patch(&format!("/tenants/{}", tenant.id), asked).await.is(200);
    let mut events = Vec::new();
    for number in 0..12 {
        events.push(system.operator.publish(&tenant, "a", json!(number)).await);
    }
    for event in &events {
        let [delivery] = system
            .operator
            .wait_for_state(event, "succeeded")
            .await
            .try_into()
            .unwrap();
        assert_eq!(delivery.attempts, 1);
    }
    let metrics = system.process.get("/metrics").await.body;
    let queued = |lane: &str| {
        let name = format!("tidings_first_attempts_queued_total{{lane=\"{lane}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse::<u32>().unwrap()
    };
    assert!(
        queued("live") >= 2 && queued("bulk") > 0,
        "{} {}",
        queued("live"),
        queued("bulk")
    );
    assert_eq!(queued("live") + queued("bulk"), 12);
}
