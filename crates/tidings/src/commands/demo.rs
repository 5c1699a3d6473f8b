//! `tidings demo`: the main job, shown and checked.
//!
//! Starts a whole system in this process and receivers beside it, publishes one event of every kind that the five
//! products' documents name (`fixtures/events`), and does not believe anybody: receivers read every request as its document
//! says and recompute every signature,
//! and what they got is compared with what was published and with what the log says.

mod account;
mod documents;
mod fixtures;
mod receivers;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tidings_proto::pb;
use tidings_service::tls::ClientTls;
use tidings_service::{Health, shutdown, telemetry};
use tokio_util::sync::CancellationToken;

use self::account::Account;
use self::fixtures::{Fixture, PRODUCTS};
use self::receivers::{Behaviour, Receivers};
use crate::commands::standalone::{Engines, Running};
use crate::config::ConfigArgs;
use crate::start::Process;
use tidings_cli::client::{Client, explain};
use tidings_cli::output::{self, Format, OutputArgs};

/// Publishes every kind of event to receivers that verify signatures, fail and recover, and checks the result of each
/// delivery.
///
/// Needs no preparation: a whole system is started on free ports. With --database-url and --amqp-url it runs on
/// PostgreSQL and RabbitMQ. Exits with 0 only if every delivery ended as expected.
///
/// Examples:
///   tidings demo
///   tidings demo --database-url postgres://postgres@127.0.0.1/demo --amqp-url amqp://127.0.0.1/demo
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Keep the demo's files, such as the embedded database, and print their directory.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// The products' tenants, each with its id.
type Tenants = BTreeMap<&'static str, (String, Client)>;

/// Limit for all deliveries to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// An endpoint of the demo, with its expected outcome.
struct Role {
    name: &'static str,
    /// The product whose tenant it belongs to.
    product: &'static str,
    dialect: &'static str,
    pattern: &'static str,
    /// The waits between attempts in seconds; the dialect's if empty.
    schedule: &'static [i64],
    behaviour: Behaviour,
    /// The statuses that the log must show for each of its deliveries.
    statuses: &'static [u32],
    ends: &'static str,
}

impl Role {
    /// An endpoint that accepts every request.
    const fn of(product: &'static str, name: &'static str, dialect: &'static str) -> Self {
        Self {
            name,
            product,
            dialect,
            pattern: "*",
            schedule: &[],
            behaviour: Behaviour::Accept,
            statuses: &[200],
            ends: "succeeded",
        }
    }
}

