//! A loaded dialect: its file read, its templates compiled.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use minijinja::{Environment, Value};
use tidings_domain::outcome::StatusRule;
use tidings_domain::{EventPattern, EventType, Schedule};
use url::Url;

use crate::file::{Canonical, Encoding, Key, RetryAfter};
use crate::header_name::CasedHeaderName;
use crate::options::{Properties, Setting};
use crate::url_match::{Refused, UrlPattern};

/// Format of deliveries to one kind of receiver, and interpretation of its responses.
pub struct Dialect {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) chosen_for: Vec<UrlPattern>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) user_agent: String,
    /// The headers that are the same in every request.
    pub(crate) fixed: [(CasedHeaderName, HeaderValue); 2],
    pub(crate) headers: Vec<Header>,
    pub(crate) canonical: Option<Canonical>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) status_rule: StatusRule,
    pub(crate) retry_after: RetryAfter,
    pub(crate) schedule: Schedule,
    pub(crate) timeout: Duration,
    /// Most specific pattern first.
    pub(crate) events: Vec<(EventPattern, Names)>,
    pub(crate) omit: Vec<String>,
    pub(crate) properties: Option<Properties>,
    pub(crate) settings: BTreeMap<String, Setting>,
    pub(crate) samples: BTreeMap<EventType, Bytes>,
    /// [`BODY_TEMPLATE`] and those that headers and signatures name.
    pub(crate) templates: Environment<'static>,
}

/// The values of one entry in `[events]`: the dialect's names of an event type.
pub(crate) type Names = Arc<BTreeMap<String, Value>>;

pub(crate) const BODY_TEMPLATE: &str = "body";

/// A header whose value is a template.
pub(crate) struct Header {
    pub(crate) name: CasedHeaderName,
    pub(crate) template: String,
    /// The template as it is written.
    pub(crate) source: String,
    /// The template contains the secret.
    pub(crate) secret: bool,
}

/// A header that proves knowledge of the secret.
pub(crate) struct Signature {
    pub(crate) header: CasedHeaderName,
    pub(crate) prefix: String,
    /// The prefix of ed25519 signatures; without one there are none.
    pub(crate) ed25519_prefix: Option<String>,
    pub(crate) key: Key,
    pub(crate) encoding: Encoding,
    /// The template of what is signed.
    pub(crate) template: String,
    /// The template as it is written.
    pub(crate) source: String,
    /// Separator of signatures with several secrets; without one only one secret signs.
    pub(crate) separator: Option<String>,
}

impl Dialect {
    /// Name by which endpoints select it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whom it is for, in a sentence.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The waits between attempts, unless the endpoint says otherwise.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The deadline of one attempt, unless the endpoint says otherwise.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Meaning of response statuses.
    #[must_use]
    pub fn status_rule(&self) -> &StatusRule {
        &self.status_rule
    }

    /// Source of the wait that a response requests.
    #[must_use]
    pub fn retry_after(&self) -> RetryAfter {
        self.retry_after
    }

    #[must_use]
    pub fn user_agent(&self) -> &str {
        &self.user_agent
    }

    /// A payload for each event type that an endpoint can be tested with; at least one.
    #[must_use]
    pub fn samples(&self) -> &BTreeMap<EventType, Bytes> {
        &self.samples
    }

    /// The URLs whose endpoints get this dialect unless they name one: a host and a path, with `*` in place of what differs.
    pub fn chosen_for(&self) -> impl Iterator<Item = String> {
        self.chosen_for.iter().map(ToString::to_string)
    }

    /// Event type patterns, most specific first, with the dialect's names by key. An event type without a match keeps
    /// its own name.
    pub fn events(&self) -> impl Iterator<Item = (&EventPattern, BTreeMap<&str, String>)> {
        self.events.iter().map(|(pattern, names)| {
            let names = names.iter().map(|(key, name)| (key.as_str(), name.to_string()));
            (pattern, names.collect())
        })
    }

    /// The values that endpoints can give, by name.
    #[must_use]
    pub fn settings(&self) -> &BTreeMap<String, Setting> {
        &self.settings
    }

    /// The parts of payloads that endpoints can choose; none where payloads are sent whole.
    #[must_use]
    pub fn properties(&self) -> Option<&Properties> {
        self.properties.as_ref()
    }

    /// Specificity of the pattern that selects this dialect for the URL, if one does.
    pub(crate) fn chosen_by(&self, url: &Url) -> Option<usize> {
        let chosen_by = self.chosen_for.iter().filter(|pattern| pattern.matches(url));
        chosen_by.map(UrlPattern::weight).max()
    }

    /// Known reason why the URL understands no dialect's requests, with the specificity of the pattern that says so.
    pub(crate) fn refusal_of(&self, url: &Url) -> Option<(usize, &str)> {
        let weights = |refused: &'_ Refused| {
            let matching = refused.patterns.iter().filter(|pattern| pattern.matches(url));
            matching.map(UrlPattern::weight).max()
        };
        let refusals = self.refused.iter();
        refusals
            .filter_map(|refused| Some((weights(refused)?, refused.reason.as_str())))
            .max_by_key(|(weight, _)| *weight)
    }

    pub(crate) fn names_for(&self, event_type: &EventType) -> Option<&Names> {
        self.events
            .iter()
            .find(|(pattern, _)| pattern.matches(event_type))
            .map(|(_, names)| names)
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dialect({})", self.name)
    }
}
