//! Handles one delivery: from its lane to its end or its next wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_dialect::{Dialect, Dialects, RenderError, Request};
use tidings_domain::{CancelReason, DeliveryState, Endpoint, HoldReason, Timestamp};
use tidings_proto::pb;
use tidings_queue::message::Content;
use tidings_queue::{Incoming, Lane, LaneKind, Message};
use tidings_recorder::{Fetcher, Found, Gone, Sought};
use tidings_service::failpoint;
use tidings_store::{Registry, RegistryCache};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::in_flight::InFlight;
use crate::limiter::{CircuitChange, EndpointLimiters, Feedback, Permit};
use crate::opened::Opened;
use crate::places::{Places, Wish};
use crate::record::AttemptReport;
use crate::render::{is_configuration, render};
use crate::send::Sender;
use crate::settle::{Deferral, Disposition, Settler};
use crate::{classify, disable_gone, metrics, record, span};

/// A message due within this time is kept until then instead of returning to a delay queue.
// As long as the shortest delay queue waits; none could take less.
const CLOSE: Duration = Duration::from_millis(1_000);

pub(crate) struct Worker {
    pub(crate) cache: Arc<RegistryCache>,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) dialects: Dialects,
    pub(crate) limiters: EndpointLimiters,
    pub(crate) in_flight: InFlight,
    pub(crate) opened: Opened,
    pub(crate) places: Places,
    pub(crate) sender: Sender,
    pub(crate) fetcher: Fetcher,
    pub(crate) settler: Settler,
    pub(crate) check_after: Duration,
}

/// Reason why a delivery is not attempted now, and its consequence.
enum Obstacle {
    /// The delivery ends: its endpoint was deleted, or its event was erased or is older than events are kept.
    Cancel(CancelReason),
    /// The endpoint is disabled, or gets no requests before something is repaired.
    Hold(HoldReason),
    /// Something is away for a moment.
    Defer(Deferral),
    /// The ledger says that this has been done.
    Done,
    /// Nothing is left of the event, and nobody will look for the delivery. If its record arrives after all, the
    /// sweeper publishes it again.
    Forgotten,
}

/// The beginning of an attempt.
struct Start {
    at: Timestamp,
    clock: Instant,
    lane_lag: Option<Duration>,
}

