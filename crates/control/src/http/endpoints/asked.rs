//! Endpoints in requests: those to create, and changes.

use std::collections::HashMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tidings_proto::pb;
use tidings_service::problem::Problem;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::authentication::Authentication;
use crate::http::request::duration;
use crate::messages::asked::missing;

/// A new endpoint; `url` and `subscriptions` are required.
pub(super) struct NewEndpoint {
    tenant_id: Option<String>,
    enabled: Option<bool>,
    fields: Fields,
}

/// A change of an endpoint: the values of some fields, and the names of those fields.
pub(super) struct EndpointPatch {
    fields: Fields,
    sent: Vec<String>,
}

/// Settings of an endpoint. A field that is null has its default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Display name of at most 200 characters.
    #[schema(max_length = 200, example = "Production")]
    name: Option<String>,
    /// URL that requests are sent to, at most 2,048 bytes.
    #[schema(example = "https://example.com/webhooks")]
    url: Option<String>,
    /// Format of requests: the name of a dialect. If left out, the dialect made for the URL, or `standard`.
    #[schema(example = "standard")]
    dialect: Option<String>,
    /// Event types to subscribe to, 1 to 100 patterns.
    #[schema(min_items = 1, max_items = 100)]
    subscriptions: Option<Vec<Subscription>>,
    /// Waits between attempts, at most 20 of at most 7 days each; `[]` for a single attempt, the dialect's schedule if
    /// left out.
    #[schema(example = json!(["1m", "5m", "2h"]))]
    schedule: Option<Vec<String>>,
    /// Deadline of one attempt, `1s` to `60s`; the dialect's if left out.
    #[schema(example = "30s")]
    timeout: Option<String>,
    /// Statuses that mean that an event has arrived, all of them, each `410`, `4xx` or `200-204`; the dialect's if left
    /// out.
    #[schema(min_items = 1, example = json!(["2xx", "302"]))]
    success_statuses: Option<Vec<String>>,
    /// Statuses after which nothing more is tried, `[]` for none; the dialect's if left out.
    #[schema(example = json!(["410", "4xx"]))]
    final_statuses: Option<Vec<String>>,
    /// Maximum number of requests in flight, over all dispatchers; the configured number if 0. Each dispatcher has an
    /// equal share of it, at least one and at most half of its `prefetch_live`.
    #[schema(minimum = 0, maximum = 1000)]
    concurrency: Option<u32>,
    /// Maximum number of requests per second, over all dispatchers; no limit if 0. Deliveries beyond it wait, which
    /// costs no attempt.
    #[schema(minimum = 0, maximum = 10000)]
    rate_per_second: Option<u32>,
    /// Burst of requests after a pause; as many as per second if 0.
    #[schema(minimum = 0, maximum = 100000)]
    rate_burst: Option<u32>,
    /// Signing secret; generated as `whsec_…` if left out of a new endpoint.
    secret: Option<String>,
    /// True to send requests without a signature; excludes `secret`.
    unsigned: Option<bool>,
    /// Credentials sent to the receiver, besides the signature. A change replaces them as a whole.
    authentication: Option<Authentication>,
    /// E-mail address that is notified when the endpoint fails or is turned off, at most 254 bytes; none if left out.
    contact: Option<String>,
    /// True to get operational events (`endpoint.failing`, `endpoint.recovered`, `endpoint.disabled`,
    /// `delivery.exhausted`) of the tenant's other endpoints instead of the tenant's events.
    operational: Option<bool>,
    /// Parts of users and companies that are sent although the dialect leaves them out, like `user.plan`.
    properties: Option<Vec<String>>,
    /// Values that the dialect asks for, by the name of the setting.
    settings: Option<HashMap<String, String>>,
}

/// A pattern over event types with its own switch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSubscription)]
struct Subscription {
    /// An event type (`feedback.created`), a prefix (`feedback.*`) or `*`.
    #[schema(example = "feedback.*")]
    pattern: String,
    /// True if it is off: it matches nothing, but is kept.
    #[serde(default)]
    disabled: bool,
    /// Condition on the event's content, in the language of `docs/filters.md`; all events of these types if left out.
    #[schema(max_length = 2000, example = "payload.rating <= 2")]
    filter: Option<String>,
}

impl NewEndpoint {
    /// The endpoint as a message, and `true` if it is enabled from the start.
    pub(super) fn into_message(self) -> Result<(pb::Endpoint, bool), Problem> {
        for (name, is_missing) in [
            ("url", self.fields.url.is_none()),
            ("subscriptions", self.fields.subscriptions.is_none()),
        ] {
            if is_missing {
                return Err(missing(name));
            }
        }
        let message = pb::Endpoint {
            tenant_id: self.tenant_id.unwrap_or_default(),
            ..self.fields.into_message()?
        };
        Ok((message, self.enabled.unwrap_or(true)))
    }
}

