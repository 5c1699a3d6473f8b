//! Checks that an endpoint's authentication can be sent as it is.

use std::collections::BTreeSet;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

use super::{Authentication, Authorization, ClientCertificate, MASK};
use crate::text::{self, Place, Stray};

/// Reason why a value can't be an endpoint's authentication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Carries the number of headers.
    #[error("an endpoint has at most {max} headers of its own, these are {0}", max = Authentication::MAX_HEADERS)]
    TooManyHeaders(usize),
    /// Not a token (RFC 9110, section 5.6.2).
    #[error(
        "`{}` is not a header's name: use 1 to 100 letters, digits, hyphens and other characters of `!#$%&'*+.^_|~` or \
         backticks",
        .0.escape_debug()
    )]
    HeaderName(String),
    /// The same name in other letters.
    #[error("the header `{0}` is given twice: names that differ only in upper and lower case are the same")]
    HeaderTwice(String),
    /// Decided by HTTP, by Tidings or by the dialect.
    #[error("the header `{0}` is set by Tidings itself: remove it")]
    HeaderReserved(String),
    #[error("the header `{0}` is what `authorization` sets: give one of the two")]
    AuthorizationTwice(String),
    /// Not a header's value (RFC 9110, section 5.5).
    #[error(
        "the value of the header `{0}` has characters that can't be sent: use visible ASCII, with spaces and tabs \
         only inside"
    )]
    HeaderValue(String),
    #[error("the header `{0}` has no value: give one, or leave the header out")]
    HeaderEmpty(String),
    /// Something that one does not see, as editors, vaults and clipboards add it.
    #[error("{0} has {1}: leave that out")]
    Stray(&'static str, Stray),
    /// Names the part that is too long.
    #[error("{0} has at most {max} bytes", max = Authentication::MAX_VALUE)]
    TooLong(&'static str),
    /// All of it together is too long.
    #[error("all values together have at most {max} bytes, these have {0}", max = Authentication::MAX_TOTAL)]
    TooLongTogether(usize),
    /// The placeholder that is shown instead of a secret was sent back as one.
    #[error("`***` stands for {0} where it is not shown: give the value itself")]
    Masked(&'static str),
    /// Violates RFC 7617, section 2.
    #[error("a username has no colon and no control characters: the receiver splits name and password at the colon")]
    Username,
    /// Violates RFC 7617, section 2.
    #[error("a password has no control characters")]
    Password,
    /// Violates RFC 6750, section 2.1.
    #[error(
        "a bearer token has letters, digits and `-._~+/`, with `=` only at the end: give it without the word `Bearer`"
    )]
    Token,
    /// Violates RFC 6749, section 3.2.
    #[error(
        "`token_url` is an http or https URL without user name, password and fragment: id and secret go into \
         `client_id` and `client_secret`"
    )]
    TokenUrl,
    /// RFC 6749, appendices A.1 and A.2.
    #[error("{0} has 1 or more characters, all of them visible ASCII or spaces")]
    Client(&'static str),
    /// Violates RFC 6749, section 3.3.
    #[error("`{}` is not a scope: scopes are visible ASCII without quotes and backslashes, one in each place of the list", .0.escape_debug())]
    Scope(String),
    /// Nothing in it, or what can't be meant.
    #[error("an audience has 1 or more characters and no control characters")]
    Audience,
    /// Says what is wrong with the certificate.
    #[error("{0} has no certificate that can be read: give PEM, from `-----BEGIN CERTIFICATE-----` on")]
    Certificate(&'static str),
    /// Certificates are shown, so nothing else may lie among them.
    #[error("{0} holds more than certificates: give the private key in `key` and leave everything else out")]
    NotOnlyCertificates(&'static str),
    /// No private key could be read.
    #[error("the private key can't be read: give PEM of one unencrypted key, from `-----BEGIN PRIVATE KEY-----` on")]
    Key,
}

impl Authentication {
    /// Checks every part. `token_url` is checked only as a URL: [`crate::destination::Destinations`] decides if
    /// requests may go there.
    pub fn check(&self) -> Result<(), AuthenticationError> {
        self.check_sizes()?;
        self.check_headers()?;
        if let Some(authorization) = &self.authorization {
            authorization.check()?;
        }
        if let Some(certificate) = &self.client_certificate {
            certificate.check()?;
        }
        if let Some(ca) = &self.trusted_ca {
            check_certificates("the trusted CA", ca)?;
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), AuthenticationError> {
        let of_headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        let of_certificate = self.client_certificate.iter().map(|c| c.chain.len() + c.key.len());
        let total = of_headers.sum::<usize>()
            + of_certificate.sum::<usize>()
            + self.authorization.as_ref().map_or(0, Authorization::size)
            + self.trusted_ca.as_ref().map_or(0, String::len);
        if total > Self::MAX_TOTAL {
            return Err(AuthenticationError::TooLongTogether(total));
        }
        Ok(())
    }

    fn check_headers(&self) -> Result<(), AuthenticationError> {
        if self.headers.len() > Self::MAX_HEADERS {
            return Err(AuthenticationError::TooManyHeaders(self.headers.len()));
        }
        let mut seen = BTreeSet::new();
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            if !is_header_name(name) {
                return Err(AuthenticationError::HeaderName(name.clone()));
            }
            if is_reserved(&lower) {
                return Err(AuthenticationError::HeaderReserved(name.clone()));
            }
            if lower == "authorization" && self.authorization.is_some() {
                return Err(AuthenticationError::AuthorizationTwice(name.clone()));
            }
            if !seen.insert(lower) {
                return Err(AuthenticationError::HeaderTwice(name.clone()));
            }
            if value.is_empty() {
                return Err(AuthenticationError::HeaderEmpty(name.clone()));
            }
            check_text("the value of a header", value)?;
            if !is_header_value(value) {
                return Err(AuthenticationError::HeaderValue(name.clone()));
            }
        }
        Ok(())
    }
}

impl Authorization {
    fn size(&self) -> usize {
        match self {
            Self::Basic { username, password } => username.len() + password.len(),
            Self::Bearer { token } => token.len(),
            Self::Oauth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
                audience,
                credentials_in: _,
            } => {
                let texts = [token_url.as_str(), client_id, client_secret];
                let optional = scopes.iter().chain(audience).map(String::len);
                texts.map(str::len).into_iter().chain(optional).sum()
            }
        }
    }

    fn check(&self) -> Result<(), AuthenticationError> {
        match self {
            Self::Basic { username, password } => {
                check_text("the username", username)?;
                check_text("the password", password)?;
                if username.contains(':') || username.contains(char::is_control) {
                    return Err(AuthenticationError::Username);
                }
                if password.contains(char::is_control) {
                    return Err(AuthenticationError::Password);
                }
                check_ends("the username", username)?;
                check_ends("the password", password)
            }
            Self::Bearer { token } => {
                check_text("the bearer token", token)?;
                if is_token68(token) {
                    Ok(())
                } else {
                    Err(AuthenticationError::Token)
                }
            }
            Self::Oauth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
                audience,
                credentials_in: _,
            } => {
                check_text("`token_url`", token_url.as_str())?;
                if !is_token_url(token_url) {
                    return Err(AuthenticationError::TokenUrl);
                }
                for (what, text) in [("`client_id`", client_id), ("`client_secret`", client_secret)] {
                    check_text(what, text)?;
                    if text.is_empty() || !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
                        return Err(AuthenticationError::Client(what));
                    }
                    check_ends(what, text)?;
                }
                for scope in scopes {
                    check_text("a scope", scope)?;
                    let allowed = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
                    if scope.is_empty() || !scope.bytes().all(allowed) {
                        return Err(AuthenticationError::Scope(scope.clone()));
                    }
                }
                if let Some(audience) = audience {
                    check_text("the audience", audience)?;
                    if audience.is_empty() || audience.contains(char::is_control) {
                        return Err(AuthenticationError::Audience);
                    }
                    check_ends("the audience", audience)?;
                }
                Ok(())
            }
        }
    }
}

