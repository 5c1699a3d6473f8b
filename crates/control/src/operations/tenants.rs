//! Operations on tenants and their settings.

use tidings_auth::no_such_tenant;
use tidings_dialect::Dialects;
use tidings_domain::key::Token;
use tidings_domain::{ApiKey, SchemaValidation, Scope, Tenant, TenantId};
use tidings_service::problem::Problem;

use crate::call::Call;
use crate::precondition::Precondition;
use crate::{Book, audit, now, retention, texts};

/// Tries of a change that collides with other changes of the tenant.
const TRIES: u32 = 5;
/// The longest that a tenant may ask to keep something, days.
const MAX_RETENTION: u32 = 3_650;
/// The most endpoints of a tenant that are looked at.
const MAX_ENDPOINTS: u32 = 10_000;
/// The largest share of a tenant, deliveries per second.
const MAX_PER_SECOND: u32 = 100_000;
/// The largest share of a tenant after a rest, deliveries.
const MAX_BURST: u32 = 1_000_000;

pub struct Tenants {
    pub(crate) book: Book,
    pub(crate) dialects: Dialects,
}

/// A change of a tenant: the fields to replace. A field set to `None` returns to its default.
#[derive(Debug, Default)]
pub struct TenantChange {
    /// The condition under which the change is applied.
    pub precondition: Precondition,
    pub name: Option<String>,
    /// Treatment of payloads that do not match their schema.
    pub schema_validation: Option<SchemaValidation>,
    /// Retention of payloads, in days.
    pub payload_retention: Option<Option<u32>>,
    /// Retention of attempts, in days.
    pub attempt_retention: Option<Option<u32>>,
    /// Its share of the lane `live`, deliveries per second.
    pub publish_per_second: Option<Option<u32>>,
    /// Its share of the lane `live` after a rest, deliveries.
    pub publish_burst: Option<Option<u32>>,
}

impl Tenants {
    /// Makes a tenant and its first key, which has all scopes. The token can't be had again.
    pub async fn create(&self, call: &Call, name: &str) -> Result<(Tenant, ApiKey, Token), Problem> {
        call.require_operator()?;
        call.require(Scope::Manage)?;
        let tenant = Tenant::new(checked_name(name)?, now());
        let (key, token) = ApiKey::new(Some(tenant.id), Scope::ALL.to_vec(), tenant.created_at);
        let entry = call.entry(
            "tenant.created",
            tenant.id,
            Some(tenant.id),
            None,
            audit::tenant_with_key(&tenant, &key),
        );
        self.book.registry.create_tenant(&tenant, &key, &entry).await?;
        self.book.changed(Some(tenant.id)).await;
        Ok((tenant, key, token))
    }

    /// The tenant with this id, if the caller may read it.
    pub async fn get(&self, call: &Call, id: TenantId) -> Result<Tenant, Problem> {
        call.require(Scope::Read)?;
        self.find(call, id).await
    }

    /// Tenants, newest first, one page.
    pub async fn list(&self, call: &Call, before: Option<TenantId>, limit: u32) -> Result<Vec<Tenant>, Problem> {
        call.require_operator()?;
        call.require(Scope::Read)?;
        Ok(self.book.registry.tenants(before, limit).await?)
    }

    /// Fails if the tenant's payloads are forgotten before its endpoints' deliveries end.
    async fn check_retention(&self, tenant: &Tenant) -> Result<(), Problem> {
        let endpoints = self.book.registry.endpoints(tenant.id, None, MAX_ENDPOINTS).await?;
        let with_schedules = endpoints.iter().filter_map(|endpoint| {
            let dialect = self.dialects.get(&endpoint.dialect);
            let own = endpoint.overrides.schedule.as_ref();
            Some((endpoint, own.or_else(|| dialect.map(|dialect| dialect.schedule()))?))
        });
        retention::check_tenant(tenant, with_schedules)
    }

