//! Conversion of endpoints' credentials from and to messages; secrets are never written to messages.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tidings_domain::destination::read_url;
use tidings_domain::{Authentication, Authorization, ClientCertificate, CredentialsIn, Timestamp};
use tidings_proto::pb::endpoint_authentication::Authorization as Asked;
use tidings_proto::{pb, timestamp};
use tidings_service::problem::Problem;

/// Converts credentials from a message. Fails with `authentication_invalid`.
pub(crate) fn read(asked: pb::EndpointAuthentication) -> Result<Authentication, Problem> {
    let certificate = asked.client_certificate.map(|certificate| ClientCertificate {
        chain: certificate.chain,
        key: certificate.key,
    });
    Ok(Authentication {
        headers: asked.headers.into_iter().collect(),
        authorization: asked.authorization.map(read_authorization).transpose()?,
        client_certificate: certificate,
        trusted_ca: Some(asked.trusted_ca).filter(|pem| !pem.is_empty()),
    })
}

/// Converts credentials to a message, with a mask in place of every secret; `None` if there are none.
pub(crate) fn show(authentication: &Authentication) -> Option<pb::EndpointAuthentication> {
    if authentication.is_empty() {
        return None;
    }
    let masked = authentication.masked();
    Some(pb::EndpointAuthentication {
        headers: masked.headers.into_iter().collect(),
        authorization: masked.authorization.map(show_authorization),
        client_certificate: masked.client_certificate.map(show_certificate),
        trusted_ca: masked.trusted_ca.unwrap_or_default(),
    })
}

fn read_authorization(asked: Asked) -> Result<Authorization, Problem> {
    Ok(match asked {
        Asked::Basic(pb::BasicAuthorization { username, password }) => Authorization::Basic { username, password },
        Asked::Bearer(pb::BearerAuthorization { token }) => Authorization::Bearer { token },
        Asked::Oauth2(asked) => Authorization::Oauth2 {
            token_url: read_url(&asked.token_url)
                .map_err(|error| authorization_invalid(format!("`token_url`: {error}")))?,
            client_id: asked.client_id,
            client_secret: asked.client_secret,
            scopes: asked.scopes,
            audience: Some(asked.audience).filter(|audience| !audience.is_empty()),
            credentials_in: match asked.credentials_in.as_str() {
                "" | "header" => CredentialsIn::Header,
                "body" => CredentialsIn::Body,
                other => {
                    let detail = format!("`credentials_in` is `header` or `body`, not `{}`", other.escape_debug());
                    return Err(authorization_invalid(detail));
                }
            },
        },
    })
}

fn authorization_invalid(detail: String) -> Problem {
    Problem::invalid("authentication_invalid", detail).at("authentication.authorization")
}

fn show_authorization(masked: Authorization) -> Asked {
    match masked {
        Authorization::Basic { username, password } => Asked::Basic(pb::BasicAuthorization { username, password }),
        Authorization::Bearer { token } => Asked::Bearer(pb::BearerAuthorization { token }),
        Authorization::Oauth2 {
            token_url,
            client_id,
            client_secret,
            scopes,
            audience,
            credentials_in,
        } => Asked::Oauth2(pb::OAuth2Authorization {
            token_url: token_url.into(),
            client_id,
            client_secret,
            scopes,
            audience: audience.unwrap_or_default(),
            credentials_in: match credentials_in {
                CredentialsIn::Header => "header",
                CredentialsIn::Body => "body",
            }
            .to_owned(),
        }),
    }
}

fn show_certificate(masked: ClientCertificate) -> pb::ClientCertificate {
    let (subject, expires_at) = about(&masked.chain).unzip();
    pb::ClientCertificate {
        chain: masked.chain,
        key: masked.key,
        subject: subject.unwrap_or_default(),
        expires_at: expires_at.map(timestamp),
    }
}

/// The subject and the expiry of a chain's first certificate; `None` if it can't be read.
pub(crate) fn about(chain: &str) -> Option<(String, Timestamp)> {
    let der = CertificateDer::pem_slice_iter(chain.as_bytes()).next()?.ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    let until = Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    Some((certificate.subject().to_string(), until))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_read_is_shown_without_its_secrets() {
        let made = rcgen::generate_simple_self_signed(["tidings.example".to_owned()]).unwrap();
        for authorization in [
            Authorization::Basic {
                username: "tidings".into(),
                password: "s3cret".into(),
            },
            Authorization::Bearer { token: "s3cret".into() },
            Authorization::Oauth2 {
                token_url: "https://login.example/token".parse().unwrap(),
                client_id: "tidings".into(),
                client_secret: "s3cret".into(),
                scopes: vec!["hooks".into()],
                audience: Some("api".into()),
                credentials_in: CredentialsIn::Body,
            },
        ] {
            let authentication = Authentication {
                headers: BTreeMap::from([("X-Api-Key".to_owned(), "s3cret".to_owned())]),
                authorization: Some(authorization),
                client_certificate: Some(ClientCertificate {
                    chain: made.cert.pem(),
                    key: made.signing_key.serialize_pem(),
                }),
                trusted_ca: Some(made.cert.pem()),
            };
            let shown = show(&authentication).unwrap();
            let text = format!("{shown:?}");
            assert!(!text.contains("s3cret") && !text.contains("PRIVATE"), "{text}");
            let certificate = shown.client_certificate.as_ref().unwrap();
            assert!(certificate.subject.contains("rcgen"), "{certificate:?}");
            assert!(certificate.expires_at.is_some());
            assert_eq!(read(shown).unwrap(), authentication.masked());
        }
        assert_eq!(show(&Authentication::default()), None);
        assert!(read(pb::EndpointAuthentication::default()).unwrap().is_empty());
    }
}
