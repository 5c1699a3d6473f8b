//! Comparison of what a receiver saw with what was sent.

use tidings_dialect::{Dialect, Scheme};
use tidings_domain::{AttemptId, Scope, Secret, Timestamp};
use tidings_service::problem::Problem;

use super::bodies::{Difference, cause};
use super::computed::{self, Key, Text};
use super::finding::Finding;
use super::{Evidence, Held, Signatures, State, headers, secrets};
use crate::call::Call;
use crate::error::Error;

/// Largest difference between a receiver's clock and ours (Standard Webhooks' libraries: five minutes).
const TOLERANCE_SECONDS: i64 = 300;
/// Other attempts of a delivery that are searched for a header that is not this attempt's.
const OTHERS: u32 = 10;
const PREFIX: &str = "whsec_";

/// Observations of a receiver; absent ones are not compared.
#[derive(Default)]
pub(crate) struct Received {
    /// Headers as they were printed, one a line.
    pub(crate) headers: Option<String>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) secret: Option<String>,
    pub(crate) computed: Option<String>,
    /// The time of its check.
    pub(crate) received_at: Option<Timestamp>,
}

pub(crate) struct Comparison {
    pub(crate) findings: Vec<Finding>,
    /// The first difference of the bodies; `None` if they are equal, or none was given.
    pub(crate) difference: Option<Difference>,
    /// `true` if the given (or else the sent) signature is right for the given (or else the sent) body; `None` if that
    /// can't be told.
    pub(crate) verifies: Option<bool>,
}

impl Signatures {
    /// Lays what a receiver saw beside what was sent.
    pub(crate) async fn compare(&self, call: &Call, id: AttemptId, received: Received) -> Result<Comparison, Error> {
        call.require(Scope::Read)?;
        let evidence = self.evidence(call, id).await?;
        let header = self.header_of_another(call, &evidence, &received).await?;
        // Hashing several texts with several keys takes its time when they are large.
        let compared = tokio::task::spawn_blocking(move || evidence.compare(&received)).await;
        let unforeseen = |_| Problem::internal("internal", "the comparison failed unexpectedly: report this as a bug");
        let mut comparison = compared.map_err(unforeseen)??;
        comparison.findings.extend(header);
        Ok(comparison)
    }

    /// Finds out if the received signature is that of another attempt of the delivery.
    async fn header_of_another(
        &self,
        call: &Call,
        evidence: &Evidence,
        received: &Received,
    ) -> Result<Option<Finding>, Error> {
        let (Some(dialect), Some(pasted)) = (&evidence.dialect, &received.headers) else {
            return Ok(None);
        };
        let pasted = headers::read(pasted);
        let Some((name, value)) = dialect.schemes().find_map(|scheme| {
            let name = scheme.header().as_str();
            let value = headers::value(&pasted, name)?;
            let sent = headers::value(&evidence.attempt.request_headers, name);
            (sent != Some(value)).then(|| (name.to_owned(), value.to_owned()))
        }) else {
            return Ok(None);
        };
        let own = &evidence.attempt.summary;
        let attempts = self
            .logs
            .attempts_of_delivery(call, own.tenant, own.delivery, OTHERS)
            .await?;
        for other in attempts.into_iter().filter(|other| other.id != own.id) {
            let found = self.logs.attempt(call, other.id).await?;
            if headers::value(&found.request_headers, &name) == Some(value.as_str()) {
                let detail = format!("the signature is that of attempt {} ({})", other.number, other.id);
                let finding = Finding::fault("header_of_another", detail);
                return Ok(Some(finding.with("n", other.number).with("attempt", other.id)));
            }
        }
        Ok(None)
    }
}

impl Evidence {
    fn compare(&self, received: &Received) -> Result<Comparison, Problem> {
        let sent = &self.attempt.request_body;
        let mut findings = Vec::new();
        if let Some(body) = &received.body {
            findings.push(cause(sent, body));
        }
        let pasted = received.headers.as_deref().map(headers::read);
        if let Some(pasted) = &pasted {
            let matter = self.headers_that_matter();
            findings.extend(headers::compare(&self.attempt.request_headers, pasted, &matter));
        }
        let held = self.held();
        let (Some(dialect), State::Checked) = (&self.dialect, self.state()) else {
            return Ok(Comparison {
                findings,
                difference: self.difference(received),
                verifies: None,
            });
        };
        if let Some(secret) = &received.secret {
            let decodes = dialect.schemes().any(|scheme| scheme.decodes_key());
            findings.push(secrets::compare(&held, secret, decodes));
        }
        findings.extend(self.clock(dialect, received));
        let signed = self.signed_texts(dialect, &self.body())?;
        let body = received.body.as_deref().unwrap_or(sent);
        let over_received = match std::str::from_utf8(body) {
            Ok(text) => Some(self.signed_texts(dialect, text)?),
            Err(_) => None,
        };
        let first = dialect.schemes().next().zip(signed.first());
        if let (Some(value), Some((scheme, signed))) = (&received.computed, first) {
            let theirs = over_received.as_ref().and_then(|texts| texts.first());
            findings.extend(explain(scheme, signed, theirs, &held, received, sent, value));
        }
        let verifies = over_received.map(|texts| {
            let mut schemes = dialect.schemes().zip(&texts);
            schemes.all(|(scheme, text)| self.verifies(scheme, text, pasted.as_deref(), &held))
        });
        Ok(Comparison {
            findings,
            difference: self.difference(received),
            verifies: verifies.or(Some(false)),
        })
    }

