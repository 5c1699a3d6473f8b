//! gRPC service `tidings.v1.QueueService`: queues for operators.

use std::sync::Arc;

use serde_json::json;
use tidings_auth::{Access, Caller};
use tidings_domain::{AuditEntry, Scope, Timestamp};
use tidings_proto::pb::queue_service_server::QueueService;
use tidings_proto::{pb, timestamp};
use tidings_queue::{Depth, Message, Parked, ParkedKind, ParkedQueue, PublishError, Queue, Selection, Settle};
use tidings_service::auth::{CALLER_ADDRESS, CALLER_AGENT};
use tidings_service::problem::{Kind, Problem};
use tidings_service::request::page_size;
use tidings_store::Registry;
use tonic::{Request, Response, Status};

/// The gRPC face of the queue.
pub struct Service {
    queue: Arc<dyn Queue>,
    registry: Arc<dyn Registry>,
    access: Access,
}

/// Origin of a request: the caller's address and program, as far as they are known.
struct Origin {
    address: Option<String>,
    agent: Option<String>,
}

impl Service {
    pub(crate) fn new(queue: Arc<dyn Queue>, registry: Arc<dyn Registry>, access: Access) -> Self {
        Self {
            queue,
            registry,
            access,
        }
    }

    fn operator<T>(&self, request: &Request<T>, scope: Scope) -> Result<Caller, Problem> {
        let caller = self.access.caller(request.metadata().as_ref())?;
        caller.require_operator()?;
        caller.require(scope)?;
        Ok(caller)
    }

    /// The origin of a request: the peer, or the caller that a trusted peer relays it for.
    fn origin<T>(&self, request: &Request<T>) -> Origin {
        let headers = request.metadata().as_ref();
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        match self.access.is_relayed(headers) {
            true => Origin {
                address: text(CALLER_ADDRESS),
                agent: text(CALLER_AGENT),
            },
            false => Origin {
                address: request.remote_addr().map(|peer| peer.ip().to_string()),
                agent: text("user-agent"),
            },
        }
    }

    /// Puts on the audit record what is about to be done: without the entry nothing is.
    async fn note(
        &self,
        caller: &Caller,
        from: Origin,
        (queue, selection, how): (ParkedQueue, &Selection, Settle),
    ) -> Result<(), Problem> {
        let action = match how {
            Settle::Requeue => "message.requeued",
            Settle::Discard => "message.discarded",
        };
        let name = match queue {
            ParkedQueue::Parked => "parked",
            ParkedQueue::Unrouted => "unrouted",
        };
        let (target, all) = match selection {
            Selection::One(id) => (id.as_str(), false),
            Selection::All => (name, true),
        };
        let after = json!({ "queue": name, "all": all });
        let entry = AuditEntry::new(Timestamp::now(), caller.actor(), action, target)
            .change(None, Some(after))
            .from(from.address, from.agent.as_deref());
        Ok(self.registry.note(&entry).await?)
    }

    async fn settle(
        &self,
        request: Request<pb::SettleParkedRequest>,
        how: Settle,
    ) -> Result<Response<pb::SettleParkedResponse>, Status> {
        let caller = self.operator(&request, Scope::Manage)?;
        let from = self.origin(&request);
        let request = request.into_inner();
        let queue = read_queue(&request.queue)?;
        let selection = match request.which {
            Some(pb::settle_parked_request::Which::Id(id)) => Selection::One(id),
            Some(pb::settle_parked_request::Which::All(true)) => Selection::All,
            _ => return Err(Problem::invalid("which_missing", "name one message by its id, or say all").into()),
        };
        // Before the entry is written: the audit log names no message that is not there.
        if let Selection::One(id) = &selection
            && self
                .queue
                .parked(queue, &selection, 1)
                .await
                .map_err(unavailable)?
                .is_empty()
        {
            return Err(no_such_message(queue, id).into());
        }
        self.note(&caller, from, (queue, &selection, how)).await?;
        let settled = self
            .queue
            .settle_parked(queue, &selection, how)
            .await
            .map_err(unavailable)?;
        if let Selection::One(id) = selection
            && settled.done + settled.refused == 0
        {
            return Err(no_such_message(queue, &id).into());
        }
        tracing::info!(
            queue = queue.as_str(),
            ?how,
            done = settled.done,
            refused = settled.refused,
            "an operator settled parked messages"
        );
        Ok(Response::new(pb::SettleParkedResponse {
            done: settled.done,
            refused: settled.refused,
            refusal: settled.refusal.map(|error| error.to_string()).unwrap_or_default(),
        }))
    }
}

