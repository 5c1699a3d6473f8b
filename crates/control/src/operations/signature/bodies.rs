//! Two bodies byte for byte: where they begin to differ, and what usually does that.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;
use tidings_dialect::canonical;

use super::finding::Finding;

/// Bytes shown on either side of the first difference.
const AROUND: usize = 24;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The first place where two bodies differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Number of equal bytes before it.
    pub(crate) at: usize,
    /// The line of what was sent, from 1.
    pub(crate) line: usize,
    /// The byte in that line, from 1.
    pub(crate) column: usize,
    /// The sent bytes around it; what is not UTF-8 is replaced.
    pub(crate) sent: String,
    /// The received bytes around it.
    pub(crate) received: String,
    /// The byte that was sent there; none if what was sent ends there.
    pub(crate) sent_byte: Option<u8>,
    /// The byte that was received there.
    pub(crate) received_byte: Option<u8>,
}

impl Difference {
    pub(super) fn between(sent: &[u8], received: &[u8]) -> Option<Self> {
        if sent == received {
            return None;
        }
        let at = sent
            .iter()
            .zip(received)
            .take_while(|(one, other)| one == other)
            .count();
        let before = &sent[..at];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        Some(Self {
            at,
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: at - line_start + 1,
            sent: around(sent, at),
            received: around(received, at),
            sent_byte: sent.get(at).copied(),
            received_byte: received.get(at).copied(),
        })
    }
}

fn around(bytes: &[u8], at: usize) -> String {
    let piece = &bytes[at.saturating_sub(AROUND)..bytes.len().min(at + AROUND)];
    String::from_utf8_lossy(piece).into_owned()
}

/// The change that makes the received body of the sent one: the most telling cause that explains all of the difference.
pub(super) fn cause(sent: &[u8], received: &[u8]) -> Finding {
    if sent == received {
        return Finding::fine("body_same", "the body is the one that was sent, byte for byte");
    }
    let causes = [at_the_ends, in_another_form, reprinted, in_another_charset, cut];
    let found = causes.iter().find_map(|cause| cause(sent, received));
    found.unwrap_or_else(|| {
        let detail =
            "the body is a different one: check whether it belongs to another request, or was changed on the way";
        Finding::fault("body_other", detail)
    })
}

fn at_the_ends(sent: &[u8], received: &[u8]) -> Option<Finding> {
    let without_newline = |bytes: &[u8]| bytes.trim_ascii_end().len();
    let is_newlines = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
    if received.is_empty() {
        let detail =
            "the body is empty: something has read it before the signature was checked; keep the raw bytes first";
        return Some(Finding::fault("body_empty", detail));
    }
    if received.strip_prefix(BOM) == Some(sent) {
        let detail =
            "a byte order mark (EF BB BF) was put in front: write and read the body as bytes, not as a text file";
        return Some(Finding::fault("body_bom", detail));
    }
    if received.strip_prefix(sent).is_some_and(is_newlines) {
        let detail = "a line end was added at the end: tools like `echo` and editors do that";
        return Some(Finding::fault("body_newline_added", detail));
    }
    if sent.strip_prefix(received).is_some_and(is_newlines) {
        let detail = "the line end at the end was taken away: do not trim the body before checking";
        return Some(Finding::fault("body_newline_cut", detail));
    }
    if lines(sent) == lines(received) {
        let detail = "line ends were changed between LF and CRLF: read the body as bytes, not as text";
        return Some(Finding::fault("body_line_ends", detail));
    }
    let is_trimmed = sent.trim_ascii() == received.trim_ascii();
    (is_trimmed && without_newline(received) > 0).then(|| {
        let detail =
            "blanks at the beginning or the end were added or taken away: do not trim the body before checking";
        Finding::fault("body_blanks", detail)
    })
}

fn lines(bytes: &[u8]) -> Vec<u8> {
    let mut kept = bytes.to_vec();
    kept.retain(|byte| *byte != b'\r');
    kept
}

