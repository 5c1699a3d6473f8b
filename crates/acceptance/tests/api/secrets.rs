//! Secrets: which kinds there are, and one replacing another, as receivers see it.

use std::time::{Duration, Instant, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tidings_acceptance::{Client, SOON, Standalone, Tenant};
use tidings_domain::Timestamp;
use tidings_proto::{pb, timestamp_from};
use tidings_testkit::{Received, Receiver};
use tonic::{Code, Response, Status};

use crate::endpoints::{create, get, update};
use crate::{invalid, refused};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A tenant with an endpoint of this dialect and secret, and the receiver that it leads to.
struct Case {
    system: Standalone,
    tenant: Tenant,
    receiver: Receiver,
    endpoint: pb::Endpoint,
}

impl Case {
    async fn start(dialect: &str, secret: &str) -> Self {
        let system = Standalone::start().await;
        let tenant = system.operator.create_tenant("secrets").await;
        let receiver = Receiver::start().await;
        let asked = create(&tenant, |e| {
            e.url = receiver.url();
            e.dialect = dialect.to_owned();
            e.secret = secret.to_owned();
        });
        let endpoint = system.operator.create_endpoint(asked.endpoint.unwrap()).await;
        Self {
            system,
            tenant,
            receiver,
            endpoint,
        }
    }

    /// Publishes an event and returns the request that tells of it.
    async fn next_request(&self) -> Received {
        let before = self.receiver.count();
        self.system
            .operator
            .publish(&self.tenant, "feedback.created", json!({"id": before}))
            .await;
        self.receiver.wait_for(before + 1, SOON).await.swap_remove(before)
    }

    async fn rotate(&self, secret: &str, overlap: Option<Duration>) -> pb::RotateEndpointSecretResponse {
        let rotated = rotate(&self.system.operator, &self.endpoint, secret, overlap).await;
        rotated.unwrap().into_inner()
    }

    async fn shown(&self) -> pb::Endpoint {
        let mut endpoints = self.system.operator.endpoints();
        endpoints
            .get_endpoint(get(&self.endpoint.id))
            .await
            .unwrap()
            .into_inner()
    }
}

async fn rotate(
    client: &Client,
    endpoint: &pb::Endpoint,
    secret: &str,
    overlap: Option<Duration>,
) -> Result<Response<pb::RotateEndpointSecretResponse>, Status> {
    let request = pb::RotateEndpointSecretRequest {
        endpoint_id: endpoint.id.clone(),
        secret: secret.to_owned(),
        overlap: overlap.map(tidings_proto::duration),
    };
    client.endpoints().rotate_endpoint_secret(request).await
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// What Standard Webhooks signs.
fn signed_content(request: &Received) -> Vec<u8> {
    let header = |name| request.header(name).unwrap();
    let before = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    [before.as_bytes(), &request.body].concat()
}

/// A signature as Standard Webhooks writes it.
fn standard(secret: &str, request: &Received) -> String {
    let key = BASE64_STANDARD.decode(&secret["whsec_".len()..]).unwrap();
    format!("v1,{}", BASE64_STANDARD.encode(hmac(&key, &signed_content(request))))
}

fn signatures(request: &Received) -> Vec<&str> {
    request.header("webhook-signature").unwrap().split(' ').collect()
}

fn seconds_from_now(until: Option<&prost_types::Timestamp>) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    until.unwrap().seconds - now.as_secs() as i64
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_sign_the_current_one_first() {
    let case = Case::start("standard", OLD).await;
    let request = case.next_request().await;
    assert_eq!(signatures(&request), [standard(OLD, &request)]);

    let rotated = case.rotate(NEW, None).await;
    assert_eq!(rotated.secret, NEW);
    let day = seconds_from_now(rotated.previous_secret_until.as_ref());
    assert!((86_340..=86_400).contains(&day), "{day}");
    assert_eq!(case.shown().await.previous_secret_until, rotated.previous_secret_until);
    let request = case.next_request().await;
    assert_eq!(signatures(&request), [standard(NEW, &request), standard(OLD, &request)]);

    // A second rotation puts the one before it in the place of the first.
    let third = case.rotate("", None).await.secret;
    assert!(third.starts_with("whsec_"));
    let request = case.next_request().await;
    assert_eq!(
        signatures(&request),
        [standard(&third, &request), standard(NEW, &request)]
    );

    let fourth = case.rotate("", Some(Duration::ZERO)).await;
    assert_eq!(fourth.previous_secret_until, None);
    let request = case.next_request().await;
    assert_eq!(signatures(&request), [standard(&fourth.secret, &request)]);
}

#[tokio::test]
async fn a_secret_that_is_changed_and_not_rotated_ends_at_once() {
    let case = Case::start("standard", OLD).await;
    case.rotate("", None).await;
    let change = pb::Endpoint {
        id: case.endpoint.id.clone(),
        secret: NEW.to_owned(),
        ..pb::Endpoint::default()
    };
    let mut endpoints = case.system.operator.endpoints();
    let changed = endpoints.update_endpoint(update(change, &["secret"])).await.unwrap();
    assert_eq!(changed.into_inner().previous_secret_until, None);
    let request = case.next_request().await;
    assert_eq!(signatures(&request), [standard(NEW, &request)]);
}

/// A header with a place for one signature has that of the old secret until its end: receivers change over then.
#[tokio::test]
async fn where_one_signature_fits_the_old_secret_signs_until_its_end() {
    let case = Case::start("userhero", "the old one").await;
    let rotated = case.rotate("the new one", Some(Duration::from_secs(4))).await;
    let until = timestamp_from(&rotated.previous_secret_until.unwrap()).unwrap();
    let (mut by_old, deadline) = (0, Instant::now() + SOON);
    loop {
        let begun = Timestamp::now();
        let request = case.next_request().await;
        let by = |secret: &str| format!("sha256={}", hex(&hmac(secret.as_bytes(), &request.body)));
        let signature = request.header("x-userhero-signature").unwrap();
        if signature == by("the new one") {
            assert!(
                request.received_at >= until,
                "the new secret signs before the old one's end"
            );
            break;
        }
        assert_eq!(signature, by("the old one"));
        assert!(begun < until, "the old secret signs after its end");
        by_old += 1;
        assert!(Instant::now() < deadline, "the new secret never signed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(by_old > 0, "the old secret never signed");
    assert_eq!(case.shown().await.previous_secret_until, None);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_a_private_key_signs_its_public_key_verifies() {
    // RFC 8032, section 7.1, test 1.
    let private = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let public = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let case = Case::start("standard", private).await;
    assert_eq!(
        (case.endpoint.public_key.as_str(), case.endpoint.unsigned),
        (public, false)
    );
    assert_eq!(case.shown().await.public_key, public);
    let request = case.next_request().await;
    let [signature] = signatures(&request)[..] else {
        panic!("one signature")
    };
    assert!(verifies(public, signature, &signed_content(&request)));

    // A generated successor is a private key as well, and both sign.
    let rotated = case.rotate("", None).await;
    assert!(rotated.secret.starts_with("whsk_") && rotated.public_key.starts_with("whpk_"));
    let request = case.next_request().await;
    let [current, previous] = signatures(&request)[..] else {
        panic!("two signatures")
    };
    assert!(verifies(&rotated.public_key, current, &signed_content(&request)));
    assert!(verifies(public, previous, &signed_content(&request)));

    // Receivers may move from one kind to the other as well.
    let rotated = case.rotate(NEW, None).await;
    assert_eq!(rotated.public_key, "");
    let request = case.next_request().await;
    assert_eq!(signatures(&request)[0], standard(NEW, &request));
    assert!(signatures(&request)[1].starts_with("v1a,"));
}

fn verifies(public_key: &str, signature: &str, message: &[u8]) -> bool {
    let bytes = |text: &str| BASE64_STANDARD.decode(text).unwrap();
    let key = bytes(public_key.strip_prefix("whpk_").unwrap());
    let key = VerifyingKey::from_bytes(&key.try_into().unwrap()).unwrap();
    let signature = bytes(signature.strip_prefix("v1a,").unwrap());
    let signature = Signature::from_slice(&signature).unwrap();
    key.verify_strict(message, &signature).is_ok()
}

#[tokio::test]
async fn a_rotation_that_can_not_be_says_why() {
    let case = Case::start("userhero", "the only one").await;
    let (operator, endpoint) = (&case.system.operator, &case.endpoint);
    let day = Duration::from_secs(86_400);
    let answer = rotate(operator, endpoint, "", Some(7 * day + Duration::from_secs(1))).await;
    invalid(answer, "overlap_invalid", "overlap", "0s to 7d");
    let negative = pb::RotateEndpointSecretRequest {
        endpoint_id: endpoint.id.clone(),
        overlap: Some(prost_types::Duration { seconds: -1, nanos: 0 }),
        ..Default::default()
    };
    let answer = operator.endpoints().rotate_endpoint_secret(negative).await;
    invalid(answer, "overlap_invalid", "overlap", "0s to 7d");
    let answer = rotate(operator, endpoint, "the only one", None).await;
    invalid(answer, "secret_unchanged", "secret", "give another");
    let answer = rotate(operator, endpoint, &format!("v1,{NEW}"), None).await;
    invalid(answer, "secret_invalid", "secret", "`v1,` before it");
    let private = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let answer = rotate(operator, endpoint, private, None).await;
    invalid(answer, "secret_invalid", "secret", "give a shared secret");
    rotate(operator, endpoint, "", Some(7 * day)).await.unwrap();

    let asked = create(&case.tenant, |e| e.unsigned = true).endpoint.unwrap();
    let unsigned = operator.create_endpoint(asked).await;
    let answer = rotate(operator, &unsigned, "", None).await;
    let words = "give it a secret by an update";
    refused(answer, Code::AlreadyExists, "endpoint_unsigned", "endpoint_id", words);

    let reader = pb::CreateApiKeyRequest {
        scopes: vec!["read".to_owned()],
        tenant_id: case.tenant.id.clone(),
        ..Default::default()
    };
    let reader = operator.tenants().create_api_key(reader).await.unwrap().into_inner();
    let answer = rotate(&case.system.client(&reader.token), endpoint, "", None).await;
    refused(
        answer,
        Code::PermissionDenied,
        "scope_missing",
        "",
        "the scope `manage`",
    );
    let other = operator.create_tenant("other").await;
    let answer = rotate(&case.system.client(&other.token), endpoint, "", None).await;
    refused(answer, Code::NotFound, "endpoint_unknown", "endpoint_id", &endpoint.id);
}
