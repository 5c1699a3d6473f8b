//! Secrets at rest are sealed: encrypted and bound to the row they belong to.
//!
//! XChaCha20-Poly1305 with a random nonce, which is long enough that a key never wears out. Every sealed value
//! names its key, so that keys can be rotated: put a new one first and keep the old ones until everything was
//! written again. A sealed value that is copied to another row does not open there, because its context is
//! authenticated with it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::error::StoreError;

/// Seals and opens secrets; cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<[(String, XChaCha20Poly1305)]>,
}

/// A key to seal with, and the name under which sealed values refer to it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey {
    id: String,
    key: [u8; 32],
}

/// A configuration of keys that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealKeyError {
    #[error("no key to seal secrets with: give one like `main:` followed by what `openssl rand -base64 32` prints")]
    None,
    /// Two keys have this name.
    #[error("two keys to seal secrets with are called `{0}`: give every key its own name")]
    SameName(String),
    /// Not a name, a colon and a key.
    #[error("a key to seal secrets with is written `main:` followed by what `openssl rand -base64 32` prints")]
    Form,
    /// A name that is empty, too long or has odd characters.
    #[error("`{0}` can't name a key: use 1 to 32 letters, digits, `_` and `-`")]
    Name(String),
    /// The key is not 32 bytes of base64.
    #[error("the key `{0}` is not base64 of 32 bytes: make one with `openssl rand -base64 32`")]
    Key(String),
}

/// Layout of a sealed value: this byte, the length of the key's name, the name, the nonce, the ciphertext.
const VERSION: u8 = 1;
const NONCE: usize = 24;

impl Sealer {
    /// A sealer that seals with the first key and opens with any.
    pub fn new(keys: Vec<SealKey>) -> Result<Self, SealKeyError> {
        if keys.is_empty() {
            return Err(SealKeyError::None);
        }
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|earlier| earlier.id == key.id) {
                return Err(SealKeyError::SameName(key.id.clone()));
            }
        }
        let keys = keys
            .into_iter()
            .map(|k| (k.id, XChaCha20Poly1305::new(&k.key.into())))
            .collect();
        Ok(Self { keys })
    }

    /// The names of the keys, first the one that seals.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(name, _)| name.as_str())
    }

    /// Seals a secret. It opens again only with the same context, for example the id of the row it stands in.
    #[must_use]
    pub fn seal(&self, plain: &[u8], context: &[u8]) -> Vec<u8> {
        let (id, cipher) = &self.keys[0];
        let nonce = rand::random::<[u8; NONCE]>();
        // ChaCha20-Poly1305 refuses only more than 256 GiB at once (RFC 8439, section 2.8).
        #[allow(clippy::unwrap_used, reason = "no secret is that long")]
        let sealed = cipher
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plain,
                    aad: context,
                },
            )
            .unwrap();
        let mut out = Vec::with_capacity(2 + id.len() + NONCE + sealed.len());
        out.extend([VERSION, id.len() as u8]);
        out.extend(id.as_bytes());
        out.extend(nonce);
        out.extend(sealed);
        out
    }

    /// Opens what [`Sealer::seal`] made. [`StoreError::Corrupt`] says which key is missing, or that the value
    /// was changed or belongs to another context.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (id, nonce, ciphertext) =
            split(sealed).ok_or_else(|| StoreError::Corrupt("a sealed secret has an unknown form".into()))?;
        let (_, cipher) = self.keys.iter().find(|(name, _)| name == id).ok_or_else(|| {
            StoreError::Corrupt(format!(
                "a secret is sealed with the key `{id}`, which is not configured: add it again"
            ))
        })?;
        cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: ciphertext,
                    aad: context,
                },
            )
            .map_err(|_| {
                StoreError::Corrupt(format!(
                    "a secret does not open with the key `{id}`: it was changed, or the key is another one of that name"
                ))
            })
    }

    /// The name of the key that a value is sealed with. Its beginning will do.
    #[must_use]
    pub fn key_of(sealed: &[u8]) -> Option<String> {
        let [VERSION, length, rest @ ..] = sealed else {
            return None;
        };
        let name = rest.get(..usize::from(*length))?;
        String::from_utf8(name.to_vec()).ok()
    }

    /// `true` if a value is sealed with the first key.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        split(sealed).is_some_and(|(id, ..)| id == self.keys[0].0)
    }
}

