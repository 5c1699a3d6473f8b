//! `/webhooks/logs/{attempt_id}/signature`: the signed texts of an attempt, and the reasons why a receiver computes
//! something else.

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

/// Signatures of an attempt, computed again from what was sent.
#[derive(Serialize, ToSchema)]
struct AttemptSignature {
    /// Id of the attempt (`att_…`).
    attempt_id: String,
    /// Dialect that the request was written in.
    dialect: String,
    /// `checked`, or the reason why nothing can be checked: `unsigned`, `endpoint_gone`, `secret_unreadable`,
    /// `dialect_unknown`, `request_gone` (no request was made, or its content is not kept any more).
    #[schema(example = "checked")]
    state: &'static str,
    /// Headers that carry a signature, each computed again.
    signatures: Vec<Signature>,
    /// Headers that show the secret itself.
    secret_headers: Vec<SecretHeader>,
    /// True if the caller may see the keys, which takes the scope `manage`.
    may_reveal: bool,
}

/// A header that carries a signature, and each step of computing it.
#[derive(Serialize, ToSchema)]
struct Signature {
    /// Name of the header that carries the signature.
    #[schema(example = "webhook-signature")]
    header: String,
    /// Value of the header as sent; null if it was not sent.
    sent: Option<String>,
    /// Text in front of each signature in the value.
    #[schema(example = "v1,")]
    prefix: String,
    /// Encoding of the signature's bytes: `hex` or `base64`.
    encoding: &'static str,
    /// Form of the key: `text` for the secret as it stands, `decoded` for the bytes that the base64 behind `whsec_`
    /// stands for.
    key: &'static str,
    /// Template of the text that is signed.
    #[schema(example = "{{ id }}.{{ sent_at.unix }}.{{ body }}")]
    template: String,
    /// Text that was signed, byte for byte.
    signed: String,
    /// Signatures computed again, one for each of the endpoint's secrets.
    checks: Vec<Check>,
}

/// A signature computed again with one of the endpoint's secrets.
#[derive(Serialize, ToSchema)]
struct Check {
    /// Secret that was used: `current`, or `previous`, the one before the last rotation.
    secret: &'static str,
    /// Algorithm of the signature: `hmac-sha256` or `ed25519`.
    algorithm: &'static str,
    /// Bytes of the key, hexadecimal; null unless they were asked for, and for ed25519 secrets.
    key_hex: Option<String>,
    /// Computed value, with its prefix; null without the scope `manage` if it was not sent.
    value: Option<String>,
    /// True if the header contains this value.
    equal: bool,
}

/// A header that carries the secret itself rather than a signature.
#[derive(Serialize, ToSchema)]
struct SecretHeader {
    /// Name of the header that carries the secret.
    header: String,
    /// True if the attempt's request had this header.
    sent: bool,
}

/// Observations of a receiver; at least one is required, and those left out are not compared.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReceivedRequest {
    /// Headers as the receiver printed them, one per line.
    #[schema(example = "webhook-id: evt_0193")]
    headers: Option<String>,
    /// Body as text; give either this or `body_base64`.
    body: Option<String>,
    /// Body as base64 of its bytes; give either this or `body`.
    body_base64: Option<String>,
    /// Secret that the receiver uses. It is compared and not kept.
    secret: Option<String>,
    /// Signature that the receiver computed, with or without its prefix.
    computed: Option<String>,
    /// Time at which the receiver checked the signature (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    received_at: Option<Timestamp>,
}

/// Comparison of what a receiver saw with what was sent.
#[derive(Serialize, ToSchema)]
struct Comparison {
    /// True if the signature that was given, or else the one that was sent, is right for the body that was given, or
    /// else the one that was sent; null if that can't be determined.
    verifies: Option<bool>,
    /// First difference of the bodies; null if they are equal, or none was given.
    difference: Option<Difference>,
    /// Results of the comparison: faults, and parts that are as they should be.
    findings: Vec<Finding>,
}

/// The first byte at which two bodies differ.
#[derive(Serialize, ToSchema)]
struct Difference {
    /// Number of equal bytes before it.
    at: usize,
    /// Line in the body that was sent, counted from 1.
    line: usize,
    /// Byte within that line, counted from 1.
    column: usize,
    /// Bytes around it in the body that was sent, as text.
    sent: String,
    /// Bytes around it in the body that was received, as text.
    received: String,
    /// Byte that was sent there, 0 to 255; null if the body that was sent ends there.
    sent_byte: Option<u8>,
    /// Byte that was received there, 0 to 255; null if the body that was received ends there.
    received_byte: Option<u8>,
}

/// One result of a comparison: a fault, or a part that is as it should be.
#[derive(Serialize, ToSchema)]
struct Finding {
    /// Stable name of the finding, for programs.
    #[schema(example = "body_spaces")]
    code: &'static str,
    /// True if it keeps the signature from being verified.
    fault: bool,
    /// The finding as an English sentence.
    detail: String,
    /// Values in the sentence, by name, such as `header` or `n`.
    values: BTreeMap<&'static str, String>,
}

/// Checks an attempt's signature
///
/// Shows the signed texts and computes their signatures again with the endpoint's secrets. The keys are not shown.
/// Needs the scope `read`.
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
/// The audit log records that they were shown. Needs the scope `manage`.
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
/// Names the first byte that differs, and what usually causes such a difference. Nothing of the request is kept. Needs
/// the scope `read`.
#[utoipa::path(post, path = "/webhooks/logs/{attempt_id}/signature/compare", operation_id = "compare_signature",
    tag = "webhooks", request_body = ReceivedRequest,
    params(("attempt_id" = String, Path, description = "The attempt's id.")),
    responses(
        (status = 200, description = "The result of the comparison.", body = Comparison),
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
            attempt_id: bench.attempt.to_string(),
            dialect: bench.dialect,
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
