//! `/webhooks/logs/{attempt_id}/signature`: what was signed, and why a receiver finds something else.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use tidings_domain::{AttemptId, Scope, Timestamp};
use tidings_service::problem::{Document, Problem};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Rest;
use super::answer::Refusal;
use super::request::{Body, Id};
use crate::call::Call;
use crate::signature;

pub(super) fn router() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(reveal))
        .routes(routes!(compare))
}

/// What proves that an attempt is from here.
#[derive(Serialize, ToSchema)]
struct AttemptSignature {
    /// The attempt.
    attempt_id: String,
    /// The dialect that it was written in.
    dialect: String,
    /// `checked`; or why nothing can be: `unsigned`, `endpoint_gone`, `secret_unreadable`, `dialect_unknown`,
    /// `request_gone` (none was made, or its content is not kept any more).
    #[schema(example = "checked")]
    state: &'static str,
    /// The headers with signatures.
    signatures: Vec<Signature>,
    /// The headers that show the secret itself.
    secret_headers: Vec<SecretHeader>,
    /// Whether the caller may have the keys shown.
    may_reveal: bool,
}

/// A header with a signature, step by step.
#[derive(Serialize, ToSchema)]
struct Signature {
    /// The header.
    #[schema(example = "webhook-signature")]
    header: String,
    /// Its value as it was sent; null if it was not.
    sent: Option<String>,
    /// What stands before each signature.
    #[schema(example = "v1,")]
    prefix: String,
    /// How the bytes are written: `hex` or `base64`.
    encoding: &'static str,
    /// What the key is: the secret's `text`, or what the base64 behind `whsec_` says, `decoded`.
    key: &'static str,
    /// The template of what is signed.
    #[schema(example = "{{ id }}.{{ sent_at.unix }}.{{ body }}")]
    template: String,
    /// What was signed, byte for byte.
    signed: String,
    /// What each of the endpoint's secrets gives.
    checks: Vec<Check>,
}

/// A signature computed again.
#[derive(Serialize, ToSchema)]
struct Check {
    /// Which secret: `current`, or `previous`, the one before the last rotation.
    secret: &'static str,
    /// `hmac-sha256` or `ed25519`.
    algorithm: &'static str,
    /// The bytes of the key, hexadecimal; only where they were asked for, and of shared secrets.
    key_hex: Option<String>,
    /// The value, with its prefix. One that was not sent is shown with the scope `manage` only.
    value: Option<String>,
    /// Whether the header has it.
    equal: bool,
}

/// A header that shows the secret itself.
#[derive(Serialize, ToSchema)]
struct SecretHeader {
    /// The header.
    header: String,
    /// Whether it was sent.
    sent: bool,
}

/// What a receiver saw; what is left out is not compared.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReceivedRequest {
    /// The headers as it printed them, one a line.
    #[schema(example = "webhook-id: evt_0193")]
    headers: Option<String>,
    /// The body, as text.
    body: Option<String>,
    /// The body, as base64 of its bytes.
    body_base64: Option<String>,
    /// The secret that it has. It is compared and not kept.
    secret: Option<String>,
    /// The signature that it computed.
    computed: Option<String>,
    /// When it checked (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    received_at: Option<Timestamp>,
}

/// What a receiver saw, beside what was sent.
#[derive(Serialize, ToSchema)]
struct Comparison {
    /// Whether the signature that was given, or else the one that was sent, is right for the body that was given, or
    /// else the one that was sent; null if that can't be said.
    verifies: Option<bool>,
    /// Where the bodies begin to differ; null if they don't, or none was given.
    difference: Option<Difference>,
    /// What was found.
    findings: Vec<Finding>,
}

/// The first byte that differs.
#[derive(Serialize, ToSchema)]
struct Difference {
    /// How many bytes are the same before it.
    at: usize,
    /// The line of what was sent, from 1.
    line: usize,
    /// The byte in that line, from 1.
    column: usize,
    /// The bytes that were sent around it, as text.
    sent: String,
    /// The bytes that were received around it.
    received: String,
    /// The byte that was sent there; null if what was sent ends there.
    sent_byte: Option<u8>,
    /// The byte that was received there.
    received_byte: Option<u8>,
}

/// One thing that was found.
#[derive(Serialize, ToSchema)]
struct Finding {
    /// A stable word.
    #[schema(example = "body_spaces")]
    code: &'static str,
    /// Whether it keeps the signature from being verified.
    fault: bool,
    /// The same for people.
    detail: String,
    /// What the sentence names, such as `header` or `n`.
    values: BTreeMap<&'static str, String>,
}

