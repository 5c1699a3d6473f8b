//! gRPC service `tidings.v1.AttemptLogService`.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use tidings_auth::{Access, Caller};
use tidings_domain::{DeliveryId, EventId, Scope, TenantId};
use tidings_proto::pb::attempt_log_service_server::AttemptLogService;
use tidings_proto::{WireError, micros, pb, uuid};
use tidings_service::problem::Problem;
use tidings_service::request::{optional, page_size, required};
use tidings_service::trace::{self, Kind};
use tidings_store::Ledger;
use tidings_store::ledger::{DeliveryQuery, Fetched};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::backlog::Backlog;
use crate::convert::{read_record, show_attempt, show_delivery, show_event, show_summary, show_tally};
use crate::filter::{attempt_query, listed_deliveries, listed_events, spans};
use crate::gone::{Forgetting, Sought};
use crate::lag::Lags;
use crate::reads::Reads;
use crate::rows::Rows;
use crate::tail::{Tail, wanted};
use crate::writer::{Writer, is_refusal};

/// The largest request or answer between roles, bytes: 1000 records with their payloads.
pub(crate) const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// Maximum records or deliveries per internal call.
const MAX_ITEMS: usize = 1_000;

/// The gRPC interface of log.
pub struct Service {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) writer: Writer,
    pub(crate) tail: Tail,
    pub(crate) access: Access,
    pub(crate) grace: Duration,
    pub(crate) backlog: Backlog,
    pub(crate) lags: Lags,
    pub(crate) forgetting: Forgetting,
    pub(crate) reads: Reads,
    pub(crate) shutdown: CancellationToken,
}

impl Service {
    fn internal<T>(&self, request: &Request<T>) -> Result<(), Problem> {
        self.access.caller(request.metadata().as_ref())?.require_internal()
    }

    fn reader<T>(&self, request: &Request<T>) -> Result<Caller, Problem> {
        let caller = self.access.caller(request.metadata().as_ref())?;
        caller.require(Scope::Read)?;
        Ok(caller)
    }
}

#[tonic::async_trait]
impl AttemptLogService for Service {
    async fn record(&self, request: Request<pb::RecordRequest>) -> Result<Response<pb::RecordResponse>, Status> {
        self.internal(&request)?;
        let records = request.into_inner().records;
        check_items(records.len(), "records")?;
        let span = trace::join(
            "commit",
            Kind::Server,
            records.iter().map(|record| record.span.as_str()),
        );
        trace::note(&span, "tidings.records", || records.len() as i64);
        self.lags.count(&records);
        let records = records
            .into_iter()
            .map(|record| read_record(record, self.grace))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Problem::invalid("record_invalid", error.to_string()).at("records"))?;
        let written = self.writer.write(records).instrument(span.clone()).await;
        if written.is_err() {
            trace::fail(&span, "not_committed");
        }
        match written {
            Ok(()) => Ok(Response::new(pb::RecordResponse {
                backlogged_endpoint_ids: self.backlog.endpoint_ids(),
                lags: self.lags.report(),
            })),
            // By this code recorders know that it will never be accepted; after any other they spill the record.
            Err(error) if is_refusal(&error) => Err(Status::failed_precondition(error.to_string())),
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }

