#![doc = include_str!("../README.md")]

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tidings_domain::key::TokenHash;
use tidings_domain::{Actor, ApiKey, KeyId, Scope, TenantId, Timestamp, signature};
use tidings_service::auth::{RELAYED_BY, bearer, count_failure};
use tidings_service::problem::Problem;
use tidings_service::serve::Payer;
use tidings_store::RegistryCache;
use tidings_store::cache::KeyError;

/// Authenticates requests by their headers; cheap to clone.
#[derive(Clone)]
pub struct Access {
    registry: Arc<RegistryCache>,
    internal: Option<TokenHash>,
}

/// The hash of the token that a request carried. Looked up anew each time, so a long stream notices a deleted key.
#[derive(Clone)]
pub struct Credential(TokenHash);

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Another process of this system; may do everything.
    Internal,
    /// The people who run the system; may act for every tenant.
    Operator {
        key: KeyId,
        /// The operations that the key allows.
        scopes: Vec<Scope>,
    },
    /// A tenant; sees and touches only its own things.
    Tenant {
        id: TenantId,
        key: KeyId,
        /// The operations that the key allows.
        scopes: Vec<Scope>,
        /// `true` for the short-lived key of a portal link, which can neither make keys nor read the audit log.
        portal: bool,
    },
}

impl Access {
    /// Authenticates by the registry's keys and, if given, by the token that the processes of this system share.
    #[must_use]
    pub fn new(registry: Arc<RegistryCache>, internal_token: Option<&str>) -> Self {
        Self {
            registry,
            internal: internal_token.map(TokenHash::of),
        }
    }

