//! Accepts events (guarantees G1 and G10).
//!
//! An event is accepted once its record, which names its deliveries, is durable: in the ledger, or in the records
//! queue on its way there. Messages are published after that, so that nothing is ever sent of a refused event, and
//! whoever holds a message will find its event on record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tidings_auth::{Caller, no_such_tenant};
use tidings_domain::trace::TraceParent;
use tidings_domain::{DeliveryId, EventId, HoldReason, Step, TenantId, Timestamp};
use tidings_payload::EventView;
use tidings_proto::{micros, pb};
use tidings_queue::Message;
use tidings_queue::message::Content;
use tidings_recorder::{Durable, RecordError};
use tidings_service::failpoint;
use tidings_service::problem::Problem;
use tidings_service::trace::{self, Kind};
use tidings_store::{Claim, ClaimToken};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, Span};

use crate::evaluate::Evaluator;
use crate::fair_share::FairShares;
use crate::fan_out::{InitialState, Target};
use crate::memory_budget::MemoryBudget;
use crate::metrics::Transport;
use crate::pace::Pace;
use crate::publish::Publisher;
use crate::schemas::Schemas;
use crate::validate::{Draft, ValidEvent, validate};
use crate::{Config, Dependencies, metrics};

/// The code of the problem of an idempotency key that stands for another event.
pub(crate) const KEY_REUSED: &str = "idempotency_key_reused";

/// The one path of acceptance, for gRPC and HTTP.
pub(crate) struct Acceptor {
    pub(crate) config: Config,
    dependencies: Dependencies,
    publisher: Arc<Publisher>,
    evaluator: Evaluator,
    schemas: Schemas,
    memory: MemoryBudget,
    pace: Pace,
}

/// An accepted, that is durable, event.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) event: EventId,
    pub(crate) tenant: TenantId,
    pub(crate) duplicate: bool,
    pub(crate) deliveries: u32,
    /// In what its payload is not as its tenant wants it to be, and which endpoints' filters did not decide.
    pub(crate) warnings: Vec<String>,
}

impl Acceptor {
    pub(crate) fn new(config: Config, dependencies: Dependencies) -> Self {
        let publisher = Arc::new(Publisher {
            queue: dependencies.queue.clone(),
            recorder: dependencies.recorder.clone(),
            registry: dependencies.registry.clone(),
            shares: FairShares::new(config.live_per_second, config.live_burst),
            shards: dependencies.shards,
        });
        Self {
            // A quarter, so that what waits for one tenant's filters leaves room to the payloads of others.
            evaluator: Evaluator::new(config.max_in_flight / 4),
            memory: MemoryBudget::new(config.max_in_flight),
            pace: Pace::new(dependencies.recorder.lags().clone(), config.longest_pause),
            config,
            dependencies,
            publisher,
            schemas: Schemas::default(),
        }
    }

    /// Accepts an event or says why not.
    pub(crate) async fn accept(
        &self,
        transport: Transport,
        caller: &Caller,
        draft: Draft,
    ) -> Result<Accepted, Problem> {
        let started = Instant::now();
        let parent = draft.traceparent.as_ref().map(TraceParent::as_str);
        let span = trace::begin("publish", Kind::Server, parent);
        let result = self.try_accept(caller, draft).instrument(span.clone()).await;
        match &result {
            Ok(accepted) if accepted.duplicate => metrics::duplicate(),
            Ok(accepted) => {
                metrics::accepted(transport, started.elapsed());
                metrics::DELIVERIES_CREATED.inc_by(u64::from(accepted.deliveries));
            }
            Err(problem) => metrics::not_accepted(problem),
        }
        match &result {
            Ok(accepted) => {
                trace::note(&span, "tidings.event.id", || accepted.event.to_string());
                trace::note(&span, "tidings.deliveries", || i64::from(accepted.deliveries));
                trace::note(&span, "tidings.duplicate", || accepted.duplicate);
            }
            Err(problem) => trace::fail(&span, problem.code),
        }
        // Acceptance itself did not take longer, so its duration is noted before.
        if let Ok(accepted) = &result
            && accepted.deliveries > 0
        {
            self.pace.pause(accepted.tenant).await;
        }
        result
    }

