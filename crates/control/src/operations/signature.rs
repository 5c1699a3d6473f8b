//! The signature workbench: the signed bytes of an attempt, the key, and the reason why a receiver computes something
//! else.
//!
//! Most questions of receivers' teams are about signatures that do not match, and only the exact bytes answer them. The
//! signed texts are rendered again by the attempt's own dialect from the body as it was sent, and signed with the
//! endpoint's secrets; a receiver's observations are compared with them, byte for byte. Without the scope `manage`
//! nobody learns a key, or a signature that was never sent, for that would be a signature for anything.

mod bodies;
mod compare;
mod computed;
mod finding;
mod headers;
mod secrets;

use std::sync::Arc;

use tidings_dialect::{Dialect, Dialects, Message, Scheme};
use tidings_domain::{AttemptId, Endpoint, Scope, Secret};
use tidings_service::problem::Problem;

pub(crate) use self::bodies::Difference;
pub(crate) use self::compare::{Comparison, Received};
pub(crate) use self::finding::Finding;
use crate::call::Call;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::logs::{AttemptInFull, Event, LogClient};

/// Checks the signatures of attempts.
pub struct Signatures {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) dialects: Dialects,
    pub(crate) logs: LogClient,
}

/// One of an endpoint's secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Current,
    /// The one before the last rotation.
    Previous,
}

impl Held {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }
}

/// The possibility of checking an attempt's signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Checked,
    /// The dialect has no signature, or the endpoint no secret.
    Unsigned,
    EndpointGone,
    SecretUnreadable,
    DialectUnknown,
    /// No request was made, or its content is not kept any more.
    RequestGone,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Unsigned => "unsigned",
            Self::EndpointGone => "endpoint_gone",
            Self::SecretUnreadable => "secret_unreadable",
            Self::DialectUnknown => "dialect_unknown",
            Self::RequestGone => "request_gone",
        }
    }
}

/// The material for checking an attempt's signatures.
pub(crate) struct Workbench {
    pub(crate) attempt: AttemptId,
    /// The dialect that the request was written in.
    pub(crate) dialect: String,
    pub(crate) state: State,
    pub(crate) signatures: Vec<Signature>,
    /// The headers that show the secret itself, and whether they were sent.
    pub(crate) secret_headers: Vec<(String, bool)>,
    /// `true` if the caller may see keys and values that were not sent.
    may_see_all: bool,
}

/// A header that carries a signature.
pub(crate) struct Signature {
    pub(crate) header: String,
    /// The header's value; `None` if it was not sent.
    pub(crate) sent: Option<String>,
    pub(crate) prefix: String,
    pub(crate) encoding: &'static str,
    pub(crate) decodes_key: bool,
    pub(crate) template: String,
    pub(crate) signed: String,
    pub(crate) checks: Vec<Check>,
}

/// The signature computed with one secret.
pub(crate) struct Check {
    pub(crate) held: Held,
    pub(crate) is_ed25519: bool,
    /// The HMAC key; `None` for callers who may not see it, and for an ed25519 key.
    pub(crate) key: Option<Vec<u8>>,
    /// The value with its prefix; none for who may not see one that was not sent.
    pub(crate) value: Option<String>,
    /// `true` if the header contains it.
    pub(crate) is_equal: bool,
}

/// The inputs of an attempt's signatures.
struct Evidence {
    attempt: AttemptInFull,
    /// `None` if it is not kept any more.
    event: Option<Event>,
    dialect: Option<Arc<Dialect>>,
    endpoint: Option<Endpoint>,
}

impl Signatures {
    /// Checks the signatures of an attempt. Keys are included on request, which requires the scope `manage` and is
    /// recorded in the audit log.
    pub(crate) async fn check(&self, call: &Call, id: AttemptId, with_keys: bool) -> Result<Workbench, Error> {
        call.require(Scope::Read)?;
        if with_keys {
            call.require(Scope::Manage)?;
        }
        let evidence = self.evidence(call, id).await?;
        if let (true, Some(endpoint)) = (with_keys, &evidence.endpoint) {
            self.endpoints.note_shown(call, endpoint).await?;
        }
        let may_see_all = call.require(Scope::Manage).is_ok();
        Ok(evidence.workbench(may_see_all, with_keys)?)
    }

