//! OAuth 2.0 tokens from the client credentials grant (RFC 6749, section 4.4).
//!
//! Every request needs a valid token without a call to the authorization server each time. A token is cached per
//! endpoint and settings until shortly before it expires, or until a receiver answers 401 to it; concurrent requests
//! without one share a single call. The call is part of the attempt: it ends at the attempt's deadline and obeys the
//! destination policy. Each dispatcher has tokens of its own. The endpoint's client certificate and authority are for
//! its receiver and are not used with the authorization server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::{HeaderValue, header};
use moka::Expiry;
use moka::future::Cache;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tidings_domain::authentication::MASK;
use tidings_domain::{Authorization, CredentialsIn, EndpointId, FailureReason};
use url::{Url, form_urlencoded};

use super::authenticate::{basic, bearer};
use super::usual::add_usual;
use super::{Answer, Deadline, NoAnswer, Outgoing, Sender};
use crate::status;

/// Maximum number of cached tokens, of one or two kB each.
const MAX_TOKENS: u64 = 10_000;
/// The largest answer of an authorization server, bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// Lifetime of a token whose server states none, and the longest lifetime of any token.
const USUAL_LIFE: Duration = Duration::from_secs(300);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Maximum characters shown of a server's error.
const MAX_SHOWN: usize = 200;

/// The tokens that this dispatcher has.
pub(super) struct Tokens {
    kept: Cache<Key, Token>,
}

/// Cache key: the endpoint and a hash of its settings, so that changed settings never meet an old token.
type Key = (EndpointId, [u8; 32]);

#[derive(Clone)]
pub(super) struct Token {
    key: Key,
    /// Complete `Authorization` value.
    pub(super) header: HeaderValue,
    kept_for: Duration,
}

/// Reason why no token was obtained, shared by all requests that waited for it.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct NoToken {
    why: String,
    /// The cause is a shortage on this machine: the server was not contacted.
    ours: bool,
}

impl NoToken {
    fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            ours: false,
        }
    }
}

impl Tokens {
    pub(super) fn new() -> Self {
        let kept = Cache::builder()
            .max_capacity(MAX_TOKENS)
            .expire_after(UntilItExpires)
            .build();
        Self { kept }
    }

    /// Forgets a token that a receiver refused, unless another one has taken its place.
    pub(super) async fn forget(&self, refused: &Token) {
        let kept = self.kept.get(&refused.key).await;
        if kept.is_some_and(|kept| kept.header == refused.header) {
            self.kept.invalidate(&refused.key).await;
        }
    }
}

impl Sender {
    /// The endpoint's token for these settings; none if they are not for OAuth2.
    pub(super) async fn token(
        &self,
        endpoint: EndpointId,
        authorization: &Authorization,
        deadline: Deadline,
    ) -> Result<Option<Token>, NoAnswer> {
        let Some(server) = Server::of(authorization) else {
            return Ok(None);
        };
        let key = (endpoint, fingerprint(authorization));
        let asking = self
            .tokens
            .kept
            .try_get_with(key, async { self.ask(&server, key, deadline).await });
        let why = match tokio::time::timeout_at(deadline.at, asking).await {
            Ok(Ok(token)) => return Ok(Some(token)),
            Ok(Err(error)) => error,
            Err(_) => Arc::new(NoToken::new(format!("no answer within {:?}", deadline.within))),
        };
        let host = server.url.host_str().unwrap_or_default();
        Err(NoAnswer {
            ours: why.ours,
            ..NoAnswer::new(FailureReason::Authorization, format!("no token from {host}: {why}"))
        })
    }

    async fn ask(&self, server: &Server<'_>, key: Key, deadline: Deadline) -> Result<Token, NoToken> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let json = HeaderValue::from_static("application/json");
        let mut headers = vec![(header::CONTENT_TYPE.into(), form), (header::ACCEPT.into(), json)];
        if server.credentials_in == CredentialsIn::Header {
            let unusable = || NoToken::new("`client_id` and `client_secret` can't be sent: set them again");
            let (id, secret) = server.form_encoded();
            headers.push((header::AUTHORIZATION.into(), basic(&id, &secret).ok_or_else(unusable)?));
        }
        let body: Bytes = server.body().into();
        let added = add_usual(&mut headers, server.url, body.len(), None);
        let outgoing = Outgoing {
            url: server.url,
            headers: &headers,
            added,
            body,
        };
        let client = self.clients.shared();
        let answer = self.exchange(client, outgoing, deadline, MAX_ANSWER).await;
        let answer = answer.map_err(|none| NoToken {
            why: none.error.into(),
            ours: none.ours,
        })?;
        server.read(&answer, key)
    }
}