    async fn try_accept(&self, caller: &Caller, draft: Draft) -> Result<Accepted, Problem> {
        let tenant = self.tenant(caller, draft.tenant)?;
        let event = validate(draft, &self.config, Timestamp::now())?;
        let reservation = self.memory.reserve(event.payload.len()).await;
        // After the wait for memory: the id bears the time of acceptance.
        let accepted_at = Timestamp::now();
        match event.idempotency_key.clone() {
            None => {
                let id = EventId::at(accepted_at);
                self.make_durable(tenant, id, accepted_at, event, Published::Never, reservation)
                    .await
            }
            Some(key) => self.accept_once(tenant, &key, accepted_at, event, reservation).await,
        }
    }

    fn tenant(&self, caller: &Caller, requested: Option<TenantId>) -> Result<TenantId, Problem> {
        let Some(tenant) = caller.tenant(requested)? else {
            let detail = "an operator's key publishes for any tenant: name one";
            return Err(Problem::invalid("tenant_missing", detail).at("tenant_id"));
        };
        if self.dependencies.registry.tenant(tenant).is_none() {
            return Err(no_such_tenant(tenant));
        }
        Ok(tenant)
    }

    /// Accepts an event whose key lets it be published once only.
    async fn accept_once(
        &self,
        tenant: TenantId,
        key: &str,
        accepted_at: Timestamp,
        event: ValidEvent,
        reservation: Option<OwnedSemaphorePermit>,
    ) -> Result<Accepted, Problem> {
        let fingerprint = fingerprint(&event);
        let new_id = EventId::at(accepted_at);
        let (id, token) = match self.claim(tenant, key, fingerprint, new_id).await? {
            Ours::New(id, token) => (id, token),
            Ours::Known(event) => {
                return Ok(Accepted {
                    event,
                    tenant,
                    duplicate: true,
                    deliveries: 0,
                    warnings: Vec::new(),
                });
            }
        };
        let published = if id == new_id {
            Published::Never
        } else {
            Published::Perhaps
        };
        let accepted = self
            .make_durable(tenant, id, accepted_at, event, published, reservation)
            .await;
        let settled = match &accepted {
            Ok(_) => self.dependencies.idempotency.settle(tenant, key, token).await,
            // So that the publisher's next try need not wait for the lease to end.
            Err(_) => self.dependencies.idempotency.release(tenant, key, token).await,
        };
        if let Err(error) = settled {
            // The claim goes stale by itself; whoever takes it over publishes the same event id again, and the
            // ledger knows that one.
            tracing::warn!(%tenant, event = %id, %error, "could not settle an idempotency key; its claim expires by itself");
        }
        accepted
    }

    /// Claims a key for an event, waiting for another publish that holds it.
    async fn claim(&self, tenant: TenantId, key: &str, fingerprint: [u8; 32], id: EventId) -> Result<Ours, Problem> {
        const POLL: Duration = Duration::from_millis(50);
        let lease = self.config.idempotency_lease;
        // Longer than the lease, so that a claim whose holder died is taken over before that.
        let give_up = Instant::now() + lease + lease / 2;
        loop {
            let claim = self
                .dependencies
                .idempotency
                .claim(tenant, key, fingerprint, id, lease)
                .await;
            match claim.map_err(|error| keys_unavailable(&error.to_string()))? {
                Claim::Claimed { event, token } => return Ok(Ours::New(event, token)),
                Claim::Duplicate(id) => return Ok(Ours::Known(id)),
                Claim::OtherContent(id) => {
                    let detail = format!(
                        "this idempotency key was used for {id}, which has another type, time or payload (byte for byte)"
                    );
                    return Err(Problem::conflict(KEY_REUSED, detail).at("idempotency_key"));
                }
                Claim::InFlight(_) if Instant::now() > give_up => {
                    return Err(keys_unavailable("another publish holds the key"));
                }
                Claim::InFlight(left) => tokio::time::sleep(left.clamp(Duration::from_millis(1), POLL)).await,
            }
        }
    }

