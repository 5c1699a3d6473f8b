//! Standard Webhooks: verified by its libraries for JavaScript and Python, by Svix's, and by Node's own ed25519.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tidings_acceptance::SOON;
use tidings_domain::Timestamp;
use tidings_testkit::{Judged, wait_until};

use crate::{Customer, receiver, send, tamper, with, without};

const KEY: &[u8; 32] = b"what tidings and receivers share";
const PAYLOAD: &[u8] = br#"{"n": 1.0, "text": "\u00e9 \/ \ud83d\ude00", "n": 2}"#;

#[tokio::test]
async fn its_library_for_javascript_verifies() {
    verifies("standard-webhooks.js").await;
}

#[tokio::test]
async fn its_library_for_python_verifies() {
    verifies("standard_webhooks.py").await;
}

#[tokio::test]
async fn svix_verifies() {
    verifies("svix.js").await;
}

/// The keys are those of RFC 8032, section 7.1, test 1.
#[tokio::test]
async fn ed25519_verifies() {
    let private = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let customer = Customer::without_endpoint("standard", "standard-webhooks-v1a.js", public).await;
    customer.add_secret(private).await;
    let request = customer.accepts("feedback.created", PAYLOAD).await;

    let refused = "No matching signature found";
    customer.refuses(401, refused, &request, tamper("1.0", "1")).await;
    customer
        .refuses(401, refused, &request, without("webhook-signature"))
        .await;
    let another = format!("whsk_{}", BASE64_STANDARD.encode([7; 32]));
    customer.refuses_secret(&another, 401).await;
}

/// Whoever has either secret verifies, also with libraries that take one alone.
#[tokio::test]
async fn two_secrets_verify_while_one_replaces_the_other() {
    let (old, new) = (shared(KEY), shared(&[7; 32]));
    let customer = Customer::without_endpoint("standard", "standard-webhooks.js", &old).await;
    let endpoint = customer.add_secret(&old).await;
    customer.rotate(&endpoint, &new).await;
    let mut request = customer.accepts("feedback.created", PAYLOAD).await;
    wait_until(SOON, "both secrets to sign", async || {
        request = customer.accepts("feedback.created", PAYLOAD).await;
        request.headers["webhook-signature"].contains(' ')
    })
    .await;
    for program in ["standard-webhooks.js", "standard_webhooks.py", "svix.js"] {
        for secret in [&old, &new] {
            let receiver = receiver(program, secret).await;
            assert_eq!(send(&receiver, &request).await.0, 200, "{program} with {secret}");
        }
    }
}

async fn verifies(program: &str) {
    let customer = Customer::with_secret("standard", program, &shared(KEY)).await;
    let samples = customer.accepts_samples().await;
    assert_eq!(samples.len(), 2);
    let request = customer.accepts("feedback.created", PAYLOAD).await;
    assert!(
        request.body.contains(std::str::from_utf8(PAYLOAD).unwrap()),
        "{}",
        request.body
    );
    assert_eq!(customer.send(&request).await, (200, "feedback.created".to_owned()));

    let refused = "No matching signature found";
    customer.refuses(401, refused, &request, tamper("1.0", "1")).await;
    customer
        .refuses(401, refused, &request, with("webhook-id", "evt_another"))
        .await;
    customer
        .refuses(
            401,
            refused,
            &request,
            with("webhook-timestamp", (now() + 1).to_string()),
        )
        .await;
    for header in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        customer
            .refuses(401, "Missing required headers", &request, without(header))
            .await;
    }
    assert_eq!(customer.send(&sent_at(&request, now() - 290)).await.0, 200);
    assert_eq!(
        customer.send(&sent_at(&request, now() - 310)).await,
        (401, "Message timestamp too old".to_owned())
    );
    assert_eq!(
        customer.send(&sent_at(&request, now() + 310)).await,
        (401, "Message timestamp too new".to_owned())
    );

    customer.refuses_secret(&shared(&[7; 32]), 401).await;
}

fn shared(key: &[u8]) -> String {
    format!("whsec_{}", BASE64_STANDARD.encode(key))
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// The request as it would be had it been sent at another time.
fn sent_at(request: &Judged, unix: i64) -> Judged {
    let mut request = request.clone();
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(format!("{}.{unix}.{}", request.headers["webhook-id"], request.body).as_bytes());
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    with("webhook-timestamp", unix.to_string())(&mut request);
    with("webhook-signature", signature)(&mut request);
    request
}
