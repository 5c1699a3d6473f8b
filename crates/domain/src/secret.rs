//! The secret that an endpoint shares with its receiver.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// A signing secret in the form its receiver holds it.
///
/// `whsec_` and base64 is the form of Standard Webhooks ("Signature scheme"): the key is what the base64
/// says. Anything else is taken as it stands: its bytes are the key, which is how the products' documents
/// use theirs (`hash_hmac('sha256', $payload, $secret)`). The text never appears in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a text can't be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing given, or far too much.
    #[error("a secret has 1 to 512 bytes, this one has {0}")]
    Length(usize),
    /// `whsec_` without base64 behind it.
    #[error("what follows `whsec_` must be base64 of 24 to 64 bytes (Standard Webhooks, Signature scheme)")]
    NotBase64,
}

impl Secret {
    const PREFIX: &'static str = "whsec_";

    /// A new secret of 256 random bits in the Standard Webhooks form.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!(
            "{}{}",
            Self::PREFIX,
            BASE64_STANDARD.encode(rand::random::<[u8; 32]>())
        ))
    }

    /// Takes a secret as its receiver holds it.
    pub fn new(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        if text.is_empty() || text.len() > 512 {
            return Err(SecretError::Length(text.len()));
        }
        if let Some(encoded) = text.strip_prefix(Self::PREFIX) {
            let key = BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::NotBase64)?;
            if !(24..=64).contains(&key.len()) {
                return Err(SecretError::NotBase64);
            }
        }
        Ok(Self(text))
    }

    /// The text as the receiver holds it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The bytes that signatures are keyed with.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        self.0
            .strip_prefix(Self::PREFIX)
            .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
            .unwrap_or_else(|| self.0.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_secret_is_keyed_by_what_its_base64_says() {
        let secret = Secret::generate();
        assert!(secret.reveal().starts_with("whsec_"));
        assert_eq!(secret.key().len(), 32);
        assert_eq!(Secret::new(secret.reveal()).unwrap(), secret);
    }

    #[test]
    fn a_legacy_secret_is_keyed_by_its_own_bytes() {
        assert_eq!(Secret::new("your_shared_secret").unwrap().key(), b"your_shared_secret");
    }

    #[test]
    fn what_can_not_be_a_secret_is_refused() {
        assert_eq!(Secret::new(""), Err(SecretError::Length(0)));
        assert_eq!(Secret::new("x".repeat(513)), Err(SecretError::Length(513)));
        assert_eq!(Secret::new("whsec_!"), Err(SecretError::NotBase64));
        assert_eq!(Secret::new("whsec_c2hvcnQ="), Err(SecretError::NotBase64));
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::new("hunter2").unwrap()), "Secret(…)");
    }
}
