//! Accepting an event (guarantees G1 and G10).
//!
//! The record of the event, which names its deliveries, is what makes it durable: in the ledger, or in the
//! records queue on its way there. The messages to the lanes are the fast path; a message that could not be
//! published is published by the sweeper, which finds its delivery overdue in the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tidings_domain::{DeliveryId, Endpoint, EventId, Step, TenantId, Timestamp};
use tidings_proto::{micros, pb};
use tidings_queue::message::Content;
use tidings_queue::{Message, Outgoing, Route};
use tidings_recorder::Durable;
use tidings_service::problem::Problem;
use tidings_store::access::no_such_tenant;
use tidings_store::{Caller, Claim};
use tokio::sync::Semaphore;

use crate::validate::{Draft, ValidEvent, validate};
use crate::{Config, Parts, metrics};

/// Accepts events.
pub(crate) struct Acceptor {
    pub(crate) config: Config,
    parts: Parts,
    /// One permit per KiB of payload under way.
    room: Arc<Semaphore>,
}

/// An event that is durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted {
    pub(crate) event: EventId,
    pub(crate) duplicate: bool,
    pub(crate) deliveries: u32,
}

impl Acceptor {
    pub(crate) fn new(config: Config, parts: Parts) -> Self {
        let room = Arc::new(Semaphore::new(config.max_in_flight.div_ceil(1024)));
        Self { config, parts, room }
    }

    /// Accepts an event or says why not.
    pub(crate) async fn accept(&self, caller: &Caller, draft: Draft) -> Result<Accepted, Problem> {
        let started = Instant::now();
        let result = self.try_accept(caller, draft).await;
        match &result {
            Ok(accepted) if accepted.duplicate => metrics::EVENTS.with_label_values(&["duplicate"]).inc(),
            Ok(accepted) => {
                metrics::EVENTS.with_label_values(&["accepted"]).inc();
                metrics::DELIVERIES_CREATED.inc_by(u64::from(accepted.deliveries));
                metrics::PUBLISH_SECONDS.observe(started.elapsed().as_secs_f64());
            }
            Err(problem) => metrics::EVENTS.with_label_values(&[problem.code]).inc(),
        }
        result
    }

    async fn try_accept(&self, caller: &Caller, draft: Draft) -> Result<Accepted, Problem> {
        let tenant = self.tenant(caller, draft.tenant)?;
        let event = validate(draft, &self.config, Timestamp::now())?;
        let kib = u32::try_from(event.payload.len().div_ceil(1024)).unwrap_or(u32::MAX);
        let _room = self.room.acquire_many(kib).await;
        let accepted_at = Timestamp::now();
        match event.idempotency_key.clone() {
            None => {
                self.make_durable(tenant, EventId::at(accepted_at), accepted_at, event)
                    .await
            }
            Some(key) => self.accept_once(tenant, &key, accepted_at, event).await,
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
    ) -> Result<Accepted, Problem> {
        let fingerprint = fingerprint(&event);
        let id = match self.claim(tenant, key, fingerprint, EventId::at(accepted_at)).await? {
            Ours::New(id) => id,
            Ours::Known(event) => {
                return Ok(Accepted {
                    event,
                    duplicate: true,
                    deliveries: 0,
                });
            }
        };
        let accepted = self.make_durable(tenant, id, accepted_at, event).await;
        let settled = match &accepted {
            Ok(_) => self.parts.idempotency.settle(tenant, key, id).await,
            Err(_) => self.parts.idempotency.release(tenant, key, id).await,
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
                Claim::Claimed(id) => return Ok(Ours::New(id)),
                Claim::Duplicate(id) => return Ok(Ours::Known(id)),
                Claim::OtherContent(id) => {
                    let detail =
                        format!("this idempotency key was used for {id}, which has another type, time or payload");
                    return Err(Problem::conflict("idempotency_key_reused", detail).at("idempotency_key"));
                }
                Claim::InFlight(_) if Instant::now() > give_up => {
                    return Err(keys_unavailable("another publish holds the key"));
                }
                Claim::InFlight(left) => tokio::time::sleep(left.clamp(Duration::from_millis(1), POLL)).await,
            }
        }
    }

    /// Records the event and publishes its deliveries, at the same time.
    async fn make_durable(
        &self,
        tenant: TenantId,
        id: EventId,
        accepted_at: Timestamp,
        event: ValidEvent,
    ) -> Result<Accepted, Problem> {
        let endpoints = self.parts.registry.matching(tenant, &event.event_type);
        let record = record(tenant, id, &event, accepted_at, &endpoints);
        let content = Content {
            event_type: event.event_type,
            occurred_at: event.occurred_at,
            accepted_at,
            payload: event.payload,
            traceparent: event.traceparent,
        };
        let publishes = endpoints.iter().filter(|endpoint| endpoint.enabled).map(|endpoint| {
            let message = Message {
                delivery: DeliveryId::derive(id, endpoint.id),
                event: id,
                tenant,
                endpoint: endpoint.id,
                step: Step::FIRST,
                due: None,
                content: Some(content.clone()),
            };
            let to = Route::Work(message.lane(self.parts.shards));
            self.parts.queue.publish(Outgoing {
                to,
                body: message.encode(),
            })
        });
        let (recorded, published) =
            tokio::join!(self.parts.recorder.record(record), futures::future::join_all(publishes));

        for error in published.iter().filter_map(|result| result.as_ref().err()) {
            metrics::LEFT_TO_SWEEPER.inc();
            tracing::debug!(event = %id, %error, "a delivery is left to the sweeper");
        }
        match recorded {
            Ok(durable) => {
                if durable == Durable::Spilled {
                    metrics::ACCEPTED_SPILLED.inc();
                }
                Ok(Accepted {
                    event: id,
                    duplicate: false,
                    deliveries: endpoints.len() as u32,
                })
            }
            Err(error) => {
                let detail = format!("the event could not be made durable, publish it again: {error}");
                Err(Problem::unavailable("not_durable", detail).with_retry_after(Duration::from_secs(1)))
            }
        }
    }
}

/// A claimed key.
enum Ours {
    New(EventId),
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
    endpoints: &[Arc<Endpoint>],
) -> pb::Record {
    let bytes = |uuid: uuid::Uuid| uuid.as_bytes().to_vec();
    let deliveries = endpoints
        .iter()
        .map(|endpoint| pb::NewDelivery {
            endpoint_id: bytes(endpoint.id.uuid()),
            held: !endpoint.enabled,
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
    };
    pb::Record {
        record: Some(pb::record::Record::Event(accepted)),
    }
}
