//! One delivery from the lane to its end or its next wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_dialect::{Dialect, Dialects, RenderError, Request};
use tidings_domain::{CancelReason, DeliveryState, Endpoint, HoldReason, Timestamp};
use tidings_proto::pb;
use tidings_queue::message::Content;
use tidings_queue::{Incoming, Message};
use tidings_recorder::{Fetcher, Found, Gone, Sought};
use tidings_service::failpoint;
use tidings_store::{Registry, RegistryCache};
use tokio_util::sync::CancellationToken;

use crate::gate::{Change, Gates, Pass, Sign};
use crate::hands::Hands;
use crate::record::AttemptReport;
use crate::send::Sender;
use crate::settle::{Deferral, Settler, Verdict};
use crate::{classify, gone, metrics, record};

/// A message that is due within this time is waited for in hand instead of going round once more.
const CLOSE: Duration = Duration::from_millis(1_000);

pub(crate) struct Worker {
    pub(crate) cache: Arc<RegistryCache>,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) dialects: Dialects,
    pub(crate) gates: Gates,
    pub(crate) hands: Hands,
    pub(crate) sender: Sender,
    pub(crate) fetcher: Fetcher,
    pub(crate) settler: Settler,
    pub(crate) check_after: Duration,
}

/// What is to be done with a delivery before it can be attempted.
enum Obstacle {
    /// Its endpoint is gone, or can't be used.
    Cancel(CancelReason),
    /// Its endpoint is off.
    Hold(HoldReason),
    /// Something is away for a moment.
    Defer(Deferral),
    /// The ledger says that this has been done.
    Done,
    /// Nothing is left of its event, and nobody asks what became of it. Should its record arrive after all, the sweeper
    /// publishes it again.
    Forgotten,
}

impl Worker {
    /// Works on a message and settles it.
    pub(crate) async fn handle(&self, incoming: Incoming) {
        let verdict = match Message::decode(incoming.body.clone()) {
            Ok(message) => {
                let in_hand = self.hands.take(message.delivery).await;
                self.work(&message, incoming.redelivered || in_hand.waited).await
            }
            Err(error) => {
                metrics::UNREADABLE.inc();
                tracing::error!(%error, "a message can't be read: parked; see `tidings queue parked list`");
                self.settler.park(incoming.body.clone(), &error.to_string()).await
            }
        };
        failpoint::pass("dispatcher::before_ack");
        // One that is left, and one whose acknowledgement is lost, comes again and finds its record in the ledger.
        if verdict == Verdict::Acknowledge {
            incoming.ack().await;
        }
    }