/// An authorization server with the client's credentials for it.
struct Server<'a> {
    url: &'a Url,
    client_id: &'a str,
    client_secret: &'a str,
    scopes: &'a [String],
    audience: Option<&'a str>,
    credentials_in: CredentialsIn,
}

/// A token as it is granted (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Required by the RFC; some servers leave it out and mean `Bearer`.
    token_type: Option<String>,
    /// Seconds; a number, but some servers send it as text.
    expires_in: Option<Value>,
}

/// Error response of a server (RFC 6749, section 5.2).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Refused {
    error: String,
    error_description: String,
}

impl<'a> Server<'a> {
    fn of(authorization: &'a Authorization) -> Option<Self> {
        match authorization {
            Authorization::Basic { .. } | Authorization::Bearer { .. } => None,
            Authorization::Oauth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
                audience,
                credentials_in,
            } => Some(Self {
                url: token_url,
                client_id,
                client_secret,
                scopes,
                audience: audience.as_deref(),
                credentials_in: *credentials_in,
            }),
        }
    }

    /// Id and secret as they go into HTTP Basic (RFC 6749, section 2.3.1).
    fn form_encoded(&self) -> (String, String) {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect();
        (encode(self.client_id), encode(self.client_secret))
    }

    fn body(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.join(" "));
        }
        if let Some(audience) = self.audience {
            form.append_pair("audience", audience);
        }
        if self.credentials_in == CredentialsIn::Body {
            form.append_pair("client_id", self.client_id);
            form.append_pair("client_secret", self.client_secret);
        }
        form.finish()
    }

    fn read(&self, answer: &Answer, key: Key) -> Result<Token, NoToken> {
        if !answer.status.is_success() {
            return Err(NoToken::new(self.refusal(answer)));
        }
        let status = status::named(answer.status);
        if answer.truncated {
            let error = format!("it answered {status} with more than {MAX_ANSWER} bytes, or broke off");
            return Err(NoToken::new(error));
        }
        let granted: Granted = serde_json::from_slice(&answer.body)
            .map_err(|_| NoToken::new(format!("it answered {status} without an `access_token` in JSON")))?;
        if let Some(kind) = granted.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            let kind = self.shown(&kind);
            return Err(NoToken::new(format!(
                "it gave a token of type `{kind}`, only bearer tokens can be sent"
            )));
        }
        let header = bearer(&granted.access_token).filter(|_| !granted.access_token.is_empty());
        Ok(Token {
            key,
            header: header
                .ok_or_else(|| NoToken::new(format!("it answered {status} with a token that can't be sent")))?,
            kept_for: kept_for(granted.expires_in.as_ref()),
        })
    }

    fn refusal(&self, answer: &Answer) -> String {
        let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut answered = format!("it answered {}", status::named(answer.status));
        if answer.status.is_redirection() {
            let target = status::redirected(&answer.headers, self.url);
            answered = format!("{answered}: {}", self.shown(&target));
        }
        let said = [refused.error, refused.error_description];
        said.iter()
            .filter(|text| !text.is_empty())
            .fold(answered, |text, more| format!("{text}: {}", self.shown(more)))
    }

    /// The beginning of a text of the server, on one line and without our secret, should it be repeated there.
    fn shown(&self, text: &str) -> String {
        let (id, secret) = self.form_encoded();
        let both = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        [both.as_str(), &secret, self.client_secret]
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_SHOWN)
            .collect()
    }
}

struct UntilItExpires;

impl Expiry<Key, Token> for UntilItExpires {
    fn expire_after_create(&self, _: &Key, token: &Token, _: Instant) -> Option<Duration> {
        Some(token.kept_for)
    }

    fn expire_after_update(&self, _: &Key, token: &Token, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(token.kept_for)
    }
}

/// A little less than the token is good for: a fifth, at most a minute, is left for it to arrive and for clocks that
/// differ.
fn kept_for(expires_in: Option<&Value>) -> Duration {
    let seconds = match expires_in {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(seconds)) => seconds.trim().parse().ok(),
        _ => None,
    };
    let life = seconds.map_or(USUAL_LIFE, |seconds| {
        Duration::try_from_secs_f64(seconds.min(LONGEST_LIFE.as_secs_f64())).unwrap_or_default()
    });
    life - (life / 5).min(Duration::from_secs(60))
}

fn fingerprint(authorization: &Authorization) -> [u8; 32] {
    // These settings are texts only, and texts always become JSON.
    Sha256::digest(serde_json::to_vec(authorization).unwrap_or_default()).into()
}