fn in_another_form(sent: &[u8], received: &[u8]) -> Option<Finding> {
    let decoded = BASE64_STANDARD.decode(received.trim_ascii());
    if decoded.is_ok_and(|decoded| decoded == sent) {
        let detail =
            "the body is still base64, as some gateways hand it over (`isBase64Encoded`): decode it before checking";
        return Some(Finding::fault("body_base64", detail));
    }
    let quoted = serde_json::from_slice::<String>(received).ok()?;
    (quoted.as_bytes() == sent).then(|| {
        let detail = "the body was written as a JSON string once more: check what came, before it is put into anything";
        Finding::fault("body_quoted", detail)
    })
}

/// The same JSON, written otherwise: parsed and printed again.
fn reprinted(sent: &[u8], received: &[u8]) -> Option<Finding> {
    let (one, other): (Value, Value) = (
        serde_json::from_slice(sent).ok()?,
        serde_json::from_slice(received).ok()?,
    );
    let (first, second) = (canonical::ecmascript(sent).ok()?, canonical::ecmascript(received).ok()?);
    if one != other {
        return (first == second).then(|| {
            let detail = "the body was parsed and printed again, which rounded a number: check the bytes that came";
            Finding::fault("body_numbers", detail)
        });
    }
    let has = |bytes: &[u8], what: &str| String::from_utf8_lossy(bytes).contains(what);
    let newly = |what: &str| has(received, what) && !has(sent, what);
    let how = if first != second {
        ("body_order", "which changed the order of its members")
    } else if newly("\\/") {
        ("body_slashes", "which escaped its slashes, as PHP's `json_encode` does")
    } else if newly("\\u") {
        (
            "body_escapes",
            "which escaped its letters beyond ASCII, as Python's `json.dumps` does",
        )
    } else if newly("\n") {
        ("body_pretty", "which laid it out over several lines")
    } else if newly("\": ") || newly("\", ") {
        (
            "body_spaces",
            "which put blanks after its colons and commas, as Python's `json.dumps` does",
        )
    } else {
        ("body_reprinted", "which writes the same JSON in other bytes")
    };
    let (code, how) = how;
    let detail =
        format!("the body was parsed and printed again, {how}: check the bytes that came, before they are parsed");
    Some(Finding::fault(code, detail))
}

fn in_another_charset(sent: &[u8], received: &[u8]) -> Option<Finding> {
    let text = std::str::from_utf8(sent).ok()?;
    if text.is_ascii() {
        return None;
    }
    let latin: Option<Vec<u8>> = text
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).ok())
        .collect();
    if latin.is_some_and(|latin| latin == received) {
        let detail = "the body was changed from UTF-8 to ISO 8859-1: read it as bytes, or as UTF-8";
        return Some(Finding::fault("body_latin", detail));
    }
    let mistaken: String = sent.iter().map(|byte| char::from(*byte)).collect();
    if mistaken.as_bytes() == received || windows(sent) == received {
        let detail =
            "the body was read as ISO 8859-1 or Windows-1252, though it is UTF-8: read it as bytes, or as UTF-8";
        return Some(Finding::fault("body_mistaken", detail));
    }
    let is_lost = ['?', '\u{fffd}'].iter().any(|instead| {
        let letters = text
            .chars()
            .map(|letter| if letter.is_ascii() { letter } else { *instead });
        let lost: String = letters.collect();
        lost.as_bytes() == received
    });
    is_lost.then(|| {
        let detail = "letters beyond ASCII were lost: the body went through a charset that does not have them";
        Finding::fault("body_lost", detail)
    })
}

/// UTF-8 taken for Windows-1252 and written as UTF-8; the codes that it has no letter for stay as they are.
fn windows(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let letter = |byte: &u8| match byte {
        0x80..=0x9f => LETTERS[usize::from(*byte - 0x80)],
        byte => char::from(*byte),
    };
    bytes.iter().map(letter).collect::<String>().into_bytes()
}

