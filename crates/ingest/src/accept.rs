//! Accepting an event (guarantees G1 and G10).
//!
//! The record of the event, which names its deliveries, is what makes it durable: in the ledger, or in the
//! records queue on its way there. Its messages are published after that, so that nothing is ever sent of an event
//! that was refused, and whoever holds a message will find its event on record.

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

use crate::judge::Judge;
use crate::metrics::Transport;
use crate::publish::Publisher;
use crate::room::Room;
use crate::schemas::Schemas;
use crate::share::Shares;
use crate::validate::{Draft, ValidEvent, validate};
use crate::wanting::{Start, Wanting};
use crate::{Config, Parts, metrics};

/// The code of the problem of an idempotency key that stands for another event.
pub(crate) const KEY_REUSED: &str = "idempotency_key_reused";

/// Accepts events.
pub(crate) struct Acceptor {
    pub(crate) config: Config,
    parts: Parts,
    publisher: Arc<Publisher>,
    judge: Judge,
    schemas: Schemas,
    room: Room,
}

/// An event that is durable.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) event: EventId,
    pub(crate) duplicate: bool,
    pub(crate) deliveries: u32,
    /// In what its payload is not as its tenant wants it to be, and which endpoints' filters did not decide.
    pub(crate) warnings: Vec<String>,
}

