//! The one endpoint of tenants that speak of "the webhook" (FeedbackPulse, "Via API": `PUT /api/v2/webhooks/config`).
//!
//! It is an endpoint like any other; what makes it the default one is its id, which has its tenant's own UUID. So it
//! stays the default whatever it is called, there is one per tenant, and of two requests that make it at once the
//! second meets the first at the primary key. Deleted and made again it has the same id: what was still to be
//! delivered to the old one is then delivered to the new one.

use tidings_domain::{Authentication, Endpoint, EndpointId, Overrides, Scope, Secret, Subscription, TenantId};
use tidings_service::problem::Problem;

use super::{EndpointChange, Endpoints, NewEndpoint, NewSecret, TRIES, dialect_for, tenant_missing};
use crate::call::Call;

/// The dialect of default endpoints whose URL chooses no other.
const DIALECT: &str = "feedbackpulse";

pub struct DefaultEndpoint {
    /// The target of requests; chooses the dialect.
    pub url: String,
    pub subscriptions: Vec<Subscription>,
    /// The secret that signs its requests.
    pub secret: NewDefaultSecret,
}

/// The secret of a default endpoint that is made or changed.
pub enum NewDefaultSecret {
    /// The present secret; none for a new endpoint.
    Kept,
    /// The masked secret as read before: keep the stored one; a new endpoint has none to keep.
    AsShown,
    /// A new secret; `None` to stop signing requests.
    Replaced(Option<Secret>),
}

impl Endpoints {
    /// The default endpoint of a tenant.
    pub async fn default(&self, call: &Call, tenant: Option<TenantId>) -> Result<Endpoint, Problem> {
        call.require(Scope::Read)?;
        let id = default_id(call, tenant)?;
        let unset = || {
            let detail = "the tenant has no webhook yet: make one by `PUT /api/v2/webhooks/config`";
            Problem::not_found("config_unknown", detail)
        };
        self.book.registry.endpoint(id).await?.ok_or_else(unset)
    }

    /// Makes the default endpoint of a tenant, or changes it.
    pub async fn set_default(
        &self,
        call: &Call,
        tenant: Option<TenantId>,
        asked: &DefaultEndpoint,
    ) -> Result<Endpoint, Problem> {
        call.require(Scope::Manage)?;
        let id = default_id(call, tenant)?;
        // By the URL alone, also when it is changed: this form has no field for a dialect.
        let dialect = dialect_for(&self.dialects, None, &self.url(&asked.url)?, DIALECT);
        for _ in 0..TRIES {
            if self.book.registry.endpoint(id).await?.is_some() {
                return self.update(call, id, asked.change(dialect)).await;
            }
            let endpoint = Endpoint {
                id,
                ..self.draft(call, asked.new_endpoint(tenant, dialect.clone())?)?
            };
            match self.keep(call, &endpoint).await {
                Ok(()) => return Ok(endpoint),
                // Somebody else has made it meanwhile.
                Err(_) if self.book.registry.endpoint(id).await?.is_some() => {}
                Err(problem) => return Err(problem),
            }
        }
        let detail = "the webhook keeps being made and deleted: retry";
        Err(Problem::conflict("endpoint_contended", detail))
    }
}

impl DefaultEndpoint {
    fn new_endpoint(&self, tenant: Option<TenantId>, dialect: String) -> Result<NewEndpoint, Problem> {
        Ok(NewEndpoint {
            tenant,
            name: String::new(),
            url: self.url.clone(),
            dialect: Some(dialect),
            secret: match &self.secret {
                NewDefaultSecret::Replaced(Some(secret)) => NewSecret::Given(secret.clone()),
                NewDefaultSecret::Replaced(None) | NewDefaultSecret::Kept => NewSecret::Unsigned,
                NewDefaultSecret::AsShown => {
                    let detail = "this is the mask of a secret, and the webhook has no secret yet: give a secret";
                    return Err(Problem::invalid("secret_masked", detail).at("secret"));
                }
            },
            authentication: Authentication::default(),
            subscriptions: self.subscriptions.clone(),
            operational: false,
            contact: None,
            enabled: true,
            overrides: Overrides::default(),
        })
    }

    fn change(&self, dialect: String) -> EndpointChange {
        EndpointChange {
            url: Some(self.url.clone()),
            dialect: Some(dialect),
            secret: match &self.secret {
                NewDefaultSecret::Replaced(secret) => Some(secret.clone()),
                NewDefaultSecret::Kept | NewDefaultSecret::AsShown => None,
            },
            subscriptions: Some(self.subscriptions.clone()),
            ..EndpointChange::default()
        }
    }
}

fn default_id(call: &Call, tenant: Option<TenantId>) -> Result<EndpointId, Problem> {
    let tenant = call.tenant(tenant)?.ok_or_else(tenant_missing)?;
    Ok(EndpointId::from_uuid(tenant.uuid()))
}