    fn difference(&self, received: &Received) -> Option<Difference> {
        let body = received.body.as_deref()?;
        Difference::between(&self.attempt.request_body, body)
    }

    /// The headers with signatures, and those whose values are signed with the body.
    fn headers_that_matter(&self) -> Vec<String> {
        let Some(dialect) = &self.dialect else {
            return Vec::new();
        };
        let signed: Vec<_> = dialect.schemes().map(|scheme| scheme.signed()).collect();
        let is_signed = |source: &str| source.contains("{{") && signed.iter().any(|signed| signed.contains(source));
        let covered = dialect.header_templates().filter(|(_, source)| is_signed(source));
        let covered = covered.map(|(name, _)| name.to_string());
        dialect
            .schemes()
            .map(|scheme| scheme.header().to_string())
            .chain(covered)
            .collect()
    }

    /// Reports a receiver's clock that is too far from the signed time.
    fn clock(&self, dialect: &Dialect, received: &Received) -> Option<Finding> {
        let at = received.received_at?;
        let is_signed = dialect.schemes().any(|scheme| scheme.signed().contains("sent_at"));
        let seconds = at.as_second() - self.attempt.summary.started_at.as_second();
        let values = |finding: Finding| finding.with("n", seconds.unsigned_abs());
        if !is_signed {
            return None;
        }
        Some(values(match seconds {
            late if late > TOLERANCE_SECONDS => Finding::fault(
                "clock_late",
                format!(
                    "it was checked {late} s after it was signed: receivers take {TOLERANCE_SECONDS} s at most; set the clock, or check when the request comes"
                ),
            ),
            early if early < -TOLERANCE_SECONDS => Finding::fault(
                "clock_early",
                format!(
                    "by the receiver's clock it was checked {} s before it was signed: set the clock",
                    -early
                ),
            ),
            _ => Finding::fine("clock_right", "the time is within what receivers tolerate"),
        }))
    }

    fn verifies(
        &self,
        scheme: Scheme<'_>,
        text: &str,
        pasted: Option<&[(String, String)]>,
        held: &[(Held, Secret)],
    ) -> bool {
        let name = scheme.header().as_str();
        let value = match pasted {
            Some(pasted) => headers::value(pasted, name),
            None => headers::value(&self.attempt.request_headers, name),
        };
        let secrets = held.iter().filter(|(_, secret)| scheme.takes(secret));
        let mut right = secrets.map(|(_, secret)| scheme.sign(secret, text.as_bytes()));
        value.is_some_and(|value| right.any(|right| scheme.split(value).any(|one| one == right)))
    }
}

/// Explains the value that a receiver computed.
fn explain(
    scheme: Scheme<'_>,
    signed: &str,
    over_received: Option<&String>,
    held: &[(Held, Secret)],
    received: &Received,
    sent: &[u8],
    value: &str,
) -> Vec<Finding> {
    let mut texts = vec![("signed", signed.as_bytes(), true), ("body", sent, false)];
    if let Some(theirs) = over_received.filter(|theirs| *theirs != signed) {
        texts.push(("received_signed", theirs.as_bytes(), false));
    }
    let texts: Vec<_> = texts
        .into_iter()
        // Where the body alone is signed, that is right.
        .filter(|(name, bytes, _)| *name == "signed" || *bytes != signed.as_bytes())
        .map(|(name, bytes, is_right)| Text { name, bytes, is_right })
        .collect();
    let given = received
        .secret
        .as_ref()
        .and_then(|given| Secret::new(given.trim()).ok());
    let mut keys: Vec<Key> = held
        .iter()
        .flat_map(|(which, secret)| keys(scheme, *which, secret))
        .collect();
    if let Some(key) = given.as_ref().and_then(|given| scheme.key(given)) {
        keys.push(Key {
            name: "given",
            bytes: key.to_vec(),
            is_right: false,
        });
    }
    computed::explain(value, &[scheme.prefix()], scheme.encoding(), &keys, &texts)
}

/// The keys that receivers make of a secret, the right one first.
fn keys(scheme: Scheme<'_>, which: Held, secret: &Secret) -> Vec<Key> {
    let Some(right) = scheme.key(secret) else {
        return Vec::new();
    };
    let text = secret.reveal();
    let bare = text.strip_prefix(PREFIX).unwrap_or(text);
    let name = |own| if which == Held::Current { own } else { "previous" };
    let wrong = [
        ("text", Some(text.as_bytes().to_vec())),
        ("bare", Some(bare.as_bytes().to_vec())),
        ("decoded", secret.key().map(<[u8]>::to_vec)),
    ];
    let wrong = wrong.into_iter().filter_map(|(own, bytes)| {
        let bytes = bytes.filter(|bytes| bytes != right)?;
        Some(Key {
            name: name(own),
            bytes,
            is_right: false,
        })
    });
    let first = Key {
        name: name("right"),
        bytes: right.to_vec(),
        is_right: which == Held::Current,
    };
    std::iter::once(first).chain(wrong).collect()
}
