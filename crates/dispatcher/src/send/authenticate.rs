//! Adds the endpoint's credentials to a request (`Endpoint::authentication`), except tokens that must be fetched
//! first.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderName, HeaderValue, header};
use tidings_dialect::{CasedHeaderName, Request};
use tidings_domain::{Authentication, Authorization, FailureReason};

use super::NoAnswer;

/// Adds headers whose values are known: the endpoint's own, and `Authorization` for a password or a fixed token. What
/// the dialect sets stays as it is: its signature and content type are not for an endpoint to change. All values are
/// marked sensitive, so no record shows them.
pub(super) fn authenticate(request: &mut Request, authentication: &Authentication) -> Result<(), NoAnswer> {
    for (name, value) in &authentication.headers {
        let name: CasedHeaderName = name.parse().map_err(|_| unusable(name))?;
        if !has(request, name.name()) {
            let value = secret(value).ok_or_else(|| unusable(name.as_str()))?;
            request.headers.push((name, value));
        }
    }
    let value = match &authentication.authorization {
        Some(Authorization::Basic { username, password }) => basic(username, password),
        Some(Authorization::Bearer { token }) => bearer(token),
        Some(Authorization::Oauth2 { .. }) | None => return Ok(()),
    };
    if !has(request, &header::AUTHORIZATION) {
        let value = value.ok_or_else(|| unusable("authorization"))?;
        request.headers.push((header::AUTHORIZATION.into(), value));
    }
    Ok(())
}

pub(super) fn has(request: &Request, name: &HeaderName) -> bool {
    request.headers.iter().any(|(present, _)| present == name)
}

/// RFC 7617, section 2, in UTF-8; none if it can't be a header's value.
pub(super) fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    let encoded = BASE64_STANDARD.encode(format!("{username}:{password}"));
    secret(&format!("Basic {encoded}"))
}

/// RFC 6750, section 2.1; none if it can't be a header's value.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    secret(&format!("Bearer {token}"))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Error for a header that configuration checks would have refused; only another version of Tidings can have stored
/// it.
fn unusable(name: &str) -> NoAnswer {
    let error = format!("the header `{name}` of the endpoint's authentication can't be sent: set it again");
    NoAnswer::new(FailureReason::Authorization, error)
}