    /// Forgets now and then what is kept of endpoints that are quiet.
    pub(crate) async fn forget_idle(self: Arc<Self>, shutdown: CancellationToken) {
        let mut timer = tokio::time::interval(Duration::from_secs(15));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = timer.tick() => {
                    self.gates.forget_idle();
                    metrics::CIRCUITS_OPEN.set(self.gates.open_circuits() as i64);
                }
            }
        }
    }

    async fn work(&self, message: &Message, may_be_copy: bool) -> Verdict {
        if let Some(left) = message
            .due
            .and_then(|due| Duration::try_from(due.duration_since(Timestamp::now())).ok())
        {
            if left > CLOSE {
                return self.settler.too_early(message, left).await;
            }
            tokio::time::sleep(left).await;
        }
        match self.prepare(message, may_be_copy).await {
            Ok((endpoint, content)) => self.attempt_in_turn(message, &endpoint, &content).await,
            Err(Obstacle::Cancel(reason)) => self.end(message, DeliveryState::Cancelled(reason)).await,
            Err(Obstacle::Hold(reason)) => self.settler.moved(message, DeliveryState::Held(reason)).await,
            Err(Obstacle::Defer(why)) => self.settler.deferred(message, why).await,
            Err(Obstacle::Done) => {
                metrics::DUPLICATES_DROPPED.inc();
                Verdict::Acknowledge
            }
            Err(Obstacle::Forgotten) => {
                metrics::FORGOTTEN.inc();
                tracing::debug!(delivery = %message.delivery, "a delivery of which nothing is left ends");
                Verdict::Acknowledge
            }
        }
    }

    /// Finds the endpoint and the content, and whether the attempt is still to be made.
    async fn prepare(&self, message: &Message, may_be_copy: bool) -> Result<(Arc<Endpoint>, Content), Obstacle> {
        // The endpoint first: one that is gone ends the delivery, whatever is left of its event.
        let endpoint = self.endpoint(message).await?;
        let content = self.content(message, may_be_copy).await?;
        if endpoint.enabled {
            Ok((endpoint, content))
        } else {
            Err(Obstacle::Hold(HoldReason::EndpointDisabled))
        }
    }

    /// The event's content. A message that could be a second copy (it came before, it is a reference, it is old)
    /// is checked against the ledger first (guarantee G3). Only a recorded attempt makes a message void: that the
    /// sweeper moved the delivery on while this message waited in a long queue does not, because then the sweeper's
    /// copy would be void by the time it arrives as well, and nothing would ever be sent.
    async fn content(&self, message: &Message, may_be_copy: bool) -> Result<Content, Obstacle> {
        let fresh = |content: &&Content| {
            let age = Timestamp::now().duration_since(content.accepted_at);
            !may_be_copy && Duration::try_from(age).unwrap_or_default() < self.check_after
        };
        if let Some(content) = message.content.as_ref().filter(fresh) {
            return Ok(content.clone());
        }
        let sought = Sought {
            delivery: message.delivery,
            event: message.event,
            tenant: message.tenant,
        };
        let own = message.content.clone();
        match self.fetcher.fetch(sought).await {
            Err(_) => Err(Obstacle::Defer(Deferral::LedgerAway)),
            Ok(Found::Known(known)) if known.terminal || known.step.attempt() > message.step.attempt() => {
                Err(Obstacle::Done)
            }
            // The ledger may be behind: the event's record is still on the way.
            Ok(Found::Known(known)) => known.content.or(own).ok_or(Obstacle::Defer(Deferral::LedgerAway)),
            Ok(Found::NotYet) => own.ok_or(Obstacle::Defer(Deferral::LedgerAway)),
            Ok(Found::Gone { why, recorded }) => match (why, own) {
                (Gone::Unknown, Some(content)) => Ok(content),
                (Gone::Erased, _) if recorded => Err(Obstacle::Cancel(CancelReason::Erased)),
                _ if recorded => Err(Obstacle::Cancel(CancelReason::Expired)),
                _ => Err(Obstacle::Forgotten),
            },
        }
    }

    /// The endpoint. One that is not in the cache may be too new for it, or its secret can't be unsealed, so the
    /// registry itself is asked before a delivery is given up.
    async fn endpoint(&self, message: &Message) -> Result<Arc<Endpoint>, Obstacle> {
        if let Some(endpoint) = self.cache.endpoint(message.endpoint) {
            return Ok(endpoint);
        }
        match self.registry.endpoint(message.endpoint).await {
            Ok(Some(endpoint)) => Ok(Arc::new(endpoint)),
            Ok(None) => Err(Obstacle::Cancel(CancelReason::EndpointDeleted)),
            Err(error) => {
                tracing::warn!(endpoint = %message.endpoint, %error, "an endpoint can't be looked up; its delivery is deferred");
                Err(Obstacle::Defer(Deferral::RegistryAway))
            }
        }
    }

    async fn attempt_in_turn(&self, message: &Message, endpoint: &Endpoint, content: &Content) -> Verdict {
        let Some(dialect) = self.dialects.get(&endpoint.dialect) else {
            tracing::error!(endpoint = %endpoint.id, dialect = endpoint.dialect, "an endpoint's dialect does not exist");
            return self
                .end(message, DeliveryState::Cancelled(CancelReason::EndpointUnusable))
                .await;
        };
        let pass = match self.gates.enter(endpoint).await {
            Ok(pass) => pass,
            Err(turned_away) => return self.settler.deferred(message, Deferral::Refused(turned_away)).await,
        };
        let made = self.attempt(message, endpoint, dialect, content, pass).await;
        let (record, state, in_queue) = match made {
            Ok(made) => made,
            Err(why) => return self.settler.deferred(message, why).await,
        };
        metrics::DELIVERIES.with_label_values(&[state.name()]).inc();
        self.settler.attempted(message, record, state, in_queue).await
    }

    /// Makes one attempt: renders, sends, judges. Returns its record, the state that follows, and the wait until the
    /// next attempt if the queue is to keep it; or why it could not be made.
    async fn attempt(
        &self,
        message: &Message,
        endpoint: &Endpoint,
        dialect: &Dialect,
        content: &Content,
        pass: Pass,
    ) -> Result<(pb::Record, DeliveryState, Option<Duration>), Deferral> {
        let (started_at, started) = (Timestamp::now(), Instant::now());
        let number = message.step.attempt();
        let report = |request, answer, duration, outcome, error, state, in_broker| AttemptReport {
            message,
            content,
            endpoint,
            request,
            answer,
            started_at,
            duration,
            outcome,
            error,
            state,
            in_broker,
            test: false,
        };
        let mut request = match render(dialect, endpoint, message, content, started_at) {
            Ok(request) => request,
            Err(error) => {
                let (outcome, state) = (classify::unrenderable(), DeliveryState::Exhausted);
                metrics::attempted(outcome, number, started.elapsed());
                let report = report(None, None, started.elapsed(), outcome, error.to_string(), &state, false);
                return Ok((recorded(report), state, None));
            }
        };
        if number == 1 {
            let lag = Duration::try_from(started_at.duration_since(content.accepted_at)).unwrap_or_default();
            metrics::FIRST_ATTEMPT_LAG.observe(lag.as_secs_f64());
        }
        let timeout = endpoint.overrides.timeout.unwrap_or(dialect.timeout());
        failpoint::pass("dispatcher::before_send");
        let in_flight = metrics::InFlight::begin();
        let answer = self
            .sender
            .send(endpoint, &mut request, content.traceparent.as_ref(), timeout)
            .await;
        drop(in_flight);
        if let Err(none) = &answer
            && none.ours
        {
            tracing::warn!(endpoint = %endpoint.id, error = %none.error, "no connection is to be had; a delivery is deferred");
            return Err(Deferral::NoConnection);
        }
        let waited = answer.as_ref().map_or_else(|none| none.waited, |answer| answer.waited);
        let duration = started.elapsed().saturating_sub(waited);
        let outcome = classify::outcome(&answer, endpoint, dialect);
        let now = Timestamp::now();
        let rest = classify::rest(&answer, dialect, now);
        let (state, wait) = classify::next_state(outcome, message, endpoint, dialect, rest, now);
        self.end_pass(pass, endpoint, classify::sign(&answer, outcome, rest));
        if classify::is_gone(&answer, outcome) {
            gone::disable(&*self.registry, endpoint.id).await;
        }
        metrics::attempted(outcome, number, duration);
        let in_queue = wait.filter(|wait| self.settler.is_kept_by_queue(*wait));
        let error = classify::describe(&answer, outcome, endpoint, rest);
        let report = report(
            Some(&request),
            Some(&answer),
            duration,
            outcome,
            error,
            &state,
            in_queue.is_some(),
        );
        Ok((recorded(report), state, in_queue))
    }

    /// Lets the next request through and says what became of the endpoint's circuit.
    fn end_pass(&self, pass: Pass, endpoint: &Endpoint, sign: Sign) {
        match pass.end(sign) {
            Change::None => {}
            Change::Opened => {
                metrics::CIRCUITS_OPENED.inc();
                tracing::warn!(endpoint = %endpoint.id, "an endpoint fails: its circuit is open, probing it");
            }
            Change::Closed => {
                tracing::info!(endpoint = %endpoint.id, "an endpoint answers again: its circuit is closed")
            }
        }
    }

    async fn end(&self, message: &Message, state: DeliveryState) -> Verdict {
        metrics::DELIVERIES.with_label_values(&[state.name()]).inc();
        self.settler.moved(message, state).await
    }
}

/// The request that an attempt makes, with the secrets that are valid then.
pub(crate) fn render(
    dialect: &Dialect,
    endpoint: &Endpoint,
    message: &Message,
    content: &Content,
    sent_at: Timestamp,
) -> Result<Request, RenderError> {
    let rendering = tidings_dialect::Message {
        event_id: message.event,
        event_type: &content.event_type,
        occurred_at: content.occurred_at,
        sent_at,
        attempt: message.step.attempt(),
        payload: &content.payload,
        properties: &endpoint.overrides.properties,
        settings: &endpoint.overrides.settings,
    };
    dialect.render(&rendering, &endpoint.secrets(sent_at))
}

fn recorded(report: AttemptReport<'_>) -> pb::Record {
    pb::Record {
        record: Some(pb::record::Record::Attempt(record::attempt(report))),
    }
}
