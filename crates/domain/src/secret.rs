//! Secrets shared between an endpoint and its receiver.

use std::fmt;
use std::sync::Arc;

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::SigningKey;

use self::dressing::{dressed, prefix_of, quotes_around, whole_key_in, word_before};
use crate::text::{self, Stray};

mod dressing;

/// A signing secret in the form in which its receiver holds it, or holds the other half of it.
///
/// `whsec_` and base64 is the form of Standard Webhooks ("Signature scheme"): the key is the decoded base64. `whsk_`
/// and base64 is that specification's private ed25519 key, whose public half, `whpk_`, the receiver holds. Any other
/// text is used as it is: its bytes are the key. Some receivers use every secret as it is (`hash_hmac('sha256',
/// $payload, $secret)`), as their dialect states; so a text that only looks like such a key is a valid secret too,
/// and [`Secret::check_key`] tells if it is one.
///
/// The text never appears in logs.
#[derive(Clone)]
pub struct Secret {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    /// The bytes of the text.
    Text,
    Shared(Vec<u8>),
    Ed25519(Arc<SigningKey>),
}

/// Reason why a text can't be a secret, or is not the key that it looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing given, or far too much.
    #[error("a secret has 1 to 512 bytes, this one has {0}")]
    Length(usize),
    /// Something that one does not see, as editors, vaults and clipboards add it.
    #[error("the secret has {0}: leave that out")]
    Stray(Stray),
    #[error("the secret stands in quotes, {0} and {1}: leave them out")]
    Quoted(char, char),
    /// Something in front of it or behind it.
    #[error("the secret has {what} {}: leave that out", if *.behind { "behind it" } else { "before it" })]
    Dressed {
        /// The part that is too much, without any of the secret.
        what: String,
        /// `true` if that part follows the secret.
        behind: bool,
    },
    /// The prefix in the wrong case, such as `WHSEC_`.
    #[error("the secret begins with `{0}` in other letters: write it in small ones")]
    PrefixCase(&'static str),
    /// `whpk_`, which is for the receiver.
    #[error("`whpk_` is the public half of a key, which is for the receiver: give the private one, `whsk_…`")]
    PublicHalf,
    /// `whsec_` with something else than base64 behind it.
    #[error(
        "what follows `whsec_` must be base64 of 24 to 64 bytes (Standard Webhooks, Signature scheme): letters, digits, `+` \
         and `/`, with `=` only at the end"
    )]
    NotBase64,
    /// `whsec_` with the base64 of too little or too much behind it.
    #[error(
        "what follows `whsec_` must be base64 of 24 to 64 bytes (Standard Webhooks, Signature scheme), this is of {0}: \
         give all of it, or have one generated"
    )]
    KeyLength(usize),
    /// `whsk_` without a private key behind it.
    #[error("what follows `whsk_` must be base64 of an ed25519 key: the seed of 32 bytes, or seed and public key")]
    NotEd25519,
    /// `whsk_` with two halves that don't belong together.
    #[error("the public half of this `whsk_` key is not that of its seed: give the 32 bytes of the seed alone")]
    Mismatch,
}

