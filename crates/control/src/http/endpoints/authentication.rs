//! What an endpoint's requests carry to be let in, in JSON; answers have the form of requests, without the secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_domain::Timestamp;
use tidings_proto::pb;
use tidings_proto::pb::endpoint_authentication::Authorization as Message;
use utoipa::ToSchema;

use crate::http::answer::{text, time};

/// What requests carry to be let in, beside the signature. Answers show `***` in place of every secret; sent, it is
/// replaced as a whole.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = EndpointAuthentication)]
pub(super) struct Authentication {
    /// Headers that are added to each request, by name; at most 20. One that the dialect sets itself stays as the
    /// dialect says. Values are secret.
    #[schema(example = json!({"X-Api-Key": "k-123"}))]
    headers: Option<BTreeMap<String, String>>,
    /// What goes into the `Authorization` header.
    authorization: Option<Authorization>,
    /// What is shown to a receiver that asks for a certificate.
    client_certificate: Option<ClientCertificate>,
    /// Certificates, PEM. If given, the receiver's own must come from one of these and no other authority counts.
    trusted_ca: Option<String>,
}

/// What goes into the `Authorization` header.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = EndpointAuthorization)]
enum Authorization {
    /// A name and a password (RFC 7617).
    Basic {
        /// The name; has no colon.
        username: String,
        /// The password. Secret.
        password: String,
    },
    /// A token that does not change (RFC 6750).
    Bearer {
        /// The token, without the word `Bearer`. Secret.
        token: String,
    },
    /// A token that an authorization server gives for client credentials (RFC 6749, section 4.4).
    Oauth2 {
        /// Where tokens are asked for.
        #[schema(example = "https://login.example.com/oauth2/token")]
        token_url: String,
        /// The name that the server knows the client by.
        client_id: String,
        /// What proves it. Secret.
        client_secret: String,
        /// What the token is to be good for; the server's default if left out.
        #[serde(default)]
        scopes: Vec<String>,
        /// Whom the token is for, where the server asks for it.
        audience: Option<String>,
        /// Where the server reads id and secret.
        #[serde(default)]
        credentials_in: CredentialsIn,
    },
}

/// Where an authorization server reads a client's id and secret.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CredentialsIn {
    /// In the `Authorization` header, as HTTP Basic.
    #[default]
    Header,
    /// In the body.
    Body,
}

/// A certificate that shows a receiver who connects to it.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClientCertificate {
    /// The certificate and those between it and an authority that the receiver knows, PEM, in this order.
    chain: String,
    /// The certificate's private key, PEM, unencrypted. Secret.
    key: String,
    /// Whose the certificate is, like `CN=tidings, O=Acme`.
    #[serde(skip_deserializing)]
    #[schema(read_only)]
    subject: Option<String>,
    /// Until when the certificate is good.
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