    async fn fetch_deliveries(
        &self,
        request: Request<pb::FetchDeliveriesRequest>,
    ) -> Result<Response<pb::FetchDeliveriesResponse>, Status> {
        self.internal(&request)?;
        let pb::FetchDeliveriesRequest { delivery_ids: ids, of } = request.into_inner();
        check_items(ids.len(), "delivery_ids")?;
        let ids = ids
            .iter()
            .map(|id| uuid(id, "delivery_id").map(DeliveryId::from_uuid))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Problem::invalid("delivery_id_invalid", error.to_string()).at("delivery_ids"))?;
        let of = read_of(&of).map_err(|error| Problem::invalid("of_invalid", error.to_string()).at("of"))?;
        let fetched = self.ledger.fetch(&ids).await.map_err(Problem::from)?;
        let sought: Vec<Sought> = ids
            .into_iter()
            .enumerate()
            .map(|(n, id)| (id, of.get(n).copied()))
            .collect();
        let mut gone = self.forgetting.of(&sought, &fetched).await.map_err(Problem::from)?;
        let known = fetched.into_iter().map(|delivery| {
            let why = gone.remove(&delivery.id).unwrap_or_default().to_owned();
            pb::FetchedDelivery {
                gone: why,
                ..show_fetched(delivery)
            }
        });
        let mut deliveries: Vec<_> = known.collect();
        deliveries.extend(gone.into_iter().map(|(id, why)| pb::FetchedDelivery {
            delivery_id: id.uuid().as_bytes().to_vec(),
            gone: why.to_owned(),
            ..pb::FetchedDelivery::default()
        }));
        Ok(Response::new(pb::FetchDeliveriesResponse { deliveries }))
    }

    async fn list_attempts(
        &self,
        request: Request<pb::ListAttemptsRequest>,
    ) -> Result<Response<pb::ListAttemptsResponse>, Status> {
        let caller = self.reader(&request)?;
        let _permit = self.reads.read(&caller).await?;
        let request = request.into_inner();
        let mut query = attempt_query(&caller, &request.filter.unwrap_or_default())?;
        query.before = optional(&request.page_token, "page_token")?;
        query.limit = page_size(request.page_size)?;
        let page = self.ledger.attempts(&query).await.map_err(Problem::from)?;
        Ok(Response::new(pb::ListAttemptsResponse {
            attempts: page.rows.iter().map(show_summary).collect(),
            next_page_token: token(page.next),
        }))
    }

    async fn get_attempt(&self, request: Request<pb::GetAttemptRequest>) -> Result<Response<pb::Attempt>, Status> {
        let caller = self.reader(&request)?;
        let _permit = self.reads.read(&caller).await?;
        let id = required(&request.get_ref().attempt_id, "attempt_id")?;
        let attempt = self.ledger.attempt(id).await.map_err(Problem::from)?;
        // Another tenant's attempt counts as unknown, so that nobody learns that it exists.
        let Some(attempt) = attempt.filter(|attempt| may_see(&caller, attempt.summary.tenant)) else {
            return Err(Problem::not_found("attempt_unknown", format!("there is no attempt {id}")).into());
        };
        let event = self.ledger.event(attempt.summary.event).await.map_err(Problem::from)?;
        let payload = event.map(|(_, payload)| payload).unwrap_or_default();
        Ok(Response::new(show_attempt(&attempt, &payload)))
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let caller = self.reader(&request)?;
        let _permit = self.reads.read(&caller).await?;
        let query = listed_events(&caller, request.into_inner())?;
        let page = self.ledger.events(&query).await.map_err(Problem::from)?;
        let events = page.rows.iter().map(|event| show_event(event, Bytes::new()));
        Ok(Response::new(pb::ListEventsResponse {
            events: events.collect(),
            next_page_token: token(page.next),
        }))
    }

    async fn get_event(&self, request: Request<pb::GetEventRequest>) -> Result<Response<pb::GetEventResponse>, Status> {
        let caller = self.reader(&request)?;
        let _permit = self.reads.read(&caller).await?;
        let id: EventId = required(&request.get_ref().event_id, "event_id")?;
        let event = self.ledger.event(id).await.map_err(Problem::from)?;
        let Some((event, payload)) = event.filter(|(event, _)| may_see(&caller, event.tenant)) else {
            return Err(Problem::not_found("event_unknown", format!("there is no event {id}")).into());
        };
        let query = DeliveryQuery {
            event: Some(id),
            limit: MAX_ITEMS as u32,
            ..DeliveryQuery::default()
        };
        let deliveries = self.ledger.deliveries(&query).await.map_err(Problem::from)?;
        Ok(Response::new(pb::GetEventResponse {
            event: Some(show_event(&event, payload)),
            deliveries: deliveries.rows.iter().map(show_delivery).collect(),
        }))
    }

    async fn list_deliveries(
        &self,
        request: Request<pb::ListDeliveriesRequest>,
    ) -> Result<Response<pb::ListDeliveriesResponse>, Status> {
        let caller = self.reader(&request)?;
        let _permit = self.reads.read(&caller).await?;
        let query = listed_deliveries(&caller, request.into_inner())?;
        let page = self.ledger.deliveries(&query).await.map_err(Problem::from)?;
        Ok(Response::new(pb::ListDeliveriesResponse {
            deliveries: page.rows.iter().map(show_delivery).collect(),
            next_page_token: token(page.next),
        }))
    }

    async fn get_delivery(&self, request: Request<pb::GetDeliveryRequest>) -> Result<Response<pb::Delivery>, Status> {
        let caller = self.reader(&request)?;
        let _permit = self.reads.read(&caller).await?;
        let id = required(&request.get_ref().delivery_id, "delivery_id")?;
        let delivery = self.ledger.delivery(id).await.map_err(Problem::from)?;
        match delivery.filter(|delivery| may_see(&caller, delivery.tenant)) {
            Some(delivery) => Ok(Response::new(show_delivery(&delivery))),
            None => Err(Problem::not_found("delivery_unknown", format!("there is no delivery {id}")).into()),
        }
    }

    async fn count_rows(
        &self,
        request: Request<pb::CountRowsRequest>,
    ) -> Result<Response<pb::CountRowsResponse>, Status> {
        let caller = self.reader(&request)?;
        let rows = Rows::read(&caller, &request.into_inner().rows.unwrap_or_default())?;
        let _permit = self.reads.count(&caller).await?;
        let counted = rows.count(&*self.ledger).await.map_err(Problem::from)?;
        Ok(Response::new(pb::CountRowsResponse {
            rows: counted.rows,
            at_least: counted.at_least,
        }))
    }

    async fn count_attempts(
        &self,
        request: Request<pb::CountAttemptsRequest>,
    ) -> Result<Response<pb::CountAttemptsResponse>, Status> {
        let caller = self.reader(&request)?;
        let request = request.into_inner();
        let query = attempt_query(&caller, &request.filter.unwrap_or_default())?;
        let bounds = spans(&request.bounds)?;
        let _permit = self.reads.read(&caller).await?;
        let tally = self.ledger.tally_attempts(&query, &bounds).await;
        Ok(Response::new(show_tally(&tally.map_err(Problem::from)?)))
    }

    type WatchAttemptsStream = Pin<Box<dyn Stream<Item = Result<pb::WatchAttemptsResponse, Status>> + Send>>;

    async fn watch_attempts(
        &self,
        request: Request<pb::WatchAttemptsRequest>,
    ) -> Result<Response<Self::WatchAttemptsStream>, Status> {
        let caller = self.reader(&request)?;
        let (access, credential) = (
            self.access.clone(),
            self.access.credential(request.metadata().as_ref())?,
        );
        let query = attempt_query(&caller, &request.into_inner().filter.unwrap_or_default())?;
        let mut attempts = self.tail.subscribe();
        let (sender, receiver) = mpsc::channel(64);
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            let mut missed = 0;
            let mut lost = pin!(access.lost(&credential, Scope::Read));
            loop {
                let attempt = tokio::select! {
                    () = sender.closed() => return,
                    () = shutdown.cancelled() => return,
                    refusal = &mut lost => {
                        // A client that takes nothing learns it when the stream ends.
                        let _ = sender.try_send(Err(refusal.into()));
                        return;
                    }
                    attempt = attempts.recv() => attempt,
                };
                match attempt {
                    Ok(attempt) if wanted(&query, &attempt) => {
                        let message = pb::WatchAttemptsResponse {
                            attempt: Some(show_summary(&attempt)),
                            missed,
                        };
                        // A client that takes nothing must not outlive its key.
                        let sent = tokio::select! {
                            sent = sender.send(Ok(message)) => sent,
                            _ = &mut lost => return,
                        };
                        if sent.is_err() {
                            return;
                        }
                        missed = 0;
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(count)) => missed += count,
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn check_items(items: usize, field: &str) -> Result<(), Problem> {
    if items > MAX_ITEMS {
        let detail = format!("{items} {field} in one call; at most {MAX_ITEMS} are accepted");
        return Err(Problem::too_large("too_many_items", detail).at(field));
    }
    Ok(())
}

/// Tells if the caller may learn that an object of this tenant exists.
fn may_see(caller: &Caller, tenant: TenantId) -> bool {
    caller.tenant(Some(tenant)).is_ok()
}

/// Token of the next page; empty at the end.
fn token(next: Option<impl ToString>) -> String {
    next.map(|id| id.to_string()).unwrap_or_default()
}

fn read_of(of: &[pb::DeliveryOf]) -> Result<Vec<(TenantId, EventId)>, WireError> {
    let read = |of: &pb::DeliveryOf| {
        let tenant = TenantId::from_uuid(uuid(&of.tenant_id, "tenant_id")?);
        Ok((tenant, EventId::from_uuid(uuid(&of.event_id, "event_id")?)))
    };
    of.iter().map(read).collect()
}

fn show_fetched(delivery: Fetched) -> pb::FetchedDelivery {
    let known = pb::FetchedDelivery {
        delivery_id: delivery.id.uuid().as_bytes().to_vec(),
        step: delivery.step.number(),
        terminal: delivery.terminal,
        ..pb::FetchedDelivery::default()
    };
    let Some(content) = delivery.content else {
        return known;
    };
    pb::FetchedDelivery {
        event_type: content.event_type.as_str().to_owned(),
        occurred_at_us: micros(content.occurred_at),
        accepted_at_us: micros(content.accepted_at),
        payload: content.payload,
        traceparent: content.traceparent.map(|t| t.as_str().to_owned()).unwrap_or_default(),
        ..known
    }
}