/// Base64 with or without `=` at its end: some vaults take it away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Secret {
    const SHARED: &'static str = "whsec_";
    const PRIVATE: &'static str = "whsk_";
    const PUBLIC: &'static str = "whpk_";
    /// Maximum length, in bytes.
    const MAX: usize = 512;

    /// A new secret of 256 random bits in the Standard Webhooks form.
    #[must_use]
    pub fn generate() -> Self {
        let key: [u8; 32] = rand::random();
        Self {
            text: format!("{}{}", Self::SHARED, BASE64_STANDARD.encode(key)),
            key: Key::Shared(key.to_vec()),
        }
    }

    /// A new private ed25519 key in the Standard Webhooks form.
    #[must_use]
    pub fn generate_ed25519() -> Self {
        let seed: [u8; 32] = rand::random();
        Self {
            text: format!("{}{}", Self::PRIVATE, BASE64_STANDARD.encode(seed)),
            key: Key::Ed25519(Arc::new(SigningKey::from_bytes(&seed))),
        }
    }

    /// Takes a secret as it is kept. What people give is read by [`Secret::read`].
    pub fn new(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX {
            return Err(SecretError::Length(text.len()));
        }
        let key = Self::key_in(&text).ok().flatten().unwrap_or(Key::Text);
        Ok(Self { text, key })
    }

    /// Reads a secret as people give it, by whichever door: as its receiver holds it, or a private key. What is around
    /// the secret rather than of it is refused, because the receiver would compute other signatures.
    pub fn read(text: &str) -> Result<Self, SecretError> {
        let secret = Self::new(text)?;
        if let Some(stray) = text::stray(text) {
            return Err(SecretError::Stray(stray));
        }
        if let Some((open, close)) = quotes_around(text) {
            return Err(SecretError::Quoted(open, close));
        }
        if let Some(what) = word_before(text) {
            return Err(SecretError::Dressed { what, behind: false });
        }
        match whole_key_in(text) {
            Some(dressing) => Err(dressing),
            None => Ok(secret),
        }
    }

    /// Checks that a secret that looks like a key is one, for receivers that decode `whsec_…` and `whsk_…`. A text
    /// that looks like neither is its own key.
    pub fn check_key(&self) -> Result<(), SecretError> {
        if let Some(error) = prefix_of(&self.text).and_then(|(at, prefix)| dressed(&self.text, at, prefix)) {
            return Err(error);
        }
        let signature = ["v1,", "v1a,"].into_iter().find(|mark| self.text.starts_with(mark));
        if let Some(mark) = signature {
            return Err(SecretError::Dressed {
                what: format!("`{mark}`"),
                behind: false,
            });
        }
        Self::key_in(&self.text).map(drop)
    }

    /// The text as the receiver holds it; of an ed25519 key, the private half.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The bytes that HMAC is keyed with; none of an ed25519 key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Text => Some(self.text.as_bytes()),
            Key::Shared(bytes) => Some(bytes),
            Key::Ed25519(_) => None,
        }
    }

    /// Tells if the receiver verifies with a public key and does not hold this secret.
    #[must_use]
    pub fn is_asymmetric(&self) -> bool {
        self.signing_key().is_some()
    }

    /// Public half of an ed25519 key, for its receiver: `whpk_` and base64.
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        let public = self.signing_key()?.verifying_key();
        Some(format!("{}{}", Self::PUBLIC, BASE64_STANDARD.encode(public)))
    }

    pub(crate) fn signing_key(&self) -> Option<&SigningKey> {
        match &self.key {
            Key::Text | Key::Shared(_) => None,
            Key::Ed25519(key) => Some(key),
        }
    }

    /// The key that a text holds behind its prefix; none if it has no prefix.
    fn key_in(text: &str) -> Result<Option<Key>, SecretError> {
        if let Some(encoded) = text.strip_prefix(Self::SHARED) {
            Ok(Some(Key::Shared(shared(encoded)?)))
        } else if let Some(encoded) = text.strip_prefix(Self::PRIVATE) {
            Ok(Some(Key::Ed25519(Arc::new(private(encoded)?))))
        } else if text.starts_with(Self::PUBLIC) {
            Err(SecretError::PublicHalf)
        } else {
            Ok(None)
        }
    }
}

fn shared(encoded: &str) -> Result<Vec<u8>, SecretError> {
    let key = BASE64.decode(encoded).map_err(|_| SecretError::NotBase64)?;
    match key.len() {
        24..=64 => Ok(key),
        other => Err(SecretError::KeyLength(other)),
    }
}

/// A private key as the seed alone (RFC 8032, section 5.1.5) or with the public key behind it, as libsodium keeps it.
fn private(encoded: &str) -> Result<SigningKey, SecretError> {
    let bytes = BASE64.decode(encoded).map_err(|_| SecretError::NotEd25519)?;
    let seed = bytes.first_chunk().ok_or(SecretError::NotEd25519)?;
    let key = SigningKey::from_bytes(seed);
    match bytes.len() {
        32 => Ok(key),
        64 if bytes.ends_with(key.verifying_key().as_bytes()) => Ok(key),
        64 => Err(SecretError::Mismatch),
        _ => Err(SecretError::NotEd25519),
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests;
