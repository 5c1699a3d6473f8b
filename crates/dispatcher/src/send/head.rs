//! Reads the head of a response that the HTTP library rejects: the status, and those headers that can be read.
//!
//! A receiver that answered 200 has the event, however malformed the rest of its response is. So the status line
//! decides, and every further line counts if it is a header. The body behind such a head is not read.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The status and headers of the final response that begins here; none if no whole line says a status.
pub(super) fn read(mut bytes: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    loop {
        let (line, rest) = line(bytes)?;
        if line.is_empty() {
            // Some servers end the last body with a line too many (RFC 9112, section 2.2).
            bytes = rest;
            continue;
        }
        let status = status(line)?;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            bytes = behind_head(rest)?;
            continue;
        }
        return Some((status, headers(rest)));
    }
}

/// RFC 9112, section 4: `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<StatusCode> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let (version, rest) = rest.split_at(rest.iter().position(|byte| *byte == b' ')?);
    let is_version = |version: &[u8]| matches!(version, [b'0'..=b'9'] | [b'0'..=b'9', b'.', b'0'..=b'9']);
    let rest = rest.trim_ascii_start();
    let code = rest.get(..3).filter(|_| is_version(version))?;
    let ends = rest.get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    StatusCode::from_bytes(code).ok().filter(|_| ends)
}

fn headers(mut bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut last: Option<(HeaderName, Vec<u8>)> = None;
    while let Some((line, rest)) = line(bytes) {
        bytes = rest;
        if line.is_empty() {
            break;
        }
        match &mut last {
            // RFC 9112, section 5.2: a fold is read as blanks.
            Some((_, value)) if line[0] == b' ' || line[0] == b'\t' => {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            _ => {
                keep(&mut headers, last.take());
                let colon = line.iter().position(|byte| *byte == b':');
                last = colon.and_then(|at| {
                    let name = HeaderName::from_bytes(line[..at].trim_ascii()).ok()?;
                    Some((name, line[at + 1..].trim_ascii().to_vec()))
                });
            }
        }
    }
    keep(&mut headers, last);
    headers
}

fn keep(headers: &mut HeaderMap, line: Option<(HeaderName, Vec<u8>)>) {
    if let Some((name, value)) = line
        && let Ok(value) = HeaderValue::from_bytes(value.trim_ascii())
    {
        // More than fit in are left out.
        let _ = headers.try_append(name, value);
    }
}

fn behind_head(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, rest) = line(bytes)?;
        bytes = rest;
        if line.is_empty() {
            return Some(bytes);
        }
    }
}

/// The first line without its end, and what follows.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(head: &str) -> Option<u16> {
        read(head.as_bytes()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_status_line_that_can_be_read_decides() {
        for (head, status) in [
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Some(200)),
            ("HTTP/1.1 204\n", Some(204)),
            ("HTTP/1.0 500 \r\n", Some(500)),
            ("HTTP/2 410 Gone\r\n", Some(410)),
            ("HTTP/1.1  999 odd\r\n", Some(999)),
            ("\r\nHTTP/1.1 200 OK\r\n", Some(200)),
            (
                "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 202 Fine\r\n",
                Some(202),
            ),
            ("HTTP/1.1 101 Switching\r\n", Some(101)),
            ("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", None),
            ("HTTP/1.1 100 Continue\r\n", None),
            ("HTTP/1.1 200 OK", None),
            ("HTTP/1.1 2000 OK\r\n", None),
            ("HTTP/1.1 20x OK\r\n", None),
            ("HTTP/1.1 abc OK\r\n", None),
            ("HTTP/x 200 OK\r\n", None),
            ("SSH-2.0-OpenSSH_9.6\r\n", None),
            ("", None),
        ] {
            assert_eq!(status_of(head), status, "{head:?}");
        }
    }

    #[test]
    fn header_lines_are_read_as_far_as_they_are_lines() {
        let head =
            b"HTTP/1.1 429 Slow\r\nRetry-After:\r\n  17\r\njunk\r\n x\r\nb\x00d: 1\r\nX: a\r\n\tb\r\n\r\nnot: this";
        let (_, headers) = read(head).unwrap();
        assert_eq!(headers["retry-after"], "17");
        assert_eq!(headers["x"], "a b");
        assert_eq!(headers.len(), 2);
    }
}
