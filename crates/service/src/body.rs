//! Bodies that are JSON: what their headers must not say, and what they are instead if they can't be read.
//!
//! Need: a body that was packed on its way, or is in another encoding, fails at its first character, and nobody can tell why
//! from that. Mechanism: packed bodies are refused by their header or their first bytes, other encodings by name. Limit:
//! nothing is unpacked or converted: a payload reaches its receivers byte for byte.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::problem::{Kind, Problem};

/// The code of the problem of a body that is packed.
pub(crate) const PACKED: &str = "content_encoding_unknown";

/// The type that `curl -d` gives a body by default. No form is JSON, so a body that can be read as JSON was meant as JSON.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Checks what the headers say of a body: not packed; JSON or one of these media types, or nothing at all; UTF-8.
pub fn check_headers(headers: &HeaderMap, or_types: &[&str]) -> Result<(), Problem> {
    check_packing(headers)?;
    let Some(media_type) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = media_type.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if essence != "application/json" && !or_types.contains(&essence) {
        let detail = "send JSON, with the header `Content-Type: application/json`";
        return Err(Problem::new(Kind::UnsupportedMediaType, "content_type_unknown", detail).at("Content-Type"));
    }
    let charset = parts.find_map(|parameter| parameter.strip_prefix("charset="));
    match charset.map(|charset| charset.trim_matches('"')) {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => {
            let detail = format!("the header says that the body is in {other}: send UTF-8, and say so or nothing");
            Err(Problem::new(Kind::UnsupportedMediaType, "charset_unknown", detail).at("Content-Type"))
        }
    }
}

fn check_packing(headers: &HeaderMap) -> Result<(), Problem> {
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = value.to_str().unwrap_or("something unreadable");
        let mut codings = text.split(',').map(str::trim).filter(|coding| !coding.is_empty());
        if let Some(coding) = codings.find(|coding| !coding.eq_ignore_ascii_case("identity")) {
            let detail = format!("the body is packed ({coding}), which is not taken: send it as it is");
            return Err(Problem::new(Kind::UnsupportedMediaType, PACKED, detail).at("Content-Encoding"));
        }
    }
    Ok(())
}

/// The obstacle to reading bytes as text in UTF-8 without a byte order mark, if their beginning shows one: a sentence that
/// says what to change.
#[must_use]
pub fn not_plain(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Some("it begins with a byte order mark: leave out its first three bytes"),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => {
            Some("it is UTF-32: send UTF-8")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("it is UTF-16 with a byte order mark: send UTF-8"),
        [0, 1..=255, ..] | [1..=255, 0, ..] => Some("it is UTF-16: send UTF-8"),
        [0x1f, 0x8b, ..] => Some("it is packed with gzip: send it as it is"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("it is packed with zstd: send it as it is"),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Some("it is packed with deflate: send it as it is"),
        _ => None,
    }
}

/// Checks that bytes are text as [`not_plain`] wants it.
pub fn check_plain(bytes: &[u8]) -> Result<(), Problem> {
    if let Some(why) = not_plain(bytes) {
        return Err(Problem::invalid(
            "request_invalid",
            format!("the body can't be read: {why}"),
        ));
    }
    std::str::from_utf8(bytes).map(drop).map_err(|error| {
        let at = error.valid_up_to();
        let detail =
            format!("the body is not UTF-8: byte {at} begins no character; was it written in another encoding?");
        Problem::invalid("request_invalid", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &'static str, value: &'static str) -> Option<(&'static str, Option<String>)> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        let problem = check_headers(&headers, &[FORM]).err()?;
        assert_eq!(problem.kind, Kind::UnsupportedMediaType);
        Some((problem.code, problem.field))
    }

    #[test]
    fn a_packed_body_is_refused_whatever_it_is_packed_with() {
        for coding in ["gzip", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "compress"] {
            let refused = Some((PACKED, Some("Content-Encoding".to_owned())));
            assert_eq!(checked("content-encoding", coding), refused, "{coding}");
        }
        assert_eq!(checked("content-encoding", "Identity"), None);
        assert_eq!(checked("content-encoding", ""), None);
    }

    #[test]
    fn a_body_is_json_in_utf_8() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; version=1",
            FORM,
        ] {
            assert_eq!(checked("content-type", good), None, "{good}");
        }
        let refused = |code| Some((code, Some("Content-Type".to_owned())));
        for other in [
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/json-seq",
            "text/json",
            "",
        ] {
            assert_eq!(
                checked("content-type", other),
                refused("content_type_unknown"),
                "{other}"
            );
        }
        for charset in [
            "application/json; charset=utf-16",
            "application/json; charset=ISO-8859-1",
        ] {
            assert_eq!(
                checked("content-type", charset),
                refused("charset_unknown"),
                "{charset}"
            );
        }
    }

    #[test]
    fn what_can_t_be_read_is_named() {
        let said = |bytes: &[u8]| check_plain(bytes).map_err(|problem| problem.detail);
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            text.encode_utf16().flat_map(bytes).collect()
        };
        for (bytes, word) in [
            (b"\xef\xbb\xbf{}".to_vec(), "byte order mark"),
            (utf16("\u{feff}{}", true), "UTF-16 with"),
            (utf16("\u{feff}{}", false), "UTF-16 with"),
            (utf16("{\"a\": 1}", true), "UTF-16:"),
            (utf16("{\"a\": 1}", false), "UTF-16:"),
            (b"\xff\xfe\0\0{\0\0\0".to_vec(), "UTF-32"),
            (b"{\0\0\0}\0\0\0".to_vec(), "UTF-32"),
            (b"\x1f\x8b\x08\0".to_vec(), "gzip"),
            (b"\x28\xb5\x2f\xfd\0".to_vec(), "zstd"),
            (b"\x78\x9c\xab".to_vec(), "deflate"),
            (b"{\"a\": \"\xe4\"}".to_vec(), "byte 7"),
        ] {
            assert!(said(&bytes).unwrap_err().contains(word), "{bytes:?}");
        }
        for good in [&b""[..], b"{}", b" {}", "{\"ä\": \"🎉\"}".as_bytes(), b"1", b"x", b"12"] {
            assert_eq!(said(good), Ok(()), "{good:?}");
        }
    }
}