impl Acceptor {
    pub(crate) fn new(config: Config, parts: Parts) -> Self {
        let publisher = Arc::new(Publisher {
            queue: parts.queue.clone(),
            recorder: parts.recorder.clone(),
            registry: parts.registry.clone(),
            shares: Shares::new(config.live_per_second, config.live_burst),
            shards: parts.shards,
        });
        Self {
            judge: Judge::new(config.max_in_flight / 4),
            room: Room::new(config.max_in_flight),
            config,
            parts,
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
        result
    }

    async fn try_accept(&self, caller: &Caller, draft: Draft) -> Result<Accepted, Problem> {
        let tenant = self.tenant(caller, draft.tenant)?;
        let event = validate(draft, &self.config, Timestamp::now())?;
        let room = self.room.take(event.payload.len()).await;
        let accepted_at = Timestamp::now();
        match event.idempotency_key.clone() {
            None => {
                let id = EventId::at(accepted_at);
                self.make_durable(tenant, id, accepted_at, event, Published::Never, room)
                    .await
            }
            Some(key) => self.accept_once(tenant, &key, accepted_at, event, room).await,
        }
    }

    fn tenant(&self, caller: &Caller, requested: Option<TenantId>) -> Result<TenantId, Problem> {
        let Some(tenant) = caller.tenant(requested)? else {
            let detail = "an operator's key publishes for any tenant: name one";
            return Err(Problem::invalid("tenant_missing", detail).at("tenant_id"));
        };
        if self.parts.registry.tenant(tenant).is_none() {
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
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Accepted, Problem> {
        let fingerprint = fingerprint(&event);
        let new_id = EventId::at(accepted_at);
        let (id, token) = match self.claim(tenant, key, fingerprint, new_id).await? {
            Ours::New(id, token) => (id, token),
            Ours::Known(event) => {
                return Ok(Accepted {
                    event,
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
        let accepted = self.make_durable(tenant, id, accepted_at, event, published, room).await;
        let settled = match &accepted {
            Ok(_) => self.parts.idempotency.settle(tenant, key, token).await,
            Err(_) => self.parts.idempotency.release(tenant, key, token).await,
        };
        if let Err(error) = settled {
            // The claim goes stale by itself; whoever takes it over publishes the same event id again, and the
            // ledger knows that one.
            tracing::warn!(%tenant, event = %id, %error, "an idempotency key could not be settled");
        }
        accepted
    }

    /// Claims a key for an event, waiting for another publish that holds it.
    async fn claim(&self, tenant: TenantId, key: &str, fingerprint: [u8; 32], id: EventId) -> Result<Ours, Problem> {
        const POLL: Duration = Duration::from_millis(50);
        let lease = self.config.idempotency_lease;
        let give_up = Instant::now() + lease + lease / 2;
        loop {
            let claim = self.parts.idempotency.claim(tenant, key, fingerprint, id, lease).await;
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
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Accepted, Problem> {
        let (endpoints, warnings) = self.judge(tenant, &event).await?;
        let count = |is: fn(Start) -> bool| endpoints.iter().filter(|wanting| is(wanting.start)).count();
        let (goes_to, undecided) = (
            count(|start| !start.is_over()),
            count(|start| start == Start::Undecided),
        );
        let queue_is_there = self.parts.queue.available();
        let record = record(tenant, id, &event, accepted_at, &endpoints, queue_is_there);
        match self.parts.recorder.record(record).await {
            Ok(Durable::InLedger) => {}
            Ok(Durable::Spilled) => metrics::ACCEPTED_SPILLED.inc(),
            Err(RecordError::Refused(reason)) => {
                tracing::error!(%tenant, reason, "an event's record was refused, and so is the event");
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
            let more_room = match published {
                Published::Never => self.room.for_copies(payload, messages.len()),
                // A reference is checked against the ledger before anything is sent.
                Published::Perhaps => None,
            };
            match more_room {
                Some(more_room) => self.publish(messages, (room, more_room)).await,
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
            duplicate: false,
            deliveries: goes_to as u32,
            warnings,
        })
    }

    /// Who wants the event, and in what its payload is not as its tenant wants it to be. The payload is read for that only
    /// where there is a filter or a schema to read it for.
    async fn judge(&self, tenant: TenantId, event: &ValidEvent) -> Result<(Vec<Wanting>, Vec<String>), Problem> {
        let Parts { registry, recorder, .. } = &self.parts;
        let (mut warnings, judging) = {
            let view = EventView::new(&event.event_type, event.occurred_at, &event.payload);
            let warnings = self.schemas.check(registry, tenant, &event.event_type, &view)?;
            let matching = registry.matching(tenant, &event.event_type);
            (
                warnings,
                self.judge.judge(tenant, matching, event, &view, recorder.backlogs()),
            )
        };
        let endpoints = judging.await?;
        let undecided = endpoints.iter().filter(|wanting| wanting.start == Start::Undecided);
        warnings.extend(undecided.map(|Wanting { endpoint, .. }| {
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
    /// The room that the payload takes is taken as long as it is published.
    async fn publish<R: Send + 'static>(&self, messages: Vec<Message>, room: R) {
        const LONG: Duration = Duration::from_secs(1);
        let span = trace::within("queue", Kind::Producer);
        trace::note(&span, "messaging.operation.type", || "send");
        trace::note(&span, "messaging.batch.message_count", || messages.len() as i64);
        let publisher = self.publisher.clone();
        let publishing = async move {
            publisher.publish(messages).await;
            drop(room);
        };
        let publishing = tokio::spawn(publishing.instrument(span));
        let _ = tokio::time::timeout(LONG, publishing).await;
    }
}

/// Whether messages of an event may have been published before, by somebody who died with its key.
#[derive(Clone, Copy)]
enum Published {
    Never,
    Perhaps,
}

/// A claimed key.
enum Ours {
    New(EventId, ClaimToken),
    Known(EventId),
}

fn keys_unavailable(why: &str) -> Problem {
    let detail = format!("idempotency keys can't be checked right now: {why}; try again, or publish without a key");
    Problem::unavailable("idempotency_unavailable", detail).with_retry_after(Duration::from_secs(1))
}

/// What must be the same for two events to be one: type, payload, and the time if the publisher gave it.
fn fingerprint(event: &ValidEvent) -> [u8; 32] {
    let at = if event.occurred_at_given {
        event.occurred_at.as_nanosecond()
    } else {
        i128::MIN
    };
    Sha256::new()
        .chain_update(event.event_type.as_str())
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
    endpoints: &[Wanting],
    in_broker: bool,
) -> pb::Record {
    let deliveries = endpoints
        .iter()
        .map(|Wanting { endpoint, start }| pb::NewDelivery {
            endpoint_id: bytes(endpoint.id.uuid()),
            held: *start == Start::Held(HoldReason::EndpointDisabled),
            behind_others: *start == Start::Held(HoldReason::EndpointBusy),
            // Who does not know of the second says the first.
            filtered: start.is_over(),
            filter_undecided: *start == Start::Undecided,
            subscriptions_unreadable: *start == Start::Held(HoldReason::SubscriptionsUnreadable),
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
    endpoints: &[Wanting],
) -> Vec<Message> {
    let content = Content {
        event_type: event.event_type,
        occurred_at: event.occurred_at,
        accepted_at,
        payload: event.payload,
        traceparent: event.traceparent,
        span: trace::traceparent(&Span::current()).and_then(|span| TraceParent::parse(&span)),
    };
    let at_once = endpoints.iter().filter(|wanting| wanting.start == Start::AtOnce);
    at_once
        .map(|Wanting { endpoint, .. }| Message {
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
