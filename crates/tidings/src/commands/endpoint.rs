//! `tidings endpoint`.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};
use tidings_domain::Schedule;
use tidings_proto::{duration, pb};

use crate::client::{ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, table, time};

/// Manages endpoints.
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
    /// Makes an endpoint and prints it with its secret.
    ///
    /// Example:
    ///   tidings endpoint create --url https://example.com/webhooks --subscribe 'feedback.*'
    #[command(verbatim_doc_comment)]
    Create {
        #[command(flatten)]
        fields: Fields,
        /// The tenant; may be left out with a tenant's key.
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
        /// Start disabled: deliveries are held until it is enabled.
        #[arg(long)]
        disabled: bool,
    },
    /// Shows one endpoint.
    ///
    /// Example:
    ///   tidings endpoint get ep_…
    #[command(verbatim_doc_comment)]
    Get {
        /// Its id.
        id: String,
    },
    /// Lists a tenant's endpoints, newest first.
    ///
    /// Example:
    ///   tidings endpoint list --tenant ten_…
    #[command(verbatim_doc_comment)]
    List {
        /// The tenant; may be left out with a tenant's key.
        #[arg(long, value_name = "ID")]
        tenant: Option<String>,
    },
    /// Changes what is given and leaves the rest.
    ///
    /// Example:
    ///   tidings endpoint update ep_… --schedule '1m 5m' --timeout 10s
    #[command(verbatim_doc_comment)]
    Update {
        /// Its id.
        id: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Deletes an endpoint; its log stays.
    ///
    /// Example:
    ///   tidings endpoint delete ep_…
    #[command(verbatim_doc_comment)]
    Delete {
        /// Its id.
        id: String,
    },
    /// Turns deliveries on; what was held is sent.
    ///
    /// Example:
    ///   tidings endpoint enable ep_…
    #[command(verbatim_doc_comment)]
    Enable {
        /// Its id.
        id: String,
    },
    /// Turns deliveries off; they are held.
    ///
    /// Example:
    ///   tidings endpoint disable ep_…
    #[command(verbatim_doc_comment)]
    Disable {
        /// Its id.
        id: String,
    },
    /// Prints the secret that requests are signed with.
    ///
    /// Example:
    ///   tidings endpoint secret ep_…
    #[command(verbatim_doc_comment)]
    Secret {
        /// Its id.
        id: String,
    },
}

