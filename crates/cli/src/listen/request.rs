//! A request that a listener got, and whether its signature is right.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tidings_domain::{Secret, Timestamp};

use crate::output::{heading, line, lines};
use crate::pretty::{self, pretty};
use crate::verify;

/// A received request with the result of its verification.
pub(super) struct Received {
    pub(super) received_at: Timestamp,
    pub(super) method: Method,
    pub(super) path: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) signature: Signature,
    pub(super) answered: StatusCode,
}

/// The result of verifying a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(super) enum Signature {
    Verified {
        header: String,
    },
    Wrong {
        header: String,
        reason: String,
    },
    /// There is one, but no secret was given to verify it with.
    Unchecked {
        header: String,
    },
    Unsigned,
}

/// Verifies whichever signature there is: that of Standard Webhooks, or `sha256=` over the body in any `…-signature`
/// header. One of the secrets must fit.
pub(super) fn verify(headers: &HeaderMap, body: &[u8], secrets: &[Secret]) -> Signature {
    let is_over_body = |name: &str| {
        name.ends_with("-signature") && verify::header(headers, name).is_some_and(|value| value.starts_with("sha256="))
    };
    let standard = headers.contains_key("webhook-signature").then_some("webhook-signature");
    let Some(header) = standard.or_else(|| headers.keys().map(|name| name.as_str()).find(|name| is_over_body(name)))
    else {
        return Signature::Unsigned;
    };
    let checks = secrets.iter().map(|secret| match standard {
        Some(_) => verify::standard(headers, body, secret.reveal()),
        None => verify::over_body(headers, header, body, secret.reveal()),
    });
    let header = header.to_owned();
    let mut reason = None;
    for check in checks {
        match check {
            Ok(()) => return Signature::Verified { header },
            Err(why) => reason = Some(why),
        }
    }
    match reason {
        Some(reason) => Signature::Wrong { header, reason },
        None => Signature::Unchecked { header },
    }
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    received_at: Timestamp,
    method: &'a str,
    path: String,
    event_id: Option<&'a str>,
    event_type: Option<String>,
    signature: &'a Signature,
    answered: u16,
    headers: Vec<(&'a str, &'a str)>,
    body: Box<RawValue>,
}

impl Received {
    /// Prints the request for people.
    pub(super) fn print(&self, with_headers: bool) -> anyhow::Result<()> {
        let signature = match &self.signature {
            Signature::Verified { .. } => "signature verified".into(),
            Signature::Wrong { reason, .. } => format!("NOT VERIFIED: {reason}"),
            Signature::Unchecked { .. } => "not verified: no --secret given".into(),
            Signature::Unsigned => "unsigned".into(),
        };
        let mut first = vec![format!("{:.3}", self.received_at)];
        if self.method != Method::POST || self.path.path() != "/" {
            first.push(format!("{} {}", self.method, self.path));
        }
        first.extend(self.event_type());
        first.extend(self.event_id().map(str::to_owned));
        first.extend([signature, format!("→ {}", self.answered.as_u16())]);
        heading(&first.join("  "))?;
        if with_headers {
            for (name, value) in self.headers() {
                line(&format!("{name}: {value}"))?;
            }
        }
        match self.body.as_ref() {
            [] => Ok(()),
            body => lines(&format!("{}\n", pretty(body))),
        }
    }

    /// The request as JSON.
    pub(super) fn document(&self) -> Document<'_> {
        Document {
            received_at: self.received_at,
            method: self.method.as_str(),
            path: self.path.to_string(),
            event_id: self.event_id(),
            event_type: self.event_type(),
            signature: &self.signature,
            answered: self.answered.as_u16(),
            headers: self.headers().collect(),
            body: pretty::value(&self.body),
        }
    }

    fn event_id(&self) -> Option<&str> {
        verify::header(&self.headers, "webhook-id")
    }

    /// Envelopes have it as `type` or as `event`.
    fn event_type(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let named = |key: &str| body.get(key)?.as_str().map(str::to_owned);
        named("event").or_else(|| named("type"))
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("(not text)")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"what do ya want for nothing?";
    /// RFC 4231, test case 2, with the secret `Jefe`.
    const GOOD: &str = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    fn check(name: &'static str, value: &str, secrets: &[&str]) -> Signature {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::new(*text).unwrap()).collect();
        verify(&headers, BODY, &secrets)
    }

    #[test]
    fn any_of_the_secrets_may_fit() {
        let header = "x-userhero-signature".to_owned();
        let verdict = check("x-userhero-signature", GOOD, &["old", "Jefe"]);
        assert_eq!(verdict, Signature::Verified { header });
        assert!(matches!(
            check("x-feedbackpulse-signature", GOOD, &["Jefe"]),
            Signature::Verified { .. }
        ));
    }

    #[test]
    fn what_is_not_verified_says_why() {
        let header = "x-userhero-signature".to_owned();
        let reason = "wrong signature".to_owned();
        let verdict = check("x-userhero-signature", GOOD, &["other"]);
        assert_eq!(
            verdict,
            Signature::Wrong {
                header: header.clone(),
                reason
            }
        );
        assert_eq!(
            check("x-userhero-signature", GOOD, &[]),
            Signature::Unchecked { header }
        );
        assert_eq!(
            check("content-type", "application/json", &["Jefe"]),
            Signature::Unsigned
        );
        let incomplete = check("webhook-signature", "v1,AAAA", &["Jefe"]);
        assert!(matches!(incomplete, Signature::Wrong { reason, .. } if reason == "no webhook-id"));
    }
}
