//! Explanations of events and deliveries: what happened so far, and what happens next.
//!
//! The answer to "why did this not arrive?" is spread over the log, the endpoint and the dispatchers' admission
//! control. All three are queried, and each state has its sentences. An endpoint that did not want an event has nothing
//! on record, so it is judged as it is now; the explanation says so if it was changed since.

pub(crate) mod fact;
mod sentences;

use std::time::Duration;

use tidings_dialect::Dialects;
use tidings_domain::{DeliveryId, Endpoint, EndpointId, EventId, Scope, TenantId, Timestamp};
use tidings_proto::{pb, timestamp_from};
use tidings_service::problem::Problem;
use tidings_service::request::required;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use self::fact::{Fact, message, text};
use self::sentences::{Verdict, of_delivery, of_event, of_missing};
use crate::Book;
use crate::call::Call;
use crate::logs::LogClient;
use crate::send_test::DispatcherClient;
use crate::signing::Signing;

/// Attempts shown of a delivery, and read of an event, at most.
const MAX_ATTEMPTS: usize = 50;
const MAX_ATTEMPTS_OF_EVENT: u32 = 200;
/// Time for all dispatchers' answers in one explanation. An event may have hundreds of endpoints, and with the
/// dispatchers down each query would take its full timeout.
const GATES_WITHIN: Duration = Duration::from_secs(2);
/// The most endpoints of one tenant that are looked at.
const MAX_ENDPOINTS: u32 = 1_000;

pub struct Explainer {
    pub(crate) book: Book,
    pub(crate) dialects: Dialects,
    pub(crate) logs: LogClient,
    pub(crate) dispatchers: DispatcherClient,
}

/// A delivery with everything that its explanation depends on.
struct Known<'a> {
    delivery: &'a pb::Delivery,
    /// `None` if it was deleted.
    endpoint: Option<&'a Endpoint>,
    /// Attempts, oldest first.
    attempts: &'a [pb::Attempt],
    /// The number of attempts that the schedule allows.
    attempts_in_all: usize,
    /// A dispatcher's present view of the endpoint, if one answered.
    gate: Option<&'a pb::DescribeEndpointResponse>,
    now: Timestamp,
}

impl Explainer {
    /// Explains one delivery and its next step.
    pub async fn delivery(&self, call: &Call, id: DeliveryId) -> Result<pb::DeliveryExplanation, Status> {
        call.require(Scope::Read)?;
        let delivery = self.logs.delivery(&call.authorization, id.to_string()).await?;
        let filter = pb::AttemptFilter {
            tenant_id: delivery.tenant_id.clone(),
            delivery_id: delivery.id.clone(),
            ..pb::AttemptFilter::default()
        };
        let attempts = self.attempts(call, filter).await?;
        let endpoint = match delivery.endpoint_id.parse::<EndpointId>() {
            Ok(id) => self.book.registry.endpoint(id).await.map_err(Problem::from)?,
            Err(_) => None,
        };
        let until = Instant::now() + GATES_WITHIN;
        Ok(self.explain(delivery, endpoint.as_ref(), attempts, until).await)
    }

    /// Explains where an event went and where not.
    pub async fn event(&self, call: &Call, id: EventId) -> Result<pb::EventExplanation, Status> {
        call.require(Scope::Read)?;
        let found = self.logs.event(&call.authorization, id.to_string()).await?;
        let event = pb::Event {
            payload: Vec::new(),
            ..found.event.unwrap_or_default()
        };
        let tenant: TenantId = required(&event.tenant_id, "tenant_id")?;
        let filter = pb::AttemptFilter {
            tenant_id: event.tenant_id.clone(),
            event_id: event.id.clone(),
            ..pb::AttemptFilter::default()
        };
        let attempts = self.attempts(call, filter).await?;
        let endpoints = self
            .book
            .registry
            .endpoints(tenant, None, MAX_ENDPOINTS)
            .await
            .map_err(Problem::from)?;
        let until = Instant::now() + GATES_WITHIN;
        let mut explained = Vec::new();
        for delivery in found.deliveries {
            let of_it = attempts.iter().filter(|attempt| attempt.delivery_id == delivery.id);
            let of_it = of_it.cloned().collect();
            let endpoint = endpoints
                .iter()
                .find(|endpoint| endpoint.id.to_string() == delivery.endpoint_id);
            explained.push(self.explain(delivery, endpoint, of_it, until).await);
        }
        for endpoint in &endpoints {
            let id = endpoint.id.to_string();
            if !explained.iter().any(|delivery| delivery.endpoint_id == id) {
                explained.push(missing(endpoint, &event));
            }
        }
        let facts = of_event(&event, &explained);
        Ok(pb::EventExplanation {
            sentences: fact::sentences(&facts),
            facts: message(&facts),
            event: Some(event),
            deliveries: explained,
        })
    }

