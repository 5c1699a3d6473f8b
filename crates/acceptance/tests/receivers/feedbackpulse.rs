//! FeedbackPulse: verified over `php://input` by PHP.

use crate::{Customer, tamper, with, without};

const SECRET: &str = "your_shared_secret";
const SIGNATURE: &str = "x-feedbackpulse-signature";

async fn customer() -> Customer {
    Customer::with_secret("feedbackpulse", "feedbackpulse.php", SECRET).await
}

#[tokio::test]
async fn every_sample_is_accepted() {
    let customer = customer().await;
    let mut requests = customer.accepts_samples().await;
    let mut events: Vec<_> = requests.iter().map(|request| request.json()["event"].clone()).collect();
    events.sort_by_key(ToString::to_string);
    assert_eq!(events, ["submission.created", "submission.status_changed"]);
    for request in requests.drain(..) {
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.json()["event"], request.headers["x-feedbackpulse-event"]);
        request.has_names(&["Content-Type", "X-FeedbackPulse-Signature", "X-FeedbackPulse-Event"]);
    }
}

/// PHP's `json_decode` itself refuses lone surrogates and more than 512 levels.
#[tokio::test]
async fn payloads_are_signed_byte_for_byte() {
    let customer = customer().await;
    for payload in [
        r#"{"n": 1.0, "n": 1e400, "text": "\u00e9\/é\ud83d\ude00", "": -0}"#,
        "[ 9007199254740993 ,\r\n\t12345678901234567890123 ]",
        r#""a%20b+c&d=e""#,
        "null",
    ] {
        let request = customer.accepts("submission.created", payload.as_bytes()).await;
        assert!(request.body.contains(payload), "{payload}: {}", request.body);
    }
}

#[tokio::test]
async fn what_others_send_is_refused() {
    let customer = customer().await;
    let request = customer.accepts("submission.created", br#"{"star_rating": 5}"#).await;
    assert_eq!(customer.send(&request).await, (200, "submission.created".to_owned()));

    let refused = "Invalid signature";
    customer
        .refuses(
            403,
            refused,
            &request,
            tamper(r#""star_rating": 5"#, r#""star_rating": 1"#),
        )
        .await;
    customer
        .refuses(
            403,
            refused,
            &request,
            tamper(r#""star_rating": 5"#, r#""star_rating":5"#),
        )
        .await;
    customer
        .refuses(
            403,
            refused,
            &request,
            with(SIGNATURE, format!("sha256={}", "0".repeat(64))),
        )
        .await;
    customer.refuses(403, refused, &request, without(SIGNATURE)).await;

    customer.refuses_secret("another_shared_secret", 403).await;
}

/// A generated secret looks like those of Standard Webhooks, and this receiver takes its text as the key all the same.
#[tokio::test]
async fn a_generated_secret_is_accepted() {
    let secret = tidings_domain::Secret::generate();
    let customer = Customer::with_secret("feedbackpulse", "feedbackpulse.php", secret.reveal()).await;
    customer.accepts_samples().await;
}
