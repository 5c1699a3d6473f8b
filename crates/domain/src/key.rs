//! API keys and their scopes.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::id::{KeyId, TenantId};

/// Permission of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Publish,
    /// Read events, deliveries, attempts and endpoints.
    Read,
    /// Change endpoints; with an operator key also tenants and keys.
    Manage,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Publish, Self::Read, Self::Manage];

    /// The name in requests, columns and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Manage => "manage",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A scope that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope: use `publish`, `read` or `manage`")]
pub struct ParseScopeError(String);

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| ParseScopeError(text.into()))
    }
}

/// A key as the registry knows it: all but its token, of which only a hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    /// The tenant it belongs to; an operator key belongs to none and works for all.
    pub tenant: Option<TenantId>,
    /// Display name of at most 100 characters; may be empty.
    pub name: String,
    pub scopes: Vec<Scope>,
    /// The first characters of the token, to tell keys apart.
    pub hint: String,
    /// Hash of the token; the token itself is never stored.
    pub hash: TokenHash,
    /// The key was created for a portal link.
    pub portal: bool,
    /// The part of a portal link that works once, in place of the key's token.
    pub link: Option<LinkOnce>,
    /// End of its validity; none for unlimited.
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Time of the last use, accurate to about a minute; unknown to the cache.
    pub last_used_at: Option<Timestamp>,
}

/// The secret that a client sends as `Authorization: Bearer tk_…`; shown once.
#[derive(Clone)]
pub struct Token(String);

/// SHA-256 of a token. A token has 256 random bits, so nothing slower is needed to protect it at rest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// The token of a portal link that works once. It is no key's, and good for one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkOnce {
    /// Hash of the link's token.
    pub hash: TokenHash,
    /// Time of the exchange; none while the link is unused.
    pub exchanged_at: Option<Timestamp>,
}

impl ApiKey {
    /// Maximum length of a name, in characters.
    pub const MAX_NAME: usize = 100;

    /// A new key that has no name and never expires, with its token, which can't be had again.
    #[must_use]
    pub fn new(tenant: Option<TenantId>, scopes: Vec<Scope>, at: Timestamp) -> (Self, Token) {
        let token = Token::generate();
        let key = Self {
            id: KeyId::new(),
            tenant,
            name: String::new(),
            scopes,
            hint: token.hint(),
            hash: token.hash(),
            portal: false,
            link: None,
            expires_at: None,
            created_at: at,
            last_used_at: None,
        };
        (key, token)
    }

    /// The key behind a portal link that works once, with the link's token. Nobody knows the key's own token before the
    /// exchange.
    #[must_use]
    pub fn behind_link_once(self) -> (Self, Token) {
        let token = Token::generate();
        let key = Self {
            hint: token.hint(),
            hash: Token::generate().hash(),
            link: Some(LinkOnce {
                hash: token.hash(),
                exchanged_at: None,
            }),
            ..self
        };
        (key, token)
    }

    /// The key after the exchange of its link's token, with the token that it has from then on; none if there is nothing
    /// to exchange.
    #[must_use]
    pub fn exchanged(&self, at: Timestamp) -> Option<(Self, Token)> {
        let link = self.link.filter(|link| link.exchanged_at.is_none())?;
        let token = Token::generate();
        let key = Self {
            hash: token.hash(),
            link: Some(LinkOnce {
                exchanged_at: Some(at),
                ..link
            }),
            ..self.clone()
        };
        Some((key, token))
    }
}

impl Token {
    const PREFIX: &'static str = "tk_";

    /// A new token of 256 random bits.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!(
            "{}{}",
            Self::PREFIX,
            BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
        ))
    }

    /// The text that the client keeps.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The first characters, safe to show: they leave 200 bits unknown.
    #[must_use]
    pub fn hint(&self) -> String {
        self.0.chars().take(Self::PREFIX.len() + 8).collect()
    }

    /// The form of the token that is stored.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenHash {
    /// The hash of whatever a client sent.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Wraps stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes as they are stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_unique_and_known_only_by_its_hash() {
        let (one, two) = (Token::generate(), Token::generate());
        assert_ne!(one.hash(), two.hash());
        assert_eq!(one.hash(), TokenHash::of(one.reveal()));
        assert!(one.reveal().starts_with(&one.hint()) && one.hint().len() == 11);
        assert!(!format!("{one:?}").contains(&one.reveal()[3..]));
    }

    #[test]
    fn the_token_of_a_link_that_works_once_is_exchanged_once_and_never_the_keys() {
        let at = Timestamp::UNIX_EPOCH;
        let (key, first) = ApiKey::new(None, Scope::ALL.to_vec(), at);
        assert!(key.exchanged(at).is_none());
        let (linked, link) = key.behind_link_once();
        assert!(![first.hash(), link.hash()].contains(&linked.hash));
        assert_eq!(linked.hint, link.hint());
        let (exchanged, token) = linked.exchanged(at).unwrap();
        assert_eq!(exchanged.hash, token.hash());
        assert_eq!(exchanged.link.map(|link| link.hash), Some(link.hash()));
        assert_eq!((exchanged.id, &exchanged.hint), (linked.id, &linked.hint));
        assert!(exchanged.exchanged(at).is_none());
    }
}
