//! Who is asking, and what they may do (guarantee G7).

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tidings_domain::key::TokenHash;
use tidings_domain::{Actor, ApiKey, KeyId, Scope, TenantId, Timestamp, signature};
use tidings_service::auth::{RELAYED_BY, bearer, count_failure};
use tidings_service::problem::Problem;
use tidings_service::serve::Payer;

use crate::cache::RegistryCache;

/// Tells callers from their requests' headers; cheap to clone.
#[derive(Clone)]
pub struct Access {
    registry: Arc<RegistryCache>,
    internal: Option<TokenHash>,
}

/// What a request proves itself by.
#[derive(Clone)]
pub struct Credential(TokenHash);

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Another process of this system; may do everything.
    Internal,
    /// Whoever runs this system; works for all tenants.
    Operator {
        /// The key it came with.
        key: KeyId,
        /// What the key may be used for.
        scopes: Vec<Scope>,
    },
    /// A tenant; sees and touches only its own things.
    Tenant {
        /// Which tenant.
        id: TenantId,
        /// The key it came with.
        key: KeyId,
        /// What the key may be used for.
        scopes: Vec<Scope>,
        /// Whether it is the key of a portal link.
        portal: bool,
    },
}

impl Access {
    /// Access by the registry's keys and, if given, by the token that the processes of this system share.
    #[must_use]
    pub fn new(registry: Arc<RegistryCache>, internal_token: Option<&str>) -> Self {
        Self {
            registry,
            internal: internal_token.map(TokenHash::of),
        }
    }

    /// The caller whose token the request bears; gRPC metadata are headers as well.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let caller = self.credential(headers).and_then(|credential| self.holder(&credential));
        caller.inspect_err(count_failure)
    }

    /// Whose share of the memory for requests the body that follows these headers counts to.
    pub fn payer(&self, headers: &HeaderMap) -> Result<Payer, Problem> {
        self.share_of(&self.credential(headers)?)
    }

    /// The same for a token that came by another way than the header.
    pub fn payer_with(&self, token: &str) -> Result<Payer, Problem> {
        self.share_of(&Credential(TokenHash::of(token)))
    }

    fn share_of(&self, credential: &Credential) -> Result<Payer, Problem> {
        Ok(match self.holder(credential)? {
            Caller::Internal => Payer::System,
            Caller::Operator { key, .. } => Payer::Known(key.uuid().as_u128()),
            Caller::Tenant { id, .. } => Payer::Known(id.uuid().as_u128()),
        })
    }

    /// Whether another process of this system relays the request for its caller, so that it may say where that one is.
    #[must_use]
    pub fn is_relayed(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(RELAYED_BY).and_then(|value| value.to_str().ok());
        let shown = shown.map(TokenHash::of);
        let pair = self.internal.as_ref().zip(shown.as_ref());
        pair.is_some_and(|(internal, shown)| signature::same(internal.as_bytes(), shown.as_bytes()))
    }

    /// What the request proves itself by, to be asked about for as long as what it began goes on.
    pub fn credential(&self, headers: &HeaderMap) -> Result<Credential, Problem> {
        let token = bearer(headers).ok_or_else(|| {
            Problem::unauthenticated("key_missing", "send a key in the header `Authorization: Bearer tk_…`")
        })?;
        Ok(Credential(TokenHash::of(token)))
    }

    /// Who proves itself by this now.
    pub fn holder(&self, credential: &Credential) -> Result<Caller, Problem> {
        let is_internal = |internal: &TokenHash| signature::same(internal.as_bytes(), credential.0.as_bytes());
        if self.internal.as_ref().is_some_and(is_internal) {
            return Ok(Caller::Internal);
        }
        self.registry.holder(&credential.0, Timestamp::now())
    }

    /// Waits until this no longer proves the right to `scope`, and says why. A stream ends with it: what is deleted,
    /// expires or loses the scope is noticed within a second.
    pub async fn lost(&self, credential: &Credential, scope: Scope) -> Problem {
        const LOOK_EVERY: Duration = Duration::from_millis(500);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(problem) = self.holder(credential).and_then(|caller| caller.require(scope)) {
                return problem;
            }
        }
    }
}

impl Caller {
    /// Whoever has this key.
    pub(crate) fn with_key(key: &ApiKey) -> Self {
        match key.tenant {
            Some(id) => Self::Tenant {
                id,
                key: key.id,
                scopes: key.scopes.clone(),
                portal: key.portal,
            },
            None => Self::Operator {
                key: key.id,
                scopes: key.scopes.clone(),
            },
        }
    }

