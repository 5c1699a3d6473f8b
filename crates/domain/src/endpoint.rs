//! A receiver as its tenant configured it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::authentication::Authentication;
use crate::event::EventType;
use crate::id::{EndpointId, TenantId};
use crate::outcome::StatusRange;
use crate::schedule::Schedule;
use crate::sealed::Sealed;
use crate::secret::Secret;
use crate::subscription::Subscription;

/// Where a tenant's events go and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it; at most 200 characters, may be empty.
    pub name: String,
    /// Where requests go.
    pub url: Url,
    /// The name of the dialect that its requests are written in.
    pub dialect: String,
    /// The secret that requests are signed with; none where the receiver checks no signature.
    pub secret: Option<Secret>,
    /// The secret before the last rotation, as long as it still signs.
    pub previous_secret: Option<PreviousSecret>,
    /// What its requests carry to be let in, beside the signature.
    pub authentication: Authentication,
    /// What of secrets and authentication was not opened, as it is stored. Those fields are empty where this is not.
    pub sealed: Sealed,
    /// Parts of it that are stored in a form that can't be read, by name; they are as in a new endpoint here. Its deliveries
    /// are held until somebody repairs it.
    pub unreadable: Vec<&'static str>,
    /// What it wants. An event that matches any of these is delivered once.
    pub subscriptions: Vec<Subscription>,
    /// Whether it gets what Tidings tells its tenant (`endpoint.failing`, …) instead of the tenant's events.
    pub operational: bool,
    /// The e-mail address that is told when it fails.
    pub contact: Option<String>,
    /// Whether requests are made. While off, its deliveries are held.
    pub enabled: bool,
    /// Why it was turned off, if it was not people who did.
    pub disabled_reason: Option<DisabledReason>,
    /// Since when it fails: when a delivery was given up and none succeeded since.
    pub failing_since: Option<Timestamp>,
    /// What the tenant chose differently from the dialect.
    pub overrides: Overrides,
    /// Held deliveries of events accepted before this time are cancelled and not released.
    pub cancel_held_before: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What an endpoint may choose differently from its dialect.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// The waits between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The deadline of one attempt, over connecting, sending and reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The statuses that mean that an event has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_statuses: Option<Vec<StatusRange>>,
    /// The statuses after which nothing more is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_statuses: Option<Vec<StatusRange>>,
    /// The most requests under way at once, from all dispatchers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many requests may be begun per second, from all dispatchers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// The parts of users and companies that are sent although the dialect leaves them out: `user.plan`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
    /// Values that the dialect's templates ask for, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// A secret that was replaced and signs until the time its receiver has for the change is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: Secret,
    /// When it stops signing.
    pub until: Timestamp,
}

/// Why Tidings itself turned an endpoint off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisabledReason {
    /// It answered 410 Gone (Standard Webhooks, "Status codes").
    Gone,
    /// It failed for days without a success in between.
    Failing,
}

impl DisabledReason {
    /// The name in columns, protos and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Gone, Self::Failing]
            .into_iter()
            .find(|reason| reason.as_str() == name)
    }
}

/// A bound on how often something is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RateLimit {
    /// How often per second, over time; at least 1.
    pub per_second: u32,
    /// How often at once after a rest; at least 1.
    pub burst: u32,
}

impl Endpoint {
    /// The longest name, in characters.
    pub const MAX_NAME: usize = 200;
    /// The most subscriptions of one endpoint.
    pub const MAX_SUBSCRIPTIONS: usize = 100;
    /// What [`Endpoint::unreadable`] calls its subscriptions.
    pub const SUBSCRIPTIONS: &'static str = "subscriptions";

    /// A new endpoint that is on, unsigned, and subscribed to nothing yet.
    #[must_use]
    pub fn new(tenant: TenantId, url: Url, dialect: impl Into<String>, at: Timestamp) -> Self {
        Self {
            id: EndpointId::new(),
            tenant,
            name: String::new(),
            url,
            dialect: dialect.into(),
            secret: None,
            previous_secret: None,
            authentication: Authentication::default(),
            sealed: Sealed::default(),
            unreadable: Vec::new(),
            subscriptions: Vec::new(),
            operational: false,
            contact: None,
            enabled: true,
            disabled_reason: None,
            failing_since: None,
            overrides: Overrides::default(),
            cancel_held_before: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// Whether an event of this type becomes a delivery for this endpoint. A disabled endpoint still matches:
    /// its deliveries are held and not forgotten. So does one of which nobody can tell.
    #[must_use]
    pub fn wants(&self, event_type: &EventType) -> bool {
        !self.operational && (self.is_undecided() || self.subscriptions.iter().any(|s| s.matches(event_type)))
    }

    /// Whether some of what it subscribes to can't be read: then it may want what matches none of the others.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.unreadable.contains(&Self::SUBSCRIPTIONS)
    }

    /// Whether requests are to be signed, as far as is stored.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.secret.is_some() || self.sealed.secret.is_some()
    }

    /// What its largest parts take in memory, bytes, by name and largest first.
    #[must_use]
    pub fn sizes(&self) -> [(&'static str, usize); 4] {
        // What an entry of a list or a map takes beside its text.
        const ENTRY: usize = 64;
        let text = |text: &String| ENTRY + text.len();
        let subscription = |s: &Subscription| 2 * ENTRY + s.pattern.size() + s.filter.as_ref().map_or(0, String::len);
        let overrides = &self.overrides;
        let settings = overrides.settings.iter().map(|(name, value)| text(name) + text(value));
        let secret = |secret: &Option<Secret>| secret.as_ref().map_or(0, |secret| 2 * secret.reveal().len());
        let previous = self.previous_secret.as_ref().map_or(0, |p| 2 * p.secret.reveal().len());
        let mut sizes = [
            (Self::SUBSCRIPTIONS, self.subscriptions.iter().map(subscription).sum()),
            ("authentication", self.authentication.size().max(self.sealed.size())),
            (
                "settings and properties",
                settings.sum::<usize>() + overrides.properties.iter().map(text).sum::<usize>(),
            ),
            (
                "other fields",
                size_of::<Self>()
                    + self.name.len()
                    + self.url.as_str().len()
                    + self.contact.as_ref().map_or(0, String::len)
                    + secret(&self.secret)
                    + previous,
            ),
        ];
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        sizes
    }

    /// What it takes in memory, bytes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sizes().iter().map(|(_, size)| size).sum()
    }

    /// Whether Tidings tells it this of its tenant's endpoints.
    #[must_use]
    pub fn is_told(&self, event_type: &EventType) -> bool {
        self.operational && (self.is_undecided() || self.subscriptions.iter().any(|s| s.matches(event_type)))
    }

    /// The secrets that sign at this time, the current one first.
    #[must_use]
    pub fn secrets(&self, now: Timestamp) -> Cow<'_, [Secret]> {
        match self.previous_secret.as_ref().filter(|previous| now < previous.until) {
            None => self.secret.as_slice().into(),
            Some(previous) => self.secret.iter().chain([&previous.secret]).cloned().collect(),
        }
    }
}
