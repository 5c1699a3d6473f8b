//! `tidings listen`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use tidings_domain::signature::{hmac_sha256, same};
use tidings_domain::{Secret, Timestamp};
use tidings_proto::pb;
use tidings_service::{serve, shutdown};

use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, bold};

/// A receiver for development: prints each request and says whether its signature is right.
///
/// With --subscribe it makes an endpoint that leads here, and deletes it at the end. The server must allow this
/// machine's network (standalone: --allow-network 127.0.0.0/8).
///
/// Examples:
///   tidings listen --subscribe 'feedback.*'
///   tidings listen --port 9000 --secret whsec_… --respond 500
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The port to listen on; any free one if left out.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The secret that requests are signed with.
    #[arg(long, conflicts_with = "subscribe")]
    secret: Option<String>,
    /// The status to answer with.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    respond: u16,
    /// Make an endpoint here for these events (`feedback.*`, `*`); may be repeated.
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<String>,
    /// The dialect of that endpoint.
    #[arg(long, requires = "subscribe")]
    dialect: Option<String>,
    /// The tenant of that endpoint; may be left out with a tenant's key.
    #[arg(long, value_name = "ID", requires = "subscribe")]
    tenant: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

struct Listener {
    secret: Option<Secret>,
    respond: StatusCode,
    format: Format,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let stop = shutdown::on_signal();
    let listener = serve::bind(&format!("127.0.0.1:{}", args.port)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let mut secret = args.secret.map(Secret::new).transpose()?;
    let mut made = None;
    if !args.subscribe.is_empty() {
        let client = args.client.connect().await?;
        let endpoint = subscribe(&client, &url, args.subscribe, args.dialect, args.tenant).await?;
        secret = Some(Secret::new(endpoint.secret)?);
        eprintln!("endpoint {} leads here until this ends", endpoint.id);
        made = Some((client, endpoint.id));
    }
    eprintln!("listening on {url}");

    let state = Listener {
        secret,
        respond: StatusCode::from_u16(args.respond)?,
        format: args.output.output,
    };
    let router = Router::new().fallback(receive).with_state(Arc::new(state));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await?;
    if let Some((client, endpoint_id)) = made {
        client
            .endpoints()
            .delete_endpoint(pb::DeleteEndpointRequest { endpoint_id })
            .await
            .map_err(explain)?;
    }
    Ok(())
}

async fn subscribe(
    client: &Client,
    url: &str,
    patterns: Vec<String>,
    dialect: Option<String>,
    tenant: Option<String>,
) -> anyhow::Result<pb::Endpoint> {
    let subscription = |pattern| pb::Subscription {
        pattern,
        disabled: false,
    };
    let endpoint = pb::Endpoint {
        tenant_id: tenant.unwrap_or_default(),
        name: "tidings listen".into(),
        url: url.into(),
        dialect: dialect.unwrap_or_default(),
        subscriptions: patterns.into_iter().map(subscription).collect(),
        ..pb::Endpoint::default()
    };
    let request = pb::CreateEndpointRequest {
        endpoint: Some(endpoint),
        disabled: false,
    };
    client
        .endpoints()
        .create_endpoint(request)
        .await
        .map(tonic::Response::into_inner)
        .map_err(|status| {
            let not_public = status.message().contains("not a public address");
            let error = explain(status);
            if not_public {
                error.context("start the server with `--allow-network 127.0.0.0/8` to deliver to this machine")
            } else {
                error
            }
        })
}

async fn receive(State(listener): State<Arc<Listener>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text: Value =
        serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into());
    let signature = verify(&headers, &body, listener.secret.as_ref());
    let now = format!("{:.3}", Timestamp::now());
    if listener.format == Format::Json {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
            .collect();
        let document = json!({
            "time": now, "signature": signature, "answered": listener.respond.as_u16(), "headers": headers, "body": text,
        });
        // A closed output ends the receiver's use, not the request.
        let _ = output::json(&document);
    } else {
        let id = header(&headers, "webhook-id").unwrap_or("-");
        println!(
            "{}",
            bold(&format!(
                "{now}  {id}  signature {signature}  answered {}",
                listener.respond.as_u16()
            ))
        );
        println!("{}\n", serde_json::to_string_pretty(&text).unwrap_or_default());
    }
    listener.respond
}

/// What the request's signature is worth, for the schemes of the built-in dialects.
fn verify(headers: &HeaderMap, body: &[u8], secret: Option<&Secret>) -> &'static str {
    let standard = header(headers, "webhook-signature");
    let hexadecimal = header(headers, "x-userhero-signature").or(header(headers, "x-feedbackpulse-signature"));
    let Some(key) = secret.map(Secret::key) else {
        return if standard.or(hexadecimal).is_some() {
            "not checked (no secret)"
        } else {
            "missing"
        };
    };
    let right = if let Some(given) = standard {
        let part = |name| header(headers, name).unwrap_or_default().as_bytes();
        let mac = hmac_sha256(&key, &[part("webhook-id"), b".", part("webhook-timestamp"), b".", body]);
        let expected = format!("v1,{}", BASE64_STANDARD.encode(mac));
        given
            .split(' ')
            .any(|signature| same(signature.as_bytes(), expected.as_bytes()))
    } else if let Some(given) = hexadecimal {
        let expected = format!("sha256={}", hex::encode(hmac_sha256(&key, &[body])));
        same(given.as_bytes(), expected.as_bytes())
    } else {
        return "missing";
    };
    if right { "right" } else { "WRONG" }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
