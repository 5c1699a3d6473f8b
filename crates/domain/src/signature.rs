//! Signature algorithms of all dialects: HMAC-SHA-256 with a shared secret, ed25519 with a private key.

use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::secret::Secret;

/// A signature as its algorithm gives it, before it is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// HMAC-SHA-256 (RFC 2104).
    Hmac([u8; 32]),
    /// Ed25519 (RFC 8032).
    Ed25519([u8; 64]),
}

impl Signature {
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Hmac(bytes) => bytes,
            Self::Ed25519(bytes) => bytes,
        }
    }
}

/// Signs a message in the way that the secret is for.
#[must_use]
pub fn sign(secret: &Secret, message: &[u8]) -> Signature {
    match secret.signing_key() {
        Some(key) => Signature::Ed25519(key.sign(message).to_bytes()),
        None => Signature::Hmac(hmac_sha256(secret.key().unwrap_or_default(), &[message])),
    }
}

/// HMAC-SHA-256 (RFC 2104) of the parts in order, as if they were one message.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length (RFC 2104, section 2), so this can't fail.
    #[allow(clippy::unwrap_used, reason = "no key length is invalid for HMAC")]
    Hmac::new_from_slice(key).unwrap()
}

/// Compares signatures in a time that does not depend on where they differ.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_published_vector_holds_however_the_message_is_cut() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let whole = hmac_sha256(b"Jefe", &[b"what do ya want for nothing?"]);
        let cut = hmac_sha256(b"Jefe", &[b"what do ya ", b"", b"want for nothing?"]);
        assert_eq!(hex::encode(whole), expected);
        assert!(same(&whole, &cut));
        assert!(!same(&whole, &cut[..31]));
        let secret = Secret::new("Jefe").unwrap();
        assert_eq!(sign(&secret, b"what do ya want for nothing?"), Signature::Hmac(whole));
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn an_ed25519_key_signs_as_published() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let secret = Secret::new(format!("whsk_{}", BASE64_STANDARD.encode(seed))).unwrap();
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let signature = sign(&secret, &[0x72]);
        assert_eq!(hex::encode(signature.as_bytes()), expected);
        assert!(matches!(signature, Signature::Ed25519(_)));
    }
}
