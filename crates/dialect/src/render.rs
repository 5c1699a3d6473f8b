//! Renders a message as an HTTP request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;
use minijinja::Value;
use tidings_domain::signature::{self, hmac_sha256, sign};
use tidings_domain::{EventId, EventType, Secret, Timestamp};

use crate::canonical;
use crate::dialect::{BODY_TEMPLATE, Dialect, Header, Signature};
use crate::file::{Canonical, Encoding, Key};
use crate::header_name::CasedHeaderName;
use crate::json::{self, JsonError};
use crate::options::Setting;
use crate::prune::Prune;
use crate::variables::{BODY, EventNames, SECRET, Variables, With};

/// Event and endpoint data that a request is rendered from.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The event's id, the same for every attempt.
    pub event_id: EventId,
    pub event_type: &'a EventType,
    pub occurred_at: Timestamp,
    /// The time of this attempt, which signatures cover.
    pub sent_at: Timestamp,
    /// The number of this attempt; the first is 1.
    pub attempt: u32,
    /// JSON text, as published.
    pub payload: &'a [u8],
    /// The properties that the endpoint chose (`user.plan`), for a dialect that leaves out others.
    pub properties: &'a [String],
    /// The values that the endpoint gave for the dialect's settings, by name.
    pub settings: &'a BTreeMap<String, String>,
}

/// Headers and body of a POST request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Every header that the dialect decides. Values that show the secret are marked sensitive; a signature shows nothing of it.
    pub headers: Vec<(CasedHeaderName, HeaderValue)>,
    pub body: Bytes,
    /// Position of the unchanged payload in the body, so that a log need not store it twice. `None` if the dialect
    /// changed it.
    pub payload_at: Option<Range<usize>>,
}

/// Reason why a message can't be rendered. A repetition gives the same result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The payload is not JSON.
    #[error("the payload is {0}")]
    Payload(JsonError),
    /// A template fails on this message.
    #[error("dialect `{dialect}`: {problem}")]
    Template {
        dialect: String,
        /// Error of the template engine, with template and line.
        problem: String,
    },
    /// The template of the body gives something else than JSON for this message.
    #[error("dialect `{dialect}`: the body is {source}")]
    Body {
        dialect: String,
        /// Position and description of the error in the body.
        source: JsonError,
    },
    /// A header's value has characters that no header may carry, or too many. The value is kept back; it may be a
    /// secret.
    #[error("dialect `{dialect}`: the value of the header `{header}` is not all visible ASCII characters, or too long")]
    Header { dialect: String, header: CasedHeaderName },
    /// The secret is a private key, and a header needs a shared one. Nothing is sent unsigned instead.
    #[error("dialect `{dialect}`: the header `{header}` needs a shared secret, and the endpoint has an ed25519 key")]
    Secret { dialect: String, header: CasedHeaderName },
}

/// Maximum output of a template beyond one payload, bytes.
const MAX_WRITTEN: usize = 1024 * 1024;
/// The longest value of a header: what common servers take of all headers together.
const MAX_HEADER: usize = 8 * 1024;

impl Dialect {
    /// The request that tells `message`, signed with `secrets`: the current one first, then those before it that
    /// are still valid. Where a header has a place for several signatures, all of them sign. Where it has a place
    /// for one, the last of them does: receivers change over when the old secret ends. Without secrets the headers
    /// that need one are left out.
    pub fn render(&self, message: &Message<'_>, secrets: &[Secret]) -> Result<Request, RenderError> {
        let payload = json::checked(message.payload).map_err(RenderError::Payload)?;
        let variables = Arc::new(self.variables(message, payload));
        let body = self.body(&variables)?;

        let mut headers = Vec::with_capacity(self.fixed.len() + self.headers.len() + self.signatures.len());
        headers.extend(self.fixed.iter().cloned());
        for header in &self.headers {
            headers.extend(self.header(header, &variables, secrets)?);
        }
        for signature in &self.signatures {
            headers.extend(self.signature(signature, &variables, &body, secrets)?);
        }

        let payload_at = find_payload(body.as_bytes(), message.payload);
        Ok(Request {
            headers,
            body: body.into(),
            payload_at,
        })
    }