#[tonic::async_trait]
impl QueueService for Service {
    async fn list_queues(
        &self,
        request: Request<pb::ListQueuesRequest>,
    ) -> Result<Response<pb::ListQueuesResponse>, Status> {
        self.operator(&request, Scope::Read)?;
        let depths = self.queue.depths().await.map_err(unavailable)?;
        let trouble = self.queue.trouble();
        let stuck = |name: &str| trouble.stuck.iter().find(|(queue, _)| queue == name);
        let show = |depth: Depth| pb::QueueDepth {
            stuck: stuck(&depth.name).map_or(0, |(_, count)| *count),
            kind: depth.kind().to_owned(),
            name: depth.name,
            ready: depth.ready,
            consumers: depth.consumers,
        };
        Ok(Response::new(pb::ListQueuesResponse {
            queues: depths.into_iter().map(show).collect(),
            canary_missing: trouble.canary_missing,
        }))
    }

    async fn list_parked(
        &self,
        request: Request<pb::ListParkedRequest>,
    ) -> Result<Response<pb::ListParkedResponse>, Status> {
        self.operator(&request, Scope::Read)?;
        let request = request.into_inner();
        let (queue, limit) = (read_queue(&request.queue)?, page_size(request.page_size)?);
        let parked = self.queue.parked(queue, &Selection::All, limit as usize).await;
        let without_body = |parked: &Parked| pb::ParkedMessage {
            body: Default::default(),
            ..show(parked)
        };
        Ok(Response::new(pb::ListParkedResponse {
            messages: parked.map_err(unavailable)?.iter().map(without_body).collect(),
        }))
    }

    async fn get_parked(&self, request: Request<pb::GetParkedRequest>) -> Result<Response<pb::ParkedMessage>, Status> {
        self.operator(&request, Scope::Read)?;
        let request = request.into_inner();
        let queue = read_queue(&request.queue)?;
        let selection = Selection::One(request.id.clone());
        let found = self.queue.parked(queue, &selection, 1).await.map_err(unavailable)?;
        let parked = found.first().ok_or_else(|| no_such_message(queue, &request.id))?;
        Ok(Response::new(show(parked)))
    }

    async fn requeue_parked(
        &self,
        request: Request<pb::SettleParkedRequest>,
    ) -> Result<Response<pb::SettleParkedResponse>, Status> {
        self.settle(request, Settle::Requeue).await
    }

    async fn discard_parked(
        &self,
        request: Request<pb::SettleParkedRequest>,
    ) -> Result<Response<pb::SettleParkedResponse>, Status> {
        self.settle(request, Settle::Discard).await
    }
}

fn read_queue(text: &str) -> Result<ParkedQueue, Problem> {
    match text {
        "" | "parked" => Ok(ParkedQueue::Parked),
        "unrouted" => Ok(ParkedQueue::Unrouted),
        _ => Err(Problem::invalid("queue_unknown", "messages are set aside in `parked` and `unrouted`").at("queue")),
    }
}

fn show(parked: &Parked) -> pb::ParkedMessage {
    let shown = pb::ParkedMessage {
        id: parked.id.clone(),
        reason: parked.reason.clone(),
        parked_at: parked.parked_at.map(timestamp),
        kind: parked.kind.as_str().to_owned(),
        size: parked.body.len() as u64,
        body: parked.body.clone(),
        ..Default::default()
    };
    match Message::decode(parked.body.clone()) {
        Ok(message) if parked.kind == ParkedKind::Delivery => pb::ParkedMessage {
            delivery_id: message.delivery.to_string(),
            event_id: message.event.to_string(),
            tenant_id: message.tenant.to_string(),
            endpoint_id: message.endpoint.to_string(),
            attempt: message.step.attempt(),
            ..shown
        },
        _ => shown,
    }
}

fn unavailable(error: PublishError) -> Problem {
    Problem::new(Kind::Unavailable, "queue_unavailable", error.to_string())
}

fn no_such_message(queue: ParkedQueue, id: &str) -> Problem {
    let detail = format!(
        "there is no message {id} in {}, or somebody else is reading it: try again in a moment",
        queue.as_str()
    );
    Problem::not_found("message_unknown", detail).at("id")
}
