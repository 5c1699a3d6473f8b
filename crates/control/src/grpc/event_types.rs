//! `tidings.v1.EventTypeService`: the catalogue over gRPC.

use std::sync::Arc;

use tidings_domain::EventTypeVersion;
use tidings_proto::pb::event_type_service_server::EventTypeService;
use tidings_proto::{pb, timestamp};
use tidings_service::request::{next_page, optional, page_size};
use tonic::{Request, Response, Status};

use super::call;
use crate::call::Callers;
use crate::event_types::{EventTypes, named, unknown};

pub struct EventTypeGrpc {
    pub(crate) event_types: Arc<EventTypes>,
    pub(crate) callers: Callers,
}

#[tonic::async_trait]
impl EventTypeService for EventTypeGrpc {
    async fn create_event_type_version(
        &self,
        request: Request<pb::CreateEventTypeVersionRequest>,
    ) -> Result<Response<pb::EventTypeVersion>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let name = named(&request.name, "name")?;
        let schema = Some(request.schema).filter(|schema| !schema.is_empty());
        let added = self.event_types.add(&call, name, &request.description, schema).await?;
        Ok(Response::new(show(added)))
    }

    async fn list_event_types(
        &self,
        request: Request<pb::ListEventTypesRequest>,
    ) -> Result<Response<pb::ListEventTypesResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let limit = page_size(request.page_size)?;
        let after = optional(&request.page_token, "page_token")?;
        let versions = self.event_types.list(&call, after, limit).await?;
        let next_page_token = next_page(&versions, limit, |version| version.event_type.to_string());
        Ok(Response::new(pb::ListEventTypesResponse {
            event_types: versions.into_iter().map(show).collect(),
            next_page_token,
        }))
    }

    async fn get_event_type(
        &self,
        request: Request<pb::GetEventTypeRequest>,
    ) -> Result<Response<pb::GetEventTypeResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let name = named(&request.get_ref().name, "name")?;
        let versions = self.event_types.versions(&call, &name).await?;
        if versions.is_empty() {
            return Err(unknown(&name).into());
        }
        Ok(Response::new(pb::GetEventTypeResponse {
            versions: versions.into_iter().map(show).collect(),
        }))
    }

    async fn delete_event_type(
        &self,
        request: Request<pb::DeleteEventTypeRequest>,
    ) -> Result<Response<pb::DeleteEventTypeResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let name = named(&request.get_ref().name, "name")?;
        self.event_types.delete(&call, &name).await?;
        Ok(Response::new(pb::DeleteEventTypeResponse {}))
    }
}

fn show(version: EventTypeVersion) -> pb::EventTypeVersion {
    pb::EventTypeVersion {
        name: version.event_type.to_string(),
        version: version.version,
        description: version.description,
        schema: version.schema.unwrap_or_default(),
        created_at: Some(timestamp(version.created_at)),
    }
}
