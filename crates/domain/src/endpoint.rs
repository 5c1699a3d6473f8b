//! Endpoints: receivers as their tenants configured them.

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

/// A tenant's receiver, with all settings of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub tenant: TenantId,
    /// Display name of at most 200 characters; may be empty.
    pub name: String,
    pub url: Url,
    /// The name of the dialect that its requests are written in.
    pub dialect: String,
    /// The secret that requests are signed with; none where the receiver checks no signature.
    pub secret: Option<Secret>,
    /// The secret before the last rotation, as long as it still signs.
    pub previous_secret: Option<PreviousSecret>,
    /// Credentials sent to the receiver, besides the signature.
    pub authentication: Authentication,
    /// Sealed secrets and authentication, as stored. While a part is sealed, the field it belongs to is empty.
    pub sealed: Sealed,
    /// Parts of it that are stored in a form that can't be read, by name; they are as in a new endpoint here. Its deliveries
    /// are held until somebody repairs it.
    pub unreadable: Vec<&'static str>,
    /// An event that matches several of them is delivered once.
    pub subscriptions: Vec<Subscription>,
    /// The endpoint gets operational events about its tenant's endpoints (`endpoint.failing`, …) instead of the
    /// tenant's events.
    pub operational: bool,
    /// E-mail address that is notified when the endpoint fails.
    pub contact: Option<String>,
    /// While `false`, no requests are made and deliveries are held.
    pub enabled: bool,
    /// Set if Tidings itself disabled the endpoint.
    pub disabled_reason: Option<DisabledReason>,
    /// Since when it fails: when a delivery was given up and none succeeded since.
    pub failing_since: Option<Timestamp>,
    /// Settings that replace the dialect's.
    pub overrides: Overrides,
    /// Held deliveries of events accepted before this time are cancelled and not released.
    pub cancel_held_before: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An endpoint's deviations from its dialect; `None` or empty means the dialect's setting.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// Waits between attempts.
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
    /// Maximum concurrent requests over all dispatchers, divided evenly among them; each makes at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Maximum rate of requests over all dispatchers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// The parts of users and companies that are sent although the dialect leaves them out: `user.plan`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
    /// Values for the dialect's template variables, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// A secret that was replaced and signs until the time its receiver has for the change is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    pub secret: Secret,
    /// End of its validity for signing.
    pub until: Timestamp,
}

/// Reason for which Tidings disabled an endpoint.
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

    /// Parses [`DisabledReason::as_str`].
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
    /// Requests per second over time, at least 1.
    pub per_second: u32,
    /// Requests at once after a pause, at least 1.
    pub burst: u32,
}

impl Endpoint {
    /// Maximum length of a name, in characters.
    pub const MAX_NAME: usize = 200;
    /// Maximum number of subscriptions per endpoint.
    pub const MAX_SUBSCRIPTIONS: usize = 100;
    /// Name of the subscriptions in [`Endpoint::unreadable`].
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

    /// Tells if an event of this type becomes a delivery to this endpoint. A disabled endpoint matches too: its
    /// deliveries are held, not dropped. So does an endpoint with unreadable subscriptions.
    #[must_use]
    pub fn wants(&self, event_type: &EventType) -> bool {
        !self.operational && (self.is_undecided() || self.subscriptions.iter().any(|s| s.matches(event_type)))
    }

    /// Tells if some subscriptions can't be read, so that the endpoint may want events that match none of the others.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.unreadable.contains(&Self::SUBSCRIPTIONS)
    }

    /// Tells if requests are to be signed, as far as is stored.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.secret.is_some() || self.sealed.secret.is_some()
    }

    /// Memory used by its largest parts, bytes, by name and largest first.
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

    /// Approximate memory used, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sizes().iter().map(|(_, size)| size).sum()
    }

    /// Tells if the endpoint gets this operational event.
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
