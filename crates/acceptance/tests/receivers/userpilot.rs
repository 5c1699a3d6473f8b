//! Userpilot: fields and types as its document's examples have them, and the secret token, in Express.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidings_proto::pb;

use crate::{Customer, tamper, with, without};

const TOKEN: &str = "what only Userpilot knows";

async fn customer(properties: &[&str]) -> Customer {
    let customer = Customer::without_endpoint("userpilot", "userpilot.js", TOKEN).await;
    let adapt = |endpoint: &mut pb::Endpoint| {
        TOKEN.clone_into(&mut endpoint.secret);
        endpoint.settings = [("app_token".to_owned(), "NX-bd46697c".to_owned())].into();
        endpoint.properties = properties.iter().map(ToString::to_string).collect();
    };
    customer.add_endpoint(adapt).await;
    customer
}

#[tokio::test]
async fn every_sample_is_accepted() {
    let requests = customer(&[]).await.accepts_samples().await;
    let events: BTreeSet<_> = requests
        .iter()
        .map(|request| request.json()["type"].as_str().unwrap().to_owned())
        .collect();
    for request in &requests {
        request.has_names(&["X-Userpilot-Token"]);
        assert_eq!(request.json()["app_token"], "NX-bd46697c");
    }
    let documented = [
        "button_tracked_event.occurred",
        "checklist.completed",
        "checklist.dismissed",
        "checklist.seen",
        "feature_tag.clicked",
        "feature_tag.hover",
        "feature_tag.text_input",
        "flows.completed",
        "flows.dismissed",
        "flows.seen",
        "forms.submitted",
        "nps.ask_later",
        "nps.dismissed",
        "nps.feedback",
        "nps.score",
    ];
    let missing: Vec<_> = documented
        .into_iter()
        .filter(|&event| !events.contains(event))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not sent");
}

#[tokio::test]
async fn what_others_send_is_refused() {
    let customer = customer(&[]).await;
    let request = customer.accepts_samples().await.remove(0);
    assert_eq!(customer.send(&request).await, (200, "OK".to_owned()));

    customer
        .refuses(401, "Unauthorized", &request, with("x-userpilot-token", "NX-another"))
        .await;
    customer
        .refuses(401, "Unauthorized", &request, without("x-userpilot-token"))
        .await;
    let wrong = r#"{"wrong":["timestamp"]}"#;
    customer
        .refuses(422, wrong, &request, tamper(r#""timestamp":"#, r#""timestamp":1"#))
        .await;

    customer.refuses_secret("what a stranger guesses", 401).await;
}

#[tokio::test]
async fn chosen_properties_are_sent_and_no_others() {
    let customer = customer(&["user.plan", "company.size"]).await;
    let (event_type, sample) = customer.samples().remove(0);
    let mut payload: Value = serde_json::from_slice(&sample).unwrap();
    payload["user"]["plan"] = json!("pro");
    payload["user"]["birthday"] = json!("1970-01-01");
    payload["company"]["size"] = json!(12);
    payload["company"]["revenue"] = json!(3.5e6);
    let request = customer
        .accepts(event_type.as_str(), payload.to_string().as_bytes())
        .await;
    let data = &request.json()["data"];
    assert_eq!(
        data["user"],
        json!({"user_id": "1", "name": "John Doe", "email": "john@userpilot.co", "plan": "pro"})
    );
    assert_eq!(data["company"], json!({"id": "1", "name": "Userpilot", "size": 12}));
}
