//! `tidings listen`: a receiver for development.

mod endpoint;
mod request;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use tidings_domain::{EventPattern, Secret, TenantId, Timestamp};
use tidings_service::serve::{self, Door, Payer};
use tidings_service::{Health, shutdown};
use tokio::net::TcpListener;

use self::endpoint::OwnEndpoint;
use self::request::{Received, verify};
use crate::client::ClientArgs;
use crate::output::{self, Format, OutputArgs};

/// A receiver for development: prints every request and verifies its signature.
///
/// With --subscribe it creates an endpoint that leads to itself, uses its secret, and deletes it at the end (Ctrl-C).
/// The server must be allowed to send to this machine:
///   tidings standalone --allow-network 127.0.0.0/8
///
/// Examples:
///   tidings listen --port 3000 --secret whsec_…
///   tidings listen --tenant ten_… --subscribe 'feedback.*'
///   tidings listen --tenant ten_… --subscribe '*' --dialect userhero --respond 500
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The port to listen on, on this machine only; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A secret to verify signatures with; may be repeated, as during a rotation.
    #[arg(long = "secret", value_name = "SECRET", value_parser = Secret::read)]
    secrets: Vec<Secret>,
    /// The HTTP status to answer with.
    #[arg(long, value_name = "STATUS", default_value = "200")]
    respond: StatusCode,
    /// Create an endpoint for these events: a type, a prefix like 'feedback.*', or '*'; may be repeated.
    #[arg(long = "subscribe", value_name = "PATTERN")]
    subscriptions: Vec<EventPattern>,
    /// The tenant of that endpoint (ten_…); may be left out with a tenant's key.
    #[arg(long, requires = "subscriptions")]
    tenant: Option<TenantId>,
    /// The dialect of that endpoint, like standard or userhero.
    #[arg(long, requires = "subscriptions")]
    dialect: Option<String>,
    /// Print the headers, too.
    #[arg(long)]
    headers: bool,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone)]
struct Listener {
    secrets: Vec<Secret>,
    respond: StatusCode,
    headers: bool,
    format: Format,
}

/// Time for requests under way at the end.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let stop = shutdown::on_signal(Health::new(), Duration::ZERO);
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .await
        .with_context(|| format!("cannot listen on port {}: give another, or 0 for a free one", args.port))?;
    let url = format!("http://{}/", socket.local_addr()?);
    let mut listener = Listener {
        secrets: args.secrets,
        respond: args.respond,
        headers: args.headers,
        format: args.output.output,
    };
    let endpoint = match args.subscriptions.as_slice() {
        [] => None,
        patterns => {
            let client = args.client.connect().await?;
            let dialect = args.dialect.unwrap_or_default();
            Some(OwnEndpoint::create(client, args.tenant, &url, dialect, patterns).await?)
        }
    };
    if let Some(endpoint) = &endpoint {
        listener.secrets.push(Secret::new(endpoint.secret.clone())?);
        eprintln!("made the endpoint {}", endpoint.id);
    }
    eprintln!("listening on {url} (Ctrl-C ends)");
    let router = Router::new().fallback(receive).with_state(listener);
    // Whoever is told the address is welcome: it is there for a while, on a developer's machine.
    let door = Door::new(serve::Config::default(), Health::new()).knowing(|_| Ok(Payer::System));
    let served = serve::http("listen", socket, router, door, stop, GRACE).await;
    if let Some(endpoint) = endpoint {
        endpoint.delete().await?;
    }
    Ok(served?)
}

async fn receive(
    State(listener): State<Listener>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let received = Received {
        received_at: Timestamp::now(),
        method,
        path: uri,
        signature: verify(&headers, &body, &listener.secrets),
        headers,
        body,
        answered: listener.respond,
    };
    let printed = match listener.format {
        Format::Json => output::json(&received.document()),
        Format::Text => received.print(listener.headers),
    };
    if let Err(error) = printed {
        eprintln!("cannot print: {error:#}");
    }
    listener.respond
}
