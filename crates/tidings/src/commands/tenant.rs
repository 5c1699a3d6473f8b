//! `tidings tenant`.

use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use tidings_domain::{KeyId, Scope, TenantId, Timestamp};
use tidings_proto::pb;

use crate::arguments::from_now;
use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, fields, instant, table, time};

/// Manages tenants and their keys. Takes an operator's key; a tenant's key can manage its own tenant's keys.
///
/// Example:
///   tidings tenant create Acme
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a tenant and its first key.
    ///
    /// Example:
    ///   tidings tenant create Acme
    #[command(verbatim_doc_comment)]
    Create {
        /// What people call it.
        name: String,
    },
    /// Shows a tenant.
    ///
    /// Example:
    ///   tidings tenant get ten_…
    #[command(verbatim_doc_comment)]
    Get {
        /// Its id.
        tenant: TenantId,
    },
    /// Lists tenants, newest first.
    ///
    /// Example:
    ///   tidings tenant list --limit 10
    #[command(verbatim_doc_comment)]
    List {
        /// How many at the most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Deletes a tenant with its keys and endpoints. Its open deliveries are cancelled; its log stays.
    ///
    /// Example:
    ///   tidings tenant delete ten_…
    #[command(verbatim_doc_comment)]
    Delete {
        /// Its id.
        tenant: TenantId,
    },
    Key(KeyArgs),
}

/// Manages the keys of a tenant, or the operators' keys.
///
/// Example:
///   tidings tenant key create --tenant ten_… --scope publish
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Makes a key and shows its token, this once.
    ///
    /// Examples:
    ///   tidings tenant key create --tenant ten_… --scope publish --expires-in 90d
    ///   tidings tenant key create --operator --scope read
    #[command(verbatim_doc_comment)]
    Create {
        #[command(flatten)]
        owner: Owner,
        /// What it may be used for: publish, read or manage; may be repeated [default: all].
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// After how long it stops working, like 90d [default: never].
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
    },
    /// Lists keys, newest first.
    ///
    /// Example:
    ///   tidings tenant key list --tenant ten_…
    #[command(verbatim_doc_comment)]
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Makes a key stop working, within a second.
    ///
    /// Example:
    ///   tidings tenant key revoke key_…
    #[command(verbatim_doc_comment)]
    Revoke {
        /// Its id.
        key: KeyId,
    },
}

/// Whose keys: one has to say it, because leaving it out must not make an operator's key.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Owner {
    /// The tenant whose key it is (ten_…).
    #[arg(long)]
    tenant: Option<TenantId>,
    /// An operator's key: it works for all tenants.
    #[arg(long)]
    operator: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    let mut tenants = client.tenants();
    match args.command {
        Command::Create { name } => create(&client, format, name).await,
        Command::Get { tenant } => {
            let request = pb::GetTenantRequest {
                tenant_id: tenant.to_string(),
            };
            let tenant = tenants.get_tenant(request).await.map_err(explain)?.into_inner();
            show_tenants(format, &[tenant])
        }
        Command::List { limit } => show_tenants(format, &list(&client, limit).await?),
        Command::Delete { tenant } => {
            let request = pb::DeleteTenantRequest {
                tenant_id: tenant.to_string(),
            };
            tenants.delete_tenant(request).await.map_err(explain)?;
            output::done(format, "deleted", &tenant)
        }
        Command::Key(KeyArgs {
            command:
                KeyCommand::Create {
                    owner,
                    scopes,
                    expires_in,
                },
        }) => create_key(&client, format, &owner, &scopes, expires_in).await,
        Command::Key(KeyArgs {
            command: KeyCommand::List { owner },
        }) => {
            let request = pb::ListApiKeysRequest {
                tenant_id: owner.tenant_id(),
            };
            show_keys(
                format,
                &tenants.list_api_keys(request).await.map_err(explain)?.into_inner().keys,
            )
        }
        Command::Key(KeyArgs {
            command: KeyCommand::Revoke { key },
        }) => {
            let request = pb::RevokeApiKeyRequest {
                key_id: key.to_string(),
            };
            tenants.revoke_api_key(request).await.map_err(explain)?;
            output::done(format, "revoked", &key)
        }
    }
}