    /// Explains a delivery; dispatchers are queried until a deadline.
    async fn explain(
        &self,
        delivery: pb::Delivery,
        endpoint: Option<&Endpoint>,
        mut attempts: Vec<pb::Attempt>,
        until: Instant,
    ) -> pb::DeliveryExplanation {
        attempts.sort_by_key(|attempt| attempt.number);
        attempts.truncate(MAX_ATTEMPTS);
        // Only what waits depends on what dispatchers think of the endpoint.
        let gate = match endpoint {
            Some(endpoint) if matches!(delivery.state.as_str(), "pending" | "scheduled" | "held") => {
                let asked = timeout_at(until, self.dispatchers.describe(endpoint.id)).await;
                asked.ok().flatten()
            }
            _ => None,
        };
        let known = Known {
            delivery: &delivery,
            endpoint,
            attempts: &attempts,
            attempts_in_all: endpoint.map_or(0, |endpoint| self.attempts_in_all(endpoint)),
            gate: gate.as_ref(),
            now: Timestamp::now(),
        };
        let mut told = of_delivery(&known);
        // Which secret signs matters only where another attempt may follow.
        if !matches!(told.verdict, Verdict::Delivered | Verdict::Cancelled) {
            let rotation = endpoint.and_then(|endpoint| Signing::of(endpoint, &self.dialects).note(endpoint));
            told.facts.extend(rotation);
        }
        // A time is a promise, which nobody keeps for an endpoint that is gone or off.
        let delivery = pb::Delivery {
            due_at: delivery
                .due_at
                .filter(|_| endpoint.is_some_and(|endpoint| endpoint.enabled)),
            ..delivery
        };
        pb::DeliveryExplanation {
            endpoint_id: delivery.endpoint_id.clone(),
            endpoint_name: endpoint.map(name).unwrap_or_default(),
            verdict: told.verdict.as_str().to_owned(),
            sentences: fact::sentences(&told.facts),
            facts: message(&told.facts),
            next: text(&told.next),
            next_facts: message(&told.next),
            delivery: Some(delivery),
            attempts,
        }
    }

    /// The number of attempts that the endpoint's schedule allows.
    fn attempts_in_all(&self, endpoint: &Endpoint) -> usize {
        let own = endpoint.overrides.schedule.as_ref();
        let dialect = self.dialects.get(&endpoint.dialect);
        let schedule = own.or_else(|| dialect.map(|dialect| dialect.schedule()));
        schedule.map_or(0, |schedule| schedule.waits().len() + 1)
    }

    /// Attempts that pass a filter, without headers and bodies.
    async fn attempts(&self, call: &Call, filter: pb::AttemptFilter) -> Result<Vec<pb::Attempt>, Status> {
        let question = pb::ListAttemptsRequest {
            filter: Some(filter),
            page_size: MAX_ATTEMPTS_OF_EVENT,
            page_token: String::new(),
        };
        Ok(self.logs.list(&call.authorization, question).await?.attempts)
    }
}

/// An endpoint for which there is no delivery of the event.
fn missing(endpoint: &Endpoint, event: &pb::Event) -> pb::DeliveryExplanation {
    let accepted = event.accepted_at.as_ref().and_then(timestamp_from);
    let (verdict, fact): (Verdict, Fact) = of_missing(endpoint, &event.event_type, accepted);
    pb::DeliveryExplanation {
        delivery: None,
        endpoint_id: endpoint.id.to_string(),
        endpoint_name: name(endpoint),
        verdict: verdict.as_str().to_owned(),
        sentences: vec![fact.sentence().to_owned()],
        facts: message(&[fact]),
        ..pb::DeliveryExplanation::default()
    }
}

/// The name of an endpoint for people: its own, or the host of its URL.
fn name(endpoint: &Endpoint) -> String {
    if endpoint.name.is_empty() {
        endpoint.url.host_str().unwrap_or_default().to_owned()
    } else {
        endpoint.name.clone()
    }
}
