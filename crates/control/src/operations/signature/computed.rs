//! The value that a receiver computed: found again by computing as receivers do it wrongly.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use tidings_domain::signature::{hmac_sha256, same};

use super::finding::Finding;

/// Length of a SHA-256, in bytes.
const LENGTH: usize = 32;

/// A key that a receiver may have taken.
pub(super) struct Key {
    /// The kind of key, as a part of a code: `text`, `bare`, `decoded`, `previous`, `given`.
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    /// `true` for the key that verifies.
    pub(super) is_right: bool,
}

/// A text that a receiver may have signed.
pub(super) struct Text<'a> {
    /// The kind of text, as a part of a code: `signed`, `body`, `received_signed`, `received`.
    pub(super) name: &'static str,
    pub(super) bytes: &'a [u8],
    pub(super) is_right: bool,
}

/// Explains a value by trying each key with each text.
pub(super) fn explain(
    value: &str,
    prefixes: &[&str],
    encoding: &str,
    keys: &[Key],
    texts: &[Text<'_>],
) -> Vec<Finding> {
    let value = value.trim().trim_matches(['"', '\'']);
    let bare = prefixes
        .iter()
        .find_map(|prefix| value.strip_prefix(prefix))
        .unwrap_or(value);
    let Some((digest, written)) = read(bare) else {
        let detail = "what the receiver computed is neither hexadecimal nor base64";
        return vec![Finding::fault("computed_unreadable", detail)];
    };
    if digest.len() != LENGTH {
        let detail = format!(
            "what the receiver computed has {} bytes, and HMAC-SHA-256 has 32: another hash was taken, or it was written twice",
            digest.len()
        );
        return vec![Finding::fault("computed_hash", detail).with("n", digest.len())];
    }
    let made = |key: &Key, text: &Text<'_>| same(&hmac_sha256(&key.bytes, &[text.bytes]), &digest);
    let found = texts
        .iter()
        .flat_map(|text| keys.iter().map(move |key| (key, text)))
        .find(|(key, text)| made(key, text));
    let Some((key, text)) = found else {
        let detail = "what the receiver computed comes neither from these bytes nor from these keys: look at the body and the secret";
        return vec![Finding::fault("computed_other", detail)];
    };
    let mut findings = Vec::new();
    if !key.is_right {
        findings.push(wrong_key(key.name));
    }
    if !text.is_right {
        findings.push(wrong_text(text.name));
    }
    if written != encoding {
        let detail = format!("the value is right, written as {written}; the header has it as {encoding}");
        let finding = Finding::fault("computed_encoding", detail);
        findings.push(finding.with("written", written).with("expected", encoding));
    }
    if findings.is_empty() {
        let detail = "what the receiver computed is right: compare it with what stands behind the header's prefix";
        findings.push(Finding::fine("computed_right", detail));
    }
    findings
}

fn read(text: &str) -> Option<(Vec<u8>, &'static str)> {
    if let Some(bytes) = from_hex(text) {
        return Some((bytes, "hex"));
    }
    let bytes = BASE64_STANDARD.decode(text).ok().map(|bytes| (bytes, "base64"));
    bytes.or_else(|| {
        Some((
            BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?,
            "base64url",
        ))
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let is_hex = !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Base64 of 32 bytes ends with `=`; all digits of these forms together are hexadecimal.
    let digits = is_hex.then(|| (0..text.len()).step_by(2))?;
    digits
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

fn wrong_key(name: &str) -> Finding {
    match name {
        "text" => Finding::fault(
            "computed_key_text",
            "the receiver took the secret's text for the key: the key is what the base64 behind `whsec_` says",
        ),
        "bare" => Finding::fault(
            "computed_key_bare",
            "the receiver took the text behind `whsec_` for the key, without decoding it, or though the prefix belongs to it",
        ),
        "decoded" => Finding::fault(
            "computed_key_decoded",
            "the receiver decoded the secret from base64: here the whole text, as it is shown, is the key",
        ),
        "previous" => Finding::fault(
            "computed_key_previous",
            "the receiver has the secret before the last replacement: take over the new one",
        ),
        _ => Finding::fault(
            "computed_key_given",
            "the receiver computes with the secret that was pasted, which is not the endpoint's",
        ),
    }
}

fn wrong_text(name: &str) -> Finding {
    match name {
        "body" => Finding::fault(
            "computed_text_body",
            "the receiver signed the body alone: what is signed has more in it, as shown above",
        ),
        _ => Finding::fault(
            "computed_text_received",
            "the receiver computes rightly over the body that it has, which is not the one that was sent",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::secrets::hex;
    use super::*;

    fn key(name: &'static str, bytes: &[u8]) -> Key {
        Key {
            name,
            bytes: bytes.into(),
            is_right: name == "right",
        }
    }

    #[test]
    fn a_wrong_value_tells_how_it_was_made() {
        let keys = [key("right", b"key"), key("text", b"whsec_a2V5"), key("bare", b"a2V5")];
        let texts = [("signed", &b"1.{}"[..]), ("body", b"{}")].map(|(name, bytes)| Text {
            name,
            bytes,
            is_right: name == "signed",
        });
        let codes = |value: &str| -> Vec<_> {
            let findings = explain(value, &["v1,"], "base64", &keys, &texts);
            findings.into_iter().map(|finding| finding.code).collect()
        };
        let made = |key: &[u8], text: &[u8]| hmac_sha256(key, &[text]);
        let base64 = |bytes: [u8; 32]| BASE64_STANDARD.encode(bytes);
        assert_eq!(codes(&base64(made(b"key", b"1.{}"))), ["computed_right"]);
        assert_eq!(
            codes(&format!("v1,{}", base64(made(b"key", b"1.{}")))),
            ["computed_right"]
        );
        assert_eq!(codes(&hex(&made(b"key", b"1.{}"))), ["computed_encoding"]);
        assert_eq!(codes(&base64(made(b"whsec_a2V5", b"1.{}"))), ["computed_key_text"]);
        assert_eq!(
            codes(&hex(&made(b"a2V5", b"{}"))),
            ["computed_key_bare", "computed_text_body", "computed_encoding"]
        );
        assert_eq!(codes(&base64(made(b"other", b"1.{}"))), ["computed_other"]);
        assert_eq!(codes(&hex(&[7; 20])), ["computed_hash"]);
        assert_eq!(codes("not at all!"), ["computed_unreadable"]);
    }
}
