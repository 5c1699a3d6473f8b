//! UserHero: verified over `JSON.stringify(req.body)` by Node.js and Express.

use crate::{Customer, tamper, with, without};

const SECRET: &str = "what only the hero knows";
const SIGNATURE: &str = "x-userhero-signature";

async fn customer() -> Customer {
    Customer::with_secret("userhero", "userhero.js", SECRET).await
}

#[tokio::test]
async fn every_sample_is_accepted() {
    let requests = customer().await.accepts_samples().await;
    let events: Vec<_> = requests.iter().map(|request| request.json()["event"].clone()).collect();
    assert_eq!(events, ["feedback.created", "feedback.updated"]);
    for request in &requests {
        request.has_names(&["Content-Type", "X-UserHero-Signature"]);
    }
}

#[tokio::test]
async fn payloads_that_ecmascript_prints_otherwise_are_accepted() {
    let customer = customer().await;
    for (payload, printed) in [
        (r#"[1.0, 1e21, 1E2, -0, -0.0]"#, "[1,1e+21,100,0,0]"),
        (
            r#"[9007199254740993, 12345678901234567890123]"#,
            "[9007199254740992,1.2345678901234568e+22]",
        ),
        (r#"[1e400, -1e400, 1e-400, 0.1e-6]"#, "[null,null,0,1e-7]"),
        (
            r#"{"b":1,"10":2,"9":3,"a":4,"01":5}"#,
            r#"{"9":3,"10":2,"b":1,"a":4,"01":5}"#,
        ),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (
            r#"{"__proto__":{"polluted":true},"constructor":1,"toJSON":2}"#,
            r#"{"__proto__":{"polluted":true},"constructor":1,"toJSON":2}"#,
        ),
        (
            r#""\u00e9\/\b\u0008\u001F\u007f \u2028\ud83d\ude00""#,
            "\"é/\\b\\b\\u001f\u{7f} \u{2028}😀\"",
        ),
        (
            r#"["\ud800","\udC00x","\ude00\ud83d"]"#,
            r#"["\ud800","\udc00x","\ude00\ud83d"]"#,
        ),
        ("{ \"\\u0061\" :\t1 ,\r\n\"a\" : [ ] }", r#"{"a":[]}"#),
        ("null", "null"),
        (r#""""#, r#""""#),
        ("-0", "0"),
    ] {
        let request = customer.accepts("feedback.created", payload.as_bytes()).await;
        assert!(
            request.body.ends_with(&format!("\"data\":{printed}}}")),
            "{payload}: {}",
            request.body
        );
    }
}

#[tokio::test]
async fn depth_and_size_are_accepted_as_far_as_express_reads() {
    let customer = customer().await;
    for depth in [127, 128, 129, 1_000, 2_500] {
        let payload = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        customer.accepts("feedback.created", payload.as_bytes()).await;
        let payload = format!("{}1.0{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        customer.accepts("feedback.created", payload.as_bytes()).await;
    }
    // `express.json()` reads 100 KiB unless it is told otherwise.
    let payload = serde_json::json!({ "message": "é".repeat(51_000) }).to_string();
    let request = customer.accepts("feedback.created", payload.as_bytes()).await;
    assert!(
        (102_000..=102_400).contains(&request.body.len()),
        "{}",
        request.body.len()
    );
}

#[tokio::test]
async fn what_others_send_is_refused() {
    let customer = customer().await;
    let request = customer.accepts("feedback.created", br#"{"rating":2}"#).await;
    assert_eq!(
        customer.send(&request).await,
        (200, "feedback.created with object".to_owned())
    );

    let refused = "Invalid signature";
    customer
        .refuses(401, refused, &request, tamper(r#""rating":2"#, r#""rating":5"#))
        .await;
    customer
        .refuses(401, refused, &request, tamper("feedback.created", "feedback.updated"))
        .await;
    customer
        .refuses(
            401,
            refused,
            &request,
            with(SIGNATURE, format!("sha256={}", "0".repeat(64))),
        )
        .await;
    customer
        .refuses(401, "No signature", &request, without(SIGNATURE))
        .await;
    customer
        .refuses(401, "No signature", &request, with(SIGNATURE, "sha256="))
        .await;

    customer.refuses_secret("what a stranger guesses", 401).await;
}

/// The header has room for one signature: the secret that receivers have signs until the new one's time has come.
#[tokio::test]
async fn the_old_secret_signs_while_another_replaces_it() {
    let customer = Customer::without_endpoint("userhero", "userhero.js", SECRET).await;
    let endpoint = customer.add_secret(SECRET).await;
    customer.rotate(&endpoint, "what the hero knows next").await;
    customer.tidings.operator.ingest_is_up_to_date().await;
    customer.accepts_samples().await;
}

/// A generated secret looks like those of Standard Webhooks, and this receiver takes its text as the key all the same.
#[tokio::test]
async fn a_generated_secret_is_accepted() {
    let secret = tidings_domain::Secret::generate();
    let customer = Customer::with_secret("userhero", "userhero.js", secret.reveal()).await;
    customer.accepts_samples().await;
}
