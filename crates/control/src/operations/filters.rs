//! Trials of content filters.
//!
//! A filter, or each subscription of an endpoint, is evaluated on a published event, a given one, or a sample of the
//! dialect, by the same code as in ingest. So its author sees what matches, and why something does not, before events
//! are lost to it. Nothing is sent or recorded.

use std::sync::Arc;

use tidings_dialect::{Dialect, Dialects, canonical};
use tidings_domain::{Endpoint, EventId, EventType, Subscription, Timestamp};
use tidings_payload::{EventView, Filter, Verdict};
use tidings_proto::{pb, timestamp_from};
use tidings_service::problem::Problem;
use tidings_service::request::optional;
use tonic::Status;

use crate::call::Call;
use crate::endpoints::Endpoints;
use crate::event_types::named;
use crate::logs::LogClient;
use crate::messages::asked::endpoint_id;

/// The largest payload that is given to try, bytes.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// Evaluates filters against sample events.
pub struct Filters {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) dialects: Dialects,
    pub(crate) logs: LogClient,
}

/// The event a filter is evaluated against.
struct Tried {
    event_type: EventType,
    occurred_at: Timestamp,
    payload: Vec<u8>,
}

impl Filters {
    /// Evaluates the given filter, or else the endpoint's subscriptions, on an event.
    pub async fn try_out(&self, call: &Call, asked: pb::TryFilterRequest) -> Result<pb::TryFilterResponse, Status> {
        let endpoint = self.endpoints.get(call, endpoint_id(&asked.endpoint_id)?).await?;
        let filter = match asked.filter.as_str() {
            "" => None,
            text => Some(compile(text)?),
        };
        let tried = self.event(call, &endpoint, asked).await?;
        let event = EventView::new(&tried.event_type, tried.occurred_at, &tried.payload);
        let event_type = tried.event_type.to_string();
        if let Some(filter) = filter {
            let Verdict { matched, error } = filter.verdict(&event);
            return Ok(pb::TryFilterResponse {
                matched,
                error: error.unwrap_or_default(),
                event_type,
                subscriptions: Vec::new(),
            });
        }
        let subscriptions: Vec<_> = endpoint
            .subscriptions
            .iter()
            .map(|subscription| try_subscription(subscription, &tried.event_type, &event))
            .collect();
        Ok(pb::TryFilterResponse {
            matched: subscriptions
                .iter()
                .any(|one| !one.disabled && one.type_matched && one.filter_matched),
            error: String::new(),
            event_type,
            subscriptions,
        })
    }

    async fn event(&self, call: &Call, endpoint: &Endpoint, asked: pb::TryFilterRequest) -> Result<Tried, Status> {
        match optional::<EventId>(&asked.event_id, "event_id")? {
            None => Ok(self.made_up(endpoint, asked)?),
            Some(_) if !asked.event_type.is_empty() || !asked.payload.is_empty() => {
                let detail = "a past event has a type and a payload of its own: leave `event_type` and `payload` out";
                Err(Problem::invalid("event_contradiction", detail).at("event_id").into())
            }
            Some(id) => self.past(call, endpoint, id).await,
        }
    }

    /// An event that the endpoint's tenant published.
    async fn past(&self, call: &Call, endpoint: &Endpoint, id: EventId) -> Result<Tried, Status> {
        let found = self.logs.event(&call.authorization, id.to_string()).await?;
        let event = found.event.unwrap_or_default();
        if event.tenant_id != endpoint.tenant.to_string() {
            let detail = format!("{id} is no event of the endpoint's tenant");
            return Err(Problem::not_found("event_unknown", detail).at("event_id").into());
        }
        if event.payload.is_empty() {
            let detail = format!("the payload of {id} is no longer stored: try another event");
            return Err(Problem::conflict("payload_gone", detail).at("event_id").into());
        }
        Ok(Tried {
            event_type: named(&event.event_type, "event_type")?,
            occurred_at: event
                .occurred_at
                .as_ref()
                .and_then(timestamp_from)
                .unwrap_or_else(Timestamp::now),
            payload: event.payload,
        })
    }