    /// Applies a change, again from the start if somebody else changed the tenant meanwhile.
    pub async fn update(&self, call: &Call, id: TenantId, change: &TenantChange) -> Result<Tenant, Problem> {
        call.require(Scope::Manage)?;
        call.refuse_portal()?;
        for _ in 0..TRIES {
            let mut tenant = self.find(call, id).await?;
            if change.is_for_operators() {
                call.require_operator()?;
            }
            change
                .precondition
                .check("tenant", tenant.updated_at, "tenant_changed")?;
            let (was, before) = (tenant.updated_at, audit::tenant(&tenant));
            change.apply(&mut tenant)?;
            if change.payload_retention.is_some() {
                self.check_retention(&tenant).await?;
            }
            // Two changes within a microsecond must still differ, or the second could overwrite the first unseen.
            tenant.updated_at = now().max(was + jiff::SignedDuration::from_micros(1));
            let entry = call.entry("tenant.updated", id, Some(id), before, audit::tenant(&tenant));
            if self.book.registry.replace_tenant(&tenant, was, &entry).await? {
                self.book.changed(Some(id)).await;
                return Ok(tenant);
            }
        }
        let detail = "the tenant keeps changing: fetch it again and retry";
        Err(Problem::conflict("tenant_contended", detail))
    }

    /// Removes a tenant with its keys and endpoints.
    pub async fn delete(&self, call: &Call, id: TenantId) -> Result<(), Problem> {
        call.require_operator()?;
        call.require(Scope::Manage)?;
        let tenant = self.find(call, id).await?;
        let entry = call.entry("tenant.deleted", id, Some(id), audit::tenant(&tenant), None);
        if !self.book.registry.delete_tenant(id, &entry).await? {
            return Err(no_such_tenant(id));
        }
        self.book.changed(Some(id)).await;
        Ok(())
    }

    /// A tenant that the caller may see; all others appear not to exist.
    async fn find(&self, call: &Call, id: TenantId) -> Result<Tenant, Problem> {
        call.tenant(Some(id))?;
        self.book.registry.tenant(id).await?.ok_or_else(|| no_such_tenant(id))
    }
}

impl TenantChange {
    /// `true` if it changes a setting that only operators may.
    fn is_for_operators(&self) -> bool {
        self.name.is_some() || self.publish_per_second.is_some() || self.publish_burst.is_some()
    }

    fn apply(&self, tenant: &mut Tenant) -> Result<(), Problem> {
        if let Some(name) = &self.name {
            tenant.name = checked_name(name)?;
        }
        let settings = &mut tenant.settings;
        if let Some(validation) = self.schema_validation {
            settings.schema_validation = validation;
        }
        if let Some(days) = self.payload_retention {
            settings.payload_retention = within(days, MAX_RETENTION, "payload_retention_days")?;
        }
        if let Some(days) = self.attempt_retention {
            settings.attempt_retention = within(days, MAX_RETENTION, "attempt_retention_days")?;
        }
        if let Some(rate) = self.publish_per_second {
            settings.publish_per_second = within(rate, MAX_PER_SECOND, "publish_per_second")?;
        }
        if let Some(burst) = self.publish_burst {
            settings.publish_burst = within(burst, MAX_BURST, "publish_burst")?;
        }
        Ok(())
    }
}

/// A way to validate payloads by its name.
pub(crate) fn read_validation(name: &str) -> Result<SchemaValidation, Problem> {
    SchemaValidation::from_name(name).ok_or_else(|| {
        let detail = format!("`{name}` is no validation mode: use `off`, `warn` or `reject`");
        Problem::invalid("schema_validation_unknown", detail).at("schema_validation")
    })
}

fn checked_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    texts::check(name, "name")?;
    let length = name.chars().count();
    if (1..=Tenant::MAX_NAME).contains(&length) {
        return Ok(name.to_owned());
    }
    let detail = format!(
        "a tenant's name has 1 to {} characters, this one has {length}",
        Tenant::MAX_NAME
    );
    Err(Problem::invalid("name_invalid", detail).at("name"))
}

fn within(chosen: Option<u32>, max: u32, field: &str) -> Result<Option<u32>, Problem> {
    match chosen {
        Some(number) if !(1..=max).contains(&number) => {
            let detail = format!("`{field}` is 1 to {max}, not {number}");
            Err(Problem::invalid("setting_out_of_range", detail).at(field))
        }
        chosen => Ok(chosen),
    }
}
