//! `tidings endpoint`: the management of endpoints.

mod authentication;
mod rotate;
mod settings;
mod shown;
mod test;

use std::collections::BTreeMap;

use clap::Subcommand;
use tidings_domain::{EndpointId, EventPattern, Secret, TenantId};
use tidings_proto::pb;

pub(crate) use self::settings::setting;
use self::settings::{Settings, Wanted};
use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs};
use crate::pages;

/// Manages endpoints, the receivers of a tenant's events.
///
/// Example:
///   tidings endpoint create --tenant ten_… --url https://example.com/webhooks
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
    Create(CreateArgs),
    /// Shows an endpoint, without its secret.
    ///
    /// Example:
    ///   tidings endpoint get ep_…
    #[command(verbatim_doc_comment)]
    Get(One),
    /// Lists endpoints, newest first.
    ///
    /// Example:
    ///   tidings endpoint list --tenant ten_…
    ///   tidings endpoint list --state failing --host hooks.example.com
    #[command(verbatim_doc_comment)]
    List {
        /// The tenant (ten_…); with an operator's key all tenants if left out.
        #[arg(long)]
        tenant: Option<TenantId>,
        /// Only endpoints in this state.
        #[arg(long, value_parser = ["on", "failing", "off", "turned_off"])]
        state: Option<String>,
        /// Only endpoints whose URL has this host.
        #[arg(long)]
        host: Option<String>,
        /// Only endpoints with this dialect.
        #[arg(long)]
        dialect: Option<String>,
        /// Maximum number of endpoints.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    Update(UpdateArgs),
    /// Deletes an endpoint. Its open deliveries are cancelled; its log stays.
    ///
    /// Example:
    ///   tidings endpoint delete ep_…
    #[command(verbatim_doc_comment)]
    Delete(One),
    /// Enables an endpoint and sends the deliveries that were held for it.
    ///
    /// Example:
    ///   tidings endpoint enable ep_…
    ///   tidings endpoint enable ep_… --cancel-held
    #[command(verbatim_doc_comment)]
    Enable(EnableArgs),
    /// Disables an endpoint. Its deliveries are held until it is enabled.
    ///
    /// Example:
    ///   tidings endpoint disable ep_…
    #[command(verbatim_doc_comment)]
    Disable(One),
    /// Shows the secret that requests are signed with.
    ///
    /// Example:
    ///   tidings endpoint secret ep_…
    #[command(verbatim_doc_comment)]
    Secret(One),
    RotateSecret(rotate::Args),
    Test(test::Args),
}

/// Creates an endpoint and prints it with its secret.
///
/// Examples:
///   tidings endpoint create --tenant ten_… --url https://example.com/webhooks --subscribe 'feedback.*'
///   tidings endpoint create --tenant ten_… --url https://example.com/in --dialect userhero --schedule '3s 3s 3s'
///   tidings endpoint create --url https://example.com/in --dialect userpilot --setting app_token=NX-1 --property user.plan
///   tidings endpoint create --url https://example.com/in --subscribe 'feedback.created if payload.rating <= 2'
///   tidings endpoint create --url https://example.com/in --header 'X-Api-Key: @key' --trusted-ca ca.pem
///   tidings endpoint create --url https://example.com/told --operational --subscribe endpoint.failing
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct CreateArgs {
    /// The tenant whose events it gets (ten_…); may be left out with a tenant's key.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// URL that requests go to.
    #[arg(long)]
    url: String,
    #[command(flatten)]
    settings: Settings,
    /// Sign with a generated ed25519 key; the public key for its receiver is printed.
    #[arg(long, conflicts_with_all = ["secret", "secret_file", "unsigned"])]
    ed25519: bool,
    /// Create it disabled: its deliveries are held until it is enabled.
    #[arg(long)]
    disabled: bool,
}

/// Changes the given settings only.
///
/// Examples:
///   tidings endpoint update ep_… --url https://example.com/new
///   tidings endpoint update ep_… --bearer @token
///   tidings endpoint update ep_… --subscribe feedback.created --subscribe 'comment.*' --reset schedule
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct UpdateArgs {
    /// The endpoint (ep_…).
    endpoint: EndpointId,
    /// URL that requests go to.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// A setting to leave to the dialect or the configuration again, or to empty; may be repeated.
    #[arg(long, value_name = "FLAG", value_parser = RESETTABLE)]
    reset: Vec<String>,
}

const RESETTABLE: [&str; 9] = [
    "schedule",
    "timeout",
    "success-status",
    "final-status",
    "concurrency",
    "rate",
    "contact",
    "property",
    "setting",
];

#[derive(clap::Args)]
struct EnableArgs {
    /// The endpoint (ep_…).
    endpoint: EndpointId,
    /// Cancel the held deliveries instead of sending them.
    #[arg(long)]
    cancel_held: bool,
}