    /// Builds an event from the given fields, and the dialect's samples for the missing ones.
    fn made_up(&self, endpoint: &Endpoint, asked: pb::TryFilterRequest) -> Result<Tried, Problem> {
        let dialect = self.dialects.get(&endpoint.dialect).ok_or_else(|| {
            let detail = format!("there is no dialect `{}` any more: choose another", endpoint.dialect);
            Problem::conflict("dialect_unknown", detail)
        })?;
        let (event_type, payload) = made_up(endpoint, dialect, &asked.event_type, asked.payload, MAX_PAYLOAD)?;
        Ok(Tried {
            event_type,
            payload,
            occurred_at: Timestamp::now(),
        })
    }
}

/// An event type and a payload of what is given, and the dialect's samples for what is empty.
pub(crate) fn made_up(
    endpoint: &Endpoint,
    dialect: &Dialect,
    event_type: &str,
    payload: Vec<u8>,
    max_payload: usize,
) -> Result<(EventType, Vec<u8>), Problem> {
    let event_type = match event_type {
        "" => usual_type(endpoint, dialect)?,
        name => named(name, "event_type")?,
    };
    let payload = match payload.len() {
        0 => sample(dialect, &event_type)?,
        length if length <= max_payload => checked(payload)?,
        _ => {
            let detail = format!("a payload to try has at most {max_payload} bytes");
            return Err(Problem::too_large("payload_too_large", detail).at("payload"));
        }
    };
    Ok((event_type, payload))
}

fn compile(text: &str) -> Result<Filter, Problem> {
    Filter::compile(text).map_err(|error| Problem::invalid("filter_invalid", error.to_string()).at("filter"))
}

fn try_subscription(
    subscription: &Subscription,
    event_type: &EventType,
    event: &EventView<'_>,
) -> pb::TriedSubscription {
    let (filter_matched, error) = match subscription.filter.as_deref().map(Filter::compile) {
        None => (true, None),
        Some(Ok(filter)) => {
            let Verdict { matched, error } = filter.verdict(event);
            (matched, error)
        }
        // It was checked when it was configured, by another version of Tidings then.
        Some(Err(error)) => (false, Some(error.to_string())),
    };
    pb::TriedSubscription {
        pattern: subscription.pattern.to_string(),
        disabled: !subscription.enabled,
        filter: subscription.filter.clone().unwrap_or_default(),
        type_matched: subscription.pattern.matches(event_type),
        filter_matched,
        error: error.unwrap_or_default(),
    }
}

/// A type that the dialect has a sample of, rather one that the endpoint is subscribed to.
fn usual_type(endpoint: &Endpoint, dialect: &Dialect) -> Result<EventType, Problem> {
    let samples = dialect.samples();
    let is_wanted = |event_type: &&EventType| endpoint.subscriptions.iter().any(|one| one.matches(event_type));
    let usual = samples.keys().find(is_wanted).or_else(|| samples.keys().next());
    let none = || Problem::invalid("event_type_missing", "name an event type").at("event_type");
    usual.cloned().ok_or_else(none)
}

fn sample(dialect: &Dialect, event_type: &EventType) -> Result<Vec<u8>, Problem> {
    let samples = dialect.samples();
    let sample = samples.get(event_type).map(|payload| payload.to_vec());
    sample.ok_or_else(|| {
        let known: Vec<_> = samples.keys().map(EventType::as_str).collect();
        let detail = format!(
            "the dialect `{}` has no sample of `{event_type}`: give a payload, or name one of {}",
            dialect.name(),
            known.join(", ")
        );
        Problem::invalid("sample_unknown", detail).at("event_type")
    })
}

fn checked(payload: Vec<u8>) -> Result<Vec<u8>, Problem> {
    match canonical::check(&payload) {
        Ok(()) => Ok(payload),
        Err(error) => Err(Problem::invalid("payload_invalid", format!("the payload is {error}")).at("payload")),
    }
}
