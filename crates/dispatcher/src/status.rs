//! Texts for HTTP statuses.

use http::{HeaderMap, StatusCode, header};
use url::Url;

/// The number, and what it is called if it is called something: `302 Found`, `999`.
pub(crate) fn named(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Explains a redirect: redirects are not followed, so that a response does not decide where requests go.
pub(crate) fn redirected(headers: &HeaderMap, url: &Url) -> String {
    const MAX: usize = 300;
    let location = headers.get(header::LOCATION);
    let target = location.and_then(|target| target.to_str().ok()).map(|target| {
        let target = url.join(target).map_or_else(|_| target.to_owned(), String::from);
        target.escape_debug().take(MAX).collect::<String>()
    });
    match target {
        Some(target) => format!("redirects are not followed: the answer points to {target}"),
        None => "redirects are not followed, and the answer names no target".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_no_registry_knows_is_its_number() {
        let words = |status: u16| named(StatusCode::from_u16(status).unwrap());
        assert_eq!(
            (words(302), words(999), words(299)),
            ("302 Found".into(), "999".into(), "299".into())
        );
    }
}
