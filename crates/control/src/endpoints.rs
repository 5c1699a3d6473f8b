//! Operations on endpoints.

use std::time::Duration;

use tidings_dialect::Dialects;
use tidings_domain::destination::Destinations;
use tidings_domain::{Endpoint, EndpointId, Overrides, Scope, Secret, Subscription, TenantId};
use tidings_service::problem::Problem;
use tidings_store::access::no_such_tenant;
use tidings_store::{Caller, StoreError};
use url::Url;

use crate::{Book, now};

const MAX_URL: usize = 2_048;
const TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const MAX_CONCURRENCY: u32 = 1_000;
/// The highest rate limit, requests per second, and the most at once.
const MAX_RATE: u32 = 10_000;
const MAX_BURST: u32 = 100_000;
/// How often a change is tried again when somebody else changed the endpoint meanwhile.
const TRIES: u32 = 5;

/// What can be done with endpoints.
pub struct Endpoints {
    pub(crate) book: Book,
    pub(crate) dialects: Dialects,
    pub(crate) destinations: Destinations,
    pub(crate) max_per_tenant: u32,
}

/// A new endpoint as it is asked for.
pub struct NewEndpoint {
    /// Whose; may be left out with a tenant's key.
    pub tenant: Option<TenantId>,
    /// What people call it.
    pub name: String,
    /// Where requests go.
    pub url: String,
    /// The name of its dialect; if left out, the one that is made for its URL, or the default one.
    pub dialect: Option<String>,
    /// Its secret; none if requests are not signed.
    pub secret: Option<Secret>,
    /// What it wants.
    pub subscriptions: Vec<Subscription>,
    /// Whether requests are made from the start.
    pub enabled: bool,
    /// What differs from the dialect.
    pub overrides: Overrides,
}

/// A change of an endpoint: the fields to replace.
#[derive(Default)]
pub struct EndpointChange {
    /// What people call it.
    pub name: Option<String>,
    /// Where requests go.
    pub url: Option<String>,
    /// The name of its dialect.
    pub dialect: Option<String>,
    /// Its secret, or none at all.
    pub secret: Option<Option<Secret>>,
    /// What it wants.
    pub subscriptions: Option<Vec<Subscription>>,
    /// Whether requests are made.
    pub enabled: Option<bool>,
    /// Whether what was held until now is cancelled instead of sent.
    pub cancel_held: bool,
    /// What differs from the dialect, field by field.
    pub overrides: Vec<OverrideChange>,
}

/// One field of [`Overrides`] to replace.
pub type OverrideChange = Box<dyn Fn(&mut Overrides) + Send + Sync>;

impl Endpoints {
    /// Makes an endpoint.
    pub async fn create(&self, caller: &Caller, new: NewEndpoint) -> Result<Endpoint, Problem> {
        caller.require(Scope::Manage)?;
        let Some(tenant) = caller.tenant(new.tenant)? else {
            return Err(tenant_missing());
        };
        let made = now();
        let url = self.url(&new.url)?;
        let endpoint = Endpoint {
            id: EndpointId::new(),
            tenant,
            name: new.name.trim().to_owned(),
            dialect: dialect_for(&self.dialects, new.dialect, &url),
            url,
            secret: new.secret,
            subscriptions: new.subscriptions,
            enabled: new.enabled,
            overrides: new.overrides,
            cancel_held_before: None,
            created_at: made,
            updated_at: made,
        };
        self.check(&endpoint)?;
        let count = self
            .book
            .registry
            .endpoints(tenant, None, self.max_per_tenant)
            .await?
            .len();
        if count >= self.max_per_tenant as usize {
            let detail = format!("the tenant has {count} endpoints, as many as it may have: delete one first");
            return Err(Problem::exhausted("too_many_endpoints", detail));
        }
        self.book
            .registry
            .create_endpoint(&endpoint)
            .await
            .map_err(|error| match error {
                StoreError::Conflict(_) => no_such_tenant(tenant),
                error => error.into(),
            })?;
        self.book.changed(Some(tenant)).await;
        Ok(endpoint)
    }

