//! `tidings.v1.TenantService`: tenants and keys over gRPC.

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::{ApiKey, SchemaValidation, Tenant, Timestamp};
use tidings_proto::pb::tenant_service_server::TenantService;
use tidings_proto::{pb, timestamp, timestamp_from};
use tidings_service::problem::Problem;
use tidings_service::request::{next_page, optional, page_size, required};
use tonic::{Request, Response, Status};

use super::{call, call_by_link};
use crate::call::Callers;
use crate::keys::{Keys, NewKey, NewLink, WhichKeys, read_scopes};
use crate::messages::asked::missing;
use crate::tenants::{TenantChange, Tenants, read_validation};

/// The gRPC face of [`Tenants`] and [`Keys`].
pub struct TenantGrpc {
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) callers: Callers,
}

#[tonic::async_trait]
impl TenantService for TenantGrpc {
    async fn create_tenant(
        &self,
        request: Request<pb::CreateTenantRequest>,
    ) -> Result<Response<pb::CreateTenantResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let (tenant, key, token) = self.tenants.create(&call, &request.get_ref().name).await?;
        Ok(Response::new(pb::CreateTenantResponse {
            tenant: Some(show_tenant(&tenant)),
            key: Some(show_key(&key)),
            token: token.reveal().to_owned(),
        }))
    }

    async fn get_tenant(&self, request: Request<pb::GetTenantRequest>) -> Result<Response<pb::Tenant>, Status> {
        let call = call(&self.callers, &request)?;
        let id = required(&request.get_ref().tenant_id, "tenant_id")?;
        Ok(Response::new(show_tenant(&self.tenants.get(&call, id).await?)))
    }

    async fn list_tenants(
        &self,
        request: Request<pb::ListTenantsRequest>,
    ) -> Result<Response<pb::ListTenantsResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let limit = page_size(request.page_size)?;
        let tenants = self
            .tenants
            .list(&call, optional(&request.page_token, "page_token")?, limit)
            .await?;
        let next_page_token = next_page(&tenants, limit, |tenant| tenant.id.to_string());
        let tenants = tenants.iter().map(show_tenant).collect();
        Ok(Response::new(pb::ListTenantsResponse {
            tenants,
            next_page_token,
        }))
    }

    async fn update_tenant(&self, request: Request<pb::UpdateTenantRequest>) -> Result<Response<pb::Tenant>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let asked = request.tenant.ok_or_else(|| missing("tenant"))?;
        let id = required(&asked.id, "tenant_id")?;
        let mask = request.update_mask.ok_or_else(|| missing("update_mask"))?;
        let change = change(&asked, &mask.paths)?;
        let tenant = self.tenants.update(&call, id, &change).await?;
        Ok(Response::new(show_tenant(&tenant)))
    }

    async fn delete_tenant(
        &self,
        request: Request<pb::DeleteTenantRequest>,
    ) -> Result<Response<pb::DeleteTenantResponse>, Status> {
        let call = call(&self.callers, &request)?;
        self.tenants
            .delete(&call, required(&request.get_ref().tenant_id, "tenant_id")?)
            .await?;
        Ok(Response::new(pb::DeleteTenantResponse {}))
    }

    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> Result<Response<pb::CreateApiKeyResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let new = NewKey {
            tenant: optional(&request.tenant_id, "tenant_id")?,
            scopes: read_scopes(&request.scopes)?,
            expires_at: read_expiry(request.expires_at.as_ref())?,
            name: request.name,
        };
        let (key, token) = self.keys.create(&call, new).await?;
        Ok(Response::new(pb::CreateApiKeyResponse {
            key: Some(show_key(&key)),
            token: token.reveal().to_owned(),
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<Response<pb::ListApiKeysResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let which = WhichKeys {
            tenant: optional(&request.tenant_id, "tenant_id")?,
            portal: request.portal,
            before: optional(&request.page_token, "page_token")?,
            limit: page_size(request.page_size)?,
        };
        let keys = self.keys.list(&call, &which).await?;
        Ok(Response::new(pb::ListApiKeysResponse {
            keys: keys.iter().map(show_key).collect(),
            next_page_token: next_page(&keys, which.limit, |key| key.id.to_string()),
        }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<pb::RevokeApiKeyRequest>,
    ) -> Result<Response<pb::RevokeApiKeyResponse>, Status> {
        let call = call(&self.callers, &request)?;
        self.keys
            .revoke(&call, required(&request.get_ref().key_id, "key_id")?)
            .await?;
        Ok(Response::new(pb::RevokeApiKeyResponse {}))
    }

    async fn rotate_api_key(
        &self,
        request: Request<pb::RotateApiKeyRequest>,
    ) -> Result<Response<pb::RotateApiKeyResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let id = required(&request.key_id, "key_id")?;
        let overlap = read_length(request.overlap, "overlap")?;
        let expires_at = read_expiry(request.expires_at.as_ref())?;
        let rotated = self.keys.rotate(&call, id, overlap, expires_at).await?;
        Ok(Response::new(pb::RotateApiKeyResponse {
            key: Some(show_key(&rotated.key)),
            token: rotated.token.reveal().to_owned(),
            previous_expires_at: Some(timestamp(rotated.previous_expires_at)),
        }))
    }

    async fn create_portal_link(
        &self,
        request: Request<pb::CreatePortalLinkRequest>,
    ) -> Result<Response<pb::CreatePortalLinkResponse>, Status> {
        let call = call(&self.callers, &request)?;
        let request = request.into_inner();
        let tenant = optional(&request.tenant_id, "tenant_id")?;
        let expires_in = read_length(request.expires_in, "expires_in")?;
        let new = NewLink {
            tenant,
            expires_in,
            read_only: request.read_only,
            once: request.once,
            page: text(request.page),
            lang: text(request.lang),
            accent: text(request.accent),
        };
        let link = self.keys.create_portal_link(&call, new).await?;
        Ok(Response::new(pb::CreatePortalLinkResponse {
            url: link.url.to_string(),
            token: link.token.reveal().to_owned(),
            key: Some(show_key(&link.key)),
        }))
    }

    async fn exchange_portal_link(
        &self,
        request: Request<pb::ExchangePortalLinkRequest>,
    ) -> Result<Response<pb::ExchangePortalLinkResponse>, Status> {
        let (call, key) = call_by_link(&self.callers, &request)?;
        let (key, token) = self.keys.exchange(&call, &key).await?;
        Ok(Response::new(pb::ExchangePortalLinkResponse {
            key: Some(show_key(&key)),
            token: token.reveal().to_owned(),
        }))
    }
}

fn change(asked: &pb::Tenant, paths: &[String]) -> Result<TenantChange, Problem> {
    let chosen = |number: u32| Some(Some(number).filter(|number| *number > 0));
    let mut change = TenantChange::default();
    for path in paths {
        match path.as_str() {
            "name" => change.name = Some(asked.name.clone()),
            "schema_validation" => change.schema_validation = Some(validation(&asked.schema_validation)?),
            "payload_retention_days" => change.payload_retention = chosen(asked.payload_retention_days),
            "attempt_retention_days" => change.attempt_retention = chosen(asked.attempt_retention_days),
            "publish_per_second" => change.publish_per_second = chosen(asked.publish_per_second),
            "publish_burst" => change.publish_burst = chosen(asked.publish_burst),
            other => {
                let detail = format!(
                    "`{other}` can't be changed: use name, schema_validation, payload_retention_days, \
                     attempt_retention_days, publish_per_second, publish_burst"
                );
                return Err(Problem::invalid("field_unknown", detail).at("update_mask"));
            }
        }
    }
    Ok(change)
}

/// A text that may be left out, which is empty then.
fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Parses a validation mode; an empty name means that none was chosen.
fn validation(name: &str) -> Result<SchemaValidation, Problem> {
    match name {
        "" => Ok(SchemaValidation::default()),
        name => read_validation(name),
    }
}

fn read_expiry(at: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, Problem> {
    let wrong = || Problem::invalid("time_invalid", "this is not a time between the years 1 and 9999").at("expires_at");
    at.map(|at| timestamp_from(at).ok_or_else(wrong)).transpose()
}

fn read_length(length: Option<prost_types::Duration>, field: &str) -> Result<Option<Duration>, Problem> {
    let negative = |_| Problem::invalid("duration_invalid", "this can't be negative").at(field);
    length
        .map(|length| Duration::try_from(length).map_err(negative))
        .transpose()
}

fn show_tenant(tenant: &Tenant) -> pb::Tenant {
    let settings = &tenant.settings;
    pb::Tenant {
        id: tenant.id.to_string(),
        name: tenant.name.clone(),
        created_at: Some(timestamp(tenant.created_at)),
        updated_at: Some(timestamp(tenant.updated_at)),
        schema_validation: settings.schema_validation.as_str().to_owned(),
        payload_retention_days: settings.payload_retention.unwrap_or(0),
        attempt_retention_days: settings.attempt_retention.unwrap_or(0),
        publish_per_second: settings.publish_per_second.unwrap_or(0),
        publish_burst: settings.publish_burst.unwrap_or(0),
    }
}

fn show_key(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        id: key.id.to_string(),
        tenant_id: key.tenant.map(|id| id.to_string()).unwrap_or_default(),
        name: key.name.clone(),
        scopes: key.scopes.iter().map(ToString::to_string).collect(),
        hint: key.hint.clone(),
        portal: key.portal,
        once: key.link.is_some(),
        exchanged_at: key.link.and_then(|link| link.exchanged_at).map(timestamp),
        expires_at: key.expires_at.map(timestamp),
        created_at: Some(timestamp(key.created_at)),
        last_used_at: key.last_used_at.map(timestamp),
    }
}
