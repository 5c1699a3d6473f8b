//! An attempt's signature as pages show it, and what a receiver saw beside it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::show::bytes::{Body, Piece, View, visible};
use crate::visitor::Reader;

/// The proof of an attempt's origin.
#[derive(Deserialize)]
pub(crate) struct AttemptSignature {
    pub(crate) attempt_id: String,
    pub(crate) dialect: String,
    pub(crate) state: String,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) secret_headers: Vec<SecretHeader>,
    pub(crate) may_reveal: bool,
}

/// A header with a signature.
#[derive(Deserialize)]
pub(crate) struct Signature {
    pub(crate) header: String,
    pub(crate) sent: Option<String>,
    pub(crate) encoding: String,
    pub(crate) key: String,
    pub(crate) template: String,
    pub(crate) signed: String,
    pub(crate) checks: Vec<Check>,
}

#[derive(Deserialize)]
pub(crate) struct Check {
    pub(crate) secret: String,
    pub(crate) algorithm: String,
    pub(crate) key_hex: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) equal: bool,
}

#[derive(Deserialize)]
pub(crate) struct SecretHeader {
    pub(crate) header: String,
    pub(crate) sent: bool,
}

/// A comparison of what a receiver saw with what was sent.
#[derive(Deserialize)]
pub(crate) struct Comparison {
    pub(crate) verifies: Option<bool>,
    pub(crate) difference: Option<Difference>,
    pub(crate) findings: Vec<Finding>,
}

#[derive(Deserialize)]
pub(crate) struct Difference {
    pub(crate) at: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) sent: String,
    pub(crate) received: String,
    pub(crate) sent_byte: Option<u8>,
    pub(crate) received_byte: Option<u8>,
}

#[derive(Deserialize)]
pub(crate) struct Finding {
    pub(crate) code: String,
    pub(crate) fault: bool,
    pub(crate) detail: String,
    pub(crate) values: BTreeMap<String, String>,
}

impl Signature {
    /// The signed text, with every character visible.
    pub(crate) fn signed_body(&self, view: &View) -> Body {
        Body::new(self.signed.as_bytes(), *view)
    }

    /// The algorithm's name as people write it.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self.checks.iter().any(|check| check.algorithm == "ed25519") {
            true => "Ed25519",
            false => "HMAC-SHA-256",
        }
    }

    /// True if the header has the value that one of the secrets gives.
    pub(crate) fn is_right(&self) -> bool {
        self.checks.iter().any(|check| check.equal)
    }
}

impl Finding {
    /// The finding in the reader's language; one that the console does not know yet as the API words it.
    pub(crate) fn text(&self, reader: &Reader) -> String {
        let key = format!("finding-{}", self.code.replace('_', "-"));
        let values: Vec<_> = self
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        let text = reader.console.texts.say(reader.language, &key, &values);
        if text == key { self.detail.clone() } else { text }
    }

    /// The attempt that it is about.
    pub(crate) fn attempt(&self) -> Option<&str> {
        self.values.get("attempt").map(String::as_str)
    }
}

impl Difference {
    pub(crate) fn sent_pieces(&self) -> Vec<Piece> {
        visible(&self.sent, "")
    }

    pub(crate) fn sent_byte(&self) -> String {
        byte(self.sent_byte)
    }

    pub(crate) fn received_byte(&self) -> String {
        byte(self.received_byte)
    }

    pub(crate) fn received_pieces(&self) -> Vec<Piece> {
        visible(&self.received, "")
    }
}

/// A byte in hexadecimal, with the character that it is in ASCII.
fn byte(byte: Option<u8>) -> String {
    match byte {
        None => "–".to_owned(),
        Some(byte) if byte.is_ascii_graphic() => format!("{byte:02X} ({})", char::from(byte)),
        Some(byte) => format!("{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_shown_with_its_character() {
        assert_eq!(byte(Some(b'{')), "7B ({)");
        assert_eq!(byte(Some(b'\n')), "0A");
        assert_eq!(byte(None), "–");
    }
}