    /// Records the event, then publishes its deliveries. While the queue is away, the record alone says that the sweeper
    /// is to publish them.
    async fn make_durable(
        &self,
        tenant: TenantId,
        id: EventId,
        accepted_at: Timestamp,
        event: ValidEvent,
        published: Published,
        reservation: Option<OwnedSemaphorePermit>,
    ) -> Result<Accepted, Problem> {
        let (endpoints, warnings) = self.fan_out(tenant, &event).await?;
        let count = |is: fn(InitialState) -> bool| endpoints.iter().filter(|target| is(target.state)).count();
        let (goes_to, undecided) = (
            count(|state| !state.is_over()),
            count(|state| state == InitialState::Undecided),
        );
        // Asked before the record is written, because the record says who publishes: ingest or the sweeper.
        let queue_is_there = self.dependencies.queue.available();
        let record = record(tenant, id, &event, accepted_at, &endpoints, queue_is_there);
        match self.dependencies.recorder.record(record).await {
            Ok(Durable::InLedger) => {}
            Ok(Durable::Spilled) => metrics::ACCEPTED_SPILLED.inc(),
            Err(RecordError::Refused(reason)) => {
                tracing::error!(%tenant, reason, "refused an event: the log service refused its record");
                let detail = "the event can't be recorded as it is, and publishing it again does not help: see the service's log";
                return Err(Problem::internal("record_refused", detail));
            }
            Err(error) => {
                let detail = format!("the event could not be made durable, publish it again: {error}");
                return Err(Problem::unavailable("not_durable", detail).with_retry_after(Duration::from_secs(1)));
            }
        }
        failpoint::pass("ingest::before_publish");
        if queue_is_there {
            let payload = event.payload.len();
            let messages = messages(tenant, id, accepted_at, event, &endpoints);
            let copies = match published {
                Published::Never => self.memory.reserve_copies(payload, messages.len()),
                // A reference is checked against the ledger before anything is sent.
                Published::Perhaps => None,
            };
            match copies {
                Some(copies) => self.publish(messages, (reservation, copies)).await,
                None => {
                    self.publish(messages.iter().map(Message::reference).collect(), ())
                        .await
                }
            }
        }
        failpoint::pass("ingest::before_answer");
        metrics::DELIVERIES_FILTERED.inc_by((endpoints.len() - goes_to - undecided) as u64);
        metrics::FILTERS_UNDECIDED.inc_by(undecided as u64);
        Ok(Accepted {
            event: id,
            tenant,
            duplicate: false,
            deliveries: goes_to as u32,
            warnings,
        })
    }

    /// Finds the endpoints that get the event, and warnings about its payload. The payload is parsed only if a filter
    /// or a schema needs it.
    async fn fan_out(&self, tenant: TenantId, event: &ValidEvent) -> Result<(Vec<Target>, Vec<String>), Problem> {
        let Dependencies { registry, recorder, .. } = &self.dependencies;
        // In a block, because the view can't be shared between threads and so can't live across an await.
        let (mut warnings, evaluating) = {
            let view = EventView::new(&event.event_type, event.occurred_at, &event.payload);
            let warnings = self.schemas.check(registry, tenant, &event.event_type, &view)?;
            let matching = registry.matching(tenant, &event.event_type);
            (
                warnings,
                self.evaluator
                    .evaluate(tenant, matching, event, &view, recorder.backlogs()),
            )
        };
        let endpoints = evaluating.await?;
        let undecided = endpoints
            .iter()
            .filter(|target| target.state == InitialState::Undecided);
        warnings.extend(undecided.map(|Target { endpoint, .. }| {
            let id = endpoint.id;
            format!(
                "{id} does not get the event: its content filters take too long for this payload (filter_undecided)"
            )
        }));
        Ok((endpoints, warnings))
    }

    /// Publishes messages and waits for that, but not for long: the event is safe already, and a broker that stands
    /// still must not make its publisher wait.
    ///
    /// The reservation of the payload's memory is kept until it is published.
    async fn publish<R: Send + 'static>(&self, messages: Vec<Message>, reservation: R) {
        const LONG: Duration = Duration::from_secs(1);
        let span = trace::within("queue", Kind::Producer);
        trace::note(&span, "messaging.operation.type", || "send");
        trace::note(&span, "messaging.batch.message_count", || messages.len() as i64);
        let publisher = self.publisher.clone();
        let publishing = async move {
            publisher.publish(messages).await;
            drop(reservation);
        };
        // A task of its own, because a caller that goes away must not stop messages half-way.
        let publishing = tokio::spawn(publishing.instrument(span));
        let _ = tokio::time::timeout(LONG, publishing).await;
    }
}

