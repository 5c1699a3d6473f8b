//! Unpacking a compressed response body.
//!
//! The packed bytes are read first, under the same bound as any body, and unpacked afterwards. Unpacking on the way
//! would bound what comes out and not what goes in: a gzip stream may go on for as long as the receiver likes
//! without ever giving a byte.

use std::io::{BufReader, Read};

use bytes::Bytes;
use http::{HeaderMap, header};

/// What is understood (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
pub(super) const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

/// The largest window of a zstd frame, as a power of two: 8 MB, which RFC 8878, section 3.1.1.1.2 recommends.
const ZSTD_WINDOW: u32 = 23;

/// The body as the headers say it is packed, up to so many bytes, and whether that is less than the whole. A body
/// that is packed in another way, or more than once, stays as it is.
pub(super) fn unpack(headers: &HeaderMap, packed: Bytes, max: usize) -> (Bytes, bool) {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map_or(&b""[..], |value| value.as_bytes());
    if packed.is_empty() {
        return (packed, false);
    }
    match &*encoding.to_ascii_lowercase() {
        b"gzip" => first(max, flate2::read::MultiGzDecoder::new(&*packed)),
        b"deflate" => first(max, flate2::read::ZlibDecoder::new(&*packed)),
        b"br" => first(max, brotli::Decompressor::new(&*packed, 4096)),
        b"zstd" => match zstd(&packed) {
            Ok(unpacking) => first(max, unpacking),
            Err(_) => (Bytes::new(), true),
        },
        _ => (packed, false),
    }
}

fn zstd(packed: &[u8]) -> std::io::Result<zstd::Decoder<'static, BufReader<&[u8]>>> {
    let mut unpacking = zstd::Decoder::new(packed)?;
    unpacking.window_log_max(ZSTD_WINDOW)?;
    Ok(unpacking)
}

/// What can be unpacked of a body that is broken or cut off is kept.
fn first(max: usize, unpacking: impl Read) -> (Bytes, bool) {
    let mut body = Vec::new();
    let whole = unpacking.take(max as u64 + 1).read_to_end(&mut body).is_ok() && body.len() <= max;
    body.truncate(max);
    (body.into(), !whole)
}
