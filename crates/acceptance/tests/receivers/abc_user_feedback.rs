//! ABC User Feedback: a token in a header and a switch over events, in Express.

use std::collections::BTreeSet;

use crate::{Customer, tamper, with, without};

const TOKEN: &str = "your-secret-token";

async fn customer() -> Customer {
    Customer::with_secret("abc-user-feedback", "abc-user-feedback.js", TOKEN).await
}

#[tokio::test]
async fn every_sample_is_accepted() {
    let requests = customer().await.accepts_samples().await;
    let events: BTreeSet<_> = requests
        .iter()
        .map(|request| request.json()["event"].as_str().unwrap().to_owned())
        .collect();
    let documented = [
        "FEEDBACK_CREATION",
        "ISSUE_ADDITION",
        "ISSUE_CREATION",
        "ISSUE_STATUS_CHANGE",
    ];
    assert_eq!(events, documented.map(str::to_owned).into());
    for request in &requests {
        request.has_names(&["x-webhook-token"]);
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn what_others_send_is_refused() {
    let customer = customer().await;
    let request = customer.accepts_samples().await.remove(0);
    assert_eq!(customer.send(&request).await, (200, r#"{"success":true}"#.to_owned()));

    let refused = r#"{"error":"Unauthorized"}"#;
    customer
        .refuses(401, refused, &request, with("x-webhook-token", "your-secret-tokem"))
        .await;
    customer
        .refuses(401, refused, &request, without("x-webhook-token"))
        .await;
    let unknown = r#"{"error":"nothing to do with UNKNOWN"}"#;
    let event = request.json()["event"].as_str().unwrap().to_owned();
    customer
        .refuses(422, unknown, &request, tamper(&event, "UNKNOWN"))
        .await;

    customer.refuses_secret("what a stranger guesses", 401).await;
}
