//! `tidings tenant`.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use tidings_domain::Timestamp;
use tidings_proto::{pb, timestamp};

use crate::client::{ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, table, time};

/// Manages tenants and their keys.
#[derive(clap::Args)]
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
    /// Makes a tenant and its first key, and prints both. The token is shown this once.
    ///
    /// Example:
    ///   tidings tenant create "Acme"
    #[command(verbatim_doc_comment)]
    Create {
        /// What people call it.
        name: String,
    },
    /// Shows one tenant.
    ///
    /// Example:
    ///   tidings tenant get ten_0193e4b2c1d27e3f8a4b5c6d7e8f9012
    #[command(verbatim_doc_comment)]
    Get {
        /// Its id.
        id: String,
    },
    /// Lists tenants, newest first.
    ///
    /// Example:
    ///   tidings tenant list --output json
    #[command(verbatim_doc_comment)]
    List,
    /// Deletes a tenant with its keys and endpoints; its log stays.
    ///
    /// Example:
    ///   tidings tenant delete ten_0193e4b2c1d27e3f8a4b5c6d7e8f9012
    #[command(verbatim_doc_comment)]
    Delete {
        /// Its id.
        id: String,
    },
    /// Manages keys.
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Makes a key and prints its token, this once.
    ///
    /// Example:
    ///   tidings tenant key create --tenant ten_… --scope publish --expires-in 90d
    #[command(verbatim_doc_comment)]
    Create {
        /// The tenant it is to belong to; without one it is an operator's key.
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// What it may be used for (publish, read, manage); everything if left out. May be repeated.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// When it stops working.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
    },
    /// Lists keys, newest first.
    ///
    /// Example:
    ///   tidings tenant key list --tenant ten_…
    #[command(verbatim_doc_comment)]
    List {
        /// Whose; without one the operators' keys.
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
    },
    /// Makes a key stop working.
    ///
    /// Example:
    ///   tidings tenant key revoke key_…
    #[command(verbatim_doc_comment)]
    Revoke {
        /// Its id.
        id: String,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut tenants = args.client.connect().await?.tenants();
    let format = args.output.output;
    match args.command {
        Command::Create { name } => {
            let request = pb::CreateTenantRequest { name };
            let created = tenants.create_tenant(request).await.map_err(explain)?.into_inner();
            let tenant = created.tenant.unwrap_or_default();
            if format == Format::Json {
                return output::json(&json!({ "id": tenant.id, "name": tenant.name, "token": created.token }));
            }
            println!("tenant  {}", tenant.id);
            println!("token   {}   (shown this once)", created.token);
        }
        Command::Get { id } => {
            let tenant = tenants
                .get_tenant(pb::GetTenantRequest { tenant_id: id })
                .await
                .map_err(explain)?;
            show_tenants(format, &[tenant.into_inner()])?;
        }
        Command::List => {
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = pb::ListTenantsRequest {
                    page_size: 200,
                    page_token,
                };
                let page = tenants.list_tenants(request).await.map_err(explain)?.into_inner();
                all.extend(page.tenants);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            show_tenants(format, &all)?;
        }
        Command::Delete { id } => {
            tenants
                .delete_tenant(pb::DeleteTenantRequest { tenant_id: id })
                .await
                .map_err(explain)?;
        }
        Command::Key(KeyCommand::Create {
            tenant,
            scopes,
            expires_in,
        }) => {
            let expires_at =
                expires_in.map(|wait| timestamp(Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX)));
            let request = pb::CreateApiKeyRequest {
                tenant_id: tenant.unwrap_or_default(),
                scopes,
                expires_at,
            };
            let created = tenants.create_api_key(request).await.map_err(explain)?.into_inner();
            let key = created.key.unwrap_or_default();
            if format == Format::Json {
                let mut document = key_json(&key);
                document["token"] = Value::from(created.token);
                return output::json(&document);
            }
            println!("key    {}", key.id);
            println!("token  {}   (shown this once)", created.token);
        }
        Command::Key(KeyCommand::List { tenant }) => {
            let request = pb::ListApiKeysRequest {
                tenant_id: tenant.unwrap_or_default(),
            };
            let keys = tenants.list_api_keys(request).await.map_err(explain)?.into_inner().keys;
            show_keys(format, &keys)?;
        }
        Command::Key(KeyCommand::Revoke { id }) => {
            tenants
                .revoke_api_key(pb::RevokeApiKeyRequest { key_id: id })
                .await
                .map_err(explain)?;
        }
    }
    Ok(())
}

fn show_tenants(format: Format, tenants: &[pb::Tenant]) -> anyhow::Result<()> {
    if format == Format::Json {
        return tenants.iter().try_for_each(|tenant| {
            let created_at = time(tenant.created_at.as_ref());
            output::json(&json!({ "id": tenant.id, "name": tenant.name, "created_at": created_at }))
        });
    }
    let row = |tenant: &pb::Tenant| vec![tenant.id.clone(), tenant.name.clone(), time(tenant.created_at.as_ref())];
    table(
        &["tenant", "name", "created"],
        &tenants.iter().map(row).collect::<Vec<_>>(),
    )
}

fn show_keys(format: Format, keys: &[pb::ApiKey]) -> anyhow::Result<()> {
    if format == Format::Json {
        return keys.iter().try_for_each(|key| output::json(&key_json(key)));
    }
    let row = |key: &pb::ApiKey| {
        let (created, expires) = (time(key.created_at.as_ref()), time(key.expires_at.as_ref()));
        vec![
            key.id.clone(),
            format!("{}…", key.hint),
            key.scopes.join(" "),
            created,
            expires,
        ]
    };
    table(
        &["key", "token", "scopes", "created", "expires"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )
}

fn key_json(key: &pb::ApiKey) -> Value {
    json!({
        "id": key.id,
        "tenant_id": key.tenant_id,
        "hint": key.hint,
        "scopes": key.scopes,
        "created_at": time(key.created_at.as_ref()),
        "expires_at": time(key.expires_at.as_ref()),
    })
}