    async fn evidence(&self, call: &Call, id: AttemptId) -> Result<Evidence, Error> {
        let attempt = self.logs.attempt(call, id).await?;
        let event = match self.logs.event(call, attempt.summary.event).await {
            Ok(found) => Some(found),
            // Payloads may be kept for a shorter time than attempts are.
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        Ok(Evidence {
            dialect: self.dialects.get(&attempt.summary.dialect).cloned(),
            endpoint: self.endpoints.find(call, attempt.summary.endpoint).await.ok(),
            attempt,
            event,
        })
    }
}

impl Evidence {
    fn workbench(self, may_see_all: bool, with_keys: bool) -> Result<Workbench, Problem> {
        let (state, held) = (self.state(), self.held());
        let signatures = match (state, &self.dialect) {
            (State::Checked, Some(dialect)) => {
                let signed = self.signed_texts(dialect, &self.body())?;
                let schemes = dialect.schemes().zip(signed);
                let shown =
                    schemes.map(|(scheme, signed)| self.signature(scheme, signed, &held, may_see_all, with_keys));
                shown.collect()
            }
            _ => Vec::new(),
        };
        let secret_headers = self.dialect.iter().flat_map(|dialect| dialect.secret_headers());
        let was_sent = |name: &str| headers::value(&self.attempt.request_headers, name).is_some();
        Ok(Workbench {
            secret_headers: secret_headers
                .map(|name| (name.to_string(), was_sent(name.as_str())))
                .collect(),
            attempt: self.attempt.summary.id,
            dialect: self.attempt.summary.dialect,
            state,
            signatures,
            may_see_all,
        })
    }

    fn state(&self) -> State {
        let Some(dialect) = &self.dialect else {
            return State::DialectUnknown;
        };
        if !dialect.uses_secret() {
            return State::Unsigned;
        }
        match &self.endpoint {
            None => State::EndpointGone,
            _ if self.attempt.request_body.is_empty() => State::RequestGone,
            Some(endpoint) if endpoint.sealed.secret.is_some() => State::SecretUnreadable,
            Some(endpoint) if endpoint.secret.is_none() => State::Unsigned,
            Some(_) => State::Checked,
        }
    }

    /// The endpoint's secrets, the current one first.
    fn held(&self) -> Vec<(Held, Secret)> {
        let Some(endpoint) = &self.endpoint else {
            return Vec::new();
        };
        let current = endpoint.secret.iter().map(|secret| (Held::Current, secret.clone()));
        let previous = endpoint.previous_secret.iter();
        let previous = previous.map(|previous| (Held::Previous, previous.secret.clone()));
        current.chain(previous).collect()
    }

    fn body(&self) -> String {
        String::from_utf8_lossy(&self.attempt.request_body).into_owned()
    }

    /// The texts that the attempt's signatures would cover if this were its body.
    fn signed_texts(&self, dialect: &Dialect, body: &str) -> Result<Vec<String>, Problem> {
        let attempt = &self.attempt.summary;
        let overrides = self.endpoint.as_ref().map(|endpoint| endpoint.overrides.clone());
        let overrides = overrides.unwrap_or_default();
        let event = self.event.as_ref();
        let payload = event.map(|event| event.payload.as_slice());
        let payload = payload.filter(|payload| !payload.is_empty()).unwrap_or(b"null");
        let message = Message {
            event_id: attempt.event,
            event_type: &attempt.event_type,
            occurred_at: event.map_or(attempt.started_at, |event| event.summary.occurred_at),
            sent_at: attempt.started_at,
            attempt: attempt.number,
            payload,
            properties: &overrides.properties,
            settings: &overrides.settings,
        };
        let signed = dialect.signed_texts(&message, body);
        signed.map_err(|error| Problem::conflict("signature_unknown", error.to_string()))
    }

    fn signature(
        &self,
        scheme: Scheme<'_>,
        signed: String,
        held: &[(Held, Secret)],
        may_see_all: bool,
        with_keys: bool,
    ) -> Signature {
        let header = scheme.header().to_string();
        let sent = headers::value(&self.attempt.request_headers, &header).map(str::to_owned);
        let checks = held.iter().filter(|(_, secret)| scheme.takes(secret));
        let check = |(held, secret): &(Held, Secret)| {
            let value = scheme.sign(secret, signed.as_bytes());
            let is_equal = sent
                .as_deref()
                .is_some_and(|sent| scheme.split(sent).any(|one| one == value));
            Check {
                held: *held,
                is_ed25519: secret.is_asymmetric(),
                key: scheme.key(secret).filter(|_| with_keys).map(<[u8]>::to_vec),
                value: (is_equal || may_see_all).then_some(value),
                is_equal,
            }
        };
        Signature {
            checks: checks.map(check).collect(),
            header,
            prefix: scheme.prefix().to_owned(),
            encoding: scheme.encoding(),
            decodes_key: scheme.decodes_key(),
            template: scheme.signed().to_owned(),
            sent,
            signed,
        }
    }
}

impl Workbench {
    /// `true` if the caller may request keys.
    pub(crate) fn may_reveal(&self) -> bool {
        self.may_see_all && self.state == State::Checked
    }
}