/// What can be said of an endpoint.
#[derive(clap::Args)]
struct Fields {
    /// Where requests go.
    #[arg(long)]
    url: Option<String>,
    /// An event type, a prefix like `feedback.*`, or `*`; may be repeated. `*` for a new endpoint if left out.
    #[arg(long = "subscribe", value_name = "PATTERN")]
    subscriptions: Vec<String>,
    /// How requests are written: the name of a dialect.
    #[arg(long)]
    dialect: Option<String>,
    /// What people call it.
    #[arg(long)]
    name: Option<String>,
    /// The signing secret as the receiver holds it; generated if left out.
    #[arg(long, conflicts_with = "unsigned")]
    secret: Option<String>,
    /// Do not sign requests.
    #[arg(long)]
    unsigned: bool,
    /// The waits between attempts, like '1m 5m 30m'; the dialect's if left out.
    #[arg(long)]
    schedule: Option<Schedule>,
    /// The deadline of one attempt, 1s to 60s.
    #[arg(long, value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// A status, class or range after which nothing more is tried, like 410 or 4xx; may be repeated.
    #[arg(long = "final-status", value_name = "STATUS")]
    final_statuses: Vec<String>,
    /// How many requests may be under way at once from one dispatcher.
    #[arg(long)]
    concurrency: Option<u32>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut endpoints = args.client.connect().await?.endpoints();
    let format = args.output.output;
    match args.command {
        Command::Create {
            mut fields,
            tenant,
            disabled,
        } => {
            if fields.subscriptions.is_empty() {
                fields.subscriptions.push("*".into());
            }
            let endpoint = pb::Endpoint {
                tenant_id: tenant.unwrap_or_default(),
                ..fields.message().0
            };
            let request = pb::CreateEndpointRequest {
                endpoint: Some(endpoint),
                disabled,
            };
            show(
                format,
                &endpoints.create_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::Get { id } => {
            let request = pb::GetEndpointRequest { endpoint_id: id };
            show(
                format,
                &endpoints.get_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::List { tenant } => {
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let tenant_id = tenant.clone().unwrap_or_default();
                let request = pb::ListEndpointsRequest {
                    tenant_id,
                    page_size: 200,
                    page_token,
                };
                let page = endpoints.list_endpoints(request).await.map_err(explain)?.into_inner();
                all.extend(page.endpoints);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    return show_list(format, &all);
                }
            }
        }
        Command::Update { id, fields } => {
            let (endpoint, paths) = fields.message();
            anyhow::ensure!(!paths.is_empty(), "nothing to change: give at least one of the options");
            let request = pb::UpdateEndpointRequest {
                endpoint: Some(pb::Endpoint { id, ..endpoint }),
                update_mask: Some(prost_types::FieldMask { paths }),
            };
            show(
                format,
                &endpoints.update_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::Delete { id } => {
            endpoints
                .delete_endpoint(pb::DeleteEndpointRequest { endpoint_id: id })
                .await
                .map_err(explain)?;
            Ok(())
        }
        Command::Enable { id } => {
            let request = pb::EnableEndpointRequest { endpoint_id: id };
            show(
                format,
                &endpoints.enable_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::Disable { id } => {
            let request = pb::DisableEndpointRequest { endpoint_id: id };
            show(
                format,
                &endpoints.disable_endpoint(request).await.map_err(explain)?.into_inner(),
            )
        }
        Command::Secret { id } => {
            let request = pb::GetEndpointSecretRequest { endpoint_id: id };
            let secret = endpoints
                .get_endpoint_secret(request)
                .await
                .map_err(explain)?
                .into_inner()
                .secret;
            match format {
                Format::Json => output::json(&json!({ "secret": secret })),
                Format::Text if secret.is_empty() => output::line("requests are not signed"),
                Format::Text => output::line(&secret),
            }
        }
    }
}

impl Fields {
    /// The endpoint with what is given, and the names of those fields.
    fn message(self) -> (pb::Endpoint, Vec<String>) {
        let mut paths = Vec::new();
        let mut given = |name: &str, given: bool| {
            if given {
                paths.push(name.to_owned());
            }
        };
        given("url", self.url.is_some());
        given("subscriptions", !self.subscriptions.is_empty());
        given("dialect", self.dialect.is_some());
        given("name", self.name.is_some());
        given("secret", self.secret.is_some() || self.unsigned);
        given("schedule", self.schedule.is_some());
        given("timeout", self.timeout.is_some());
        given("final_statuses", !self.final_statuses.is_empty());
        given("concurrency", self.concurrency.is_some());
        let subscription = |pattern| pb::Subscription {
            pattern,
            disabled: false,
        };
        let endpoint = pb::Endpoint {
            url: self.url.unwrap_or_default(),
            subscriptions: self.subscriptions.into_iter().map(subscription).collect(),
            dialect: self.dialect.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
            secret: self.secret.unwrap_or_default(),
            unsigned: self.unsigned,
            schedule: self
                .schedule
                .iter()
                .flat_map(Schedule::waits)
                .map(|wait| duration(*wait))
                .collect(),
            timeout: self.timeout.map(duration),
            final_statuses: self.final_statuses,
            concurrency: self.concurrency.unwrap_or(0),
            ..pb::Endpoint::default()
        };
        (endpoint, paths)
    }
}

fn show(format: Format, endpoint: &pb::Endpoint) -> anyhow::Result<()> {
    let document = endpoint_json(endpoint);
    if format == Format::Json {
        return output::json(&document);
    }
    for (name, value) in document.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => println!("{name:15} {text}"),
            other => println!("{name:15} {other}"),
        }
    }
    Ok(())
}

fn show_list(format: Format, endpoints: &[pb::Endpoint]) -> anyhow::Result<()> {
    if format == Format::Json {
        return endpoints
            .iter()
            .try_for_each(|endpoint| output::json(&endpoint_json(endpoint)));
    }
    let row = |endpoint: &pb::Endpoint| {
        let state = if endpoint.enabled { "enabled" } else { "disabled" };
        let name = endpoint.name.clone();
        vec![
            endpoint.id.clone(),
            name,
            state.into(),
            endpoint.dialect.clone(),
            patterns(endpoint).join(" "),
            endpoint.url.clone(),
        ]
    };
    let rows: Vec<_> = endpoints.iter().map(row).collect();
    table(&["endpoint", "name", "state", "dialect", "subscriptions", "url"], &rows)
}

fn patterns(endpoint: &pb::Endpoint) -> Vec<String> {
    let pattern = |s: &pb::Subscription| {
        if s.disabled {
            format!("{} (off)", s.pattern)
        } else {
            s.pattern.clone()
        }
    };
    endpoint.subscriptions.iter().map(pattern).collect()
}

fn endpoint_json(endpoint: &pb::Endpoint) -> Value {
    let length = |d: &prost_types::Duration| {
        let length = Duration::try_from(*d).unwrap_or_default();
        humantime::format_duration(length).to_string().replace(' ', "")
    };
    let given = |text: &str| {
        if text.is_empty() {
            Value::Null
        } else {
            Value::from(text)
        }
    };
    let list = |items: Vec<String>| {
        if items.is_empty() {
            Value::Null
        } else {
            Value::from(items)
        }
    };
    json!({
        "id": endpoint.id,
        "tenant_id": endpoint.tenant_id,
        "name": given(&endpoint.name),
        "url": endpoint.url,
        "dialect": endpoint.dialect,
        "subscriptions": patterns(endpoint),
        "enabled": endpoint.enabled,
        "signed": !endpoint.unsigned,
        "secret": given(&endpoint.secret),
        "schedule": list(endpoint.schedule.iter().map(length).collect()),
        "timeout": endpoint.timeout.as_ref().map(length),
        "final_statuses": list(endpoint.final_statuses.clone()),
        "concurrency": Some(endpoint.concurrency).filter(|cap| *cap > 0),
        "created_at": time(endpoint.created_at.as_ref()),
        "updated_at": time(endpoint.updated_at.as_ref()),
    })
}
