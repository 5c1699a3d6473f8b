//! Authentication to receivers, besides the signature: additional headers, HTTP authorization, a client certificate,
//! and a pinned authority for the receiver's certificate.
//!
//! All of this may be secret: it is sealed in the database, shown only as [`Authentication::masked`], and its `Debug`
//! output contains no value. A mismatch of key and certificate is not detected here, because that takes a TLS
//! library; the first attempt reports it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

mod check;
#[cfg(test)]
mod tests;

pub use self::check::AuthenticationError;

/// Placeholder shown instead of a secret.
pub const MASK: &str = "***";

/// Credentials that an endpoint's requests carry.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authentication {
    /// Headers that are added to each request, by name. One that the dialect sets itself stays as the dialect says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Value of the `Authorization` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Client certificate for receivers that request one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Certificates, PEM. If given, the receiver's own must come from one of these and no other authority counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_ca: Option<String>,
}

/// Source of the `Authorization` header.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Authorization {
    /// A name and a password (RFC 7617).
    Basic {
        /// The name; has no colon.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that does not change (RFC 6750, section 2.1).
    Bearer {
        /// The token.
        token: String,
    },
    /// A token that an authorization server gives for client credentials (RFC 6749, section 4.4).
    Oauth2 {
        /// URL of the token endpoint.
        token_url: Url,
        /// The name that the server knows us by.
        client_id: String,
        client_secret: String,
        /// Requested scopes; empty for the server's default.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
        /// Audience of the token, for servers that require one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
        /// Place of id and secret in token requests.
        #[serde(default)]
        credentials_in: CredentialsIn,
    },
}

/// Places where an authorization server reads a client's id and secret (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsIn {
    /// In the `Authorization` header, as HTTP Basic. Every server has to take this.
    #[default]
    Header,
    /// In the request's body, as `client_id` and `client_secret`.
    Body,
}

/// A certificate that shows a receiver who connects to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// The certificate and those between it and an authority that the receiver knows, PEM, in this order.
    pub chain: String,
    /// The certificate's private key, PEM.
    pub key: String,
}

impl Authentication {
    /// The most headers.
    pub const MAX_HEADERS: usize = 20;
    /// The longest header value, password, token and so on, bytes. Certificates and keys may be longer.
    pub const MAX_VALUE: usize = 4_096;
    /// The most of all names and values together, bytes.
    pub const MAX_TOTAL: usize = 64 * 1024;

    /// Tells if there are no credentials.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Size of all texts, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        let certificate = self
            .client_certificate
            .as_ref()
            .map_or(0, |c| c.chain.len() + c.key.len());
        let authorization = match &self.authorization {
            None => 0,
            Some(Authorization::Basic { username, password }) => username.len() + password.len(),
            Some(Authorization::Bearer { token }) => token.len(),
            Some(Authorization::Oauth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
                audience,
                ..
            }) => {
                let texts = [
                    token_url.as_str(),
                    client_id,
                    client_secret,
                    audience.as_deref().unwrap_or(""),
                ];
                let scopes = scopes.iter().map(String::len).sum::<usize>();
                texts.map(str::len).iter().sum::<usize>() + scopes
            }
        };
        headers.sum::<usize>() + authorization + certificate + self.trusted_ca.as_ref().map_or(0, String::len)
    }

    /// The same with [`MASK`] in place of every secret: header values, passwords, tokens, private keys. What is
    /// public stays: header names, the username, the authorization server, certificates.
    #[must_use]
    pub fn masked(&self) -> Self {
        let mask = || MASK.to_owned();
        Self {
            headers: self.headers.keys().map(|name| (name.clone(), mask())).collect(),
            authorization: self.authorization.as_ref().map(Authorization::masked),
            client_certificate: self.client_certificate.as_ref().map(|certificate| ClientCertificate {
                chain: certificate.chain.clone(),
                key: mask(),
            }),
            trusted_ca: self.trusted_ca.clone(),
        }
    }
}

impl Authorization {
    /// The name of its kind, as in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "basic",
            Self::Bearer { .. } => "bearer",
            Self::Oauth2 { .. } => "oauth2",
        }
    }

    fn masked(&self) -> Self {
        let mut masked = self.clone();
        match &mut masked {
            Self::Basic { password: secret, .. }
            | Self::Bearer { token: secret }
            | Self::Oauth2 {
                client_secret: secret, ..
            } => *secret = MASK.to_owned(),
        }
        masked
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("authorization", &self.authorization)
            .field("client_certificate", &self.client_certificate)
            .field("trusted_ca", &self.trusted_ca.is_some())
            .finish()
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization({})", self.kind())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(…)")
    }
}
