//! Printing of tenants and keys.

use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;

use crate::output::{self, Format, fields, instant, table, time};

/// A tenant or key that was just made prints its token, this once.
const ONCE: &str = "(shown this once)";

/// Prints tenants, one per row.
pub(super) fn tenants(format: Format, tenants: &[pb::Tenant]) -> anyhow::Result<()> {
    if format == Format::Json {
        return tenants
            .iter()
            .try_for_each(|tenant| output::json(&TenantDocument::from(tenant)));
    }
    let row = |tenant: &pb::Tenant| vec![tenant.id.clone(), tenant.name.clone(), time(tenant.created_at.as_ref())];
    table(
        &["tenant", "name", "created"],
        &tenants.iter().map(row).collect::<Vec<_>>(),
    )
}

/// Prints one tenant with its settings.
pub(super) fn tenant(format: Format, tenant: &pb::Tenant) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&TenantDocument::from(tenant));
    }
    let days = |days: u32| chosen(days).map_or("as configured".to_owned(), |days| format!("{days} days"));
    let number = |number: u32| chosen(number).map_or("as configured".to_owned(), |number| number.to_string());
    fields(&[
        ("tenant", tenant.id.clone()),
        ("name", tenant.name.clone()),
        ("schema validation", tenant.schema_validation.clone()),
        ("payloads kept", days(tenant.payload_retention_days)),
        ("attempts kept", days(tenant.attempt_retention_days)),
        ("publish per second", number(tenant.publish_per_second)),
        ("publish burst", number(tenant.publish_burst)),
        ("created", time(tenant.created_at.as_ref())),
        ("updated", time(tenant.updated_at.as_ref())),
    ])
}

/// Prints a tenant that was just made.
pub(super) fn new_tenant(format: Format, created: &pb::CreateTenantResponse) -> anyhow::Result<()> {
    let (tenant, key) = (
        created.tenant.clone().unwrap_or_default(),
        created.key.clone().unwrap_or_default(),
    );
    match format {
        Format::Json => output::json(&NewTenant {
            tenant: TenantDocument::from(&tenant),
            key: KeyDocument::from(&key),
            token: &created.token,
        }),
        Format::Text => fields(&[
            ("tenant", format!("{}  {}", tenant.id, tenant.name)),
            ("key", key.id),
            ("token", format!("{}  {ONCE}", created.token)),
        ]),
    }
}

/// Prints keys, one per row.
pub(super) fn keys(format: Format, keys: &[pb::ApiKey]) -> anyhow::Result<()> {
    if format == Format::Json {
        return keys.iter().try_for_each(|key| output::json(&KeyDocument::from(key)));
    }
    let never = |at: Option<&prost_types::Timestamp>| at.map_or("never".to_owned(), |at| time(Some(at)));
    let row = |key: &pb::ApiKey| {
        vec![
            key.id.clone(),
            key.name.clone(),
            format!("{}…", key.hint),
            key.scopes.join(", "),
            time(key.created_at.as_ref()),
            never(key.expires_at.as_ref()),
            never(key.last_used_at.as_ref()),
        ]
    };
    table(
        &["key", "name", "token", "scopes", "created", "expires", "last used"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )
}

/// Prints a key that was just made; `previous` is the end of the one that it replaces.
pub(super) fn new_key(
    format: Format,
    key: &pb::ApiKey,
    token: &str,
    previous: Option<&prost_types::Timestamp>,
) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json(&NewKey {
            key: KeyDocument::from(key),
            token,
            previous_expires_at: instant(previous),
        }),
        Format::Text => fields(&[
            ("key", key.id.clone()),
            ("name", key.name.clone()),
            ("scopes", key.scopes.join(", ")),
            ("expires", time(key.expires_at.as_ref())),
            ("token", format!("{token}  {ONCE}")),
            ("old key works until", time(previous)),
        ]),
    }
}

/// Prints a portal link that was just made.
pub(super) fn portal_link(format: Format, link: &pb::CreatePortalLinkResponse) -> anyhow::Result<()> {
    let key = link.key.clone().unwrap_or_default();
    match format {
        Format::Json => output::json(&PortalLink {
            url: &link.url,
            token: &link.token,
            key: KeyDocument::from(&key),
        }),
        Format::Text => fields(&[
            ("link", link.url.clone()),
            ("key", key.id),
            ("expires", time(key.expires_at.as_ref())),
            ("works", if key.once { "once" } else { "until it expires" }.to_owned()),
        ]),
    }
}

/// A chosen number; 0 means none.
fn chosen(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number > 0)
}

#[derive(Serialize)]
struct NewTenant<'a> {
    tenant: TenantDocument<'a>,
    key: KeyDocument<'a>,
    token: &'a str,
}

#[derive(Serialize)]
struct NewKey<'a> {
    key: KeyDocument<'a>,
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct PortalLink<'a> {
    url: &'a str,
    token: &'a str,
    key: KeyDocument<'a>,
}

#[derive(Serialize)]
struct TenantDocument<'a> {
    id: &'a str,
    name: &'a str,
    schema_validation: &'a str,
    payload_retention_days: Option<u32>,
    attempt_retention_days: Option<u32>,
    publish_per_second: Option<u32>,
    publish_burst: Option<u32>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct KeyDocument<'a> {
    id: &'a str,
    tenant_id: Option<&'a str>,
    name: &'a str,
    scopes: &'a [String],
    hint: &'a str,
    portal: bool,
    once: bool,
    exchanged_at: Option<Timestamp>,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl<'a> From<&'a pb::Tenant> for TenantDocument<'a> {
    fn from(tenant: &'a pb::Tenant) -> Self {
        Self {
            id: &tenant.id,
            name: &tenant.name,
            schema_validation: &tenant.schema_validation,
            payload_retention_days: chosen(tenant.payload_retention_days),
            attempt_retention_days: chosen(tenant.attempt_retention_days),
            publish_per_second: chosen(tenant.publish_per_second),
            publish_burst: chosen(tenant.publish_burst),
            created_at: instant(tenant.created_at.as_ref()),
            updated_at: instant(tenant.updated_at.as_ref()),
        }
    }
}

impl<'a> From<&'a pb::ApiKey> for KeyDocument<'a> {
    fn from(key: &'a pb::ApiKey) -> Self {
        Self {
            id: &key.id,
            tenant_id: Some(key.tenant_id.as_str()).filter(|id| !id.is_empty()),
            name: &key.name,
            scopes: &key.scopes,
            hint: &key.hint,
            portal: key.portal,
            once: key.once,
            exchanged_at: instant(key.exchanged_at.as_ref()),
            created_at: instant(key.created_at.as_ref()),
            expires_at: instant(key.expires_at.as_ref()),
            last_used_at: instant(key.last_used_at.as_ref()),
        }
    }
}
