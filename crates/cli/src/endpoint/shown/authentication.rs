//! Printing of an endpoint's credentials; secrets arrive masked.

use std::collections::BTreeMap;

use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_proto::pb::endpoint_authentication::Authorization;

use crate::output::{instant, non_empty, time};

/// A phrase per part, for people.
pub(super) fn words(endpoint: &pb::Endpoint) -> Vec<String> {
    let Some(authentication) = &endpoint.authentication else {
        return Vec::new();
    };
    let mut headers: Vec<_> = authentication.headers.keys().map(String::as_str).collect();
    headers.sort_unstable();
    let headers = (!headers.is_empty()).then(|| format!("headers {}", headers.join(" ")));
    let authorization = authentication
        .authorization
        .as_ref()
        .map(|authorization| match authorization {
            Authorization::Basic(basic) => format!("basic as {}", basic.username),
            Authorization::Bearer(_) => "a bearer token".to_owned(),
            Authorization::Oauth2(oauth2) => format!("tokens from {} as {}", oauth2.token_url, oauth2.client_id),
        });
    let certificate = authentication.client_certificate.as_ref().map(|certificate| {
        let until = time(certificate.expires_at.as_ref());
        format!("the certificate {} until {until}", certificate.subject)
    });
    let authority = (!authentication.trusted_ca.is_empty()).then(|| "an authority of its own".to_owned());
    headers
        .into_iter()
        .chain(authorization)
        .chain(certificate)
        .chain(authority)
        .collect()
}

/// The credentials as `--output json` prints them.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    headers: BTreeMap<&'a str, &'a str>,
    authorization: Option<AuthorizationDocument<'a>>,
    client_certificate: Option<CertificateDocument<'a>>,
    trusted_ca: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum AuthorizationDocument<'a> {
    Basic {
        username: &'a str,
        password: &'a str,
    },
    Bearer {
        token: &'a str,
    },
    Oauth2 {
        token_url: &'a str,
        client_id: &'a str,
        client_secret: &'a str,
        scopes: &'a [String],
        audience: Option<&'a str>,
        credentials_in: &'a str,
    },
}

#[derive(Serialize)]
struct CertificateDocument<'a> {
    chain: &'a str,
    subject: &'a str,
    expires_at: Option<Timestamp>,
}

pub(super) fn document(endpoint: &pb::Endpoint) -> Option<Document<'_>> {
    let authentication = endpoint.authentication.as_ref()?;
    let headers = authentication.headers.iter();
    Some(Document {
        headers: headers.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        authorization: authentication.authorization.as_ref().map(authorization),
        client_certificate: authentication
            .client_certificate
            .as_ref()
            .map(|certificate| CertificateDocument {
                chain: &certificate.chain,
                subject: &certificate.subject,
                expires_at: instant(certificate.expires_at.as_ref()),
            }),
        trusted_ca: non_empty(&authentication.trusted_ca),
    })
}

fn authorization(shown: &Authorization) -> AuthorizationDocument<'_> {
    match shown {
        Authorization::Basic(basic) => AuthorizationDocument::Basic {
            username: &basic.username,
            password: &basic.password,
        },
        Authorization::Bearer(bearer) => AuthorizationDocument::Bearer { token: &bearer.token },
        Authorization::Oauth2(oauth2) => AuthorizationDocument::Oauth2 {
            token_url: &oauth2.token_url,
            client_id: &oauth2.client_id,
            client_secret: &oauth2.client_secret,
            scopes: &oauth2.scopes,
            audience: non_empty(&oauth2.audience),
            credentials_in: &oauth2.credentials_in,
        },
    }
}