impl EndpointPatch {
    /// The new values as a message, and the names of the fields to take, as `UpdateEndpoint` has them.
    pub(super) fn into_message(self) -> Result<(pb::Endpoint, Vec<String>), Problem> {
        let as_one = |name: String| match name.as_str() {
            "unsigned" => "secret".to_owned(),
            "rate_burst" => "rate_per_second".to_owned(),
            _ => name,
        };
        Ok((self.fields.into_message()?, self.sent.into_iter().map(as_one).collect()))
    }
}

impl Fields {
    fn into_message(self) -> Result<pb::Endpoint, Problem> {
        if self.rate_burst.is_some() && self.rate_per_second.is_none() {
            let detail = "`rate_burst` goes with `rate_per_second`: send both";
            return Err(Problem::invalid("field_missing", detail).at("rate_per_second"));
        }
        if self.success_statuses.as_ref().is_some_and(Vec::is_empty) {
            let detail = "without a status that means success no delivery would end well: name one, or send null";
            return Err(Problem::invalid("status_invalid", detail).at("success_statuses"));
        }
        let no_retries = self.schedule.as_ref().is_some_and(Vec::is_empty);
        let no_final_statuses = self.final_statuses.as_ref().is_some_and(Vec::is_empty);
        let waits = self.schedule.unwrap_or_default();
        let subscriptions = self.subscriptions.unwrap_or_default();
        Ok(pb::Endpoint {
            name: self.name.unwrap_or_default(),
            url: self.url.unwrap_or_default(),
            dialect: self.dialect.unwrap_or_default(),
            subscriptions: subscriptions.into_iter().map(Into::into).collect(),
            schedule: waits
                .iter()
                .map(|wait| duration(wait, "schedule"))
                .collect::<Result<_, _>>()?,
            timeout: self.timeout.map(|timeout| duration(&timeout, "timeout")).transpose()?,
            no_retries,
            success_statuses: self.success_statuses.unwrap_or_default(),
            final_statuses: self.final_statuses.unwrap_or_default(),
            no_final_statuses,
            concurrency: self.concurrency.unwrap_or_default(),
            rate_per_second: self.rate_per_second.unwrap_or_default(),
            rate_burst: self.rate_burst.unwrap_or_default(),
            secret: self.secret.unwrap_or_default(),
            unsigned: self.unsigned.unwrap_or_default(),
            authentication: self.authentication.map(Into::into),
            contact: self.contact.unwrap_or_default(),
            operational: self.operational.unwrap_or_default(),
            properties: self.properties.unwrap_or_default(),
            settings: self.settings.unwrap_or_default(),
            ..pb::Endpoint::default()
        })
    }
}

impl From<Subscription> for pb::Subscription {
    fn from(subscription: Subscription) -> Self {
        Self {
            pattern: subscription.pattern,
            disabled: subscription.disabled,
            filter: subscription.filter.unwrap_or_default(),
        }
    }
}

impl<'de> Deserialize<'de> for NewEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Map::deserialize(deserializer)?;
        Ok(Self {
            tenant_id: taken(&mut object, "tenant_id")?,
            enabled: taken(&mut object, "enabled")?,
            fields: Fields::deserialize(Value::Object(object)).map_err(D::Error::custom)?,
        })
    }
}

impl<'de> Deserialize<'de> for EndpointPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::deserialize(deserializer)?;
        let sent = object.keys().cloned().collect();
        let fields = Fields::deserialize(Value::Object(object)).map_err(D::Error::custom)?;
        Ok(Self { fields, sent })
    }
}

fn taken<T: DeserializeOwned, E: Error>(object: &mut Map<String, Value>, name: &str) -> Result<Option<T>, E> {
    let value = object.remove(name).unwrap_or_default();
    serde_json::from_value(value).map_err(|error| E::custom(format!("{name}: {error}")))
}

impl ToSchema for EndpointPatch {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Fields::schemas(schemas);
    }
}

impl PartialSchema for EndpointPatch {
    fn schema() -> RefOr<Schema> {
        Fields::schema()
    }
}

impl ToSchema for NewEndpoint {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Fields::schemas(schemas);
    }
}

impl PartialSchema for NewEndpoint {
    fn schema() -> RefOr<Schema> {
        /// Fields that only new endpoints have, for the OpenAPI document.
        #[derive(ToSchema)]
        #[allow(dead_code, reason = "only described")]
        struct Beside {
            /// Tenant that owns the endpoint (`ten_…`); may be left out with a tenant's key.
            tenant_id: Option<String>,
            /// True to make requests from the start, false to hold deliveries until the endpoint is turned on; true if
            /// left out.
            enabled: Option<bool>,
        }
        let (RefOr::T(Schema::Object(mut all)), RefOr::T(Schema::Object(beside))) =
            (Fields::schema(), Beside::schema())
        else {
            return Fields::schema();
        };
        all.properties.extend(beside.properties);
        all.required = vec!["url".to_owned(), "subscriptions".to_owned()];
        all.description = Some("A new endpoint.".to_owned());
        RefOr::T(Schema::Object(all))
    }
}
