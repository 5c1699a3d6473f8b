//! The secret that an endpoint shares with its receiver.

use std::fmt;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::SigningKey;

/// A signing secret in the form its receiver holds it, or holds the other half of.
///
/// `whsec_` and base64 is the form of Standard Webhooks ("Signature scheme"): the key is what the base64
/// says. `whsk_` and base64 is that specification's private ed25519 key, whose public half, `whpk_`, the receiver
/// holds. Anything else is taken as it stands: its bytes are the key. Some receivers take every secret as it stands
/// (`hash_hmac('sha256', $payload, $secret)`); that is for their dialect to say. The text never appears in logs.
#[derive(Clone)]
pub struct Secret {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Shared(Vec<u8>),
    Ed25519(Arc<SigningKey>),
}

/// Why a text can't be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Nothing given, or far too much.
    #[error("a secret has 1 to 512 bytes, this one has {0}")]
    Length(usize),
    /// `whsec_` without base64 behind it.
    #[error("what follows `whsec_` must be base64 of 24 to 64 bytes (Standard Webhooks, Signature scheme)")]
    NotBase64,
    /// `whsk_` without a private key behind it.
    #[error("what follows `whsk_` must be base64 of an ed25519 key: the seed of 32 bytes, or seed and public key")]
    NotEd25519,
    /// `whsk_` with two halves that don't belong together.
    #[error("the public half of this `whsk_` key is not that of its seed: give the 32 bytes of the seed alone")]
    Mismatch,
}

impl Secret {
    const SHARED: &'static str = "whsec_";
    const PRIVATE: &'static str = "whsk_";
    const PUBLIC: &'static str = "whpk_";

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

    /// Takes a secret as its receiver holds it, or a private key.
    pub fn new(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        if text.is_empty() || text.len() > 512 {
            return Err(SecretError::Length(text.len()));
        }
        let key = if let Some(encoded) = text.strip_prefix(Self::SHARED) {
            Key::Shared(shared(encoded)?)
        } else if let Some(encoded) = text.strip_prefix(Self::PRIVATE) {
            Key::Ed25519(Arc::new(private(encoded)?))
        } else {
            Key::Shared(text.as_bytes().to_vec())
        };
        Ok(Self { text, key })
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
            Key::Shared(bytes) => Some(bytes),
            Key::Ed25519(_) => None,
        }
    }

    /// Whether the receiver verifies with a public key and does not hold this secret.
    #[must_use]
    pub fn is_asymmetric(&self) -> bool {
        self.signing_key().is_some()
    }

    /// What the receiver of an ed25519 key's signatures needs: `whpk_` and base64 of the public key.
    #[must_use]
    pub fn public_key(&self) -> Option<String> {
        let public = self.signing_key()?.verifying_key();
        Some(format!("{}{}", Self::PUBLIC, BASE64_STANDARD.encode(public)))
    }

    pub(crate) fn signing_key(&self) -> Option<&SigningKey> {
        match &self.key {
            Key::Shared(_) => None,
            Key::Ed25519(key) => Some(key),
        }
    }
}

fn shared(encoded: &str) -> Result<Vec<u8>, SecretError> {
    let key = BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::NotBase64)?;
    Some(key)
        .filter(|key| (24..=64).contains(&key.len()))
        .ok_or(SecretError::NotBase64)
}

/// A private key as the seed alone (RFC 8032, section 5.1.5) or with the public key behind it, as libsodium keeps it.
fn private(encoded: &str) -> Result<SigningKey, SecretError> {
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::NotEd25519)?;
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
mod tests {
    use super::*;

    #[test]
    fn a_standard_secret_is_keyed_by_what_its_base64_says() {
        let secret = Secret::generate();
        assert!(secret.reveal().starts_with("whsec_"));
        assert_eq!(secret.key().unwrap().len(), 32);
        let read = Secret::new(secret.reveal()).unwrap();
        assert_eq!(read, secret);
        assert_eq!(read.key(), secret.key());
        assert!(!secret.is_asymmetric());
        assert_eq!(secret.public_key(), None);
    }

    #[test]
    fn a_legacy_secret_is_keyed_by_its_own_bytes() {
        let key = |text: &str| Secret::new(text).unwrap().key().map(<[u8]>::to_vec);
        assert_eq!(key("your_shared_secret").unwrap(), b"your_shared_secret");
        assert_eq!(key("Schlüssel").unwrap(), "Schlüssel".as_bytes());
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn an_ed25519_key_is_its_seed_with_or_without_the_public_half() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let whsk = |bytes: &[u8]| Secret::new(format!("whsk_{}", BASE64_STANDARD.encode(bytes)));
        for text in [seed.clone(), [seed.clone(), public.clone()].concat()] {
            let secret = whsk(&text).unwrap();
            assert!(secret.is_asymmetric());
            assert_eq!(secret.key(), None);
            assert_eq!(
                secret.public_key(),
                Some(format!("whpk_{}", BASE64_STANDARD.encode(&public)))
            );
        }
        assert_eq!(whsk(&[seed.clone(), seed.clone()].concat()), Err(SecretError::Mismatch));
        assert_eq!(whsk(&seed[1..]), Err(SecretError::NotEd25519));
        assert_eq!(whsk(&[&seed[..], &[0]].concat()), Err(SecretError::NotEd25519));
        assert_eq!(Secret::new("whsk_!"), Err(SecretError::NotEd25519));
    }

    #[test]
    fn a_new_ed25519_key_reads_back() {
        let secret = Secret::generate_ed25519();
        let read = Secret::new(secret.reveal()).unwrap();
        assert_eq!(read.public_key(), secret.public_key());
        assert_ne!(secret, Secret::generate_ed25519());
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
        assert_eq!(format!("{:?}", Secret::generate_ed25519()), "Secret(…)");
    }
}
