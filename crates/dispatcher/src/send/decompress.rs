//! Decompresses a response body.
//!
//! The compressed bytes are read first, under the same limit as any body, and decompressed afterwards. Decompressing
//! while reading would bound the output but not the input: a gzip stream may go on for as long as the receiver likes
//! without ever producing a byte. A body that does not match its `Content-Encoding` is kept as received.

use std::io::{BufReader, Read};

use bytes::Bytes;
use http::{HeaderMap, header};

/// Supported encodings (RFC 9110, section 8.4.1; RFC 7932; RFC 8878).
pub(super) const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

/// The largest window of a zstd frame, as a power of two: 8 MB, which RFC 8878, section 3.1.1.1.2 recommends.
const ZSTD_WINDOW: u32 = 23;

struct Decompressed {
    body: Vec<u8>,
    end: End,
}

#[derive(PartialEq, Eq)]
enum End {
    Whole,
    /// There is more than is kept.
    TooLong,
    Broken,
}

/// Decompresses a body by its `Content-Encoding`, up to `max` bytes; the flag tells that there was more. A body in an
/// unknown encoding, in several, or one that can't be decompressed is returned unchanged.
pub(super) fn decompress(headers: &HeaderMap, compressed: Bytes, max: usize) -> (Bytes, bool) {
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map_or(&b""[..], |value| value.as_bytes().trim_ascii());
    if compressed.is_empty() {
        return (compressed, false);
    }
    let decompressed = match &*encoding.to_ascii_lowercase() {
        // RFC 9110, section 8.4.1.3: `x-gzip` is the same.
        // A gzip body may have several members (RFC 1952, section 2.2).
        b"gzip" | b"x-gzip" => first(max, flate2::read::MultiGzDecoder::new(&*compressed)),
        b"deflate" => deflated(max, &compressed),
        b"br" => first(max, brotli::Decompressor::new(&*compressed, 4096)),
        b"zstd" => match zstd(&compressed) {
            Ok(decoder) => first(max, decoder),
            Err(_) => return (compressed, false),
        },
        _ => return (compressed, false),
    };
    // Texts that were never compressed may look compressed to a decoder for a while.
    let as_it_came = decompressed.end == End::Broken && (decompressed.body.is_empty() || is_text(&compressed));
    if as_it_came {
        (compressed, false)
    } else {
        let whole = decompressed.end == End::Whole;
        (decompressed.body.into(), !whole)
    }
}

/// RFC 9110, section 8.4.1.2: some send what zlib wraps without the wrapping.
fn deflated(max: usize, compressed: &[u8]) -> Decompressed {
    let wrapped = first(max, flate2::read::ZlibDecoder::new(compressed));
    if wrapped.end == End::Broken && wrapped.body.is_empty() {
        first(max, flate2::read::DeflateDecoder::new(compressed))
    } else {
        wrapped
    }
}

fn zstd(compressed: &[u8]) -> std::io::Result<zstd::Decoder<'static, BufReader<&[u8]>>> {
    let mut decoder = zstd::Decoder::new(compressed)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

/// Reads up to `max` bytes. Of a broken or truncated body, the part before the fault is kept.
fn first(max: usize, decoder: impl Read) -> Decompressed {
    let mut body = Vec::new();
    // One byte beyond the limit tells a long body from one that just fits.
    let read = decoder.take(max as u64 + 1).read_to_end(&mut body);
    let end = match read {
        Err(_) => End::Broken,
        Ok(_) if body.len() > max => End::TooLong,
        Ok(_) => End::Whole,
    };
    body.truncate(max);
    Decompressed { body, end }
}

/// Recognises readable text; it may end within a character.
fn is_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let is_blank = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r');
    valid && bytes.iter().all(|byte| !byte.is_ascii_control() || is_blank(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;

    use super::*;

    const MAX: usize = 64 * 1024;

    fn decompressed(encoding: &str, compressed: &[u8]) -> (Vec<u8>, bool) {
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, encoding.parse().unwrap())]);
        let (body, truncated) = decompress(&headers, compressed.to_vec().into(), MAX);
        (body.to_vec(), truncated)
    }

    fn compress(encoding: &str, text: &[u8]) -> Vec<u8> {
        let fast = Compression::fast();
        match encoding {
            "gzip" | "x-gzip" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), fast);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), fast);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "raw" => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), fast);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "br" => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 22);
                encoder.write_all(text).unwrap();
                encoder.into_inner()
            }
            _ => zstd::encode_all(text, 1).unwrap(),
        }
    }

    /// A text that does not get short.
    fn long(length: usize) -> Vec<u8> {
        let mut state = 7_u32;
        let letters = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + (state >> 24) as u8 % 26
        });
        letters.take(length).collect()
    }

    #[test]
    fn every_coding_is_unpacked() {
        for encoding in ["gzip", "x-gzip", "X-GZip", "deflate", "br", "zstd"] {
            let compressed = compress(&encoding.to_ascii_lowercase(), b"it works");
            assert_eq!(
                decompressed(encoding, &compressed),
                (b"it works".to_vec(), false),
                "{encoding}"
            );
        }
        assert_eq!(
            decompressed("deflate", &compress("raw", b"it works")),
            (b"it works".to_vec(), false)
        );
    }

    #[test]
    fn what_is_not_packed_stays_as_it_came() {
        for encoding in ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, br", "x"] {
            for body in [
                &b"it works"[..],
                b"{\"ok\":true}",
                b"x^ a text that begins like zlib",
                b"h\xc3\xa9llo\n",
                b"a",
                &[0x80; 40],
                &[0xff, 0xfe, 0xfd, 0xfc],
                &long(40_000),
            ] {
                assert_eq!(
                    decompressed(encoding, body),
                    (body.to_vec(), false),
                    "{encoding} {body:?}"
                );
            }
        }
    }

    #[test]
    fn what_breaks_at_once_stays_as_it_came() {
        let gzip = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &[0xff; 20]].concat();
        let zlib = [&[0x78, 0x9c][..], &[0xff; 20]].concat();
        let zstd = [&[0x28, 0xb5, 0x2f, 0xfd][..], &[0xff; 20]].concat();
        for (encoding, body) in [("gzip", gzip), ("deflate", zlib), ("zstd", zstd)] {
            let as_it_came = (body.clone(), false);
            assert_eq!(decompressed(encoding, &body), as_it_came, "{encoding}");
        }
    }

    #[test]
    fn of_what_breaks_later_the_beginning_is_kept() {
        // Several of the largest blocks.
        let text = long(400_000);
        for encoding in ["gzip", "deflate", "raw", "br", "zstd"] {
            let compressed = compress(encoding, &text);
            let name = if encoding == "raw" { "deflate" } else { encoding };
            let (body, truncated) = decompressed(name, &compressed[..compressed.len() * 3 / 4]);
            assert!(truncated, "{encoding}");
            assert!(!body.is_empty() && text.starts_with(&body), "{encoding}");
        }
    }
}
