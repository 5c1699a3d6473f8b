//! Operations on a tenant's endpoints.

mod authentication;
mod checks;
mod default;

use std::time::Duration;

use tidings_auth::no_such_tenant;
use tidings_dialect::Dialects;
use tidings_domain::destination::Destinations;
use tidings_domain::{
    Authentication, Endpoint, EndpointId, Overrides, PreviousSecret, Scope, Secret, Subscription, TenantId,
};
use tidings_service::problem::Problem;
use tidings_store::StoreError;
use tidings_store::registry::{Deletion, EndpointQuery};
use url::{Host, Url};

use self::authentication::with_changed_secrets;
pub use self::default::{DefaultEndpoint, NewDefaultSecret};
use crate::call::Call;
use crate::precondition::Precondition;
use crate::{Book, audit, now};

/// The longest that a replaced secret may go on signing.
const MAX_OVERLAP: Duration = Duration::from_secs(7 * 86_400);
/// Tries of a change that collides with other changes of the endpoint.
const TRIES: u32 = 5;

pub struct Endpoints {
    pub(crate) book: Book,
    pub(crate) dialects: Dialects,
    pub(crate) destinations: Destinations,
    pub(crate) max_per_tenant: u32,
    /// Retention of events; unlimited if zero.
    pub(crate) retention: Duration,
    /// Memory that the endpoints of one tenant may use in every process, in bytes.
    pub(crate) max_bytes_per_tenant: usize,
}

pub struct NewEndpoint {
    /// The owning tenant; may be left out with a tenant's key.
    pub tenant: Option<TenantId>,
    pub name: String,
    pub url: String,
    /// The name of its dialect. By default the one made for its URL, or else the standard one.
    pub dialect: Option<String>,
    pub secret: NewSecret,
    /// Credentials sent to the receiver, beside the signature.
    pub authentication: Authentication,
    pub subscriptions: Vec<Subscription>,
    /// `true` to receive events about the tenant's other endpoints instead of the tenant's own events.
    pub operational: bool,
    /// The e-mail address to notify when it fails.
    pub contact: Option<String>,
    /// `false` to hold deliveries until it is enabled.
    pub enabled: bool,
    /// Settings that differ from the dialect's.
    pub overrides: Overrides,
}

/// The secret of a new endpoint.
pub enum NewSecret {
    /// A generated one, or none where the dialect has no use for it.
    Generated,
    /// A secret of the caller's choice.
    Given(Secret),
    /// No secret: requests are not signed.
    Unsigned,
}

/// A change of an endpoint: the fields to replace.
#[derive(Default)]
pub struct EndpointChange {
    /// The condition under which the change is applied.
    pub precondition: Precondition,
    pub name: Option<String>,
    pub url: Option<String>,
    pub dialect: Option<String>,
    /// Its secret, or none at all. The one before it stops signing at once.
    pub secret: Option<Option<Secret>>,
    /// Credentials sent to the receiver; replaces all of them.
    pub authentication: Option<Authentication>,
    pub subscriptions: Option<Vec<Subscription>>,
    /// `true` to receive events about the tenant's other endpoints instead of the tenant's own events.
    pub operational: Option<bool>,
    /// The e-mail address to notify when it fails, or none.
    pub contact: Option<Option<String>>,
    /// `true` to make requests. Enabling an endpoint clears its failing mark.
    pub enabled: Option<bool>,
    /// `true` to cancel deliveries held until now instead of sending them.
    pub cancel_held: bool,
    /// Changes of settings that differ from the dialect's, field by field.
    pub overrides: Vec<OverrideChange>,
}

/// One field of [`Overrides`] to replace.
pub type OverrideChange = Box<dyn Fn(&mut Overrides) + Send + Sync>;

impl Endpoints {
    /// Creates an endpoint after checking its settings and the tenant's limits.
    pub async fn create(&self, call: &Call, new: NewEndpoint) -> Result<Endpoint, Problem> {
        let endpoint = self.draft(call, new)?;
        self.keep(call, &endpoint).await?;
        Ok(endpoint)
    }

    /// The endpoint with this id, if the caller may read it.
    pub async fn get(&self, call: &Call, id: EndpointId) -> Result<Endpoint, Problem> {
        call.require(Scope::Read)?;
        self.find(call, id).await
    }

    /// The secret of an endpoint. Reading it is recorded in the audit log.
    pub async fn secret(&self, call: &Call, id: EndpointId) -> Result<Option<Secret>, Problem> {
        call.require(Scope::Manage)?;
        let endpoint = self.find(call, id).await?;
        if endpoint.sealed.secret.is_some() {
            return Err(secret_unreadable());
        }
        self.note_shown(call, &endpoint).await?;
        Ok(endpoint.secret)
    }

