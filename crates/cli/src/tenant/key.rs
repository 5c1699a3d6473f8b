//! `tidings tenant key`: API keys of tenants and operators.

use std::time::Duration;

use clap::Subcommand;
use tidings_domain::{KeyId, Scope, TenantId};
use tidings_proto::{duration, pb};

use super::shown;
use crate::arguments::from_now;
use crate::client::{Client, explain};
use crate::output::{self, Format};
use crate::pages;

/// Manages the keys of a tenant, or the operators' keys.
///
/// Example:
///   tidings tenant key create --tenant ten_… --scope publish
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a key and shows its token, this once.
    ///
    /// Examples:
    ///   tidings tenant key create --tenant ten_… --name Publisher --scope publish --expires-in 90d
    ///   tidings tenant key create --operator --scope read
    #[command(verbatim_doc_comment)]
    Create {
        #[command(flatten)]
        owner: Owner,
        /// A name for people.
        #[arg(long, default_value = "")]
        name: String,
        /// An operation that it allows: publish, read or manage; may be repeated [default: all].
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
        /// Those of portal links as well.
        #[arg(long)]
        portal: bool,
        /// Maximum number of keys.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Makes the successor of a key and shows its token, this once. The old key works for a while longer.
    ///
    /// Example:
    ///   tidings tenant key rotate key_… --overlap 2d
    #[command(verbatim_doc_comment)]
    Rotate {
        /// The key (key_…).
        #[arg(value_name = "KEY")]
        key_id: KeyId,
        /// Time for which the old key still works, up to 30d; 0s to stop it at once.
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
        overlap: Duration,
        /// After how long the new key stops working [default: never, or after as long as the old one was made for].
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        expires_in: Option<Duration>,
    },
    /// Makes a key stop working, within a second.
    ///
    /// Example:
    ///   tidings tenant key revoke key_…
    #[command(verbatim_doc_comment)]
    Revoke {
        /// The key (key_…).
        #[arg(value_name = "KEY")]
        key_id: KeyId,
    },
}

/// The owner of keys. It must be named, because leaving it out must not make an operator's key.
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

pub(super) async fn run(client: &Client, format: Format, args: Args) -> anyhow::Result<()> {
    let mut tenants = client.tenants();
    match args.command {
        Command::Create {
            owner,
            name,
            scopes,
            expires_in,
        } => {
            let request = pb::CreateApiKeyRequest {
                tenant_id: owner.tenant_id(),
                scopes: scopes.iter().map(Scope::to_string).collect(),
                expires_at: expires_in.map(from_now).transpose()?,
                name,
            };
            let created = tenants.create_api_key(request).await.map_err(explain)?.into_inner();
            shown::new_key(format, &created.key.unwrap_or_default(), &created.token, None)
        }
        Command::List { owner, portal, limit } => shown::keys(format, &list(client, &owner, portal, limit).await?),
        Command::Rotate {
            key_id,
            overlap,
            expires_in,
        } => {
            let request = pb::RotateApiKeyRequest {
                key_id: key_id.to_string(),
                overlap: Some(duration(overlap)),
                expires_at: expires_in.map(from_now).transpose()?,
            };
            let rotated = tenants.rotate_api_key(request).await.map_err(explain)?.into_inner();
            let key = rotated.key.unwrap_or_default();
            shown::new_key(format, &key, &rotated.token, rotated.previous_expires_at.as_ref())
        }
        Command::Revoke { key_id } => {
            let request = pb::RevokeApiKeyRequest {
                key_id: key_id.to_string(),
            };
            tenants.revoke_api_key(request).await.map_err(explain)?;
            output::done(format, "revoked", &key_id)
        }
    }
}

async fn list(client: &Client, owner: &Owner, portal: bool, limit: u32) -> anyhow::Result<Vec<pb::ApiKey>> {
    let request = pb::ListApiKeysRequest {
        tenant_id: owner.tenant_id(),
        portal,
        ..pb::ListApiKeysRequest::default()
    };
    let listed = pages::collect(limit, async |page_size, page_token| {
        let request = pb::ListApiKeysRequest {
            page_size,
            page_token,
            ..request.clone()
        };
        let page = client.tenants().list_api_keys(request).await?.into_inner();
        Ok((page.keys, page.next_page_token))
    });
    listed.await.map_err(explain)
}

impl Owner {
    /// As requests name it: empty for the operators.
    fn tenant_id(&self) -> String {
        self.tenant.map(|tenant| tenant.to_string()).unwrap_or_default()
    }
}
