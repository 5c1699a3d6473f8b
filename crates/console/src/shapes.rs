//! The parts of the API's answers that pages show.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_domain::Timestamp;

#[derive(Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    pub(crate) next: Option<String>,
}

impl<T> List<T> {
    pub(crate) fn empty() -> Self {
        Self {
            data: Vec::new(),
            next: None,
        }
    }
}

/// Attempts by outcome over time.
#[derive(Deserialize)]
pub(crate) struct Counts {
    pub(crate) data: Vec<Span>,
    pub(crate) counted_since: Option<Timestamp>,
}

/// Attempts by outcome in one span of time.
#[derive(Deserialize)]
pub(crate) struct Span {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) succeeded: u64,
    pub(crate) failed_retryable: u64,
    pub(crate) failed_final: u64,
}

impl Span {
    pub(crate) fn count(&self, outcome: &str) -> u64 {
        match outcome {
            "succeeded" => self.succeeded,
            "failed_retryable" => self.failed_retryable,
            "failed_final" => self.failed_final,
            _ => 0,
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.succeeded + self.failed_retryable + self.failed_final
    }
}

/// Something that is said of a thing: a code with what it is about, and the same as an English sentence.
#[derive(Clone, Deserialize)]
pub(crate) struct Said {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) arguments: BTreeMap<String, String>,
    pub(crate) sentence: String,
}

impl Said {
    /// The argument of this name; empty if there is none.
    pub(crate) fn argument(&self, name: &str) -> &str {
        self.arguments.get(name).map_or("", String::as_str)
    }
}

#[derive(Clone, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) dialect: String,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) enabled: bool,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) failing_since: Option<Timestamp>,
    pub(crate) schedule: Option<Vec<String>>,
    pub(crate) timeout: Option<String>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) rate_per_second: Option<u32>,
    pub(crate) unsigned: bool,
    pub(crate) public_key: Option<String>,
    pub(crate) previous_secret_until: Option<Timestamp>,
    pub(crate) contact: Option<String>,
    #[serde(default)]
    pub(crate) properties: Vec<String>,
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) pattern: String,
    pub(crate) disabled: bool,
    pub(crate) filter: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) delivery_id: String,
    pub(crate) event_id: String,
    pub(crate) tenant_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) event_type: String,
    pub(crate) number: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) duration: Option<String>,
    pub(crate) url: String,
    pub(crate) dialect: String,
    pub(crate) outcome: String,
    pub(crate) failure_reason: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) status_code: Option<u16>,
    pub(crate) next_attempt_at: Option<Timestamp>,
    pub(crate) test: bool,
    #[serde(default)]
    pub(crate) request_headers: Vec<Header>,
    #[serde(default)]
    pub(crate) response_headers: Vec<Header>,
    #[serde(default)]
    pub(crate) response_truncated: bool,
    #[serde(default)]
    pub(crate) remote_address: Option<String>,
    #[serde(default)]
    pub(crate) timing: Timing,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Clone, Default, Deserialize)]
pub(crate) struct Timing {
    pub(crate) dns: Option<String>,
    pub(crate) connect: Option<String>,
    pub(crate) tls: Option<String>,
    pub(crate) first_byte: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) event_id: String,
    pub(crate) tenant_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) attempts: u32,
    pub(crate) updated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) event_type: String,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) accepted_at: Option<Timestamp>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) delivery_count: u32,
    pub(crate) test: bool,
    pub(crate) erased_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) payload: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(crate) struct EventExplanation {
    pub(crate) facts: Vec<Said>,
    pub(crate) deliveries: Vec<Explanation>,
}

#[derive(Deserialize)]
pub(crate) struct Explanation {
    pub(crate) delivery_id: Option<String>,
    pub(crate) endpoint_id: String,
    pub(crate) endpoint_name: Option<String>,
    pub(crate) verdict: String,
    pub(crate) facts: Vec<Said>,
    pub(crate) next_facts: Vec<Said>,
}

#[derive(Deserialize)]
pub(crate) struct EventType {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) sample: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(crate) struct Dialect {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schedule: Vec<String>,
    pub(crate) timeout: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) settings: BTreeMap<String, Setting>,
    pub(crate) signatures: Vec<Scheme>,
    /// The headers that show the secret itself.
    pub(crate) secret_headers: Vec<String>,
    /// The headers whose values are templates.
    pub(crate) headers: BTreeMap<String, String>,
}

/// A signature header of a dialect.
#[derive(Deserialize)]
pub(crate) struct Scheme {
    pub(crate) header: String,
    pub(crate) prefix: String,
    pub(crate) ed25519_prefix: Option<String>,
    pub(crate) key: String,
    pub(crate) encoding: String,
    pub(crate) signed: String,
    pub(crate) separator: Option<String>,
}

/// A request that was not sent.
#[derive(Deserialize)]
pub(crate) struct TestPreview {
    pub(crate) url: String,
    pub(crate) request_headers: Vec<Header>,
    pub(crate) request_body: String,
}

#[derive(Deserialize)]
pub(crate) struct Setting {
    pub(crate) description: String,
    pub(crate) default: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Replay {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) endpoint_id: Option<String>,
    pub(crate) state: String,
    pub(crate) matched: u64,
    pub(crate) matched_at_least: bool,
    pub(crate) walked: u64,
    pub(crate) deliveries: u64,
    pub(crate) skipped: u64,
    pub(crate) error: Option<String>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
}

/// The number of rows that a replay would go through.
#[derive(Deserialize)]
pub(crate) struct Preview {
    pub(crate) rows: u64,
    pub(crate) at_least: bool,
}

/// The replay of one delivery.
#[derive(Deserialize)]
pub(crate) struct Retry {
    pub(crate) delivery_id: String,
}

#[derive(Deserialize)]
pub(crate) struct Secret {
    pub(crate) secret: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
}

#[derive(Deserialize)]
pub(crate) struct NewTenant {
    pub(crate) tenant: Tenant,
    pub(crate) token: String,
}

#[derive(Deserialize)]
pub(crate) struct PortalLink {
    pub(crate) url: String,
    pub(crate) token: String,
}

/// The verdict of an event type's schema on a payload.
#[derive(Deserialize)]
pub(crate) struct Checked {
    /// The version of the event type; none without a schema.
    pub(crate) version: Option<u32>,
    pub(crate) violations: Vec<Violation>,
}

impl Checked {
    pub(crate) fn is_wrong(&self) -> bool {
        !self.violations.is_empty()
    }
}

/// One way in which a payload is not as its schema says.
#[derive(Deserialize)]
pub(crate) struct Violation {
    /// JSON Pointer into the payload; empty for the payload itself.
    pub(crate) path: String,
    pub(crate) message: String,
}
