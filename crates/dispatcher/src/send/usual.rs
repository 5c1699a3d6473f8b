//! The headers that every request has, whatever its dialect, so that what is recorded of it is all that was sent.

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, header};
use tidings_dialect::SpelledName;
use tidings_domain::trace::TraceParent;
use url::{Position, Url};

use super::unpack;

static HOST: LazyLock<SpelledName> = LazyLock::new(|| header::HOST.into());
static ACCEPT: LazyLock<SpelledName> = LazyLock::new(|| header::ACCEPT.into());
static ACCEPT_ENCODING: LazyLock<SpelledName> = LazyLock::new(|| header::ACCEPT_ENCODING.into());
static CONTENT_LENGTH: LazyLock<SpelledName> = LazyLock::new(|| header::CONTENT_LENGTH.into());
/// Trace Context, section 3.2.1, wants lower case.
static TRACEPARENT: LazyLock<Option<SpelledName>> = LazyLock::new(|| "traceparent".parse().ok());

/// Adds those of them that are not there yet, and says how many stand before the others.
pub(super) fn add_usual(
    headers: &mut Vec<(SpelledName, HeaderValue)>,
    url: &Url,
    length: usize,
    traceparent: Option<&TraceParent>,
) -> usize {
    let has = |name: &HeaderName| headers.iter().any(|(present, _)| present == name);
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).ok();
    let usual = [
        (&*HOST, host),
        (&*ACCEPT, Some(HeaderValue::from_static("*/*"))),
        (
            &*ACCEPT_ENCODING,
            Some(HeaderValue::from_static(unpack::ACCEPT_ENCODING)),
        ),
        (&*CONTENT_LENGTH, Some(HeaderValue::from(length))),
    ];
    let usual = usual.map(|(name, value)| Some((name.clone(), value.filter(|_| !has(name.name()))?)));
    let added = usual.iter().flatten().count();
    headers.splice(0..0, usual.into_iter().flatten());
    if let (Some(name), Some(Ok(trace))) = (
        &*TRACEPARENT,
        traceparent.map(|trace| HeaderValue::from_str(trace.as_str())),
    ) {
        headers.push((name.clone(), trace));
    }
    added
}
