//! Credentials of an endpoint in JSON. Answers have the form of requests, without the secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_proto::pb::endpoint_authentication::Authorization as Message;
use utoipa::ToSchema;

use crate::http::answer::{text, time};

/// Credentials sent to the receiver, besides the signature. Answers show `***` in place of every secret. A change
/// replaces them as a whole.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = EndpointAuthentication)]
pub(super) struct Authentication {
    /// Headers that are added to each request, by name; at most 20, values of at most 4,096 bytes. A header that the
    /// dialect sets itself stays as the dialect says. Values are secret.
    #[schema(example = json!({"X-Api-Key": "k-123"}))]
    headers: Option<BTreeMap<String, String>>,
    /// Credentials for the `Authorization` header; none if null.
    authorization: Option<Authorization>,
    /// Client certificate for receivers that request one (mutual TLS); none if null.
    client_certificate: Option<ClientCertificate>,
    /// Certificates, PEM. If given, the receiver's own must come from one of these, and no other authority counts.
    trusted_ca: Option<String>,
}

/// Credentials for the `Authorization` header, by `type`.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = EndpointAuthorization)]
enum Authorization {
    /// A name and a password (RFC 7617).
    Basic {
        /// Name of the user; has no colon.
        username: String,
        /// Password of the user. Secret: shown as `***`.
        password: String,
    },
    /// A token that does not change (RFC 6750).
    Bearer {
        /// Token, without the word `Bearer`. Secret: shown as `***`.
        token: String,
    },
    /// A token that an authorization server gives for client credentials (RFC 6749, section 4.4).
    Oauth2 {
        /// URL of the server's token endpoint, which tokens are requested from.
        #[schema(example = "https://login.example.com/oauth2/token")]
        token_url: String,
        /// Client id at the authorization server.
        client_id: String,
        /// Client secret at the authorization server. Secret: shown as `***`.
        client_secret: String,
        /// Scopes of the token; the server's default if left out.
        #[serde(default)]
        scopes: Vec<String>,
        /// Audience of the token, for servers that require one.
        audience: Option<String>,
        /// Place of id and secret in token requests: `header` (HTTP Basic) if left out, or `body`.
        #[serde(default)]
        credentials_in: CredentialsIn,
    },
}

/// Place of a client's id and secret in token requests.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CredentialsIn {
    /// In the `Authorization` header, as HTTP Basic (RFC 6749, section 2.3.1).
    #[default]
    Header,
    /// In the body, as `client_id` and `client_secret`.
    Body,
}

/// A certificate that shows a receiver who connects to it.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientCertificate {
    /// Certificate and those between it and an authority that the receiver knows, PEM, in this order.
    chain: String,
    /// Private key of the certificate, PEM, unencrypted. Secret: shown as `***`.
    key: String,
    /// Subject of the certificate, like `CN=tidings, O=Acme`; null if it can't be read.
    #[serde(skip_deserializing)]
    #[schema(read_only)]
    subject: Option<String>,
    /// End of the certificate's validity (RFC 3339); null if it can't be read.
    #[serde(skip_deserializing)]
    #[schema(value_type = Option<String>, format = DateTime, read_only)]
    expires_at: Option<Timestamp>,
}

impl From<Authentication> for pb::EndpointAuthentication {
    fn from(asked: Authentication) -> Self {
        Self {
            headers: asked.headers.unwrap_or_default().into_iter().collect(),
            authorization: asked.authorization.map(Into::into),
            client_certificate: asked.client_certificate.map(|certificate| pb::ClientCertificate {
                chain: certificate.chain,
                key: certificate.key,
                ..pb::ClientCertificate::default()
            }),
            trusted_ca: asked.trusted_ca.unwrap_or_default(),
        }
    }
}

impl From<pb::EndpointAuthentication> for Authentication {
    fn from(shown: pb::EndpointAuthentication) -> Self {
        Self {
            headers: Some(shown.headers.into_iter().collect()),
            authorization: shown.authorization.map(Into::into),
            client_certificate: shown.client_certificate.map(|certificate| ClientCertificate {
                chain: certificate.chain,
                key: certificate.key,
                subject: text(certificate.subject),
                expires_at: time(certificate.expires_at),
            }),
            trusted_ca: text(shown.trusted_ca),
        }
    }
}

impl From<Authorization> for Message {
    fn from(asked: Authorization) -> Self {
        match asked {
            Authorization::Basic { username, password } => Self::Basic(pb::BasicAuthorization { username, password }),
            Authorization::Bearer { token } => Self::Bearer(pb::BearerAuthorization { token }),
            Authorization::Oauth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
                audience,
                credentials_in,
            } => Self::Oauth2(pb::OAuth2Authorization {
                token_url,
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
}

impl From<Message> for Authorization {
    fn from(shown: Message) -> Self {
        match shown {
            Message::Basic(pb::BasicAuthorization { username, password }) => Self::Basic { username, password },
            Message::Bearer(pb::BearerAuthorization { token }) => Self::Bearer { token },
            Message::Oauth2(shown) => Self::Oauth2 {
                token_url: shown.token_url,
                client_id: shown.client_id,
                client_secret: shown.client_secret,
                scopes: shown.scopes,
                audience: text(shown.audience),
                credentials_in: match shown.credentials_in.as_str() {
                    "body" => CredentialsIn::Body,
                    _ => CredentialsIn::Header,
                },
            },
        }
    }
}
