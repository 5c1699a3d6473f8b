//! Headers that every request has whatever its dialect. They are added here, so that the record shows all that was
//! sent.

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, header};
use tidings_dialect::CasedHeaderName;
use tidings_domain::trace::TraceParent;
use url::{Position, Url};

use super::decompress;

static HOST: LazyLock<CasedHeaderName> = LazyLock::new(|| header::HOST.into());
static ACCEPT: LazyLock<CasedHeaderName> = LazyLock::new(|| header::ACCEPT.into());
static ACCEPT_ENCODING: LazyLock<CasedHeaderName> = LazyLock::new(|| header::ACCEPT_ENCODING.into());
static CONTENT_LENGTH: LazyLock<CasedHeaderName> = LazyLock::new(|| header::CONTENT_LENGTH.into());
/// Trace Context, section 3.2.1, wants lower case.
static TRACEPARENT: LazyLock<Option<CasedHeaderName>> = LazyLock::new(|| "traceparent".parse().ok());

/// Adds those that are missing, and returns how many stand before the dialect's headers.
pub(super) fn add_usual(
    headers: &mut Vec<(CasedHeaderName, HeaderValue)>,
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
            Some(HeaderValue::from_static(decompress::ACCEPT_ENCODING)),
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
