//! CloudEvents: read by its SDK for JavaScript, verified by the library of Standard Webhooks.

use serde_json::{Value, json};

use crate::{Customer, tamper, without};

const SECRET: &str = "whsec_d2hhdCB0aWRpbmdzIGFuZCByZWNlaXZlcnMgc2hhcmU=";

async fn customer() -> Customer {
    Customer::with_secret("cloudevents", "cloudevents.js", SECRET).await
}

#[tokio::test]
async fn every_sample_is_accepted() {
    assert!(!customer().await.accepts_samples().await.is_empty());
}

/// The SDK itself drops `data` that JavaScript takes for false (0, "", false).
#[tokio::test]
async fn every_kind_of_payload_is_data() {
    let customer = customer().await;
    for payload in [
        json!({"n": 1, "text": "é😀"}),
        json!([1, 2]),
        json!("text"),
        json!(1.5),
        json!(null),
    ] {
        let request = customer
            .accepts("feedback.created", payload.to_string().as_bytes())
            .await;
        let (status, event) = customer.send(&request).await;
        let event: Value = serde_json::from_str(&event).unwrap();
        assert_eq!(status, 200, "{event}");
        assert_eq!(
            (&event["specversion"], &event["type"]),
            (&json!("1.0"), &json!("feedback.created"))
        );
        assert_eq!(event["datacontenttype"], "application/json");
        assert_eq!(event["id"], request.headers["webhook-id"]);
        assert_eq!(event["data"], payload, "{event}");
    }
}

#[tokio::test]
async fn what_others_send_is_refused() {
    let customer = customer().await;
    let request = customer.accepts("feedback.created", br#"{"rating": 2}"#).await;
    customer
        .refuses(
            401,
            "No matching signature found",
            &request,
            tamper(r#""rating": 2"#, r#""rating": 5"#),
        )
        .await;
    customer
        .refuses(401, "Missing required headers", &request, without("webhook-signature"))
        .await;
    customer
        .refuses_secret("whsec_YW5vdGhlciBzZWNyZXQgdGhhdCBpcyBsb25n", 401)
        .await;
}
