//! Spans of what happens to an event, for OpenTelemetry.
//!
//! Need: an operator follows one event through processes and sees where its time went. Mechanism: whoever begins a piece of
//! work makes a span and runs the work within it; spans in other processes are joined by W3C `traceparent` values, which
//! travel in messages and records. Whether an event is traced is decided once, where it is accepted: by the publisher's own
//! `traceparent`, otherwise by chance (`tracing.sample`). Limit: spans are exported as well as it goes and never waited
//! for; with tracing off, or for an event that is not traced, every function here does next to nothing.

mod export;

use std::sync::OnceLock;

use opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, Value};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub(crate) use self::export::register;
pub use self::export::{Config, Exporter, TracingError, start};

/// The target of every span that is exported; nothing else has it.
pub(crate) const TARGET: &str = "tidings_trace";

/// The most links of one span.
const MAX_LINKS: usize = 32;

/// The share of events without a `traceparent` that are traced; set once tracing is on.
static SAMPLE: OnceLock<f64> = OnceLock::new();

/// The part that a span has in a conversation of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It answers a request.
    Server,
    /// It makes a request and waits for the answer.
    Client,
    /// It hands something to a queue.
    Producer,
    /// It works on what came out of a queue.
    Consumer,
    /// It stays within the process.
    Internal,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
            Self::Internal => "internal",
        }
    }
}

/// A span that begins a trace, or goes on with the one of `parent`, a `traceparent`. None if it is not to be traced: as
/// `parent` says, and by chance if there is none.
#[must_use]
pub fn begin(name: &'static str, kind: Kind, parent: Option<&str>) -> Span {
    match parent.map(read) {
        None if by_chance() => made(name, kind, None, []),
        Some(Some(parent)) if parent.is_sampled() && is_on() => made(name, kind, Some(parent), []),
        _ => Span::none(),
    }
}

/// A span that goes on with the trace of `parent`. None without a parent, whatever the share is: that it has none means
/// that it was not chosen.
#[must_use]
pub fn go_on(name: &'static str, kind: Kind, parent: Option<&str>) -> Span {
    parent.map_or_else(Span::none, |parent| begin(name, kind, Some(parent)))
}

/// A span that begins a trace of its own, linked to `of`: for work that comes so much later that one trace of both would
/// help nobody. It is traced if `of` is, otherwise by chance.
#[must_use]
pub fn begin_linked(name: &'static str, kind: Kind, of: Option<&str>) -> Span {
    match of.and_then(read).filter(SpanContext::is_sampled) {
        Some(of) if is_on() => made(name, kind, None, [of]),
        _ if by_chance() => made(name, kind, None, []),
        _ => Span::none(),
    }
}

/// A span for work on several things at once: in the trace of the first that is traced, linked to the others.
#[must_use]
pub fn join<'a>(name: &'static str, kind: Kind, of: impl IntoIterator<Item = &'a str>) -> Span {
    if !is_on() {
        return Span::none();
    }
    let mut traced = of.into_iter().filter_map(read).filter(SpanContext::is_sampled);
    match traced.next() {
        None => Span::none(),
        Some(first) => made(name, kind, Some(first), traced.take(MAX_LINKS)),
    }
}

/// A span within the current one; none if there is no current one.
#[must_use]
pub fn within(name: &'static str, kind: Kind) -> Span {
    if !is_on() || Span::current().is_none() {
        return Span::none();
    }
    tracing::trace_span!(target: TARGET, "span", otel.name = name, otel.kind = kind.as_str())
}

/// The `traceparent` of a span; nothing of one that is not traced.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    if !is_on() || span.is_none() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| {
        let flags = context.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
    })
}

/// Adds an attribute to a span. The value is made only if the span is traced.
pub fn note<V: Into<Value>>(span: &Span, key: &'static str, value: impl FnOnce() -> V) {
    if !span.is_none() {
        span.set_attribute(key, value());
    }
}

/// Marks a span as failed, for a reason that is a name and not a sentence.
pub fn fail(span: &Span, reason: &str) {
    if !span.is_none() {
        span.set_attribute("error.type", reason.to_owned());
        span.set_status(Status::error(""));
    }
}

fn is_on() -> bool {
    SAMPLE.get().is_some()
}

fn by_chance() -> bool {
    SAMPLE.get().is_some_and(|share| rand::random::<f64>() < *share)
}

fn made(
    name: &'static str,
    kind: Kind,
    parent: Option<SpanContext>,
    links: impl IntoIterator<Item = SpanContext>,
) -> Span {
    let span = tracing::trace_span!(target: TARGET, parent: None, "span", otel.name = name, otel.kind = kind.as_str(), trace_id = Empty);
    if let Some(parent) = parent {
        // Refused only of a span that nobody looks at.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    for link in links {
        span.add_link(link);
    }
    // Log lines within the span bear it.
    let context = span.context();
    span.record("trace_id", context.span().span_context().trace_id().to_string());
    span
}

/// Reads a valid `traceparent`.
fn read(traceparent: &str) -> Option<SpanContext> {
    let mut fields = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(fields.next()?).ok()?;
    let span = SpanId::from_hex(fields.next()?).ok()?;
    let flags = u8::from_str_radix(fields.next()?, 16).ok()?;
    let context = SpanContext::new(trace, span, TraceFlags::new(flags), true, TraceState::NONE);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_off_means_that_nothing_is_made() {
        let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = read(sampled).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(!read(&sampled.replace("-01", "-00")).unwrap().is_sampled());
        for text in [
            "",
            "00-zz-11-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert!(read(text).is_none(), "{text:?}");
        }

        assert!(begin("publish", Kind::Server, Some(sampled)).is_none());
        assert!(begin_linked("attempt", Kind::Consumer, Some(sampled)).is_none());
        assert!(join("commit", Kind::Internal, [sampled]).is_none());
        assert!(within("record", Kind::Client).is_none());
        assert_eq!(traceparent(&Span::none()), None);
    }
}
