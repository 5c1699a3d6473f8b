//! `/webhooks/logs/{id}/verify`: what of an attempt was signed, step by step, and why a receiver finds something else.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::show::bytes::View;
use crate::verify::workbench::{AttemptSignature, Comparison};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "signature.html")]
struct SignaturePage<'a> {
    v: &'a Visitor,
    signature: AttemptSignature,
    view: View,
    /// True if the keys are shown.
    is_revealed: bool,
    /// The pasted fields.
    fields: &'a Fields,
    comparison: Option<Comparison>,
    refusal: Option<&'a Refusal>,
}

impl SignaturePage<'_> {
    /// The reason why nothing can be checked.
    fn state(&self) -> String {
        let state = self.signature.state.replace('_', "-");
        self.v.t(&format!("signature-{state}"))
    }

    fn is_base64(&self) -> bool {
        self.fields.text("form") == "base64"
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let signature = visitor.get(format!("/webhooks/logs/{id}/signature")).await?;
    Ok(page(&visitor, &fields, signature, false, None))
}

/// Shows the keys in the answer to a form; that they were shown is on record.
pub(crate) async fn reveal(visitor: Visitor, Path(id): Path<String>, Form(fields): Form) -> Result<Response, Response> {
    let path = format!("/webhooks/logs/{id}/signature");
    let revealed = visitor.send::<AttemptSignature>(Method::POST, path, &Value::Null).await;
    let signature = revealed.map_err(|refusal| visitor.refused(&refusal))?;
    Ok(page(&visitor, &fields, signature, true, None))
}

/// Lays what a receiver saw beside what was sent.
pub(crate) async fn compare(
    visitor: Visitor,
    Path(id): Path<String>,
    Form(fields): Form,
) -> Result<Response, Response> {
    let path = format!("/webhooks/logs/{id}");
    let signature = visitor.get(format!("{path}/signature")).await?;
    let sent = visitor.bytes(format!("{path}/request-body")).await?;
    let asked = received(&visitor, &fields, &sent);
    let compared = visitor
        .send::<Comparison>(Method::POST, format!("{path}/signature/compare"), &asked)
        .await;
    Ok(page(&visitor, &fields, signature, false, Some(compared)))
}

/// The pasted fields as the API takes them. Browsers submit every line end as CRLF: in a text they are taken for those that
/// were sent.
fn received(visitor: &Visitor, fields: &Fields, sent: &[u8]) -> Value {
    let body = Some(fields.raw("body")).filter(|body| !body.is_empty());
    let text = body.map(|body| match sent.contains(&b'\r') {
        true => body.to_owned(),
        false => body.replace("\r\n", "\n"),
    });
    let mut asked = json!({
        "headers": fields.given("headers"),
        "secret": Some(fields.raw("secret")).filter(|secret| !secret.is_empty()),
        "computed": fields.given("computed"),
        "received_at": fields.given("received_at").map(|text| instant(visitor, text)),
    });
    let name = if fields.text("form") == "base64" {
        "body_base64"
    } else {
        "body"
    };
    asked[name] = text.into();
    asked
}

/// A time of the visitor's zone; one with its own zone stays as it is.
fn instant(visitor: &Visitor, text: &str) -> String {
    let local = text.parse::<DateTime>().ok().filter(|_| !text.ends_with(['Z', 'z']));
    let zoned = local.and_then(|local| local.to_zoned(visitor.zone.clone()).ok());
    zoned.map_or_else(|| text.to_owned(), |zoned| zoned.timestamp().to_string())
}

fn page(
    visitor: &Visitor,
    fields: &Fields,
    signature: AttemptSignature,
    is_revealed: bool,
    compared: Option<Result<Comparison, Refusal>>,
) -> Response {
    let (comparison, refusal) = match compared {
        None => (None, None),
        Some(Ok(comparison)) => (Some(comparison), None),
        Some(Err(refusal)) => (None, Some(refusal)),
    };
    let status = refusal.as_ref().map_or(200, |refusal| refusal.status);
    let page = SignaturePage {
        v: visitor,
        signature,
        view: match fields.text("view") {
            "hex" => View::Hex,
            _ => View::Raw,
        },
        is_revealed,
        fields,
        comparison,
        refusal: refusal.as_ref(),
    };
    visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page)
}
