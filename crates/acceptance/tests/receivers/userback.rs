//! Userback: fields and types as its document's table says, in Express. Its requests are not signed.

use std::collections::BTreeSet;

use tidings_testkit::Judged;

use crate::{Customer, tamper, with};

async fn customer() -> Customer {
    let customer = Customer::without_endpoint("userback", "userback.js", "").await;
    customer.add_endpoint(|endpoint| endpoint.unsigned = true).await;
    customer
}

#[tokio::test]
async fn every_sample_is_accepted() {
    let requests = customer().await.accepts_samples().await;
    let named = |request: &Judged| {
        let body = request.json();
        format!(
            "{} {}",
            body["action"].as_str().unwrap(),
            body["type"].as_str().unwrap()
        )
    };
    let events: BTreeSet<_> = requests.iter().map(named).collect();
    let documented = [
        "create comment",
        "create feedback",
        "remove comment",
        "remove feedback",
        "update comment",
        "update feedback",
    ];
    assert_eq!(events, documented.map(str::to_owned).into());
}

#[tokio::test]
async fn the_receiver_would_notice_a_mistake() {
    let customer = customer().await;
    let request = customer.accepts_samples().await.remove(0);
    assert_eq!(customer.send(&request).await, (200, "OK".to_owned()));

    let wrong = |what: &str| format!(r#"{{"wrong":["{what}"]}}"#);
    customer
        .refuses(422, &wrong("User-Agent"), &request, with("user-agent", "Tidings/0.1"))
        .await;
    customer
        .refuses(
            422,
            &wrong("Content-Type"),
            &request,
            with("content-type", "application/json"),
        )
        .await;
    customer
        .refuses(
            422,
            &wrong("timestamp"),
            &request,
            tamper(r#""timestamp":"#, r#""timestamp":1"#),
        )
        .await;
    customer
        .refuses(422, &wrong("nothing else"), &request, tamper("{", r#"{"id":1,"#))
        .await;
}