fn split(sealed: &[u8]) -> Option<(&str, [u8; NONCE], &[u8])> {
    let [VERSION, length, rest @ ..] = sealed else {
        return None;
    };
    let (id, rest) = rest.split_at_checked(usize::from(*length))?;
    let (nonce, ciphertext) = rest.split_first_chunk()?;
    Some((std::str::from_utf8(id).ok()?, *nonce, ciphertext))
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl SealKey {
    /// A named key.
    pub fn new(id: &str, key: [u8; 32]) -> Result<Self, SealKeyError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if id.is_empty() || id.len() > 32 || !id.bytes().all(fits) {
            return Err(SealKeyError::Name(id.chars().take(32).collect()));
        }
        Ok(Self { id: id.to_owned(), key })
    }

    /// Reads `name:base64`, as it is configured.
    pub fn parse(text: &str) -> Result<Self, SealKeyError> {
        let (id, encoded) = text.trim().split_once(':').ok_or(SealKeyError::Form)?;
        // The name is checked first, so that errors about the key can mention it.
        let key = Self::new(id, [0; 32])?;
        let bytes = BASE64_STANDARD
            .decode(encoded)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            key: bytes.ok_or_else(|| SealKeyError::Key(id.to_owned()))?,
            ..key
        })
    }

    /// A new random key, called `generated`.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            id: "generated".into(),
            key: rand::random(),
        }
    }

    /// The text that [`SealKey::parse`] reads; to be kept as safe as what it protects.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}:{}", self.id, BASE64_STANDARD.encode(self.key))
    }
}

impl FromStr for SealKey {
    type Err = SealKeyError;

    fn from_str(text: &str) -> Result<Self, SealKeyError> {
        Self::parse(text)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({}:…)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SealKey {
        SealKey::new(id, rand::random()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_in_its_context_only() {
        let sealer = Sealer::new(vec![key("a")]).unwrap();
        let sealed = sealer.seal(b"hunter2", b"ep_1");
        assert!(!sealed.windows(7).any(|w| w == b"hunter2"));
        assert_ne!(sealed, sealer.seal(b"hunter2", b"ep_1"));
        assert_eq!(sealer.open(&sealed, b"ep_1").unwrap(), b"hunter2");
        assert!(matches!(sealer.open(&sealed, b"ep_2"), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn a_change_anywhere_and_a_cut_anywhere_is_noticed() {
        let sealer = Sealer::new(vec![key("a")]).unwrap();
        let sealed = sealer.seal(b"hunter2", b"");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(&changed, b"").is_err(), "byte {at}");
            assert!(sealer.open(&sealed[..at], b"").is_err(), "first {at} bytes");
        }
    }

    #[test]
    fn old_keys_open_after_a_rotation_and_a_missing_one_is_named() {
        let (old, new) = (key("old"), key("new"));
        let sealed = Sealer::new(vec![old.clone()]).unwrap().seal(b"x", b"");
        let rotated = Sealer::new(vec![new.clone(), old]).unwrap();
        assert_eq!(rotated.open(&sealed, b"").unwrap(), b"x");
        assert!(!rotated.is_current(&sealed) && rotated.is_current(&rotated.seal(b"x", b"")));
        let newest_only = Sealer::new(vec![new]).unwrap();
        assert_eq!(newest_only.open(&rotated.seal(b"y", b""), b"").unwrap(), b"y");
        assert!(
            newest_only
                .open(&sealed, b"")
                .unwrap_err()
                .to_string()
                .contains("`old`")
        );
    }

    #[test]
    fn a_key_reads_back_as_written_and_others_say_how_to_make_one() {
        let key = SealKey::generate();
        assert_eq!(SealKey::parse(&key.reveal()), Ok(key.clone()));
        assert_eq!(SealKey::parse("nonsense"), Err(SealKeyError::Form));
        assert_eq!(SealKey::parse("a:c2hvcnQ="), Err(SealKeyError::Key("a".into())));
        assert_eq!(SealKey::parse("a b:x"), Err(SealKeyError::Name("a b".into())));
        assert!(
            SealKey::parse("a:x")
                .unwrap_err()
                .to_string()
                .contains("openssl rand -base64 32")
        );
        assert_eq!(Sealer::new(vec![]).unwrap_err(), SealKeyError::None);
        assert_eq!(
            Sealer::new(vec![key.clone(), key]).unwrap_err(),
            SealKeyError::SameName("generated".into())
        );
    }

    #[test]
    fn keys_do_not_print_themselves() {
        let key = SealKey::generate();
        let sealer = Sealer::new(vec![key.clone()]).unwrap();
        let printed = format!("{key:?} {sealer:?}");
        assert_eq!(printed, "SealKey(generated:…) [\"generated\"]");
    }
}