fn cut(sent: &[u8], received: &[u8]) -> Option<Finding> {
    if sent.starts_with(received) {
        let missing = sent.len() - received.len();
        let detail =
            format!("the last {missing} bytes are missing: read the body to its end, and look for a limit of its size");
        return Some(Finding::fault("body_cut", detail).with("n", missing));
    }
    received.starts_with(sent).then(|| {
        let more = received.len() - sent.len();
        let detail = format!("{more} bytes follow that were not sent: something is appended to the body");
        Finding::fault("body_longer", detail).with("n", more)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = r#"{"id":12345678901234567890,"name":"Zoë","url":"https://a.example/b","list":[1,2]}"#;

    fn code(received: impl AsRef<[u8]>) -> &'static str {
        cause(SENT.as_bytes(), received.as_ref()).code
    }

    #[test]
    fn the_usual_causes_are_told_apart() {
        assert_eq!(code(SENT), "body_same");
        assert_eq!(code(""), "body_empty");
        assert_eq!(code(format!("{SENT}\n")), "body_newline_added");
        assert_eq!(code(format!("{SENT}\r\n")), "body_newline_added");
        assert_eq!(code(format!(" {SENT} ")), "body_blanks");
        assert_eq!(code(format!("\u{feff}{SENT}")), "body_bom");
        assert_eq!(code(BASE64_STANDARD.encode(SENT)), "body_base64");
        assert_eq!(code(serde_json::to_string(SENT).unwrap()), "body_quoted");
        assert_eq!(
            code(SENT.replace("12345678901234567890", "12345678901234567000")),
            "body_numbers"
        );
        assert_eq!(code(SENT.replace('/', "\\/")), "body_slashes");
        assert_eq!(code(SENT.replace('ë', "\\u00eb")), "body_escapes");
        assert_eq!(code(SENT.replace("\":", "\": ")), "body_spaces");
        assert_eq!(code(SENT.replace("[1,2]", "[1 ,2]")), "body_reprinted");
        assert_eq!(code(SENT.replace(",\"list\"", ",\n  \"list\"")), "body_pretty");
        let sorted = r#"{"list":[1,2],"id":12345678901234567890,"name":"Zoë","url":"https://a.example/b"}"#;
        assert_eq!(code(sorted), "body_order");
        assert_eq!(code(SENT.replace('ë', "Ã«")), "body_mistaken");
        assert_eq!(code(SENT.replace('ë', "?")), "body_lost");
        let latin: Vec<u8> = SENT.chars().map(|letter| letter as u8).collect();
        assert_eq!(code(latin), "body_latin");
        assert_eq!(code(&SENT[..20]), "body_cut");
        assert_eq!(code(format!("{SENT}{SENT}")), "body_longer");
        assert_eq!(code("{\"id\":1}"), "body_other");
    }

    #[test]
    fn line_ends_and_the_end_of_the_text_are_told_apart() {
        let sent = b"{\n  \"a\": 1\n}\n";
        assert_eq!(cause(sent, b"{\r\n  \"a\": 1\r\n}\r\n").code, "body_line_ends");
        assert_eq!(cause(sent, b"{\n  \"a\": 1\n}").code, "body_newline_cut");
    }

    #[test]
    fn the_first_byte_that_differs_is_named_with_its_place() {
        let found = Difference::between(b"{\n  \"a\": 1\n}", b"{\n  \"a\": 2\n}").unwrap();
        assert_eq!((found.at, found.line, found.column), (9, 2, 8));
        assert_eq!((found.sent_byte, found.received_byte), (Some(b'1'), Some(b'2')));
        let found = Difference::between(b"ab", b"a").unwrap();
        assert_eq!((found.at, found.sent_byte, found.received_byte), (1, Some(b'b'), None));
        assert_eq!(Difference::between(b"a", b"a"), None);
    }
}