impl ClientCertificate {
    fn check(&self) -> Result<(), AuthenticationError> {
        check_certificates("the client certificate", &self.chain)?;
        if self.key == MASK {
            return Err(AuthenticationError::Masked("the private key"));
        }
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|_| AuthenticationError::Key)?;
        Ok(())
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), AuthenticationError> {
    if text == MASK {
        return Err(AuthenticationError::Masked(what));
    }
    if text.len() > Authentication::MAX_VALUE {
        return Err(AuthenticationError::TooLong(what));
    }
    Ok(())
}

/// Control characters inside are refused in the words of what the text is for.
fn check_ends(what: &'static str, text: &str) -> Result<(), AuthenticationError> {
    match text::stray(text) {
        Some(stray) if stray.place != Place::Inside => Err(AuthenticationError::Stray(what, stray)),
        _ => Ok(()),
    }
}

fn check_certificates(what: &'static str, pem: &str) -> Result<(), AuthenticationError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(AuthenticationError::Certificate(what)),
        Ok(certificates) if certificates.len() < pem.matches("-----BEGIN ").count() => {
            Err(AuthenticationError::NotOnlyCertificates(what))
        }
        Ok(_) => Ok(()),
        Err(_) => Err(AuthenticationError::Certificate(what)),
    }
}

/// RFC 9110, section 5.6.2.
fn is_header_name(name: &str) -> bool {
    let tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=100).contains(&name.len()) && name.bytes().all(tchar)
}

/// RFC 9110, section 5.5, without what lies beyond ASCII.
fn is_header_value(value: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_graphic() || b == b' ' || b == b'\t';
    value.bytes().all(allowed) && value.trim() == value
}

/// Recognises headers that HTTP reserves (RFC 9110, sections 7.2, 7.6 and 10.1), and those that the signature, the
/// trace and the reading of the response depend on.
fn is_reserved(lower: &str) -> bool {
    const NAMES: [&str; 12] = [
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "traceparent",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.contains(&lower) || lower.starts_with("proxy-") || lower.starts_with("webhook-")
}

/// The syntax `token68` (RFC 9110, section 11.2).
fn is_token68(token: &str) -> bool {
    let unpadded = token.trim_end_matches('=');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    !unpadded.is_empty() && unpadded.bytes().all(allowed)
}

fn is_token_url(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}