    /// Records in the audit log that a secret was read.
    pub(crate) async fn note_shown(&self, call: &Call, endpoint: &Endpoint) -> Result<(), Problem> {
        let entry = call.entry("endpoint.secret_shown", endpoint.id, Some(endpoint.tenant), None, None);
        Ok(self.book.registry.note(&entry).await?)
    }

    /// Endpoints by how they stand, their host and their dialect, newest first: of the caller's tenant, or for operators
    /// of all.
    pub async fn search(&self, call: &Call, mut query: EndpointQuery) -> Result<Vec<Endpoint>, Problem> {
        call.require(Scope::Read)?;
        query.tenant = call.tenant(query.tenant)?;
        if let Some(host) = &mut query.host {
            // As URLs write it: in lower case, and other alphabets in Punycode.
            *host = Host::parse(host).map_err(|_| host_invalid(host))?.to_string();
        }
        Ok(self.book.registry.search_endpoints(&query).await?)
    }

    /// Applies a change, again if somebody else changed the endpoint meanwhile.
    pub async fn update(&self, call: &Call, id: EndpointId, change: EndpointChange) -> Result<Endpoint, Problem> {
        self.replace(call, id, change.action(), |endpoint| {
            unchanged(&change.precondition, endpoint)?;
            self.apply(endpoint, &change)
        })
        .await
    }

    /// Replaces an endpoint's secret, by a generated one if none is given. The old one keeps signing for `overlap`, at
    /// most 7 days.
    pub async fn rotate_secret(
        &self,
        call: &Call,
        id: EndpointId,
        secret: Option<Secret>,
        overlap: Duration,
    ) -> Result<Endpoint, Problem> {
        if overlap > MAX_OVERLAP {
            return Err(Problem::invalid("overlap_invalid", "an overlap is 0s to 7d").at("overlap"));
        }
        self.replace(call, id, "endpoint.secret_rotated", |endpoint| {
            rotate(endpoint, secret.as_ref(), overlap)
        })
        .await
    }

    /// Deletes an endpoint if the precondition holds.
    pub async fn delete(&self, call: &Call, id: EndpointId, precondition: &Precondition) -> Result<(), Problem> {
        call.require(Scope::Manage)?;
        for _ in 0..TRIES {
            let endpoint = self.find(call, id).await?;
            unchanged(precondition, &endpoint)?;
            let before = audit::endpoint(&endpoint);
            let entry = call.entry("endpoint.deleted", id, Some(endpoint.tenant), before, None);
            let was = Some(endpoint.updated_at);
            match self.book.registry.delete_endpoint(id, was, &entry).await? {
                Deletion::Deleted => {
                    self.book.endpoint_changed(&endpoint).await;
                    return Ok(());
                }
                Deletion::Gone => return Err(unknown_endpoint(id)),
                Deletion::Changed => {}
            }
        }
        Err(contended())
    }

    /// A new endpoint as it would be kept.
    fn draft(&self, call: &Call, new: NewEndpoint) -> Result<Endpoint, Problem> {
        call.require(Scope::Manage)?;
        let Some(tenant) = call.tenant(new.tenant)? else {
            return Err(tenant_missing());
        };
        let url = self.url(&new.url)?;
        self.check_authentication(&new.authentication)?;
        let dialect = dialect_for(&self.dialects, new.dialect, &url, Dialects::DEFAULT);
        let endpoint = Endpoint {
            name: new.name.trim().to_owned(),
            secret: self.secret_for(new.secret, &dialect),
            authentication: new.authentication,
            subscriptions: new.subscriptions,
            operational: new.operational,
            contact: new.contact,
            enabled: new.enabled,
            overrides: new.overrides,
            ..Endpoint::new(tenant, url, dialect, now())
        };
        self.check(&endpoint)?;
        self.check_change(None, &endpoint)?;
        Ok(endpoint)
    }

    /// Stores a new endpoint with its audit entry.
    async fn keep(&self, call: &Call, endpoint: &Endpoint) -> Result<(), Problem> {
        let (registry, tenant) = (&self.book.registry, endpoint.tenant);
        let count = registry.endpoints(tenant, None, self.max_per_tenant).await?.len();
        if count >= self.max_per_tenant as usize {
            let detail = format!("the tenant has {count} endpoints, as many as it may have: delete one first");
            return Err(Problem::exhausted("too_many_endpoints", detail));
        }
        self.check_size(endpoint, 0)?;
        let after = audit::endpoint(endpoint);
        let entry = call.entry("endpoint.created", endpoint.id, Some(tenant), None, after);
        registry
            .create_endpoint(endpoint, &entry)
            .await
            .map_err(|error| match error {
                StoreError::Conflict(_) => no_such_tenant(tenant),
                error => error.into(),
            })?;
        self.book.endpoint_changed(endpoint).await;
        Ok(())
    }

