//! Spans of attempts, for OpenTelemetry.

use tidings_dialect::Dialect;
use tidings_domain::trace::TraceParent;
use tidings_domain::{Endpoint, Outcome};
use tidings_queue::Message;
use tidings_queue::message::Content;
use tidings_service::trace::{self, Kind};
use tracing::Span;

use crate::send::{Answer, NoAnswer};

/// The span of an attempt. The first attempt is part of the trace in which its event was accepted. A later one is a trace
/// of its own, linked to the publisher's: retries go on for a day, and nobody reads a trace that long.
pub(crate) fn attempt(message: &Message, endpoint: &Endpoint, dialect: &Dialect, content: &Content) -> Span {
    let number = message.step.attempt();
    let published = content
        .span
        .as_ref()
        .or(content.traceparent.as_ref())
        .map(TraceParent::as_str);
    let span = match number {
        1 => trace::go_on("attempt", Kind::Consumer, published),
        _ => trace::begin_linked("attempt", Kind::Consumer, published),
    };
    trace::note(&span, "messaging.operation.type", || "process");
    trace::note(&span, "tidings.event.id", || message.event.to_string());
    trace::note(&span, "tidings.delivery.id", || message.delivery.to_string());
    trace::note(&span, "tidings.endpoint.id", || endpoint.id.to_string());
    trace::note(&span, "tidings.dialect", || dialect.name().to_owned());
    trace::note(&span, "tidings.attempt", || i64::from(number));
    span
}

/// The span of an attempt's request: its host, and nothing else of the URL.
pub(crate) fn request(endpoint: &Endpoint) -> Span {
    let span = trace::within("request", Kind::Client);
    trace::note(&span, "http.request.method", || "POST");
    trace::note(&span, "server.address", || {
        endpoint.url.host_str().unwrap_or_default().to_owned()
    });
    span
}

/// The end of a request.
pub(crate) fn answered(span: &Span, answer: &Result<Answer, NoAnswer>) {
    match answer {
        Ok(answer) => {
            let status = answer.status;
            trace::note(span, "http.response.status_code", || i64::from(status.as_u16()));
            if !status.is_success() {
                trace::fail(span, status.as_str());
            }
        }
        Err(none) => trace::fail(span, &none.reason.to_string()),
    }
}

/// The outcome of an attempt, on the current span.
pub(crate) fn judged(outcome: Outcome) {
    let span = Span::current();
    trace::note(&span, "tidings.outcome", || outcome.name());
    if let Some(reason) = outcome.reason() {
        trace::fail(&span, &reason.to_string());
    }
}
