//! Operations on tenants and keys.

use tidings_domain::key::{ParseScopeError, Token};
use tidings_domain::{ApiKey, KeyId, Scope, Tenant, TenantId, Timestamp};
use tidings_service::problem::Problem;
use tidings_store::access::no_such_tenant;
use tidings_store::{Caller, StoreError};

use crate::{Book, now, to_the_microsecond};

/// What can be done with tenants and keys.
pub struct Tenants {
    pub(crate) book: Book,
}

impl Tenants {
    /// Makes a tenant and its first key, which has all scopes. The token can't be had again.
    pub async fn create(&self, caller: &Caller, name: &str) -> Result<(Tenant, ApiKey, Token), Problem> {
        caller.require_operator()?;
        caller.require(Scope::Manage)?;
        let length = name.trim().chars().count();
        if !(1..=Tenant::MAX_NAME).contains(&length) {
            let detail = format!(
                "a tenant's name has 1 to {} characters, this one has {length}",
                Tenant::MAX_NAME
            );
            return Err(Problem::invalid("name_invalid", detail).at("name"));
        }
        let tenant = Tenant {
            id: TenantId::new(),
            name: name.trim().to_owned(),
            created_at: now(),
        };
        let (key, token) = new_key(Some(tenant.id), Scope::ALL.to_vec(), None);
        self.book.registry.create_tenant(&tenant, &key).await?;
        self.book.changed(Some(tenant.id)).await;
        Ok((tenant, key, token))
    }

    /// One tenant.
    pub async fn get(&self, caller: &Caller, id: TenantId) -> Result<Tenant, Problem> {
        caller.require(Scope::Read)?;
        caller.tenant(Some(id))?;
        self.book.registry.tenant(id).await?.ok_or_else(|| no_such_tenant(id))
    }

    /// Tenants, newest first.
    pub async fn list(&self, caller: &Caller, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, Problem> {
        caller.require_operator()?;
        caller.require(Scope::Read)?;
        Ok(self.book.registry.tenants(before, limit).await?)
    }

    /// Removes a tenant with its keys and endpoints.
    pub async fn delete(&self, caller: &Caller, id: TenantId) -> Result<(), Problem> {
        caller.require_operator()?;
        caller.require(Scope::Manage)?;
        if !self.book.registry.delete_tenant(id).await? {
            return Err(no_such_tenant(id));
        }
        self.book.changed(Some(id)).await;
        Ok(())
    }

    /// Makes a key for a tenant, or an operator's key. Nobody can give a scope that they do not have.
    pub async fn create_key(
        &self,
        caller: &Caller,
        tenant: Option<TenantId>,
        scopes: Vec<Scope>,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, Token), Problem> {
        caller.require(Scope::Manage)?;
        let tenant = caller.tenant(tenant)?;
        let scopes = if scopes.is_empty() { Scope::ALL.to_vec() } else { scopes };
        for scope in &scopes {
            caller.require(*scope)?;
        }
        let expires_at = expires_at.map(to_the_microsecond);
        if expires_at.is_some_and(|at| at <= now()) {
            let detail = "the key would have expired already: give a time in the future";
            return Err(Problem::invalid("expiry_in_past", detail).at("expires_at"));
        }
        let (key, token) = new_key(tenant, scopes, expires_at);
        self.book
            .registry
            .create_key(&key)
            .await
            .map_err(|error| match (error, tenant) {
                (StoreError::Conflict(_), Some(id)) => no_such_tenant(id),
                (error, _) => error.into(),
            })?;
        self.book.changed(tenant).await;
        Ok((key, token))
    }

    /// The keys of a tenant, or the operators' keys; newest first.
    pub async fn keys(&self, caller: &Caller, tenant: Option<TenantId>) -> Result<Vec<ApiKey>, Problem> {
        caller.require(Scope::Manage)?;
        Ok(self.book.registry.keys(caller.tenant(tenant)?).await?)
    }

    /// Makes a key stop working.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId) -> Result<(), Problem> {
        caller.require(Scope::Manage)?;
        let unknown = || Problem::not_found("key_unknown", format!("there is no key {id}")).at("key_id");
        let key = self.book.registry.key(id).await?.ok_or_else(unknown)?;
        // A tenant's key may not touch, or learn of, anybody else's.
        match key.tenant {
            Some(tenant) => caller.tenant(Some(tenant)).map(drop).map_err(|_| unknown())?,
            None => caller.require_operator().map_err(|_| unknown())?,
        }
        if !self.book.registry.delete_key(id).await? {
            return Err(unknown());
        }
        self.book.changed(key.tenant).await;
        Ok(())
    }
}

/// Scopes by their names.
pub(crate) fn read_scopes(names: &[String]) -> Result<Vec<Scope>, Problem> {
    let wrong = |error: ParseScopeError| Problem::invalid("scope_unknown", format!("{error}")).at("scopes");
    names.iter().map(|name| name.parse().map_err(wrong)).collect()
}

/// A new key with its token.
#[must_use]
pub fn new_key(tenant: Option<TenantId>, scopes: Vec<Scope>, expires_at: Option<Timestamp>) -> (ApiKey, Token) {
    let token = Token::generate();
    let key = ApiKey {
        id: KeyId::new(),
        tenant,
        scopes,
        hint: token.hint(),
        hash: token.hash(),
        expires_at,
        created_at: now(),
    };
    (key, token)
}