    /// Fails if the endpoint does not fit into the tenant's memory limit. An endpoint that does not grow always fits.
    fn check_size(&self, endpoint: &Endpoint, before: usize) -> Result<(), Problem> {
        let size = endpoint.size();
        let all = self.book.bytes(endpoint.tenant, endpoint.id) + size;
        if all <= self.max_bytes_per_tenant || size <= before {
            return Ok(());
        }
        let [(largest, bytes), ..] = endpoint.sizes();
        let detail = format!(
            "with this the tenant's endpoints would take {all} bytes of memory, and may take {} (`control.max_endpoint_bytes_per_tenant`): \
             this one takes {size}, of which {bytes} are {largest}: shorten them, or delete endpoints",
            self.max_bytes_per_tenant
        );
        Err(Problem::exhausted("endpoints_too_large", detail))
    }

    /// An endpoint that the caller may see; all others appear not to exist.
    pub(crate) async fn find(&self, call: &Call, id: EndpointId) -> Result<Endpoint, Problem> {
        self.book
            .registry
            .endpoint(id)
            .await?
            // Another tenant's endpoint gets the same answer as a missing one.
            .filter(|endpoint| call.tenant(Some(endpoint.tenant)).is_ok())
            .ok_or_else(|| unknown_endpoint(id))
    }

    /// Applies a change, again from the start if somebody else changed the endpoint meanwhile.
    async fn replace(
        &self,
        call: &Call,
        id: EndpointId,
        action: &str,
        change: impl Fn(&mut Endpoint) -> Result<(), Problem>,
    ) -> Result<Endpoint, Problem> {
        call.require(Scope::Manage)?;
        for _ in 0..TRIES {
            let before = self.find(call, id).await?;
            let was = before.updated_at;
            let mut endpoint = before.clone();
            change(&mut endpoint)?;
            if !endpoint.unreadable.is_empty() {
                return Err(unusable(&endpoint));
            }
            // A secret that signs no more is not worth keeping.
            endpoint.previous_secret.take_if(|previous| previous.until <= now());
            endpoint.sealed.previous_secret.take_if(|(_, until)| *until <= now());
            self.check(&endpoint)?;
            // Only what is changed: what is stored already is not refused afterwards (docs/decisions/0021).
            self.check_change(Some(&before), &endpoint)?;
            // One that does not grow always fits, so that a lowered limit keeps nobody from repairing an endpoint.
            self.check_size(&endpoint, before.size())?;
            // Two changes within a microsecond must still differ, or the second could overwrite the first unseen.
            endpoint.updated_at = now().max(was + jiff::SignedDuration::from_micros(1));
            let after = with_changed_secrets(audit::endpoint(&endpoint), &before, &endpoint);
            let entry = call.entry(action, id, Some(endpoint.tenant), audit::endpoint(&before), after);
            if self.book.registry.replace_endpoint(&endpoint, was, &entry).await? {
                self.book.endpoint_changed(&endpoint).await;
                return Ok(endpoint);
            }
        }
        Err(contended())
    }

    fn apply(&self, endpoint: &mut Endpoint, change: &EndpointChange) -> Result<(), Problem> {
        if let Some(name) = &change.name {
            endpoint.name = name.trim().to_owned();
        }
        if let Some(url) = &change.url {
            endpoint.url = self.url(url)?;
            repaired(endpoint, "url");
        }
        if let Some(dialect) = &change.dialect {
            endpoint.dialect.clone_from(dialect);
        }
        if let Some(secret) = &change.secret {
            endpoint.secret.clone_from(secret);
            // A secret that is set, rather than rotated, takes effect at once: the old one may be compromised.
            endpoint.previous_secret = None;
            (endpoint.sealed.secret, endpoint.sealed.previous_secret) = (None, None);
        }
        if let Some(authentication) = &change.authentication {
            self.check_authentication(authentication)?;
            endpoint.authentication.clone_from(authentication);
            endpoint.sealed.authentication = None;
        }
        if let Some(operational) = change.operational {
            endpoint.operational = operational;
        }
        if let Some(contact) = &change.contact {
            endpoint.contact.clone_from(contact);
        }
        if let Some(subscriptions) = &change.subscriptions {
            endpoint.subscriptions.clone_from(subscriptions);
            repaired(endpoint, Endpoint::SUBSCRIPTIONS);
        }
        if let Some(enabled) = change.enabled {
            if enabled && !endpoint.enabled {
                // Whoever enables an endpoint has repaired it: it starts without a failing mark.
                endpoint.disabled_reason = None;
                endpoint.failing_since = None;
            }
            endpoint.enabled = enabled;
        }
        if change.cancel_held {
            // The log works it off and takes the time away again.
            endpoint.cancel_held_before = Some(now());
        }
        if !change.overrides.is_empty() {
            repaired(endpoint, "overrides");
        }
        for change in &change.overrides {
            change(&mut endpoint.overrides);
        }
        Ok(())
    }

