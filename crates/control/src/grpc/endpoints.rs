//! `tidings.v1.EndpointService`: endpoints over gRPC.

use std::sync::Arc;

use tidings_proto::pb;
use tidings_proto::pb::endpoint_service_server::EndpointService;
use tidings_service::request::{next_page, optional, page_size};
use tidings_store::registry::EndpointQuery;
use tonic::{Request, Response, Status};

use super::call;
use crate::call::Callers;
use crate::dispatchers::DispatcherClient;
use crate::endpoints::{EndpointChange, Endpoints};
use crate::filters::{Filters, Trial, TriedSubscription};
use crate::messages::asked::{self, endpoint_id, missing};
use crate::messages::records::show_attempt_in_full;
use crate::messages::shown::{created, revealed, rotated, show};
use crate::precondition::Precondition;
use crate::send_test;

pub struct EndpointGrpc {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) filters: Arc<Filters>,
    pub(crate) dispatchers: DispatcherClient,
    pub(crate) callers: Callers,
}

impl EndpointGrpc {
    async fn switch<T>(
        &self,
        request: &Request<T>,
        id: &str,
        on: bool,
        cancel_held: bool,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let call = call(&self.callers, request)?;
        let change = EndpointChange {
            enabled: Some(on),
            cancel_held,
            ..EndpointChange::default()
        };
        let endpoint = self.endpoints.update(&call, endpoint_id(id)?, change).await?;
        Ok(Response::new(show(&endpoint, &self.endpoints.dialects)))
    }
}

#[tonic::async_trait]
impl EndpointService for EndpointGrpc {
    async fn create_endpoint(
        &self,
        request: Request<pb::CreateEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let asked = request.endpoint.ok_or_else(|| missing("endpoint"))?;
        let new = asked::new_endpoint(asked, !request.disabled)?;
        let endpoint = self.endpoints.create(&call, new).await?;
        Ok(Response::new(created(&endpoint, &self.endpoints.dialects)))
    }

    async fn get_endpoint(&self, request: Request<pb::GetEndpointRequest>) -> Result<Response<pb::Endpoint>, Status> {
        let call = call(&self.callers, &request)?;
        let endpoint = self
            .endpoints
            .get(&call, endpoint_id(&request.get_ref().endpoint_id)?)
            .await?;
        Ok(Response::new(show(&endpoint, &self.endpoints.dialects)))
    }

    async fn list_endpoints(
        &self,
        request: Request<pb::ListEndpointsRequest>,
    ) -> Result<Response<pb::ListEndpointsResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let limit = page_size(request.page_size)?;
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        let query = EndpointQuery {
            tenant: optional(&request.tenant_id, "tenant_id")?,
            state: text(request.state).as_deref().map(asked::state).transpose()?,
            host: text(request.host),
            dialect: text(request.dialect),
            before: optional(&request.page_token, "page_token")?,
            limit,
        };
        let endpoints = self.endpoints.search(&call, query).await?;
        let next_page_token = next_page(&endpoints, limit, |endpoint| endpoint.id.to_string());
        let endpoints = endpoints
            .iter()
            .map(|endpoint| show(endpoint, &self.endpoints.dialects))
            .collect();
        Ok(Response::new(pb::ListEndpointsResponse {
            endpoints,
            next_page_token,
        }))
    }

    async fn update_endpoint(
        &self,
        request: Request<pb::UpdateEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let asked = request.endpoint.ok_or_else(|| missing("endpoint"))?;
        let id = endpoint_id(&asked.id)?;
        let mask = request.update_mask.ok_or_else(|| missing("update_mask"))?;
        let change = asked::change(&asked, &mask.paths)?;
        let endpoint = self.endpoints.update(&call, id, change).await?;
        Ok(Response::new(show(&endpoint, &self.endpoints.dialects)))
    }

    async fn delete_endpoint(
        &self,
        request: Request<pb::DeleteEndpointRequest>,
    ) -> Result<Response<pb::DeleteEndpointResponse>, Status> {
        let call = call(&self.callers, &request)?;
        self.endpoints
            .delete(&call, endpoint_id(&request.get_ref().endpoint_id)?, &Precondition::Any)
            .await?;
        Ok(Response::new(pb::DeleteEndpointResponse {}))
    }

    async fn enable_endpoint(
        &self,
        request: Request<pb::EnableEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        let cancel_held = request.get_ref().held() == pb::Held::Cancel;
        self.switch(&request, &request.get_ref().endpoint_id, true, cancel_held)
            .await
    }

    async fn disable_endpoint(
        &self,
        request: Request<pb::DisableEndpointRequest>,
    ) -> Result<Response<pb::Endpoint>, Status> {
        self.switch(&request, &request.get_ref().endpoint_id, false, false)
            .await
    }

    async fn rotate_endpoint_secret(
        &self,
        request: Request<pb::RotateEndpointSecretRequest>,
    ) -> Result<Response<pb::RotateEndpointSecretResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let id = endpoint_id(&request.endpoint_id)?;
        let (secret, overlap) = asked::rotation(&request)?;
        let endpoint = self.endpoints.rotate_secret(&call, id, secret, overlap).await?;
        Ok(Response::new(rotated(&endpoint, &self.endpoints.dialects)))
    }

    async fn send_test(&self, request: Request<pb::SendTestRequest>) -> Result<Response<pb::SendTestResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let id = endpoint_id(&request.endpoint_id)?;
        let (event_type, payload) = (request.event_type, request.payload);
        let sent = send_test::send(&self.endpoints, &self.dispatchers, &call, id, event_type, payload).await?;
        Ok(Response::new(pb::SendTestResponse {
            attempt: Some(show_attempt_in_full(sent)),
        }))
    }

    async fn try_filter(
        &self,
        request: Request<pb::TryFilterRequest>,
    ) -> Result<Response<pb::TryFilterResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let trial = Trial {
            filter: Some(request.filter).filter(|filter| !filter.is_empty()),
            event_type: request.event_type,
            payload: request.payload,
            event_id: request.event_id,
        };
        let tried = self
            .filters
            .try_out(&call, endpoint_id(&request.endpoint_id)?, trial)
            .await?;
        Ok(Response::new(pb::TryFilterResponse {
            matched: tried.matched,
            error: tried.error.unwrap_or_default(),
            event_type: tried.event_type.to_string(),
            subscriptions: tried.subscriptions.into_iter().map(show_tried).collect(),
        }))
    }

    async fn get_endpoint_secret(
        &self,
        request: Request<pb::GetEndpointSecretRequest>,
    ) -> Result<Response<pb::GetEndpointSecretResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let secret = self
            .endpoints
            .secret(&call, endpoint_id(&request.get_ref().endpoint_id)?)
            .await?;
        Ok(Response::new(pb::GetEndpointSecretResponse {
            secret: revealed(secret.as_ref()),
        }))
    }
}

fn show_tried(tried: TriedSubscription) -> pb::TriedSubscription {
    pb::TriedSubscription {
        pattern: tried.subscription.pattern.to_string(),
        disabled: !tried.subscription.enabled,
        filter: tried.subscription.filter.unwrap_or_default(),
        type_matched: tried.type_matched,
        filter_matched: tried.filter_matched,
        error: tried.error.unwrap_or_default(),
    }
}