impl Worker {
    /// Works on a message from a lane of this kind and settles it.
    pub(crate) async fn handle(&self, incoming: Incoming, kind: LaneKind) {
        let _unsettled = metrics::Unsettled::begin(kind);
        let disposition = match Message::decode(incoming.body.clone()) {
            Ok(message) => {
                // Held until the record is durable, so that a second copy finds it.
                let guard = self.in_flight.lock(message.delivery).await;
                self.work(&message, kind, incoming.redelivered || guard.waited).await
            }
            Err(error) => {
                metrics::UNREADABLE.inc();
                tracing::error!(%error, "parked an unreadable message; see `tidings queue parked list`");
                self.settler.park(incoming.body.clone(), &error.to_string()).await
            }
        };
        failpoint::pass("dispatcher::before_ack");
        // One that is left, and one whose acknowledgement is lost, comes again and finds its record in the ledger.
        if disposition == Disposition::Acknowledge {
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
                    self.limiters.forget_idle();
                    metrics::CIRCUITS_OPEN.set(self.limiters.open_circuits() as i64);
                }
            }
        }
    }

    async fn work(&self, message: &Message, kind: LaneKind, may_be_copy: bool) -> Disposition {
        let taken_at = Timestamp::now();
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
            Ok((endpoint, dialect, content)) => {
                let span = span::attempt(message, &endpoint, dialect, &content);
                let attempt = self.attempt_in_turn(message, kind, taken_at, &endpoint, dialect, &content);
                attempt.instrument(span).await
            }
            Err(Obstacle::Cancel(reason)) => self.end(message, DeliveryState::Cancelled(reason)).await,
            Err(Obstacle::Hold(reason)) => self.hold(message, reason).await,
            Err(Obstacle::Defer(why)) => self.settler.deferred(message, why).await,
            Err(Obstacle::Done) => {
                metrics::DUPLICATES_DROPPED.inc();
                Disposition::Acknowledge
            }
            Err(Obstacle::Forgotten) => {
                metrics::FORGOTTEN.inc();
                tracing::debug!(delivery = %message.delivery, "dropped a message whose event is no longer on record");
                Disposition::Acknowledge
            }
        }
    }

    /// Finds the endpoint and the content, and whether the attempt is still to be made.
    async fn prepare(
        &self,
        message: &Message,
        may_be_copy: bool,
    ) -> Result<(Arc<Endpoint>, &Dialect, Content), Obstacle> {
        // The endpoint first: one that is gone ends the delivery, whatever is left of its event.
        let endpoint = self.endpoint(message).await?;
        let content = self.content(message, may_be_copy).await?;
        // After the ledger was consulted, so that a finished delivery of a disabled endpoint ends instead of being held.
        if !endpoint.enabled {
            return Err(Obstacle::Hold(HoldReason::EndpointDisabled));
        }
        let (endpoint, dialect) = self.usable(&endpoint)?;
        Ok((endpoint, dialect, content))
    }

    /// The endpoint with its secrets, and its dialect. What is missing of it may be back at any time (a key, a file, a row
    /// that somebody repairs), so it ends nothing.
    fn usable(&self, endpoint: &Arc<Endpoint>) -> Result<(Arc<Endpoint>, &Dialect), Obstacle> {
        let (id, dialect) = (endpoint.id, endpoint.dialect.as_str());
        if !endpoint.unreadable.is_empty() {
            tracing::debug!(endpoint = %id, parts = ?endpoint.unreadable, "held a delivery: its endpoint can't be read");
            return Err(Obstacle::Hold(HoldReason::EndpointUnusable));
        }
        let Some(dialect) = self.dialects.get(dialect) else {
            tracing::debug!(endpoint = %id, dialect, "held a delivery: this process lacks the endpoint's dialect");
            return Err(Obstacle::Hold(HoldReason::DialectUnknown));
        };
        match self.opened.open(&*self.registry, endpoint) {
            Ok(open) => Ok((open, dialect)),
            Err(error) => {
                tracing::debug!(endpoint = %id, %error, "held a delivery: the endpoint's secret can't be unsealed");
                Err(Obstacle::Hold(HoldReason::SecretUnreadable))
            }
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

    /// Looks the endpoint up. One that is missing from the cache may be too new for it, so only the registry itself
    /// decides that an endpoint was deleted.
    async fn endpoint(&self, message: &Message) -> Result<Arc<Endpoint>, Obstacle> {
        if let Some(endpoint) = self.cache.endpoint(message.endpoint) {
            return Ok(endpoint);
        }
        match self.registry.endpoint(message.endpoint).await {
            Ok(Some(endpoint)) => Ok(Arc::new(endpoint)),
            Ok(None) => Err(Obstacle::Cancel(CancelReason::EndpointDeleted)),
            Err(error) => {
                tracing::warn!(endpoint = %message.endpoint, %error, "deferred a delivery: the registry is unavailable");
                Err(Obstacle::Defer(Deferral::RegistryAway))
            }
        }
    }

    async fn attempt_in_turn(
        &self,
        message: &Message,
        kind: LaneKind,
        taken_at: Timestamp,
        endpoint: &Endpoint,
        dialect: &Dialect,
        content: &Content,
    ) -> Disposition {
        // The permit first: it tells the endpoint's pace, by which places are shared.
        let permit = match self.limiters.acquire(endpoint).await {
            Ok(permit) => permit,
            Err(throttled) => return self.settler.deferred(message, Deferral::Throttled(throttled)).await,
        };
        let wish = Wish {
            lane: Lane {
                kind,
                shard: endpoint.id.shard(self.settler.shards),
            },
            tenant: message.tenant,
            endpoint: endpoint.id,
            pace: permit.pace(),
            bytes: content.payload.len(),
        };
        // Kept until the message is settled, because it occupies the prefetch for as long.
        let Some(_place) = self.places.take(wish) else {
            let throttled = permit.give_up();
            return self.settler.deferred(message, Deferral::Throttled(throttled)).await;
        };
        let at = Timestamp::now();
        let start = Start {
            at,
            clock: Instant::now(),
            lane_lag: lane_lag(kind, message, content, taken_at, at),
        };
        let rendered = render(dialect, endpoint, message, content, at);
        if let Err(error) = &rendered
            && is_configuration(error, dialect, endpoint, message, content)
        {
            tracing::warn!(endpoint = %endpoint.id, %error, "held a delivery: the endpoint's configuration allows no request");
            return self.hold(message, HoldReason::EndpointUnusable).await;
        }
        // An event that can't be rendered is never sent, so it has no lag.
        if rendered.is_ok() {
            metrics::begun(kind, message, content.accepted_at, at);
        }
        let made = self.attempt(message, endpoint, dialect, content, start, rendered, permit);
        let (record, state, in_queue) = match made.await {
            Ok(made) => made,
            Err(why) => return self.settler.deferred(message, why).await,
        };
        metrics::reached(&state, content.accepted_at);
        self.settler.attempted(message, record, state, in_queue).await
    }

    /// Makes one attempt: sends what was rendered, and judges. Returns its record, the state that follows, and the wait
    /// until the next attempt if the queue is to keep it; or why it could not be made.
    #[expect(clippy::too_many_arguments, reason = "they are what an attempt is made of")]
    async fn attempt(
        &self,
        message: &Message,
        endpoint: &Endpoint,
        dialect: &Dialect,
        content: &Content,
        start: Start,
        rendered: Result<Request, RenderError>,
        permit: Permit,
    ) -> Result<(pb::Record, DeliveryState, Option<Duration>), Deferral> {
        let number = message.step.attempt();
        let report = |request, answer, duration, outcome, error, state, in_broker| AttemptReport {
            message,
            content,
            endpoint,
            request,
            answer,
            started_at: start.at,
            duration,
            outcome,
            error,
            state,
            in_broker,
            lane_lag: start.lane_lag,
            test: false,
        };
        let mut request = match rendered {
            Ok(request) => request,
            Err(error) => {
                let (outcome, state) = (classify::unrenderable(), DeliveryState::Exhausted);
                metrics::attempted(outcome, number, None, start.clock.elapsed());
                let report = report(
                    None,
                    None,
                    start.clock.elapsed(),
                    outcome,
                    error.to_string(),
                    &state,
                    false,
                );
                return Ok((recorded(report), state, None));
            }
        };
        let timeout = endpoint.overrides.timeout.unwrap_or(dialect.timeout());
        failpoint::pass("dispatcher::before_send");
        let sending = metrics::RequestInFlight::begin();
        let span = span::request(endpoint);
        let answer = self
            .sender
            .send(endpoint, &mut request, content.traceparent.as_ref(), timeout)
            .instrument(span.clone())
            .await;
        span::answered(&span, &answer);
        drop(sending);
        if let Err(none) = &answer
            && none.ours
        {
            tracing::warn!(endpoint = %endpoint.id, error = %none.error, "deferred a delivery: this machine can make no connection");
            // The permit is dropped as abandoned: the receiver was not asked, so nothing is learned of it.
            return Err(Deferral::NoConnection);
        }
        let waited = answer.as_ref().map_or_else(|none| none.waited, |answer| answer.waited);
        // The wait for another request's connection is not the receiver's time.
        let duration = start.clock.elapsed().saturating_sub(waited);
        let outcome = classify::outcome(&answer, endpoint, dialect);
        let now = Timestamp::now();
        let rest = classify::rest(&answer, dialect, now);
        let (state, wait) = classify::next_state(outcome, message, endpoint, dialect, rest, now);
        // Before the record is written: the endpoint's next request is not to wait for the ledger.
        self.complete(permit, endpoint, classify::feedback(&answer, outcome, rest));
        if classify::is_gone(&answer, outcome) {
            disable_gone::disable(&*self.registry, endpoint).await;
        }
        span::judged(outcome);
        let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
        metrics::attempted(outcome, number, status, duration);
        // Decided before the record, which tells the sweeper who keeps the wait.
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

    /// Returns the permit and logs a change of the endpoint's circuit.
    fn complete(&self, permit: Permit, endpoint: &Endpoint, feedback: Feedback) {
        match permit.complete(feedback) {
            CircuitChange::None => {}
            CircuitChange::Opened => {
                metrics::CIRCUITS_OPENED.inc();
                tracing::warn!(endpoint = %endpoint.id, "circuit opened: the endpoint keeps failing and is only probed");
            }
            CircuitChange::Closed => {
                tracing::info!(endpoint = %endpoint.id, "circuit closed: the endpoint responds again")
            }
        }
    }

    async fn hold(&self, message: &Message, reason: HoldReason) -> Disposition {
        metrics::DEFERRALS.with_label_values(&[reason.as_str()]).inc();
        self.settler.moved(message, DeliveryState::Held(reason)).await
    }

    async fn end(&self, message: &Message, state: DeliveryState) -> Disposition {
        metrics::DELIVERIES.with_label_values(&[state.name()]).inc();
        self.settler.moved(message, state).await
    }
}

/// Delay of a first attempt that its lane caused: zero if its message was taken from the lane at once, because what delays it
/// afterwards is its endpoint. None if the message came from elsewhere.
fn lane_lag(
    kind: LaneKind,
    message: &Message,
    content: &Content,
    taken_at: Timestamp,
    started_at: Timestamp,
) -> Option<Duration> {
    const AT_ONCE: Duration = Duration::from_millis(10);
    if kind == LaneKind::Retry || message.step.attempt() > 1 {
        return None;
    }
    let since_acceptance =
        |at: Timestamp| Duration::try_from(at.duration_since(content.accepted_at)).unwrap_or_default();
    if since_acceptance(taken_at) < AT_ONCE {
        return Some(Duration::ZERO);
    }
    Some(since_acceptance(started_at))
}

fn recorded(report: AttemptReport<'_>) -> pb::Record {
    pb::Record {
        record: Some(pb::record::Record::Attempt(record::attempt(report))),
        ..pb::Record::default()
    }
}