/// Every product has its own dialect, and some others beside it.
const ROLES: [Role; 16] = [
    Role::of("Userback", "userback", "userback"),
    Role::of("Userback", "userback-slack", "slack"),
    Role::of("Userback", "userback-standard", "standard"),
    Role::of("Userpilot", "userpilot", "userpilot"),
    Role::of("Userpilot", "userpilot-slack", "slack"),
    Role::of("Userpilot", "userpilot-discord", "discord"),
    Role {
        pattern: "nps.feedback",
        schedule: &[1, 1],
        behaviour: Behaviour::Fail,
        statuses: &[500, 500, 500],
        ends: "exhausted",
        ..Role::of("Userpilot", "hopeless", "userhero")
    },
    Role::of("UserHero", "userhero", "userhero"),
    Role::of("UserHero", "userhero-discord", "discord"),
    Role::of("ABC User Feedback", "abc", "abc-user-feedback"),
    Role::of("ABC User Feedback", "abc-cloudevents", "cloudevents"),
    Role::of("FeedbackPulse", "feedbackpulse", "feedbackpulse"),
    Role::of("FeedbackPulse", "feedbackpulse-slack", "slack"),
    Role::of("FeedbackPulse", "feedbackpulse-discord", "discord"),
    Role {
        pattern: "submission.*",
        schedule: &[1, 1, 1],
        behaviour: Behaviour::FailTwice,
        statuses: &[503, 503, 200],
        ..Role::of("FeedbackPulse", "flaky", "standard")
    },
    Role {
        pattern: "billing.*",
        statuses: &[],
        ends: "",
        ..Role::of("FeedbackPulse", "elsewhere", "standard")
    },
];

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut config = args.config.load()?;
    config.telemetry.filter = "warn,lapin=off,tidings_service::health=off".into();
    telemetry::init(&config.telemetry, None)?;
    let directory = Directory::make(args.keep)?;
    config.standalone.data_dir = directory.path.clone();
    config.standalone.grpc_address = "127.0.0.1:0".into();
    config.standalone.http_address = "127.0.0.1:0".into();
    config.destinations.allowed_networks.push("127.0.0.0/8".parse()?);

    let stop = shutdown::on_signal(Health::new(), Duration::ZERO);
    let system = Running::start(Process::with(config, stop.clone())?, Engines::chosen(&args.config)).await?;
    let outcome = show(&system, args.keep, stop.clone()).await;
    stop.cancel();
    system.until_stopped().await?;

    let account = outcome?;
    let path = directory.path.clone();
    // Printing may end the process, when nobody reads on.
    drop(directory);
    match args.output.output {
        Format::Json => output::json(&account)?,
        Format::Text => account.print()?,
    }
    if args.keep {
        let path = path.display();
        eprintln!("kept in {path}; to look around:");
        eprintln!("  tidings standalone --data-dir {path}");
        eprintln!("  tidings attempt list --key-file {path}/operator.key");
    }
    anyhow::ensure!(account.problems.is_empty(), "some deliveries did not end as expected");
    Ok(())
}

async fn show(system: &Running, keep: bool, stop: CancellationToken) -> anyhow::Result<Account> {
    stop.run_until_cancelled(system.ready()).await.context("stopped")?;
    let (key, token) = system.operator_key().await?;
    let server = format!("http://{}", system.grpc);
    let operator = Client::connect(&server, &ClientTls::default(), token.reveal()).await?;
    let mut tenants = Tenants::new();
    for product in PRODUCTS {
        let made = make_tenant(&operator, &server, &format!("Demo, {product}")).await?;
        tenants.insert(product, made);
    }
    let (lonely_id, lonely) = make_tenant(&operator, &server, "Demo, without endpoints").await?;

    let receivers = Receivers::start().await?;
    for role in &ROLES {
        let endpoint = make_endpoint(&tenants[role.product].1, role, &receivers.url(role.name)).await?;
        receivers.expect(role, &endpoint.id, &endpoint.secret);
    }
    let started = Instant::now();
    let fixtures = fixtures::all()?;
    let mut published = Vec::new();
    for fixture in fixtures {
        let id = publish(&tenants[fixture.product].1, &fixture).await?.event_id;
        published.push((fixture, id));
    }
    let nowhere = publish(&lonely, &Fixture::unmatched()?).await?;
    anyhow::ensure!(
        nowhere.deliveries == 0,
        "an event of a tenant without endpoints goes to {}",
        nowhere.deliveries
    );
    let request = pb::GetEventRequest {
        event_id: nowhere.event_id,
    };
    lonely
        .log()
        .get_event(request)
        .await
        .map_err(explain)
        .context("an event without deliveries is not found")?;

    let ended = wait_until_ended(&tenants, expected_deliveries(&published));
    let overdue = stop.run_until_cancelled(ended).await.context("stopped")??;
    let mut account = Account::draw_up(&tenants, &published, &receivers, started.elapsed()).await?;
    account.problems.extend(overdue);
    if !keep {
        let ids = tenants.values().map(|(id, _)| id.clone());
        for tenant_id in ids.chain([lonely_id]) {
            let request = pb::DeleteTenantRequest { tenant_id };
            operator.tenants().delete_tenant(request).await.map_err(explain)?;
        }
    }
    system.revoke(&key).await?;
    Ok(account)
}