    fn secret_for(&self, asked: NewSecret, dialect: &str) -> Option<Secret> {
        match asked {
            NewSecret::Given(secret) => Some(secret),
            NewSecret::Unsigned => None,
            NewSecret::Generated => {
                let of_use = self.dialects.get(dialect).is_none_or(|dialect| dialect.uses_secret());
                of_use.then(Secret::generate)
            }
        }
    }
}

impl EndpointChange {
    /// The action's name in the audit log.
    fn action(&self) -> &'static str {
        match self.enabled {
            Some(true) => "endpoint.enabled",
            Some(false) => "endpoint.disabled",
            None => "endpoint.updated",
        }
    }
}

fn unchanged(precondition: &Precondition, endpoint: &Endpoint) -> Result<(), Problem> {
    precondition.check("endpoint", endpoint.updated_at, "endpoint_changed")
}

/// Marks an unreadable part of an endpoint as replaced.
fn repaired(endpoint: &mut Endpoint, part: &str) {
    endpoint.unreadable.retain(|unreadable| *unreadable != part);
}

fn unusable(endpoint: &Endpoint) -> Problem {
    let parts = endpoint.unreadable.join(", ");
    let detail = format!(
        "these stored parts of the endpoint can't be read and would be lost: {parts}; give them anew in the same request \
         (for `overrides`, all that differs from the dialect)"
    );
    Problem::conflict("endpoint_unreadable", detail)
}

fn secret_unreadable() -> Problem {
    let detail = "the endpoint's secret can't be opened: the operator has to add the missing key to `secrets.keys` again, or \
                  give the endpoint another secret by an update";
    Problem::conflict("secret_unreadable", detail)
}

fn rotate(endpoint: &mut Endpoint, given: Option<&Secret>, overlap: Duration) -> Result<(), Problem> {
    if endpoint.sealed.secret.is_some() {
        return Err(secret_unreadable());
    }
    let Some(old) = endpoint.secret.take() else {
        let detail = "requests to this endpoint are not signed: give it a secret by an update";
        return Err(Problem::conflict("endpoint_unsigned", detail).at("endpoint_id"));
    };
    let new = match given {
        Some(given) if *given == old => {
            let detail = "the endpoint has this secret already: give another, or none to have one generated";
            return Err(Problem::invalid("secret_unchanged", detail).at("secret"));
        }
        Some(given) => given.clone(),
        None if old.is_asymmetric() => Secret::generate_ed25519(),
        None => Secret::generate(),
    };
    endpoint.secret = Some(new);
    endpoint.previous_secret = (!overlap.is_zero()).then(|| PreviousSecret {
        secret: old,
        until: now() + overlap,
    });
    Ok(())
}

/// The requested dialect; otherwise the one made for such URLs, otherwise the usual one.
fn dialect_for(dialects: &Dialects, asked: Option<String>, url: &Url, usual: &str) -> String {
    let made_for = || dialects.chosen_for(url).map(|dialect| dialect.name().to_owned());
    asked.or_else(made_for).unwrap_or_else(|| usual.to_owned())
}

fn unknown_endpoint(id: EndpointId) -> Problem {
    Problem::not_found("endpoint_unknown", format!("there is no endpoint {id}")).at("endpoint_id")
}

fn host_invalid(host: &str) -> Problem {
    let detail = format!("`{host}` is not a host: write it like `hooks.example.com`, without scheme, port and path");
    Problem::invalid("host_invalid", detail).at("host")
}

fn contended() -> Problem {
    Problem::conflict(
        "endpoint_contended",
        "the endpoint keeps changing: fetch it again and retry",
    )
}

pub(crate) fn tenant_missing() -> Problem {
    Problem::invalid("tenant_missing", "an operator's key works for any tenant: name one").at("tenant_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_chooses_a_dialect_unless_one_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let file = "name = 'acme'\ndescription = 'Acme'\nchosen_for = ['hooks.acme.example/in/*']\nbody = '{{ payload }}'\n\n[samples]\n'a.b' = '{}'\n";
        std::fs::write(directory.path().join("acme.toml"), file).unwrap();
        let dialects = Dialects::with_directory(directory.path()).unwrap();
        let choice = |asked: Option<&str>, url: &str| {
            dialect_for(&dialects, asked.map(str::to_owned), &url.parse().unwrap(), "standard")
        };
        assert_eq!(choice(None, "https://hooks.acme.example/in/1"), "acme");
        assert_eq!(choice(None, "https://hooks.acme.example/out"), "standard");
        assert_eq!(choice(Some("userhero"), "https://hooks.acme.example/in/1"), "userhero");
    }
}