    /// The caller whose token the request carries; gRPC metadata are headers as well. Counts failures.
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let caller = self.credential(headers).and_then(|credential| self.holder(&credential));
        caller.inspect_err(count_failure)
    }

    /// The share of the request memory that the body behind these headers is charged to.
    pub fn payer(&self, headers: &HeaderMap) -> Result<Payer, Problem> {
        self.share_of(&self.credential(headers)?)
    }

    /// The same for a token that came by another way than the header.
    pub fn payer_with(&self, token: &str) -> Result<Payer, Problem> {
        self.share_of(&Credential(TokenHash::of(token)))
    }

    /// The caller behind the token of a portal link that works once, and the key that it can be exchanged for. The token
    /// allows the exchange only: every other method here refuses it. Counts failures.
    ///
    /// Fails with `portal_link_used` after the exchange, and with `not_exchangeable` for the token of a key.
    pub fn link(&self, headers: &HeaderMap) -> Result<(Caller, Arc<ApiKey>), Problem> {
        let key = self.credential(headers).and_then(|credential| {
            let key = self.registry.linked(&credential.0, Timestamp::now());
            key.map_err(refusal)?.ok_or_else(|| {
                let detail = "this token is a key's and not that of a portal link that works once: use it as it is";
                Problem::conflict("not_exchangeable", detail)
            })
        });
        let key = key.inspect_err(count_failure)?;
        Ok((Caller::with_key(&key), key))
    }

    /// `true` if a token is that of a portal link that works once, used or not.
    #[must_use]
    pub fn is_of_link(&self, token: &str) -> bool {
        let key = self.registry.linked(&TokenHash::of(token), Timestamp::now());
        matches!(key, Ok(Some(_)) | Err(KeyError::UsedLink))
    }

    fn share_of(&self, credential: &Credential) -> Result<Payer, Problem> {
        let refused = match self.holder(credential) {
            Ok(Caller::Internal) => return Ok(Payer::System),
            Ok(Caller::Operator { key, .. }) => return Ok(Payer::Known(key.uuid().as_u128())),
            Ok(Caller::Tenant { id, .. }) => return Ok(Payer::Known(id.uuid().as_u128())),
            Err(refused) => refused,
        };
        // The token of a link allows nothing but the exchange, which has to be let in.
        match self.registry.linked(&credential.0, Timestamp::now()) {
            Ok(Some(key)) => Ok(Payer::Known(key.id.uuid().as_u128())),
            _ => Err(refused),
        }
    }

    /// `true` if another process of this system relays the request for its caller, and may therefore give that one's address.
    #[must_use]
    pub fn is_relayed(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(RELAYED_BY).and_then(|value| value.to_str().ok());
        let shown = shown.map(TokenHash::of);
        let pair = self.internal.as_ref().zip(shown.as_ref());
        pair.is_some_and(|(internal, shown)| signature::same(internal.as_bytes(), shown.as_bytes()))
    }

    /// The credential of a request, for checks that repeat while a stream is open.
    ///
    /// Fails with `key_missing` if the header is absent.
    pub fn credential(&self, headers: &HeaderMap) -> Result<Credential, Problem> {
        let token = bearer(headers).ok_or_else(|| {
            Problem::unauthenticated("key_missing", "send a key in the header `Authorization: Bearer tk_…`")
        })?;
        Ok(Credential(TokenHash::of(token)))
    }

    /// The current caller behind a credential.
    ///
    /// Fails if the key is unknown, deleted or expired, or if the registry is not loaded yet.
    pub fn holder(&self, credential: &Credential) -> Result<Caller, Problem> {
        let is_internal = |internal: &TokenHash| signature::same(internal.as_bytes(), credential.0.as_bytes());
        if self.internal.as_ref().is_some_and(is_internal) {
            return Ok(Caller::Internal);
        }
        let key = self.registry.key(&credential.0, Timestamp::now());
        key.map(|key| Caller::with_key(&key)).map_err(refusal)
    }

    /// Waits until the credential no longer has `scope`, and returns the reason. Streams end with it, so a deleted or
    /// expired key, or a lost scope, takes effect within a second.
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
    /// The caller that a key stands for.
    fn with_key(key: &ApiKey) -> Self {
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

    /// The name under which the audit log records this caller.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Internal => Actor::Internal,
            Self::Operator { key, .. } => Actor::Operator(*key),
            Self::Tenant { key, .. } => Actor::Key(*key),
        }
    }

    /// Rejects callers whose key lacks the scope with `scope_missing`.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Self::Operator { scopes, .. } | Self::Tenant { scopes, .. } if !scopes.contains(&scope) => Err(
                Problem::permission_denied("scope_missing", format!("this requires a key with the scope `{scope}`")),
            ),
            _ => Ok(()),
        }
    }

    /// The tenant a request is about: a tenant's own, whether named or not; for everybody else the requested one.
    ///
    /// To a tenant, other tenants do not exist (`tenant_unknown`).
    pub fn tenant(&self, requested: Option<TenantId>) -> Result<Option<TenantId>, Problem> {
        match (self, requested) {
            (Self::Tenant { id, .. }, Some(other)) if other != *id => Err(no_such_tenant(other)),
            (Self::Tenant { id, .. }, _) => Ok(Some(*id)),
            (Self::Internal | Self::Operator { .. }, requested) => Ok(requested),
        }
    }

    /// Rejects tenants' keys with `operator_only`.
    pub fn require_operator(&self) -> Result<(), Problem> {
        match self {
            Self::Tenant { .. } => Err(Problem::permission_denied(
                "operator_only",
                "this requires an operator's key",
            )),
            Self::Internal | Self::Operator { .. } => Ok(()),
        }
    }

    /// Rejects keys of portal links with `portal_refused`. Their users manage webhooks, but may neither make keys that
    /// outlive the link nor see the audit log.
    pub fn refuse_portal(&self) -> Result<(), Problem> {
        match self {
            Self::Tenant { portal: true, .. } => Err(Problem::permission_denied(
                "portal_refused",
                "portal links have no access to this: use a key of the tenant",
            )),
            _ => Ok(()),
        }
    }

    /// Rejects every caller but Tidings' own processes with `internal_only`.
    pub fn require_internal(&self) -> Result<(), Problem> {
        match self {
            Self::Internal => Ok(()),
            _ => Err(Problem::permission_denied(
                "internal_only",
                "this requires the token that the services share",
            )),
        }
    }
}

/// The refusal of a token that proves nothing.
fn refusal(error: KeyError) -> Problem {
    match error {
        KeyError::NotLoaded => {
            let problem = Problem::unavailable("registry_not_loaded", "keys are still being loaded: try again shortly");
            problem.with_retry_after(Duration::from_secs(1))
        }
        KeyError::Unknown => Problem::unauthenticated("key_unknown", "this key does not exist: was it deleted?"),
        KeyError::Expired => Problem::unauthenticated("key_expired", "this key has expired: ask for a new one"),
        KeyError::Link => Problem::unauthenticated(
            "portal_link_unused",
            "this token is of a portal link that works once, and no key: open the link in a browser, or exchange the token \
             with `POST /api/v2/portal-links/exchange`",
        ),
        KeyError::UsedLink => Problem::unauthenticated(
            "portal_link_used",
            "this portal link works once and has been used: ask for a new link",
        ),
    }
}

/// The refusal for a tenant that does not exist, and for one that the caller may not know of.
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