    /// One endpoint.
    pub async fn get(&self, caller: &Caller, id: EndpointId) -> Result<Endpoint, Problem> {
        caller.require(Scope::Read)?;
        self.find(caller, id).await
    }

    /// The secret of an endpoint.
    pub async fn secret(&self, caller: &Caller, id: EndpointId) -> Result<Option<Secret>, Problem> {
        caller.require(Scope::Manage)?;
        Ok(self.find(caller, id).await?.secret)
    }

    /// A tenant's endpoints, newest first.
    pub async fn list(
        &self,
        caller: &Caller,
        tenant: Option<TenantId>,
        before: Option<EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>, Problem> {
        caller.require(Scope::Read)?;
        let Some(tenant) = caller.tenant(tenant)? else {
            return Err(tenant_missing());
        };
        Ok(self.book.registry.endpoints(tenant, before, limit).await?)
    }

    /// Changes an endpoint.
    pub async fn update(&self, caller: &Caller, id: EndpointId, change: EndpointChange) -> Result<Endpoint, Problem> {
        caller.require(Scope::Manage)?;
        for _ in 0..TRIES {
            let mut endpoint = self.find(caller, id).await?;
            let was = endpoint.updated_at;
            self.apply(&mut endpoint, &change)?;
            self.check(&endpoint)?;
            // Two changes within a microsecond must still differ, or the second could overwrite the first unseen.
            endpoint.updated_at = now().max(was + jiff::SignedDuration::from_micros(1));
            if self.book.registry.replace_endpoint(&endpoint, was).await? {
                self.book.changed(Some(endpoint.tenant)).await;
                return Ok(endpoint);
            }
        }
        Err(Problem::conflict(
            "endpoint_contended",
            "others keep changing this endpoint: try again",
        ))
    }

    /// Removes an endpoint.
    pub async fn delete(&self, caller: &Caller, id: EndpointId) -> Result<(), Problem> {
        caller.require(Scope::Manage)?;
        let endpoint = self.find(caller, id).await?;
        if !self.book.registry.delete_endpoint(id).await? {
            return Err(unknown_endpoint(id));
        }
        self.book.changed(Some(endpoint.tenant)).await;
        Ok(())
    }

    /// An endpoint that the caller may know of; all others do not exist.
    async fn find(&self, caller: &Caller, id: EndpointId) -> Result<Endpoint, Problem> {
        self.book
            .registry
            .endpoint(id)
            .await?
            .filter(|endpoint| caller.tenant(Some(endpoint.tenant)).is_ok())
            .ok_or_else(|| unknown_endpoint(id))
    }

    fn apply(&self, endpoint: &mut Endpoint, change: &EndpointChange) -> Result<(), Problem> {
        if let Some(name) = &change.name {
            endpoint.name = name.trim().to_owned();
        }
        if let Some(url) = &change.url {
            endpoint.url = self.url(url)?;
        }
        if let Some(dialect) = &change.dialect {
            endpoint.dialect.clone_from(dialect);
        }
        if let Some(secret) = &change.secret {
            endpoint.secret.clone_from(secret);
        }
        if let Some(subscriptions) = &change.subscriptions {
            endpoint.subscriptions.clone_from(subscriptions);
        }
        if let Some(enabled) = change.enabled {
            endpoint.enabled = enabled;
        }
        if change.cancel_held {
            // Ids bear milliseconds: what was accepted in this one may be held as well.
            endpoint.cancel_held_before = Some(now() + jiff::SignedDuration::from_millis(1));
        }
        for change in &change.overrides {
            change(&mut endpoint.overrides);
        }
        Ok(())
    }

    fn url(&self, text: &str) -> Result<Url, Problem> {
        if text.len() > MAX_URL {
            return Err(Problem::invalid("url_invalid", format!("a URL has at most {MAX_URL} bytes")).at("url"));
        }
        let url: Url = text.parse().map_err(|error| {
            let detail = format!("`{text}` is not a URL ({error}): write it like `https://example.com/webhooks`");
            Problem::invalid("url_invalid", detail).at("url")
        })?;
        self.destinations
            .check_url(&url)
            .map_err(|error| Problem::invalid("url_not_allowed", error.to_string()).at("url"))?;
        Ok(url)
    }

    fn check(&self, endpoint: &Endpoint) -> Result<(), Problem> {
        let length = endpoint.name.chars().count();
        if length > Endpoint::MAX_NAME {
            let detail = format!(
                "a name has at most {} characters, this one has {length}",
                Endpoint::MAX_NAME
            );
            return Err(Problem::invalid("name_invalid", detail).at("name"));
        }
        if self.dialects.get(&endpoint.dialect).is_none() {
            let known: Vec<_> = self.dialects.names().collect();
            let detail = format!(
                "there is no dialect `{}`: use one of {}",
                endpoint.dialect,
                known.join(", ")
            );
            return Err(Problem::invalid("dialect_unknown", detail).at("dialect"));
        }
        let subscriptions = endpoint.subscriptions.len();
        if !(1..=Endpoint::MAX_SUBSCRIPTIONS).contains(&subscriptions) {
            let detail = format!(
                "an endpoint has 1 to {} subscriptions, this one has {subscriptions}: subscribe to `*` for everything",
                Endpoint::MAX_SUBSCRIPTIONS
            );
            return Err(Problem::invalid("subscriptions_invalid", detail).at("subscriptions"));
        }
        if endpoint
            .overrides
            .timeout
            .is_some_and(|timeout| !TIMEOUT.contains(&timeout))
        {
            return Err(Problem::invalid("timeout_invalid", "a timeout is 1s to 60s").at("timeout"));
        }
        if endpoint
            .overrides
            .concurrency
            .is_some_and(|cap| !(1..=MAX_CONCURRENCY).contains(&cap))
        {
            let detail = format!("concurrency is 1 to {MAX_CONCURRENCY}");
            return Err(Problem::invalid("concurrency_invalid", detail).at("concurrency"));
        }
        if let Some(limit) = endpoint.overrides.rate_limit {
            if !(1..=MAX_RATE).contains(&limit.per_second) {
                let detail = format!("a rate limit is 1 to {MAX_RATE} requests per second");
                return Err(Problem::invalid("rate_per_second_invalid", detail).at("rate_per_second"));
            }
            if !(1..=MAX_BURST).contains(&limit.burst) {
                let detail = format!("a burst is 1 to {MAX_BURST} requests at once");
                return Err(Problem::invalid("rate_burst_invalid", detail).at("rate_burst"));
            }
        }
        Ok(())
    }
}

/// The dialect that was asked for; otherwise the one made for such URLs, otherwise the default.
fn dialect_for(dialects: &Dialects, asked: Option<String>, url: &Url) -> String {
    let made_for = || dialects.chosen_for(url).map(|dialect| dialect.name().to_owned());
    asked.or_else(made_for).unwrap_or_else(|| Dialects::DEFAULT.to_owned())
}

fn unknown_endpoint(id: EndpointId) -> Problem {
    Problem::not_found("endpoint_unknown", format!("there is no endpoint {id}")).at("endpoint_id")
}

fn tenant_missing() -> Problem {
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
        let choice =
            |asked: Option<&str>, url: &str| dialect_for(&dialects, asked.map(str::to_owned), &url.parse().unwrap());
        assert_eq!(choice(None, "https://hooks.acme.example/in/1"), "acme");
        assert_eq!(choice(None, "https://hooks.acme.example/out"), "standard");
        assert_eq!(choice(Some("userhero"), "https://hooks.acme.example/in/1"), "userhero");
    }
}
