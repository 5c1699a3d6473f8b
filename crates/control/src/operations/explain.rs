//! Explanations of events and deliveries: what happened so far, and what happens next.
//!
//! The answer to "why did this not arrive?" is spread over the log, the endpoint and the dispatchers' admission
//! control. All three are queried, and each state has its sentences. An endpoint that did not want an event has nothing
//! on record, so it is judged as it is now; the explanation says so if it was changed since.

pub(crate) mod fact;
mod sentences;

use std::time::Duration;

use tidings_dialect::Dialects;
use tidings_domain::{DeliveryId, Endpoint, EndpointId, EventId, Scope, Timestamp};
use tidings_service::problem::Problem;
use tidings_store::ledger::EventSummary;
use tokio::time::{Instant, timeout_at};

use self::fact::Fact;
use self::sentences::{Verdict, of_delivery, of_event, of_missing};
use crate::Book;
use crate::call::Call;
use crate::dispatchers::{DispatcherClient, EndpointView};
use crate::error::Error;
use crate::logs::{Attempt, Delivery, LogClient};
use crate::signing::Signing;

/// Attempts shown of a delivery, and read of an event, at most.
const MAX_ATTEMPTS: usize = 50;
const MAX_ATTEMPTS_OF_EVENT: u32 = 200;
/// Time for all dispatchers' answers in one explanation. An event may have hundreds of endpoints, and with the
/// dispatchers down each query would take its full timeout.
const VIEWS_WITHIN: Duration = Duration::from_secs(2);
/// The most endpoints of one tenant that are looked at.
const MAX_ENDPOINTS: u32 = 1_000;

pub struct Explainer {
    pub(crate) book: Book,
    pub(crate) dialects: Dialects,
    pub(crate) logs: LogClient,
    pub(crate) dispatchers: DispatcherClient,
}

/// Explanation of a delivery, or of the lack of one at an endpoint.
pub struct DeliveryExplanation {
    /// `None` where there is none, because the endpoint did not want the event.
    pub(crate) delivery: Option<Delivery>,
    pub(crate) endpoint: EndpointId,
    /// The endpoint's name for people; `None` if it is gone.
    pub(crate) endpoint_name: Option<String>,
    pub(crate) verdict: Verdict,
    /// History of the delivery.
    pub(crate) facts: Vec<Fact>,
    /// Expected next steps; empty if nothing will happen.
    pub(crate) next: Vec<Fact>,
    /// Attempts, oldest first.
    pub(crate) attempts: Vec<Attempt>,
}

/// Explanation of an event: where it went, and where not.
pub struct EventExplanation {
    pub(crate) event: EventSummary,
    pub(crate) facts: Vec<Fact>,
    /// Every delivery of the event, and every other endpoint of the tenant.
    pub(crate) deliveries: Vec<DeliveryExplanation>,
}

/// A delivery with everything that its explanation depends on.
struct Known<'a> {
    delivery: &'a Delivery,
    /// `None` if it was deleted.
    endpoint: Option<&'a Endpoint>,
    /// Attempts, oldest first.
    attempts: &'a [Attempt],
    /// The number of attempts that the schedule allows.
    attempts_in_all: usize,
    /// A dispatcher's present view of the endpoint, if one answered.
    view: Option<&'a EndpointView>,
    now: Timestamp,
}

impl Explainer {
    /// Explains one delivery and its next step.
    pub async fn delivery(&self, call: &Call, id: DeliveryId) -> Result<DeliveryExplanation, Error> {
        call.require(Scope::Read)?;
        let delivery = self.logs.delivery(call, id).await?;
        let attempts = self
            .logs
            .attempts_of_delivery(call, delivery.tenant, delivery.id, MAX_ATTEMPTS_OF_EVENT)
            .await?;
        let endpoint = self.book.registry.endpoint(delivery.endpoint).await;
        let endpoint = endpoint.map_err(Problem::from)?;
        let until = Instant::now() + VIEWS_WITHIN;
        Ok(self.explain(delivery, endpoint.as_ref(), attempts, until).await)
    }

    /// Explains where an event went and where not.
    pub async fn event(&self, call: &Call, id: EventId) -> Result<EventExplanation, Error> {
        call.require(Scope::Read)?;
        let found = self.logs.event(call, id).await?;
        let event = found.summary;
        let attempts = self
            .logs
            .attempts_of_event(call, event.tenant, event.id, MAX_ATTEMPTS_OF_EVENT)
            .await?;
        let endpoints = self
            .book
            .registry
            .endpoints(event.tenant, None, MAX_ENDPOINTS)
            .await
            .map_err(Problem::from)?;
        let until = Instant::now() + VIEWS_WITHIN;
        let mut explained = Vec::new();
        for delivery in found.deliveries {
            let of_it = attempts.iter().filter(|attempt| attempt.delivery == delivery.id);
            let of_it = of_it.cloned().collect();
            let endpoint = endpoints.iter().find(|endpoint| endpoint.id == delivery.endpoint);
            explained.push(self.explain(delivery, endpoint, of_it, until).await);
        }
        for endpoint in &endpoints {
            if !explained.iter().any(|delivery| delivery.endpoint == endpoint.id) {
                explained.push(missing(endpoint, &event));
            }
        }
        Ok(EventExplanation {
            facts: of_event(&event, &explained),
            event,
            deliveries: explained,
        })
    }

    /// Explains a delivery; dispatchers are queried until a deadline.
    async fn explain(
        &self,
        delivery: Delivery,
        endpoint: Option<&Endpoint>,
        mut attempts: Vec<Attempt>,
        until: Instant,
    ) -> DeliveryExplanation {
        attempts.sort_by_key(|attempt| attempt.number);
        attempts.truncate(MAX_ATTEMPTS);
        // Only what waits depends on what dispatchers think of the endpoint.
        let view = match endpoint {
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
            view: view.as_ref(),
            now: Timestamp::now(),
        };
        let mut told = of_delivery(&known);
        // Which secret signs matters only where another attempt may follow.
        if !matches!(told.verdict, Verdict::Delivered | Verdict::Cancelled) {
            let rotation = endpoint.and_then(|endpoint| Signing::of(endpoint, &self.dialects).note(endpoint));
            told.facts.extend(rotation);
        }
        // A time is a promise, which nobody keeps for an endpoint that is gone or off.
        let delivery = Delivery {
            due_at: delivery
                .due_at
                .filter(|_| endpoint.is_some_and(|endpoint| endpoint.enabled)),
            ..delivery
        };
        DeliveryExplanation {
            endpoint: delivery.endpoint,
            endpoint_name: endpoint.map(name),
            verdict: told.verdict,
            facts: told.facts,
            next: told.next,
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
}

/// An endpoint for which there is no delivery of the event.
fn missing(endpoint: &Endpoint, event: &EventSummary) -> DeliveryExplanation {
    let (verdict, fact) = of_missing(endpoint, &event.event_type, event.accepted_at);
    DeliveryExplanation {
        delivery: None,
        endpoint: endpoint.id,
        endpoint_name: Some(name(endpoint)),
        verdict,
        facts: vec![fact],
        next: Vec::new(),
        attempts: Vec::new(),
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