/// Tells if an earlier publisher, which died while it held the key, may have published messages of the event.
#[derive(Clone, Copy)]
enum Published {
    Never,
    Perhaps,
}

/// Outcome of claiming an idempotency key.
enum Ours {
    New(EventId, ClaimToken),
    Known(EventId),
}

fn keys_unavailable(why: &str) -> Problem {
    let detail = format!("idempotency keys can't be checked right now: {why}; try again, or publish without a key");
    Problem::unavailable("idempotency_unavailable", detail).with_retry_after(Duration::from_secs(1))
}

/// Hash of everything that must match for two events to be duplicates: type, payload, and the time if the publisher
/// stated it.
fn fingerprint(event: &ValidEvent) -> [u8; 32] {
    let at = if event.occurred_at_given {
        event.occurred_at.as_nanosecond()
    } else {
        // No time has this value, so a time that was not stated differs from every one that was.
        i128::MIN
    };
    Sha256::new()
        .chain_update(event.event_type.as_str())
        // Ends the type, which can't contain this byte, so that no two events share a text.
        .chain_update([0])
        .chain_update(at.to_be_bytes())
        .chain_update(&event.payload)
        .finalize()
        .into()
}

fn record(
    tenant: TenantId,
    id: EventId,
    event: &ValidEvent,
    accepted_at: Timestamp,
    endpoints: &[Target],
    in_broker: bool,
) -> pb::Record {
    let deliveries = endpoints
        .iter()
        .map(|Target { endpoint, state }| pb::NewDelivery {
            endpoint_id: bytes(endpoint.id.uuid()),
            held: *state == InitialState::Held(HoldReason::EndpointDisabled),
            behind_others: *state == InitialState::Held(HoldReason::EndpointBusy),
            // Who does not know of the second says the first.
            filtered: state.is_over(),
            filter_undecided: *state == InitialState::Undecided,
            subscriptions_unreadable: *state == InitialState::Held(HoldReason::SubscriptionsUnreadable),
        })
        .collect();
    let accepted = pb::EventAccepted {
        event_id: bytes(id.uuid()),
        tenant_id: bytes(tenant.uuid()),
        event_type: event.event_type.as_str().to_owned(),
        occurred_at_us: micros(event.occurred_at),
        accepted_at_us: micros(accepted_at),
        payload: event.payload.clone(),
        idempotency_key: event.idempotency_key.clone().unwrap_or_default(),
        traceparent: event
            .traceparent
            .as_ref()
            .map(|t| t.as_str().to_owned())
            .unwrap_or_default(),
        deliveries,
        not_in_broker: !in_broker,
        test: false,
    };
    pb::Record {
        record: Some(pb::record::Record::Event(accepted)),
        ..pb::Record::default()
    }
}

/// A message for each endpoint that gets the event at once.
fn messages(
    tenant: TenantId,
    id: EventId,
    accepted_at: Timestamp,
    event: ValidEvent,
    endpoints: &[Target],
) -> Vec<Message> {
    let content = Content {
        event_type: event.event_type,
        occurred_at: event.occurred_at,
        accepted_at,
        payload: event.payload,
        traceparent: event.traceparent,
        span: trace::traceparent(&Span::current()).and_then(|span| TraceParent::parse(&span)),
    };
    let at_once = endpoints.iter().filter(|target| target.state == InitialState::AtOnce);
    at_once
        .map(|Target { endpoint, .. }| Message {
            delivery: DeliveryId::derive(id, endpoint.id),
            event: id,
            tenant,
            endpoint: endpoint.id,
            step: Step::FIRST,
            due: None,
            content: Some(content.clone()),
        })
        .collect()
}

fn bytes(uuid: uuid::Uuid) -> Vec<u8> {
    uuid.as_bytes().to_vec()
}