async fn make_tenant(operator: &Client, server: &str, name: &str) -> anyhow::Result<(String, Client)> {
    let request = pb::CreateTenantRequest { name: name.into() };
    let created = operator
        .tenants()
        .create_tenant(request)
        .await
        .map_err(explain)?
        .into_inner();
    let tenant = created.tenant.unwrap_or_default();
    Ok((
        tenant.id,
        Client::connect(server, &ClientTls::default(), &created.token).await?,
    ))
}

async fn make_endpoint(tenant: &Client, role: &Role, url: &str) -> anyhow::Result<pb::Endpoint> {
    let endpoint = pb::Endpoint {
        name: role.name.into(),
        url: url.into(),
        dialect: role.dialect.into(),
        subscriptions: vec![pb::Subscription {
            pattern: role.pattern.into(),
            disabled: false,
            ..pb::Subscription::default()
        }],
        schedule: role
            .schedule
            .iter()
            .map(|seconds| prost_types::Duration {
                seconds: *seconds,
                nanos: 0,
            })
            .collect(),
        settings: match role.dialect {
            "userpilot" => HashMap::from([("app_token".to_owned(), "NX-bd46697c".to_owned())]),
            _ => HashMap::new(),
        },
        ..pb::Endpoint::default()
    };
    let request = pb::CreateEndpointRequest {
        endpoint: Some(endpoint),
        disabled: false,
    };
    Ok(tenant
        .endpoints()
        .create_endpoint(request)
        .await
        .map_err(explain)?
        .into_inner())
}

async fn publish(tenant: &Client, fixture: &Fixture) -> anyhow::Result<pb::PublishResponse> {
    let request = pb::PublishRequest {
        event_type: fixture.event_type.to_string(),
        payload: fixture.payload.get().to_owned().into(),
        ..pb::PublishRequest::default()
    };
    Ok(tenant.events().publish(request).await.map_err(explain)?.into_inner())
}

/// The number of deliveries that the published events must have.
fn expected_deliveries(published: &[(Fixture, String)]) -> usize {
    published
        .iter()
        .map(|(fixture, _)| ROLES.iter().filter(|role| role.wants(fixture)).count())
        .sum()
}

/// Waits until that many deliveries have ended; says so if they don't in time.
async fn wait_until_ended(tenants: &Tenants, expected: usize) -> anyhow::Result<Option<String>> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let mut count = 0;
        for (_, tenant) in tenants.values() {
            count += ended_deliveries(tenant).await?;
        }
        if count >= expected {
            return Ok(None);
        }
        if Instant::now() >= give_up {
            return Ok(Some(format!(
                "{count} of {expected} deliveries have ended within {PATIENCE:?}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The number of a tenant's deliveries that have ended.
async fn ended_deliveries(tenant: &Client) -> anyhow::Result<usize> {
    let mut request = pb::ListDeliveriesRequest {
        states: ["succeeded", "exhausted", "cancelled"].map(str::to_owned).to_vec(),
        page_size: 200,
        ..Default::default()
    };
    let mut count = 0;
    loop {
        let page = tenant
            .log()
            .list_deliveries(request.clone())
            .await
            .map_err(explain)?
            .into_inner();
        count += page.deliveries.len();
        if page.next_page_token.is_empty() {
            return Ok(count);
        }
        request.page_token = page.next_page_token;
    }
}

impl Role {
    /// `true` if the endpoint is to receive the event.
    fn wants(&self, fixture: &Fixture) -> bool {
        let subscribed = |pattern: tidings_domain::EventPattern| pattern.matches(&fixture.event_type);
        self.product == fixture.product && self.pattern.parse().is_ok_and(subscribed)
    }
}

/// A directory for the embedded database, removed at the end.
struct Directory {
    path: PathBuf,
    keep: bool,
}

impl Directory {
    fn make(keep: bool) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("tidings-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self { path, keep })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
