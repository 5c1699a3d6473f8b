//! Reading requests as each document says, to find what is wrong with them. No code is shared with what writes them.

use axum::http::HeaderMap;
use serde_json::Value;

use tidings_cli::verify::{self, header};

/// The objection of a dialect's receiver to a request, by the words of its document.
pub(super) fn check(dialect: &str, headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), String> {
    let parsed: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    match dialect {
        "userback" => userback(headers, &parsed),
        "userpilot" => userpilot(headers, &parsed, secret),
        "userhero" => userhero(headers, body, &parsed, secret),
        "abc-user-feedback" => abc_user_feedback(headers, &parsed, secret),
        "feedbackpulse" => feedbackpulse(headers, body, &parsed, secret),
        "slack" => slack(&parsed),
        "discord" => discord(&parsed),
        "cloudevents" => cloudevents(headers, &parsed),
        _ => verify::standard(headers, body, secret),
    }
}

/// The event's content in a request, where the dialect shows it as it was published.
pub(super) fn content(dialect: &str, body: &[u8]) -> Option<Value> {
    let parsed: Value = serde_json::from_slice(body).ok()?;
    match dialect {
        "slack" | "discord" => None,
        _ => parsed.get("data").cloned(),
    }
}

/// Userback's document, "Headers" and "Payload Fields".
fn userback(headers: &HeaderMap, parsed: &Value) -> Result<(), String> {
    is(
        header(headers, "user-agent") == Some("Userback-Webhook"),
        "another User-Agent",
    )?;
    let json = header(headers, "content-type") == Some("application/json; charset=utf-8");
    is(json, "another Content-Type")?;
    let action = parsed["action"].as_str().unwrap_or_default();
    is(["create", "update", "remove"].contains(&action), "another action")?;
    let kind = parsed["type"].as_str().unwrap_or_default();
    is(["feedback", "comment"].contains(&kind), "another type")?;
    is(parsed["timestamp"].is_i64(), "no timestamp")?;
    is(parsed["url"] == parsed["data"]["url"], "another url")
}

/// Checks by Userpilot's document, "Webhook Payload Schema".
fn userpilot(headers: &HeaderMap, parsed: &Value, secret: &str) -> Result<(), String> {
    is(headers.values().any(|value| value == secret), "no secret token")?;
    is(
        parsed["type"].as_str().is_some_and(|text| text.contains('.')),
        "no type",
    )?;
    is(parsed["timestamp"].is_i64(), "no timestamp")?;
    is(parsed["app_token"] == "NX-bd46697c", "no app_token")
}

/// UserHero's document, "Verification Code", verifies the body as `JSON.stringify` prints what was parsed of it.
fn userhero(headers: &HeaderMap, body: &[u8], parsed: &Value, secret: &str) -> Result<(), String> {
    let printed = serde_json::to_vec(parsed).map_err(|error| error.to_string())?;
    is(printed == body, "the body is not what JSON.stringify prints")?;
    verify::over_body(headers, "x-userhero-signature", &printed, secret)
}

/// ABC User Feedback's document, "Implementation Example".
fn abc_user_feedback(headers: &HeaderMap, parsed: &Value, secret: &str) -> Result<(), String> {
    const EVENTS: [&str; 4] = [
        "FEEDBACK_CREATION",
        "ISSUE_CREATION",
        "ISSUE_STATUS_CHANGE",
        "ISSUE_ADDITION",
    ];
    is(
        header(headers, "x-webhook-token") == Some(secret),
        "wrong x-webhook-token",
    )?;
    is(
        EVENTS.contains(&parsed["event"].as_str().unwrap_or_default()),
        "another event",
    )
}

/// FeedbackPulse's document, "Headers" and "Signature Verification".
fn feedbackpulse(headers: &HeaderMap, body: &[u8], parsed: &Value, secret: &str) -> Result<(), String> {
    let named = header(headers, "x-feedbackpulse-event").is_some_and(|name| parsed["event"] == name);
    is(named, "X-FeedbackPulse-Event is not the event")?;
    verify::over_body(headers, "x-feedbackpulse-signature", body, secret)
}

/// Checks a message as Slack requires it: some text for notifications, and blocks.
fn slack(parsed: &Value) -> Result<(), String> {
    is(parsed["text"].as_str().is_some_and(|text| !text.is_empty()), "no text")?;
    let anywhere = |value: &Value| value.as_array().is_some_and(|blocks| !blocks.is_empty());
    is(
        anywhere(&parsed["blocks"]) || anywhere(&parsed["attachments"]),
        "no blocks",
    )
}

/// Checks a message as Discord requires it, and that it can mention nobody.
fn discord(parsed: &Value) -> Result<(), String> {
    let embeds = parsed["embeds"].as_array().map_or(0, Vec::len);
    is((1..=10).contains(&embeds), "no embeds")?;
    let parse = &parsed["allowed_mentions"]["parse"];
    is(parse.as_array().is_some_and(Vec::is_empty), "mentions are allowed")
}

/// CloudEvents 1.0, "Required Attributes", in structured mode.
fn cloudevents(headers: &HeaderMap, parsed: &Value) -> Result<(), String> {
    let structured =
        header(headers, "content-type").is_some_and(|text| text.starts_with("application/cloudevents+json"));
    is(structured, "another Content-Type")?;
    is(parsed["specversion"] == "1.0", "another specversion")?;
    let given = |name: &str| parsed[name].as_str().is_some_and(|text| !text.is_empty());
    is(
        ["id", "source", "type"].into_iter().all(given),
        "an attribute is missing",
    )
}

fn is(so: bool, otherwise: &str) -> Result<(), String> {
    if so { Ok(()) } else { Err(otherwise.into()) }
}
