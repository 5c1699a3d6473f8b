//! How the log is printed.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_proto::pb;

use crate::output::{self, Format, bold, table, time};

const ATTEMPT_COLUMNS: [&str; 8] = ["time", "attempt id", "event", "endpoint", "no", "result", "ms", "next"];

/// Attempts as a table, or as lines that continue one.
pub(super) fn show_attempts(format: Format, attempts: &[pb::Attempt], header: bool) -> anyhow::Result<()> {
    if format == Format::Json {
        return attempts
            .iter()
            .try_for_each(|attempt| output::json(&attempt_json(attempt)));
    }
    let rows: Vec<_> = attempts.iter().map(attempt_row).collect();
    if header {
        table(&ATTEMPT_COLUMNS, &rows)
    } else {
        rows.iter().try_for_each(|row| output::line(row.join("  ").trim_end()))
    }
}

/// One attempt with all that was sent and received.
pub(super) fn show_attempt(format: Format, attempt: &pb::Attempt) -> anyhow::Result<()> {
    if format == Format::Json {
        let mut document = attempt_json(attempt);
        document["request_headers"] = headers_json(&attempt.request_headers);
        document["request_body"] = body_json(&attempt.request_body);
        document["response_headers"] = headers_json(&attempt.response_headers);
        document["response_body"] = body_json(&attempt.response_body);
        document["response_truncated"] = attempt.response_truncated.into();
        document["remote_address"] = attempt.remote_address.clone().into();
        return output::json(&document);
    }
    println!(
        "{}",
        bold(&format!(
            "{} · attempt {} · {}",
            attempt.id,
            attempt.number,
            result(attempt)
        ))
    );
    println!("event      {} ({})", attempt.event_id, attempt.event_type);
    println!("delivery   {}", attempt.delivery_id);
    println!("endpoint   {} ({})", attempt.endpoint_id, attempt.dialect);
    println!(
        "begun      {}, took {} ms",
        time(attempt.started_at.as_ref()),
        milliseconds(attempt)
    );
    if !attempt.remote_address.is_empty() {
        println!("address    {}", attempt.remote_address);
    }
    if !attempt.error.is_empty() {
        println!("error      {}", attempt.error);
    }
    if attempt.next_attempt_at.is_some() {
        println!("next       {}", time(attempt.next_attempt_at.as_ref()));
    }
    println!("\n{}", bold(&format!("POST {}", attempt.url)));
    show_part(&attempt.request_headers, &attempt.request_body);
    if attempt.status_code > 0 {
        println!("\n{}", bold(&attempt.status_code.to_string()));
        show_part(&attempt.response_headers, &attempt.response_body);
        if attempt.response_truncated {
            println!("… (the response went on)");
        }
    }
    Ok(())
}

/// Events as a table.
pub(super) fn show_events(format: Format, events: &[pb::Event]) -> anyhow::Result<()> {
    if format == Format::Json {
        return events.iter().try_for_each(|event| output::json(&event_json(event)));
    }
    let row = |event: &pb::Event| {
        let deliveries = event.delivery_count.to_string();
        vec![
            time(event.accepted_at.as_ref()),
            event.id.clone(),
            event.event_type.clone(),
            deliveries,
        ]
    };
    table(
        &["accepted", "event", "type", "deliveries"],
        &events.iter().map(row).collect::<Vec<_>>(),
    )
}

/// One event with its payload and deliveries.
pub(super) fn show_event(format: Format, found: &pb::GetEventResponse) -> anyhow::Result<()> {
    let event = found.event.clone().unwrap_or_default();
    if format == Format::Json {
        let mut document = event_json(&event);
        document["payload"] = body_json(&event.payload);
        document["deliveries"] = found.deliveries.iter().map(delivery_json).collect();
        return output::json(&document);
    }
    println!("{}", bold(&format!("{} · {}", event.id, event.event_type)));
    println!("occurred   {}", time(event.occurred_at.as_ref()));
    println!("accepted   {}", time(event.accepted_at.as_ref()));
    if !event.idempotency_key.is_empty() {
        println!("key        {}", event.idempotency_key);
    }
    println!("\n{}\n", pretty(&event.payload));
    show_deliveries(format, &found.deliveries)
}

