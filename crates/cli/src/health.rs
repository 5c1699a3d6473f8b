//! `tidings health`: a health check for containers.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Checks that a process on this machine is alive, or with --ready that it can do its job; fails if not. Meant for
/// containers, which have neither a shell nor curl.
///
/// Example:
///   tidings health --url http://127.0.0.1:8080
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Address of the process's metrics and health.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    url: String,
    /// Check that it can do its job, not only that it is alive.
    #[arg(long)]
    ready: bool,
    /// Time limit for the answer.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let path = if args.ready { "readyz" } else { "healthz" };
    let url = format!("{}/{path}", args.url.trim_end_matches('/'));
    let uri = url.parse().with_context(|| format!("`{url}` is not a URL"))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let answer = async {
        let response = client.get(uri).await?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let answer = tokio::time::timeout(args.timeout, answer).await;
    let (status, body) = answer
        .with_context(|| {
            format!(
                "{url} did not answer within {}",
                humantime::format_duration(args.timeout)
            )
        })?
        .with_context(|| format!("{url} does not answer"))?;
    ensure!(
        status.is_success(),
        "{url} says {status}: {}",
        String::from_utf8_lossy(&body)
    );
    println!("{}", String::from_utf8_lossy(&body));
    Ok(())
}
