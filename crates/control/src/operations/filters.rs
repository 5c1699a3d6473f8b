//! Trials of content filters.
//!
//! A filter, or each subscription of an endpoint, is evaluated on a published event, a given one, or a sample of the
//! dialect, by the same code as in ingest. So its author sees what matches, and why something does not, before events
//! are lost to it. Nothing is sent or recorded.

use std::sync::Arc;

use tidings_dialect::{Dialect, Dialects, canonical};
use tidings_domain::{Endpoint, EndpointId, EventId, EventType, Subscription, Timestamp};
use tidings_payload::{EventView, Filter, Verdict};
use tidings_service::problem::Problem;
use tidings_service::request::optional;

use crate::call::Call;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::event_types::named;
use crate::logs::LogClient;

/// The largest payload that is given to try, bytes.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// Evaluates filters against sample events.
pub struct Filters {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) dialects: Dialects,
    pub(crate) logs: LogClient,
}

/// A filter to try, and the event to try it on: a past one, or one that is made up of type and payload.
pub struct Trial {
    /// The filter; the endpoint's subscriptions are tried if there is none.
    pub(crate) filter: Option<String>,
    /// The event's type; if empty, one that the dialect has a sample of.
    pub(crate) event_type: String,
    /// The event's content; the dialect's sample if empty.
    pub(crate) payload: Vec<u8>,
    /// The id of a past event; empty for none.
    pub(crate) event_id: String,
}

/// The match of an event against a filter or subscriptions.
pub struct Tried {
    /// `true` if the filter matches, or else if the endpoint would get the event.
    pub(crate) matched: bool,
    /// The error of evaluating the given filter, in which case it does not match.
    pub(crate) error: Option<String>,
    pub(crate) event_type: EventType,
    /// The endpoint's subscriptions one by one, if those were tried.
    pub(crate) subscriptions: Vec<TriedSubscription>,
}

/// The match of an event against one subscription.
pub(crate) struct TriedSubscription {
    pub(crate) subscription: Subscription,
    /// `true` if the pattern matches the type.
    pub(crate) type_matched: bool,
    /// `true` if the filter matches, or if there is none.
    pub(crate) filter_matched: bool,
    /// The error of evaluating the filter.
    pub(crate) error: Option<String>,
}

/// The event a filter is evaluated against.
struct Sample {
    event_type: EventType,
    occurred_at: Timestamp,
    payload: Vec<u8>,
}

impl Filters {
    /// Evaluates the given filter, or else the endpoint's subscriptions, on an event.
    pub async fn try_out(&self, call: &Call, endpoint: EndpointId, trial: Trial) -> Result<Tried, Error> {
        let endpoint = self.endpoints.get(call, endpoint).await?;
        let filter = trial.filter.as_deref().map(compile).transpose()?;
        let sample = self.event(call, &endpoint, trial).await?;
        let event = EventView::new(&sample.event_type, sample.occurred_at, &sample.payload);
        if let Some(filter) = filter {
            let Verdict { matched, error } = filter.verdict(&event);
            return Ok(Tried {
                matched,
                error,
                event_type: sample.event_type,
                subscriptions: Vec::new(),
            });
        }
        let subscriptions: Vec<_> = endpoint
            .subscriptions
            .into_iter()
            .map(|subscription| try_subscription(subscription, &sample.event_type, &event))
            .collect();
        Ok(Tried {
            matched: subscriptions
                .iter()
                .any(|one| one.subscription.enabled && one.type_matched && one.filter_matched),
            error: None,
            event_type: sample.event_type,
            subscriptions,
        })
    }

    async fn event(&self, call: &Call, endpoint: &Endpoint, trial: Trial) -> Result<Sample, Error> {
        match optional::<EventId>(&trial.event_id, "event_id")? {
            None => Ok(self.made_up(endpoint, trial)?),
            Some(_) if !trial.event_type.is_empty() || !trial.payload.is_empty() => {
                let detail = "a past event has a type and a payload of its own: leave `event_type` and `payload` out";
                Err(Problem::invalid("event_contradiction", detail).at("event_id").into())
            }
            Some(id) => self.past(call, endpoint, id).await,
        }
    }

    /// An event that the endpoint's tenant published.
    async fn past(&self, call: &Call, endpoint: &Endpoint, id: EventId) -> Result<Sample, Error> {
        let event = self.logs.event(call, id).await?;
        if event.summary.tenant != endpoint.tenant {
            let detail = format!("{id} is no event of the endpoint's tenant");
            return Err(Problem::not_found("event_unknown", detail).at("event_id").into());
        }
        if event.payload.is_empty() {
            let detail = format!("the payload of {id} is no longer stored: try another event");
            return Err(Problem::conflict("payload_gone", detail).at("event_id").into());
        }
        Ok(Sample {
            event_type: event.summary.event_type,
            occurred_at: event.summary.occurred_at,
            payload: event.payload,
        })
    }

    /// Builds an event from the given fields, and the dialect's samples for the missing ones.
    fn made_up(&self, endpoint: &Endpoint, trial: Trial) -> Result<Sample, Problem> {
        let dialect = self.dialects.get(&endpoint.dialect).ok_or_else(|| {
            let detail = format!("there is no dialect `{}` any more: choose another", endpoint.dialect);
            Problem::conflict("dialect_unknown", detail)
        })?;
        let (event_type, payload) = made_up(endpoint, dialect, &trial.event_type, trial.payload, MAX_PAYLOAD)?;
        Ok(Sample {
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

fn try_subscription(subscription: Subscription, event_type: &EventType, event: &EventView<'_>) -> TriedSubscription {
    let (filter_matched, error) = match subscription.filter.as_deref().map(Filter::compile) {
        None => (true, None),
        Some(Ok(filter)) => {
            let Verdict { matched, error } = filter.verdict(event);
            (matched, error)
        }
        // It was checked when it was configured, by another version of Tidings then.
        Some(Err(error)) => (false, Some(error.to_string())),
    };
    TriedSubscription {
        type_matched: subscription.pattern.matches(event_type),
        filter_matched,
        error,
        subscription,
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
