//! Checks of an endpoint's credentials for its receiver, and detection of replaced secrets.

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tidings_domain::{Authentication, Authorization, ClientCertificate, Endpoint};
use tidings_service::problem::Problem;

use super::Endpoints;

impl Endpoints {
    pub(super) fn check_authentication(&self, authentication: &Authentication) -> Result<(), Problem> {
        for (field, part) in parts(authentication) {
            part.check().map_err(|error| invalid(field, error))?;
        }
        authentication
            .check()
            .map_err(|error| invalid("authentication", error))?;
        if let Some(certificate) = &authentication.client_certificate {
            check_certificate(certificate)?;
        }
        if let Some(pem) = &authentication.trusted_ca {
            check_authority(pem)?;
        }
        match &authentication.authorization {
            Some(Authorization::Oauth2 { token_url, .. }) => self.destinations.check_url(token_url).map_err(|error| {
                Problem::invalid("url_not_allowed", format!("`token_url`: {error}")).at("authentication.authorization")
            }),
            _ => Ok(()),
        }
    }
}

/// Adds the names of replaced secrets to a changed endpoint's audit entry, since all masks look the same.
pub(super) fn with_changed_secrets(shown: Option<Value>, before: &Endpoint, after: &Endpoint) -> Option<Value> {
    let (old, new) = (&before.authentication, &after.authentication);
    let changed: Vec<_> = [
        ("secret", before.secret != after.secret),
        ("authentication.headers", old.headers != new.headers),
        ("authentication.authorization", old.authorization != new.authorization),
        (
            "authentication.client_certificate",
            old.client_certificate != new.client_certificate,
        ),
    ]
    .into_iter()
    .filter_map(|(name, is_other)| is_other.then_some(name))
    .collect();
    let mut shown = shown?;
    if !changed.is_empty() {
        shown["secrets_changed"] = changed.into();
    }
    Some(shown)
}

/// Each part on its own, so that an error names the part.
fn parts(authentication: &Authentication) -> [(&'static str, Authentication); 4] {
    let all = authentication.clone();
    let none = Authentication::default;
    [
        (
            "authentication.headers",
            Authentication {
                headers: all.headers,
                ..none()
            },
        ),
        (
            "authentication.authorization",
            Authentication {
                authorization: all.authorization,
                ..none()
            },
        ),
        (
            "authentication.client_certificate",
            Authentication {
                client_certificate: all.client_certificate,
                ..none()
            },
        ),
        (
            "authentication.trusted_ca",
            Authentication {
                trusted_ca: all.trusted_ca,
                ..none()
            },
        ),
    ]
}

/// Fails unless a TLS library accepts the certificate, and the key belongs to it.
fn check_certificate(certificate: &ClientCertificate) -> Result<(), Problem> {
    let invalid = |detail: String| invalid("authentication.client_certificate", detail);
    let chain = certificates(&certificate.chain).map_err(invalid)?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).map_err(|error| invalid(error.to_string()))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
        invalid(format!(
            "the client certificate can't be used: {error}; give the certificate first, then those that lead to an \
             authority, and the key that belongs to the first"
        ))
    })?;
    Ok(())
}

fn check_authority(pem: &str) -> Result<(), Problem> {
    let invalid = |detail: String| invalid("authentication.trusted_ca", detail);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(invalid)? {
        roots
            .add(certificate)
            .map_err(|error| invalid(format!("the trusted CA can't be used: {error}")))?;
    }
    Ok(())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn invalid(field: &'static str, error: impl ToString) -> Problem {
    Problem::invalid("authentication_invalid", error.to_string()).at(field)
}
