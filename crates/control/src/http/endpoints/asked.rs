//! Endpoints as requests describe them.

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

/// A new endpoint: the fields of [`Fields`] and these.
pub(super) struct NewEndpoint {
    tenant_id: Option<String>,
    enabled: Option<bool>,
    fields: Fields,
}

/// A change of an endpoint: some fields of [`Fields`], and which they are.
pub(super) struct EndpointPatch {
    fields: Fields,
    sent: Vec<String>,
}

/// What can be chosen of an endpoint. A field that is null is as one that was never chosen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// What people call it.
    #[schema(max_length = 200, example = "Production")]
    name: Option<String>,
    /// Where requests go.
    #[schema(example = "https://example.com/webhooks")]
    url: Option<String>,
    /// How requests are written: the name of a dialect. If left out, the dialect made for the URL, or `standard`.
    #[schema(example = "standard")]
    dialect: Option<String>,
    /// What it wants.
    #[schema(min_items = 1, max_items = 100)]
    subscriptions: Option<Vec<Subscription>>,
    /// The waits between attempts, `[]` for a single attempt; the dialect's if left out.
    #[schema(example = json!(["1m", "5m", "2h"]))]
    schedule: Option<Vec<String>>,
    /// The deadline of one attempt, `1s` to `60s`; the dialect's if left out.
    #[schema(example = "30s")]
    timeout: Option<String>,
    /// The statuses that mean that an event has arrived, all of them; the dialect's if left out.
    #[schema(min_items = 1, example = json!(["2xx", "302"]))]
    success_statuses: Option<Vec<String>>,
    /// The statuses after which nothing more is tried, `[]` for none; the dialect's if left out.
    #[schema(example = json!(["410", "4xx"]))]
    final_statuses: Option<Vec<String>>,
    /// The most requests under way at once, from all dispatchers together; the configured number if 0. Each dispatcher has an
    /// equal share of it, at least one and at most half of its `prefetch_live`.
    #[schema(minimum = 0, maximum = 1000)]
    concurrency: Option<u32>,
    /// How many requests may be begun per second; no limit if 0.
    #[schema(minimum = 0, maximum = 10000)]
    rate_per_second: Option<u32>,
    /// How many of them at once after a rest; as many as per second if 0.
    #[schema(minimum = 0, maximum = 100000)]
    rate_burst: Option<u32>,
    /// The signing secret; generated as `whsec_…` if left out of a new endpoint.
    secret: Option<String>,
    /// Whether requests are not signed at all.
    unsigned: Option<bool>,
    /// What its requests carry to be let in, beside the signature.
    authentication: Option<Authentication>,
    /// The e-mail address that is told when the endpoint fails or is turned off.
    contact: Option<String>,
    /// Whether it gets operational events (`endpoint.failing`, …) instead of the tenant's events.
    operational: Option<bool>,
    /// Parts of users and companies that are sent although the dialect leaves them out, like `user.plan`.
    properties: Option<Vec<String>>,
    /// Values that the dialect asks for, by name.
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
    /// Whether it is off: nothing matches, but the choice is kept.
    #[serde(default)]
    disabled: bool,
    /// Which of these events, by content (`docs/filters.md`); all of them if left out.
    #[schema(max_length = 2000, example = "payload.rating <= 2")]
    filter: Option<String>,
}

impl NewEndpoint {
    /// The endpoint, and whether requests are made from the start.
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
    /// The new values, and which fields to take, as `UpdateEndpoint` names them.
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
        /// What only new endpoints have, for the document.
        #[derive(ToSchema)]
        #[allow(dead_code, reason = "only described")]
        struct Beside {
            /// Whose (`ten_…`); may be left out with a tenant's key.
            tenant_id: Option<String>,
            /// Whether requests are made from the start; they are if this is left out.
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