/// Deliveries as a table.
pub(super) fn show_deliveries(format: Format, deliveries: &[pb::Delivery]) -> anyhow::Result<()> {
    if format == Format::Json {
        return deliveries
            .iter()
            .try_for_each(|delivery| output::json(&delivery_json(delivery)));
    }
    let row = |delivery: &pb::Delivery| {
        let state = match delivery.reason.as_str() {
            "" => delivery.state.clone(),
            reason => format!("{} ({reason})", delivery.state),
        };
        let (due, updated) = (time(delivery.due_at.as_ref()), time(delivery.updated_at.as_ref()));
        let (id, endpoint) = (delivery.id.clone(), delivery.endpoint_id.clone());
        vec![updated, id, endpoint, state, delivery.attempts.to_string(), due]
    };
    let rows: Vec<_> = deliveries.iter().map(row).collect();
    table(&["changed", "delivery", "endpoint", "state", "attempts", "due"], &rows)
}

fn attempt_row(attempt: &pb::Attempt) -> Vec<String> {
    vec![
        time(attempt.started_at.as_ref()),
        attempt.id.clone(),
        attempt.event_type.clone(),
        attempt.endpoint_id.clone(),
        attempt.number.to_string(),
        result(attempt),
        milliseconds(attempt).to_string(),
        time(attempt.next_attempt_at.as_ref()),
    ]
}

/// The status where there was one, otherwise the reason why there was none.
fn result(attempt: &pb::Attempt) -> String {
    let answer = match attempt.status_code {
        0 => attempt.failure_reason.clone(),
        status => status.to_string(),
    };
    match attempt.outcome.as_str() {
        "failed_final" => format!("{answer} final"),
        _ => answer,
    }
}

fn milliseconds(attempt: &pb::Attempt) -> u128 {
    attempt
        .duration
        .and_then(|d| Duration::try_from(d).ok())
        .unwrap_or_default()
        .as_millis()
}

fn show_part(headers: &[pb::Header], body: &[u8]) {
    for header in headers {
        println!("{}: {}", header.name, header.value);
    }
    if !body.is_empty() {
        println!("\n{}", pretty(body));
    }
}

/// JSON indented, anything else as it is.
fn pretty(body: &[u8]) -> String {
    serde_json::from_slice::<Value>(body)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned())
}

fn attempt_json(attempt: &pb::Attempt) -> Value {
    json!({
        "id": attempt.id,
        "delivery_id": attempt.delivery_id,
        "event_id": attempt.event_id,
        "tenant_id": attempt.tenant_id,
        "endpoint_id": attempt.endpoint_id,
        "event_type": attempt.event_type,
        "number": attempt.number,
        "started_at": time(attempt.started_at.as_ref()),
        "duration_ms": milliseconds(attempt) as u64,
        "url": attempt.url,
        "dialect": attempt.dialect,
        "outcome": attempt.outcome,
        "failure_reason": attempt.failure_reason,
        "error": attempt.error,
        "status_code": attempt.status_code,
        "next_attempt_at": time(attempt.next_attempt_at.as_ref()),
    })
}

fn event_json(event: &pb::Event) -> Value {
    json!({
        "id": event.id,
        "tenant_id": event.tenant_id,
        "event_type": event.event_type,
        "occurred_at": time(event.occurred_at.as_ref()),
        "accepted_at": time(event.accepted_at.as_ref()),
        "idempotency_key": event.idempotency_key,
        "delivery_count": event.delivery_count,
    })
}

fn delivery_json(delivery: &pb::Delivery) -> Value {
    json!({
        "id": delivery.id,
        "event_id": delivery.event_id,
        "tenant_id": delivery.tenant_id,
        "endpoint_id": delivery.endpoint_id,
        "state": delivery.state,
        "reason": delivery.reason,
        "due_at": time(delivery.due_at.as_ref()),
        "attempts": delivery.attempts,
        "updated_at": time(delivery.updated_at.as_ref()),
    })
}

fn headers_json(headers: &[pb::Header]) -> Value {
    headers
        .iter()
        .map(|header| json!([header.name, header.value]))
        .collect()
}

/// A JSON body as the value it is, anything else as text.
fn body_json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}
