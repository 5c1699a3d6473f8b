//! `tidings.v1.ReplayService`, `tidings.v1.ExplainService` and `tidings.v1.ErasureService`.

use std::sync::Arc;

use tidings_domain::Scope;
use tidings_proto::pb;
use tidings_proto::pb::erasure_service_server::ErasureService;
use tidings_proto::pb::explain_service_server::ExplainService;
use tidings_proto::pb::replay_service_server::ReplayService;
use tidings_service::problem::Problem;
use tidings_service::request::{next_page, optional, page_size, required};
use tonic::{Request, Response, Status};

use super::call;
use crate::call::Callers;
use crate::erasures::Erasures;
use crate::explain::Explainer;
use crate::messages::asked::{missing, time};
use crate::messages::{explained, jobs, rows};
use crate::replays::{NewReplay, Replays};

pub struct ReplayGrpc {
    pub(crate) replays: Arc<Replays>,
    pub(crate) callers: Callers,
}

pub struct ExplainGrpc {
    pub(crate) explainer: Arc<Explainer>,
    pub(crate) callers: Callers,
}

pub struct ErasureGrpc {
    pub(crate) erasures: Arc<Erasures>,
    pub(crate) callers: Callers,
}

#[tonic::async_trait]
impl ReplayService for ReplayGrpc {
    async fn preview_replay(
        &self,
        request: Request<pb::PreviewReplayRequest>,
    ) -> Result<Response<pb::PreviewReplayResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let rows = rows::read(request.into_inner().rows.ok_or_else(|| missing("rows"))?)?;
        let counted = self.replays.preview(&call, &rows).await?;
        Ok(Response::new(pb::PreviewReplayResponse {
            rows: counted.rows,
            at_least: counted.at_least,
        }))
    }

    async fn create_replay(&self, request: Request<pb::CreateReplayRequest>) -> Result<Response<pb::Replay>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let new = NewReplay {
            rows: rows::read(request.rows.ok_or_else(|| missing("rows"))?)?,
            to: optional(&request.endpoint_id, "endpoint_id")?,
            only_undelivered: request.only_undelivered,
            per_second: request.per_second,
        };
        let replay = self.replays.create(&call, new).await?;
        Ok(Response::new(jobs::replay(&replay)))
    }

    async fn recover_endpoint(
        &self,
        request: Request<pb::RecoverEndpointRequest>,
    ) -> Result<Response<pb::Replay>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let endpoint = required(&request.endpoint_id, "endpoint_id")?;
        let since = time(request.since.as_ref(), "since")?;
        let until = time(request.until.as_ref(), "until")?;
        let replay = self
            .replays
            .recover(&call, endpoint, since, until, request.per_second)
            .await?;
        Ok(Response::new(jobs::replay(&replay)))
    }

    async fn get_replay(&self, request: Request<pb::GetReplayRequest>) -> Result<Response<pb::Replay>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().replay_id, "replay_id")?;
        let replay = self.replays.get(&call, id).await?;
        Ok(Response::new(jobs::replay(&replay)))
    }

    async fn list_replays(
        &self,
        request: Request<pb::ListReplaysRequest>,
    ) -> Result<Response<pb::ListReplaysResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let tenant = optional(&request.tenant_id, "tenant_id")?;
        let (before, limit) = (
            optional(&request.page_token, "page_token")?,
            page_size(request.page_size)?,
        );
        let replays = self.replays.list(&call, tenant, before, limit).await?;
        Ok(Response::new(pb::ListReplaysResponse {
            next_page_token: next_page(&replays, limit, |replay| replay.id.to_string()),
            replays: replays.iter().map(jobs::replay).collect(),
        }))
    }

    async fn pause_replay(&self, request: Request<pb::PauseReplayRequest>) -> Result<Response<pb::Replay>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().replay_id, "replay_id")?;
        let replay = self.replays.pause(&call, id).await?;
        Ok(Response::new(jobs::replay(&replay)))
    }

    async fn resume_replay(&self, request: Request<pb::ResumeReplayRequest>) -> Result<Response<pb::Replay>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().replay_id, "replay_id")?;
        let replay = self.replays.resume(&call, id).await?;
        Ok(Response::new(jobs::replay(&replay)))
    }

    async fn cancel_replay(&self, request: Request<pb::CancelReplayRequest>) -> Result<Response<pb::Replay>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().replay_id, "replay_id")?;
        let replay = self.replays.cancel(&call, id).await?;
        Ok(Response::new(jobs::replay(&replay)))
    }

    async fn retry_delivery(
        &self,
        request: Request<pb::RetryDeliveryRequest>,
    ) -> Result<Response<pb::RetryDeliveryResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().delivery_id, "delivery_id")?;
        let retried = self.replays.retry(&call, id).await?;
        Ok(Response::new(pb::RetryDeliveryResponse {
            delivery_id: retried.delivery.to_string(),
            result: retried.result.to_owned(),
            note: retried.note.to_owned(),
        }))
    }
}

#[tonic::async_trait]
impl ExplainService for ExplainGrpc {
    async fn explain_delivery(
        &self,
        request: Request<pb::ExplainDeliveryRequest>,
    ) -> Result<Response<pb::DeliveryExplanation>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().delivery_id, "delivery_id")?;
        let explained = self.explainer.delivery(&call, id).await?;
        Ok(Response::new(explained::delivery(explained)))
    }

    async fn explain_event(
        &self,
        request: Request<pb::ExplainEventRequest>,
    ) -> Result<Response<pb::EventExplanation>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().event_id, "event_id")?;
        let explained = self.explainer.event(&call, id).await?;
        Ok(Response::new(explained::event(explained)))
    }
}

#[tonic::async_trait]
impl ErasureService for ErasureGrpc {
    async fn create_erasure(
        &self,
        request: Request<pb::CreateErasureRequest>,
    ) -> Result<Response<pb::Erasure>, Status> {
        let call = call(&self.callers, &request)?;
        call.require(Scope::Manage)?;
        let request = request.into_inner();
        let event = optional(&request.event_id, "event_id")?;
        let tenant = optional(&request.tenant_id, "tenant_id")?;
        let erasure = match (event, tenant) {
            (Some(event), None) => self.erasures.of_event(&call, event).await?,
            (None, Some(tenant)) => self.erasures.of_tenant(&call, tenant).await?,
            _ => {
                let detail = "name what to erase: one event, or everything of one tenant";
                return Err(Problem::invalid("target_ambiguous", detail).at("event_id").into());
            }
        };
        Ok(Response::new(jobs::erasure(&erasure)))
    }

    async fn get_erasure(&self, request: Request<pb::GetErasureRequest>) -> Result<Response<pb::Erasure>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().erasure_id, "erasure_id")?;
        let erasure = self.erasures.get(&call, id).await?;
        Ok(Response::new(jobs::erasure(&erasure)))
    }

    async fn list_erasures(
        &self,
        request: Request<pb::ListErasuresRequest>,
    ) -> Result<Response<pb::ListErasuresResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let tenant = optional(&request.tenant_id, "tenant_id")?;
        let (before, limit) = (
            optional(&request.page_token, "page_token")?,
            page_size(request.page_size)?,
        );
        let erasures = self.erasures.list(&call, tenant, before, limit).await?;
        Ok(Response::new(pb::ListErasuresResponse {
            next_page_token: next_page(&erasures, limit, |erasure| erasure.id.to_string()),
            erasures: erasures.iter().map(jobs::erasure).collect(),
        }))
    }
}
