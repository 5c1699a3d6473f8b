//! `tidings.v1.TenantService`.

use std::sync::Arc;

use tidings_domain::{ApiKey, Tenant, Timestamp};
use tidings_proto::pb::tenant_service_server::TenantService;
use tidings_proto::{pb, timestamp, timestamp_from};
use tidings_service::problem::Problem;
use tidings_service::request::{next_page, optional, page_size, required};
use tidings_store::Access;
use tonic::{Request, Response, Status};

use super::caller;
use crate::tenants::{Tenants, read_scopes};

/// The gRPC face of [`Tenants`].
pub struct TenantFace {
    tenants: Arc<Tenants>,
    access: Access,
}

impl TenantFace {
    pub(crate) fn new(tenants: Arc<Tenants>, access: Access) -> Self {
        Self { tenants, access }
    }
}

#[tonic::async_trait]
impl TenantService for TenantFace {
    async fn create_tenant(
        &self,
        request: Request<pb::CreateTenantRequest>,
    ) -> Result<Response<pb::CreateTenantResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        let (tenant, key, token) = self.tenants.create(&caller, &request.get_ref().name).await?;
        Ok(Response::new(pb::CreateTenantResponse {
            tenant: Some(show_tenant(&tenant)),
            key: Some(show_key(&key)),
            token: token.reveal().to_owned(),
        }))
    }

    async fn get_tenant(&self, request: Request<pb::GetTenantRequest>) -> Result<Response<pb::Tenant>, Status> {
        let caller = caller(&self.access, &request)?;
        let id = required(&request.get_ref().tenant_id, "tenant_id")?;
        Ok(Response::new(show_tenant(&self.tenants.get(&caller, id).await?)))
    }

    async fn list_tenants(
        &self,
        request: Request<pb::ListTenantsRequest>,
    ) -> Result<Response<pb::ListTenantsResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        let request = request.into_inner();
        let limit = page_size(request.page_size)?;
        let tenants = self
            .tenants
            .list(&caller, optional(&request.page_token, "page_token")?, limit)
            .await?;
        let next_page_token = next_page(&tenants, limit, |tenant| tenant.id.to_string());
        let tenants = tenants.iter().map(show_tenant).collect();
        Ok(Response::new(pb::ListTenantsResponse {
            tenants,
            next_page_token,
        }))
    }

    async fn delete_tenant(
        &self,
        request: Request<pb::DeleteTenantRequest>,
    ) -> Result<Response<pb::DeleteTenantResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        self.tenants
            .delete(&caller, required(&request.get_ref().tenant_id, "tenant_id")?)
            .await?;
        Ok(Response::new(pb::DeleteTenantResponse {}))
    }

    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> Result<Response<pb::CreateApiKeyResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        let request = request.into_inner();
        let tenant = optional(&request.tenant_id, "tenant_id")?;
        let scopes = read_scopes(&request.scopes)?;
        let expires_at = read_expiry(request.expires_at.as_ref())?;
        let (key, token) = self.tenants.create_key(&caller, tenant, scopes, expires_at).await?;
        let token = token.reveal().to_owned();
        Ok(Response::new(pb::CreateApiKeyResponse {
            key: Some(show_key(&key)),
            token,
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<Response<pb::ListApiKeysResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        let keys = self
            .tenants
            .keys(&caller, optional(&request.get_ref().tenant_id, "tenant_id")?)
            .await?;
        Ok(Response::new(pb::ListApiKeysResponse {
            keys: keys.iter().map(show_key).collect(),
        }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<pb::RevokeApiKeyRequest>,
    ) -> Result<Response<pb::RevokeApiKeyResponse>, Status> {
        let caller = caller(&self.access, &request)?;
        self.tenants
            .revoke_key(&caller, required(&request.get_ref().key_id, "key_id")?)
            .await?;
        Ok(Response::new(pb::RevokeApiKeyResponse {}))
    }
}

fn read_expiry(at: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, Problem> {
    let wrong = || Problem::invalid("time_invalid", "this is not a time between the years 1 and 9999").at("expires_at");
    at.map(|at| timestamp_from(at).ok_or_else(wrong)).transpose()
}

fn show_tenant(tenant: &Tenant) -> pb::Tenant {
    pb::Tenant {
        id: tenant.id.to_string(),
        name: tenant.name.clone(),
        created_at: Some(timestamp(tenant.created_at)),
    }
}

fn show_key(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        id: key.id.to_string(),
        tenant_id: key.tenant.map(|id| id.to_string()).unwrap_or_default(),
        scopes: key.scopes.iter().map(ToString::to_string).collect(),
        hint: key.hint.clone(),
        expires_at: key.expires_at.map(timestamp),
        created_at: Some(timestamp(key.created_at)),
    }
}