    /// What the audit log calls it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Internal => Actor::Internal,
            Self::Operator { key, .. } => Actor::Operator(*key),
            Self::Tenant { key, .. } => Actor::Key(*key),
        }
    }

    /// Refuses callers whose key has not this scope (`scope_missing`).
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Self::Operator { scopes, .. } | Self::Tenant { scopes, .. } if !scopes.contains(&scope) => Err(
                Problem::permission_denied("scope_missing", format!("this takes a key with the scope `{scope}`")),
            ),
            _ => Ok(()),
        }
    }

    /// Whose things the request is about: a tenant's own, whether it says so or not; for everybody else what is
    /// requested. Another tenant than one's own does not exist.
    pub fn tenant(&self, requested: Option<TenantId>) -> Result<Option<TenantId>, Problem> {
        match (self, requested) {
            (Self::Tenant { id, .. }, Some(other)) if other != *id => Err(no_such_tenant(other)),
            (Self::Tenant { id, .. }, _) => Ok(Some(*id)),
            (Self::Internal | Self::Operator { .. }, requested) => Ok(requested),
        }
    }

    /// Refuses tenants (`operator_only`).
    pub fn require_operator(&self) -> Result<(), Problem> {
        match self {
            Self::Tenant { .. } => Err(Problem::permission_denied(
                "operator_only",
                "this takes an operator's key",
            )),
            Self::Internal | Self::Operator { .. } => Ok(()),
        }
    }

    /// Refuses people who came by a portal link (`portal_refused`): they look after webhooks, and neither make keys that
    /// would outlive their link nor see who else does what.
    pub fn refuse_portal(&self) -> Result<(), Problem> {
        match self {
            Self::Tenant { portal: true, .. } => Err(Problem::permission_denied(
                "portal_refused",
                "a portal link does not reach this: use a key of the tenant",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses everybody outside (`internal_only`).
    pub fn require_internal(&self) -> Result<(), Problem> {
        match self {
            Self::Internal => Ok(()),
            _ => Err(Problem::permission_denied(
                "internal_only",
                "this takes the token that the services share",
            )),
        }
    }
}

/// What is said of a tenant that does not exist, and of one that the caller may not know of.
#[must_use]
pub fn no_such_tenant(id: TenantId) -> Problem {
    Problem::not_found("tenant_unknown", format!("there is no tenant {id}")).at("tenant_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(scopes: &[Scope]) -> (TenantId, Caller) {
        let id = TenantId::new();
        (
            id,
            Caller::Tenant {
                id,
                key: KeyId::new(),
                scopes: scopes.to_vec(),
                portal: false,
            },
        )
    }

    fn operator(scopes: &[Scope]) -> Caller {
        Caller::Operator {
            key: KeyId::new(),
            scopes: scopes.to_vec(),
        }
    }

    #[test]
    fn a_tenant_is_itself_and_knows_of_no_other() {
        let (id, caller) = tenant(&[]);
        assert_eq!(caller.tenant(None), Ok(Some(id)));
        assert_eq!(caller.tenant(Some(id)), Ok(Some(id)));
        let other = TenantId::new();
        assert_eq!(caller.tenant(Some(other)), Err(no_such_tenant(other)));
    }

    #[test]
    fn everybody_else_asks_for_whom_they_like() {
        let other = TenantId::new();
        for caller in [Caller::Internal, operator(&[])] {
            assert_eq!(caller.tenant(None), Ok(None));
            assert_eq!(caller.tenant(Some(other)), Ok(Some(other)));
        }
    }

    #[test]
    fn a_scope_is_needed_by_all_with_a_key() {
        assert_eq!(Caller::Internal.require(Scope::Manage), Ok(()));
        for caller in [operator(&[Scope::Read]), tenant(&[Scope::Read]).1] {
            assert_eq!(caller.require(Scope::Read), Ok(()));
            let refusal = caller.require(Scope::Manage).unwrap_err();
            assert_eq!(refusal.code, "scope_missing");
            assert!(refusal.detail.contains("`manage`"), "{}", refusal.detail);
        }
    }

    #[test]
    fn some_things_are_not_for_tenants_and_some_only_for_ourselves() {
        let tenant = tenant(&Scope::ALL).1;
        assert_eq!(tenant.require_operator().unwrap_err().code, "operator_only");
        assert_eq!(operator(&[]).require_operator(), Ok(()));
        assert_eq!(Caller::Internal.require_operator(), Ok(()));
        assert_eq!(Caller::Internal.require_internal(), Ok(()));
        for caller in [tenant, operator(&Scope::ALL)] {
            assert_eq!(caller.require_internal().unwrap_err().code, "internal_only");
        }
    }
}