/// Checks an attempt's signature
///
/// The texts that were signed, computed again with the endpoint's secrets. The keys are not shown. Needs the scope `read`.
#[utoipa::path(get, path = "/webhooks/logs/{attempt_id}/signature", operation_id = "check_signature", tag = "webhooks",
    params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses(
        (status = 200, description = "The signature, step by step.", body = AttemptSignature),
        (status = 409, description = "The dialect can't say any more what it signed.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn show(State(rest): State<Rest>, call: Call, Id(id): Id<AttemptId>) -> Result<Json<AttemptSignature>, Refusal> {
    Ok(Json(rest.signatures.check(&call, id, false).await?.into()))
}

/// Checks an attempt's signature and shows the keys
///
/// That they were shown is kept in the audit log. Needs the scope `manage`.
#[utoipa::path(post, path = "/webhooks/logs/{attempt_id}/signature", operation_id = "reveal_signature", tag = "webhooks",
    params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses(
        (status = 200, description = "The signature, step by step, with the keys.", body = AttemptSignature),
        (status = 409, description = "The dialect can't say any more what it signed.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn reveal(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<AttemptId>,
) -> Result<Json<AttemptSignature>, Refusal> {
    Ok(Json(rest.signatures.check(&call, id, true).await?.into()))
}

/// Compares what a receiver saw with what was sent
///
/// Names the first byte that differs, and what usually does that. Nothing of it is kept. Needs the scope `read`.
#[utoipa::path(post, path = "/webhooks/logs/{attempt_id}/signature/compare", operation_id = "compare_signature",
    tag = "webhooks", request_body = ReceivedRequest,
    params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses(
        (status = 200, description = "What was found.", body = Comparison),
        (status = 409, description = "The dialect can't say any more what it signed.", body = Document,
            content_type = "application/problem+json"),
    ))]
async fn compare(
    State(rest): State<Rest>,
    call: Call,
    Id(id): Id<AttemptId>,
    Body(asked): Body<ReceivedRequest>,
) -> Result<Json<Comparison>, Refusal> {
    call.require(Scope::Read)?;
    let received = asked.into_received()?;
    Ok(Json(rest.signatures.compare(&call, id, received).await?.into()))
}

impl ReceivedRequest {
    fn into_received(self) -> Result<signature::Received, Problem> {
        let body = match (self.body, self.body_base64) {
            (Some(_), Some(_)) => {
                let detail = "give the body once: as `body` or as `body_base64`";
                return Err(Problem::invalid("body_contradiction", detail).at("body_base64"));
            }
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(encoded)) => Some(BASE64_STANDARD.decode(encoded.trim()).map_err(|_| {
                let detail = "the body is not base64: letters, digits, `+` and `/`, with `=` at the end";
                Problem::invalid("body_invalid", detail).at("body_base64")
            })?),
            (None, None) => None,
        };
        let received = signature::Received {
            body,
            headers: self.headers,
            secret: self.secret,
            computed: self.computed,
            received_at: self.received_at,
        };
        let is_empty = received.body.is_none() && received.headers.is_none();
        if is_empty && received.secret.is_none() && received.computed.is_none() && received.received_at.is_none() {
            let detail = "give something to compare: `headers`, `body`, `secret`, `computed` or `received_at`";
            return Err(Problem::invalid("nothing_received", detail));
        }
        Ok(received)
    }
}

impl From<signature::Workbench> for AttemptSignature {
    fn from(bench: signature::Workbench) -> Self {
        let secret_headers = bench.secret_headers.iter().cloned();
        Self {
            may_reveal: bench.may_reveal(),
            state: bench.state.as_str(),
            secret_headers: secret_headers
                .map(|(header, sent)| SecretHeader { header, sent })
                .collect(),
            attempt_id: bench.attempt.id,
            dialect: bench.attempt.dialect,
            signatures: bench.signatures.into_iter().map(Signature::from).collect(),
        }
    }
}

impl From<signature::Signature> for Signature {
    fn from(signature: signature::Signature) -> Self {
        Self {
            header: signature.header,
            sent: signature.sent,
            prefix: signature.prefix,
            encoding: signature.encoding,
            key: if signature.decodes_key { "decoded" } else { "text" },
            template: signature.template,
            signed: signature.signed,
            checks: signature.checks.into_iter().map(Check::from).collect(),
        }
    }
}

impl From<signature::Check> for Check {
    fn from(check: signature::Check) -> Self {
        let hex = |key: Vec<u8>| key.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            secret: check.held.as_str(),
            algorithm: if check.is_ed25519 { "ed25519" } else { "hmac-sha256" },
            key_hex: check.key.map(hex),
            value: check.value,
            equal: check.is_equal,
        }
    }
}

impl From<signature::Comparison> for Comparison {
    fn from(comparison: signature::Comparison) -> Self {
        Self {
            verifies: comparison.verifies,
            difference: comparison.difference.map(Difference::from),
            findings: comparison.findings.into_iter().map(Finding::from).collect(),
        }
    }
}

impl From<signature::Difference> for Difference {
    fn from(found: signature::Difference) -> Self {
        Self {
            at: found.at,
            line: found.line,
            column: found.column,
            sent: found.sent,
            received: found.received,
            sent_byte: found.sent_byte,
            received_byte: found.received_byte,
        }
    }
}

impl From<signature::Finding> for Finding {
    fn from(finding: signature::Finding) -> Self {
        Self {
            code: finding.code,
            fault: finding.is_fault,
            detail: finding.detail,
            values: finding.values,
        }
    }
}
