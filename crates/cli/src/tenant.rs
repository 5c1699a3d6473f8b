//! `tidings tenant`: tenants, their keys and portal links.

mod key;
mod shown;

use std::time::Duration;

use clap::Subcommand;
use tidings_domain::TenantId;
use tidings_proto::{duration, pb};

use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, OutputArgs};
use crate::pages;

/// Manages tenants and their keys. Requires an operator's key; a tenant's key can manage its own tenant's keys and
/// settings.
///
/// Example:
///   tidings tenant create Acme
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
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
        /// A name for people.
        name: String,
    },
    /// Shows a tenant.
    ///
    /// Example:
    ///   tidings tenant get ten_…
    #[command(verbatim_doc_comment)]
    Get {
        /// The tenant (ten_…).
        tenant: TenantId,
    },
    /// Lists tenants, newest first.
    ///
    /// Example:
    ///   tidings tenant list --limit 10
    #[command(verbatim_doc_comment)]
    List {
        /// Maximum number of tenants.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    Update(UpdateArgs),
    /// Deletes a tenant with its keys and endpoints. Its open deliveries are cancelled; its log stays.
    ///
    /// Example:
    ///   tidings tenant delete ten_…
    #[command(verbatim_doc_comment)]
    Delete {
        /// The tenant (ten_…).
        tenant: TenantId,
    },
    Key(key::Args),
    /// Makes a link by which a tenant's people get to their webhooks for a while.
    ///
    /// Examples:
    ///   tidings tenant portal-link ten_… --expires-in 30m --read-only --once
    ///   tidings tenant portal-link ten_… --page '/webhooks/logs?status_code=5xx' --lang de --accent '#ffe600'
    #[command(verbatim_doc_comment)]
    PortalLink {
        /// The tenant (ten_…).
        tenant: TenantId,
        /// Lifetime of the link: 1m to 7d.
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
        expires_in: Duration,
        /// Allow looking only, no changes.
        #[arg(long)]
        read_only: bool,
        /// Let in only the first browser that opens it: the link is dead for whoever gets it later.
        #[arg(long)]
        once: bool,
        /// The page that it opens: /webhooks, or what is below it, with its query [default: the first].
        #[arg(long, value_name = "PATH")]
        page: Option<String>,
        /// The console's language unless the visitor has chosen one: en or de [default: as the browser prefers].
        #[arg(long, value_name = "LANGUAGE")]
        lang: Option<String>,
        /// The colour of links and buttons, #rrggbb, made legible [default: as configured].
        #[arg(long, value_name = "COLOUR")]
        accent: Option<String>,
    },
}

/// Changes a tenant: what is given is replaced.
///
/// Examples:
///   tidings tenant update ten_… --schema-validation reject
///   tidings tenant update ten_… --payload-retention-days 30 --publish-per-second 0
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct UpdateArgs {
    /// The tenant (ten_…).
    tenant: TenantId,
    /// A name for people.
    #[arg(long)]
    name: Option<String>,
    /// Treatment of events whose payload does not match the schema of their type.
    #[arg(long, value_name = "WAY", value_parser = ["off", "warn", "reject"])]
    schema_validation: Option<String>,
    /// For how many days payloads are kept; 0 for as long as configured.
    #[arg(long, value_name = "DAYS")]
    payload_retention_days: Option<u32>,
    /// For how many days attempts are kept; 0 for as long as configured.
    #[arg(long, value_name = "DAYS")]
    attempt_retention_days: Option<u32>,
    /// Deliveries per second that go ahead of other tenants' floods; 0 for as configured.
    #[arg(long, value_name = "NUMBER")]
    publish_per_second: Option<u32>,
    /// Deliveries of these at once after a rest; 0 for as many as per second.
    #[arg(long, value_name = "NUMBER")]
    publish_burst: Option<u32>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    let mut tenants = client.tenants();
    match args.command {
        Command::Create { name } => {
            let request = pb::CreateTenantRequest { name };
            let created = tenants.create_tenant(request).await.map_err(explain)?.into_inner();
            shown::new_tenant(format, &created)
        }
        Command::Get { tenant } => {
            let request = pb::GetTenantRequest {
                tenant_id: tenant.to_string(),
            };
            let tenant = tenants.get_tenant(request).await.map_err(explain)?.into_inner();
            shown::tenant(format, &tenant)
        }
        Command::List { limit } => shown::tenants(format, &list(&client, limit).await?),
        Command::Update(args) => {
            let request = args.on_the_wire()?;
            let tenant = tenants.update_tenant(request).await.map_err(explain)?.into_inner();
            shown::tenant(format, &tenant)
        }
        Command::Delete { tenant } => {
            let request = pb::DeleteTenantRequest {
                tenant_id: tenant.to_string(),
            };
            tenants.delete_tenant(request).await.map_err(explain)?;
            output::done(format, "deleted", &tenant)
        }
        Command::Key(args) => key::run(&client, format, args).await,
        Command::PortalLink {
            tenant,
            expires_in,
            read_only,
            once,
            page,
            lang,
            accent,
        } => {
            let request = pb::CreatePortalLinkRequest {
                tenant_id: tenant.to_string(),
                expires_in: Some(duration(expires_in)),
                read_only,
                once,
                page: page.unwrap_or_default(),
                lang: lang.unwrap_or_default(),
                accent: accent.unwrap_or_default(),
            };
            let link = tenants.create_portal_link(request).await.map_err(explain)?.into_inner();
            shown::portal_link(format, &link)
        }
    }
}

async fn list(client: &Client, limit: u32) -> anyhow::Result<Vec<pb::Tenant>> {
    let listed = pages::collect(limit, async |page_size, page_token| {
        let request = pb::ListTenantsRequest { page_size, page_token };
        let page = client.tenants().list_tenants(request).await?.into_inner();
        Ok((page.tenants, page.next_page_token))
    });
    listed.await.map_err(explain)
}

impl UpdateArgs {
    fn on_the_wire(self) -> anyhow::Result<pb::UpdateTenantRequest> {
        let given = [
            ("name", self.name.is_some()),
            ("schema_validation", self.schema_validation.is_some()),
            ("payload_retention_days", self.payload_retention_days.is_some()),
            ("attempt_retention_days", self.attempt_retention_days.is_some()),
            ("publish_per_second", self.publish_per_second.is_some()),
            ("publish_burst", self.publish_burst.is_some()),
        ];
        let paths: Vec<String> = given
            .into_iter()
            .filter(|(_, is_given)| *is_given)
            .map(|(path, _)| path.to_owned())
            .collect();
        anyhow::ensure!(
            !paths.is_empty(),
            "nothing to change: see `tidings tenant update --help`"
        );
        Ok(pb::UpdateTenantRequest {
            tenant: Some(pb::Tenant {
                id: self.tenant.to_string(),
                name: self.name.unwrap_or_default(),
                schema_validation: self.schema_validation.unwrap_or_default(),
                payload_retention_days: self.payload_retention_days.unwrap_or_default(),
                attempt_retention_days: self.attempt_retention_days.unwrap_or_default(),
                publish_per_second: self.publish_per_second.unwrap_or_default(),
                publish_burst: self.publish_burst.unwrap_or_default(),
                ..pb::Tenant::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths }),
        })
    }
}