    pub(crate) fn variables(&self, message: &Message<'_>, payload: &str) -> Variables {
        let names = self.names_for(message.event_type).cloned();
        let whole = Value::from_safe_string(payload.to_owned());
        let cut = Prune {
            omit: &self.omit,
            properties: self.properties.as_ref(),
            chosen: message.properties,
        };
        Variables {
            id: message.event_id,
            event: EventNames {
                names,
                event_type: message.event_type.clone(),
            },
            occurred_at: message.occurred_at,
            sent_at: message.sent_at,
            attempt: message.attempt,
            payload: match cut.apply(payload) {
                Cow::Borrowed(_) => whole.clone(),
                Cow::Owned(rest) => Value::from_safe_string(rest),
            },
            whole,
            settings: self.settings_for(message.settings),
            data: OnceLock::new(),
            digest: OnceLock::new(),
        }
    }

    fn settings_for(&self, given: &BTreeMap<String, String>) -> Value {
        let value = |(name, setting): (&String, &Setting)| {
            let value = given.get(name).or(setting.default.as_ref())?;
            Some((name.clone(), Value::from(value.as_str())))
        };
        Value::from_pairs(self.settings.iter().filter_map(value))
    }

    fn body(&self, variables: &Arc<Variables>) -> Result<String, RenderError> {
        let body = self.fill(
            BODY_TEMPLATE,
            Value::from_dyn_object(Arc::clone(variables)),
            variables.whole().len() + MAX_WRITTEN,
        )?;
        let not_json = |source| RenderError::Body {
            dialect: self.name.clone(),
            source,
        };
        match self.canonical {
            Some(Canonical::Ecmascript) => canonical::reprint(&body).map_err(not_json),
            // Loading proved the envelope to be JSON and `checked` the payload; only a template that picks
            // from the payload can still get it wrong.
            None if variables.payload_was_read() => json::check(body.as_bytes()).map(|()| body).map_err(not_json),
            None => Ok(body),
        }
    }

    /// None when the template gives nothing: a header that would say nothing is not sent.
    fn header(
        &self,
        header: &Header,
        variables: &Arc<Variables>,
        secrets: &[Secret],
    ) -> Result<Option<(CasedHeaderName, HeaderValue)>, RenderError> {
        let context = if header.secret {
            // While two are valid the last is the old one, which is in use until it ends (docs/decisions/0014).
            let value = match secrets.last() {
                Some(key) if key.is_asymmetric() => return Err(self.needs_shared_secret(&header.name)),
                Some(secret) => secret.reveal().into(),
                None => Value::UNDEFINED,
            };
            Value::from_object(With {
                variables: Arc::clone(variables),
                name: SECRET,
                value,
            })
        } else {
            Value::from_dyn_object(Arc::clone(variables))
        };
        let text = self
            .fill(&header.template, context, MAX_WRITTEN)
            .map_err(|error| match error {
                // The engine's message may quote the value that it choked on.
                RenderError::Template { dialect, .. } if header.secret => RenderError::Template {
                    dialect,
                    problem: format!("{} can't be rendered", header.template),
                },
                error => error,
            })?;
        if text.is_empty() {
            return Ok(None);
        }
        self.value(&header.name, &text, header.secret).map(Some)
    }

    fn signature(
        &self,
        signature: &Signature,
        variables: &Arc<Variables>,
        body: &str,
        secrets: &[Secret],
    ) -> Result<Option<(CasedHeaderName, HeaderValue)>, RenderError> {
        let mut signing: Vec<&Secret> = secrets.iter().filter(|secret| signature.takes(secret)).collect();
        if signing.is_empty() && !secrets.is_empty() {
            return Err(self.needs_shared_secret(&signature.header));
        }
        if signature.separator.is_none() {
            signing = signing.pop().into_iter().collect();
        }
        if signing.is_empty() {
            return Ok(None);
        }
        let signed = self.signed(signature, variables, body)?;

        let mut text = String::new();
        for (i, secret) in signing.iter().enumerate() {
            if i > 0 {
                text.push_str(signature.separator.as_deref().unwrap_or_default());
            }
            signature.write(secret, signed.as_bytes(), &mut text);
        }
        self.value(&signature.header, &text, false).map(Some)
    }