async fn create(client: &Client, format: Format, name: String) -> anyhow::Result<()> {
    let request = pb::CreateTenantRequest { name };
    let created = client
        .tenants()
        .create_tenant(request)
        .await
        .map_err(explain)?
        .into_inner();
    let (tenant, key) = (created.tenant.unwrap_or_default(), created.key.unwrap_or_default());
    match format {
        Format::Json => output::json(&NewTenant {
            tenant: TenantDocument::from(&tenant),
            key: KeyDocument::from(&key),
            token: &created.token,
        }),
        Format::Text => fields(&[
            ("tenant", format!("{}  {}", tenant.id, tenant.name)),
            ("key", key.id),
            ("token", format!("{}  (shown this once)", created.token)),
        ]),
    }
}

async fn list(client: &Client, limit: u32) -> anyhow::Result<Vec<pb::Tenant>> {
    let mut tenants = Vec::new();
    let mut page_token = String::new();
    while tenants.len() < limit as usize {
        let page_size = (limit - tenants.len() as u32).min(200);
        let request = pb::ListTenantsRequest { page_size, page_token };
        let page = client
            .tenants()
            .list_tenants(request)
            .await
            .map_err(explain)?
            .into_inner();
        tenants.extend(page.tenants);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(tenants)
}

async fn create_key(
    client: &Client,
    format: Format,
    owner: &Owner,
    scopes: &[Scope],
    expires_in: Option<Duration>,
) -> anyhow::Result<()> {
    let request = pb::CreateApiKeyRequest {
        tenant_id: owner.tenant_id(),
        scopes: scopes.iter().map(Scope::to_string).collect(),
        expires_at: expires_in.map(from_now).transpose()?,
    };
    let created = client
        .tenants()
        .create_api_key(request)
        .await
        .map_err(explain)?
        .into_inner();
    let key = created.key.unwrap_or_default();
    match format {
        Format::Json => output::json(&NewKey {
            key: KeyDocument::from(&key),
            token: &created.token,
        }),
        Format::Text => fields(&[
            ("key", key.id),
            ("scopes", key.scopes.join(", ")),
            ("expires", time(key.expires_at.as_ref())),
            ("token", format!("{}  (shown this once)", created.token)),
        ]),
    }
}

fn show_tenants(format: Format, tenants: &[pb::Tenant]) -> anyhow::Result<()> {
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

fn show_keys(format: Format, keys: &[pb::ApiKey]) -> anyhow::Result<()> {
    if format == Format::Json {
        return keys.iter().try_for_each(|key| output::json(&KeyDocument::from(key)));
    }
    let row = |key: &pb::ApiKey| {
        vec![
            key.id.clone(),
            format!("{}…", key.hint),
            key.scopes.join(", "),
            time(key.created_at.as_ref()),
            key.expires_at.as_ref().map_or("never".into(), |at| time(Some(at))),
        ]
    };
    table(
        &["key", "token", "scopes", "created", "expires"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )
}

impl Owner {
    /// As requests name it: empty for the operators.
    fn tenant_id(&self) -> String {
        self.tenant.map(|tenant| tenant.to_string()).unwrap_or_default()
    }
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
}

#[derive(Serialize)]
struct TenantDocument<'a> {
    id: &'a str,
    name: &'a str,
    created_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct KeyDocument<'a> {
    id: &'a str,
    tenant_id: Option<&'a str>,
    scopes: &'a [String],
    hint: &'a str,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl<'a> From<&'a pb::Tenant> for TenantDocument<'a> {
    fn from(tenant: &'a pb::Tenant) -> Self {
        Self {
            id: &tenant.id,
            name: &tenant.name,
            created_at: instant(tenant.created_at.as_ref()),
        }
    }
}

impl<'a> From<&'a pb::ApiKey> for KeyDocument<'a> {
    fn from(key: &'a pb::ApiKey) -> Self {
        Self {
            id: &key.id,
            tenant_id: Some(key.tenant_id.as_str()).filter(|id| !id.is_empty()),
            scopes: &key.scopes,
            hint: &key.hint,
            created_at: instant(key.created_at.as_ref()),
            expires_at: instant(key.expires_at.as_ref()),
        }
    }
}
