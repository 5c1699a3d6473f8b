//! Pages on their way to browsers, compressed.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// The largest page, bytes: an attempt with two bodies, each byte of which is escaped.
const MAX_PAGE: usize = 64 * 1024 * 1024;
/// Brotli's effort (0 to 11) for a page, about a millisecond for 40 KB, and its window (as a
/// power of two).
const QUALITY: u32 = 4;
const WINDOW: u32 = 20;

/// Compresses the pages that are answers to GET. Only answers to forms show secrets, and those stay as they are: the length
/// of a secret that is compressed along with something that others chose tells what the secret is (BREACH).
pub(crate) async fn pages(request: Request, next: Next) -> Response {
    let is_wanted = request.method() == Method::GET && takes_brotli(request.headers());
    let response = next.run(request).await;
    let is_page = response.headers().get(CONTENT_TYPE);
    let is_page = is_page.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if !is_wanted || !is_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(page) = to_bytes(body, MAX_PAGE).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    parts.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    Response::from_parts(parts, Body::from(brotli(&page, QUALITY, WINDOW)))
}

/// True if the browser accepts brotli; browsers say so over HTTPS only.
pub(crate) fn takes_brotli(headers: &HeaderMap) -> bool {
    let value = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let mut codings = value.into_iter().flat_map(|value| value.split(','));
    codings.any(|coding| coding.trim().split(';').next() == Some("br"))
}

/// The bytes, compressed.
pub(crate) fn brotli(plain: &[u8], quality: u32, window: u32) -> Vec<u8> {
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, quality, window);
    // Writing to memory does not fail.
    let _ = writer.write_all(plain);
    writer.into_inner()
}