    /// The text that a signature covers.
    pub(crate) fn signed(
        &self,
        signature: &Signature,
        variables: &Arc<Variables>,
        body: &str,
    ) -> Result<String, RenderError> {
        let context = Value::from_object(With {
            variables: Arc::clone(variables),
            name: BODY,
            value: Value::from_safe_string(body.to_owned()),
        });
        self.fill(&signature.template, context, body.len() + MAX_WRITTEN)
    }

    fn fill(&self, template: &str, context: Value, limit: usize) -> Result<String, RenderError> {
        let failed = |problem: String| RenderError::Template {
            dialect: self.name.clone(),
            problem,
        };
        let mut written = Written {
            text: Vec::new(),
            limit,
        };
        self.templates
            .get_template(template)
            .and_then(|template| template.render_captured_to(context, &mut written).map(drop))
            .map_err(|error| match std::error::Error::source(&error) {
                Some(cause) => failed(format!("{error}: {cause}")),
                None => failed(error.to_string()),
            })?;
        String::from_utf8(written.text).map_err(|error| failed(error.to_string()))
    }

    fn needs_shared_secret(&self, header: &CasedHeaderName) -> RenderError {
        RenderError::Secret {
            dialect: self.name.clone(),
            header: header.clone(),
        }
    }

    fn value(
        &self,
        name: &CasedHeaderName,
        text: &str,
        sensitive: bool,
    ) -> Result<(CasedHeaderName, HeaderValue), RenderError> {
        let refused = || RenderError::Header {
            dialect: self.name.clone(),
            header: name.clone(),
        };
        let mut value = header_value(text).ok_or_else(refused)?;
        value.set_sensitive(sensitive);
        Ok((name.clone(), value))
    }
}

impl Signature {
    /// Tells if this secret can sign here.
    pub(crate) fn takes(&self, secret: &Secret) -> bool {
        !secret.is_asymmetric() || self.ed25519_prefix.is_some()
    }

    /// Writes one signature as the header has it.
    pub(crate) fn write(&self, secret: &Secret, signed: &[u8], text: &mut String) {
        let bytes = self.sign(secret, signed);
        text.push_str(self.prefix_for(secret));
        match self.encoding {
            Encoding::Hex => text.push_str(&hex::encode(bytes.as_bytes())),
            Encoding::Base64 => BASE64_STANDARD.encode_string(bytes.as_bytes(), text),
        }
    }

    fn sign(&self, secret: &Secret, signed: &[u8]) -> signature::Signature {
        match self.key {
            Key::Text if !secret.is_asymmetric() => {
                signature::Signature::Hmac(hmac_sha256(secret.reveal().as_bytes(), &[signed]))
            }
            Key::Text | Key::Decoded => sign(secret, signed),
        }
    }

    fn prefix_for(&self, secret: &Secret) -> &str {
        let ed25519 = self.ed25519_prefix.as_deref().filter(|_| secret.is_asymmetric());
        ed25519.unwrap_or(&self.prefix)
    }
}

/// Output of a template, limited so that a loop over a payload can't fill the memory.
struct Written {
    text: Vec<u8>,
    limit: usize,
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Finds the payload in the body by its beginning: preparing a search for a whole large payload costs more than
/// comparing it at the candidates.
fn find_payload(body: &[u8], payload: &[u8]) -> Option<Range<usize>> {
    let beginning = &payload[..payload.len().min(16)];
    memmem::find_iter(body, beginning)
        .find(|at| body[*at..].starts_with(payload))
        .map(|at| at..at + payload.len())
}

/// A header's value, if all of it is visible ASCII and spaces and not too long. `HeaderValue` alone would let bytes above 127
/// through, which receivers read in different ways (RFC 9110, section 5.5).
pub(crate) fn header_value(text: &str) -> Option<HeaderValue> {
    let visible = text.len() <= MAX_HEADER && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    HeaderValue::from_str(text).ok().filter(|_| visible)
}
