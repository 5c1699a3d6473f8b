//! Response headers that keep a page to itself.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use url::Url;

use crate::Console;
use crate::session::Realm;

/// The same for every page: nothing inline, nothing from elsewhere. `'self'` is safe because nothing that others wrote is
/// ever served as a page, a script or a style.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors ";
/// The most origins; more make no header that every proxy lets through.
const MAX_ANCESTORS: usize = 20;

/// The reason why tenants' pages can't be shown in frames of these origins.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    #[error(
        "`console.frame_ancestors` has \"{0}\": name origins like \"https://app.example.com\", with https:// and without a path"
    )]
    NoOrigin(String),
    #[error("`console.frame_ancestors` names {0} origins, and may name {MAX_ANCESTORS}")]
    TooMany(usize),
    /// Browsers would keep no cookie.
    #[error(
        "`console.frame_ancestors` needs a `control.public_url` that begins with https://: over plain HTTP browsers keep no \
         cookies of pages in frames, and nobody could sign in"
    )]
    NotSecure,
}

/// The origins that may show the console in a frame.
pub(crate) struct Framing {
    /// The policy of pages that are kept to themselves, and that of tenants' pages.
    policies: [HeaderValue; 2],
    is_allowed: bool,
}

impl Framing {
    /// Tenants' pages may be framed by these origins, operators' by nobody.
    pub(crate) fn new(origins: &[String], public_url: Option<&Url>) -> Result<Self, FramesError> {
        let is_secure = public_url.is_some_and(|url| url.scheme() == "https");
        if !origins.is_empty() && !is_secure {
            return Err(FramesError::NotSecure);
        }
        if origins.len() > MAX_ANCESTORS {
            return Err(FramesError::TooMany(origins.len()));
        }
        let origins = origins.iter().map(|text| origin(text)).collect::<Result<Vec<_>, _>>()?;
        let ancestors = if origins.is_empty() {
            "'none'".to_owned()
        } else {
            origins.join(" ")
        };
        let policy = |ancestors: &str| {
            let text = format!("{POLICY}{ancestors}");
            // Origins that were read are visible ASCII.
            HeaderValue::from_str(&text).map_err(|_| FramesError::NoOrigin(ancestors.to_owned()))
        };
        Ok(Self {
            policies: [policy("'none'")?, policy(&ancestors)?],
            is_allowed: !origins.is_empty(),
        })
    }

    /// True if any page may be framed.
    pub(crate) fn is_allowed(&self) -> bool {
        self.is_allowed
    }

    fn policy(&self, realm: Realm) -> HeaderValue {
        let [own, framed] = &self.policies;
        match realm {
            Realm::Admin => own.clone(),
            Realm::Tenant => framed.clone(),
        }
    }
}

/// The origin that a text names, as browsers write it.
fn origin(text: &str) -> Result<String, FramesError> {
    let wrong = || FramesError::NoOrigin(text.to_owned());
    let url = Url::parse(text).map_err(|_| wrong())?;
    let origin = url.origin().ascii_serialization();
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let is_plain = !text.contains(['*', ' ', ';', ',']);
    if url.scheme() == "https" && is_bare && is_plain && !text.ends_with('/') {
        Ok(origin)
    } else {
        Err(wrong())
    }
}

/// Adds what is missing of the protecting headers; a handler's own stay.
pub(crate) async fn protect(State(console): State<Console>, request: Request, next: Next) -> Response {
    let realm = Realm::of(request.uri().path());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    add(headers, CONTENT_SECURITY_POLICY, console.framing.policy(realm));
    add(headers, CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    add(headers, REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    add(headers, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    add(headers, opener, HeaderValue::from_static("same-origin"));
    let permissions = HeaderName::from_static("permissions-policy");
    add(
        headers,
        permissions,
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    );
    response
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(origins: &[&str], public_url: &str) -> Result<Framing, FramesError> {
        let origins: Vec<_> = origins.iter().map(|text| (*text).to_owned()).collect();
        Framing::new(&origins, Some(&public_url.parse().unwrap()))
    }

    #[test]
    fn tenants_pages_are_framed_by_whom_is_named_and_operators_by_nobody() {
        let named = framing(
            &["https://app.example.com", "https://b.example:8443"],
            "https://hooks.example.com",
        )
        .unwrap();
        let ends = |realm| {
            named
                .policy(realm)
                .to_str()
                .unwrap()
                .split("frame-ancestors ")
                .nth(1)
                .unwrap()
                .to_owned()
        };
        assert_eq!(ends(Realm::Tenant), "https://app.example.com https://b.example:8443");
        assert_eq!(ends(Realm::Admin), "'none'");
        let nobody = framing(&[], "http://127.0.0.1:8080").unwrap();
        assert!(
            !nobody.is_allowed()
                && nobody
                    .policy(Realm::Tenant)
                    .to_str()
                    .unwrap()
                    .ends_with("frame-ancestors 'none'")
        );
    }

    #[test]
    fn what_is_no_origin_is_refused_with_what_to_write() {
        for wrong in [
            "app.example.com",
            "http://app.example.com",
            "https://app.example.com/path",
            "https://app.example.com/",
            "https://*.example.com",
            "https://a@b.example",
            "*",
            "'self'",
            "https://a.example; script-src *",
            "",
        ] {
            let refused = framing(&[wrong], "https://hooks.example.com")
                .err()
                .unwrap()
                .to_string();
            assert!(refused.contains("name origins like"), "{wrong:?}: {refused}");
        }
        let plain = framing(&["https://app.example.com"], "http://127.0.0.1:8080")
            .err()
            .unwrap();
        assert!(plain.to_string().contains("needs a `control.public_url`"), "{plain}");
        let many = vec!["https://app.example.com"; 21];
        assert!(framing(&many, "https://hooks.example.com").is_err());
    }
}