#[derive(clap::Args)]
struct One {
    /// The endpoint (ep_…).
    endpoint: EndpointId,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (client, format) = (args.client.connect().await?, args.output.output);
    let mut endpoints = client.endpoints();
    match args.command {
        Command::Create(args) => create(&client, format, args).await,
        Command::Update(args) => update(&client, format, args).await,
        Command::Get(One { endpoint }) => {
            let request = pb::GetEndpointRequest {
                endpoint_id: endpoint.to_string(),
            };
            shown::one(
                format,
                &endpoints.get_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::List {
            tenant,
            state,
            host,
            dialect,
            limit,
        } => {
            let filter = pb::ListEndpointsRequest {
                tenant_id: tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
                state: state.unwrap_or_default(),
                host: host.unwrap_or_default(),
                dialect: dialect.unwrap_or_default(),
                ..pb::ListEndpointsRequest::default()
            };
            shown::list(format, &list(&client, filter, limit).await?)
        }
        Command::Enable(EnableArgs { endpoint, cancel_held }) => {
            let held = if cancel_held {
                pb::Held::Cancel
            } else {
                pb::Held::Release
            };
            let request = pb::EnableEndpointRequest {
                endpoint_id: endpoint.to_string(),
                held: held.into(),
            };
            shown::one(
                format,
                &endpoints.enable_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::Disable(One { endpoint }) => {
            let request = pb::DisableEndpointRequest {
                endpoint_id: endpoint.to_string(),
            };
            shown::one(
                format,
                &endpoints.disable_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::Delete(One { endpoint }) => {
            let request = pb::DeleteEndpointRequest {
                endpoint_id: endpoint.to_string(),
            };
            endpoints.delete_endpoint(request).await.map_err(explain)?;
            output::done(format, "deleted", &endpoint)
        }
        Command::RotateSecret(args) => rotate::run(&client, format, args).await,
        Command::Test(args) => test::run(&client, format, args).await,
        Command::Secret(One { endpoint }) => {
            let request = pb::GetEndpointSecretRequest {
                endpoint_id: endpoint.to_string(),
            };
            let secret = endpoints
                .get_endpoint_secret(request)
                .await
                .map_err(explain)?
                .into_inner()
                .secret;
            anyhow::ensure!(
                !secret.is_empty(),
                "requests to {endpoint} are not signed: it has no secret"
            );
            match format {
                Format::Json => output::json(&BTreeMap::from([("secret", secret)])),
                Format::Text => output::line(&secret),
            }
        }
    }
}

async fn create(client: &Client, format: Format, args: CreateArgs) -> anyhow::Result<()> {
    let mut endpoint = args.settings.endpoint();
    endpoint.tenant_id = args.tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
    endpoint.url = args.url;
    if endpoint.subscriptions.is_empty() {
        endpoint.subscriptions = vec![Wanted::from(EventPattern::Any).into()];
    }
    endpoint.secret = args.settings.secret()?.unwrap_or_default();
    if args.ed25519 {
        endpoint.secret = Secret::generate_ed25519().reveal().to_owned();
    }
    let request = pb::CreateEndpointRequest {
        endpoint: Some(endpoint),
        disabled: args.disabled,
    };
    shown::one(
        format,
        &client
            .endpoints()
            .create_endpoint(request)
            .await
            .map_err(explain)?
            .into_inner(),
    )
}

async fn update(client: &Client, format: Format, args: UpdateArgs) -> anyhow::Result<()> {
    let mut paths = args.settings.given();
    paths.extend(args.url.is_some().then_some("url"));
    paths.extend(args.reset.iter().map(|setting| match setting.as_str() {
        "success-status" => "success_statuses",
        "final-status" => "final_statuses",
        "rate" => "rate_per_second",
        "property" => "properties",
        "setting" => "settings",
        other => other,
    }));
    anyhow::ensure!(
        !paths.is_empty(),
        "nothing to change: give a setting (`tidings endpoint update --help`)"
    );
    let mut endpoint = args.settings.endpoint();
    endpoint.id = args.endpoint.to_string();
    endpoint.secret = args.settings.secret()?.unwrap_or_default();
    endpoint.url = args.url.unwrap_or_default();
    let update_mask = prost_types::FieldMask {
        paths: paths.into_iter().map(str::to_owned).collect(),
    };
    let request = pb::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: Some(update_mask),
    };
    shown::one(
        format,
        &client
            .endpoints()
            .update_endpoint(request)
            .await
            .map_err(explain)?
            .into_inner(),
    )
}

/// Endpoints that pass the filter, at most `limit`, page by page.
async fn list(client: &Client, filter: pb::ListEndpointsRequest, limit: u32) -> anyhow::Result<Vec<pb::Endpoint>> {
    let listed = pages::collect(limit, async |page_size, page_token| {
        let request = pb::ListEndpointsRequest {
            page_size,
            page_token,
            ..filter.clone()
        };
        let page = client.endpoints().list_endpoints(request).await?.into_inner();
        Ok((page.endpoints, page.next_page_token))
    });
    listed.await.map_err(explain)
}
