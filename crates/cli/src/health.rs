//! `tidings health`: a health check for containers.

use std::net::SocketAddr;
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
    /// Address of the process's metrics and health [default: where the environment has the monitor listen, or
    /// http://127.0.0.1:9464].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Check that it can do its job, not only that it is alive.
    #[arg(long)]
    ready: bool,
    /// Time limit for the answer.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let path = if args.ready { "readyz" } else { "healthz" };
    let monitor = args.url.unwrap_or_else(|| {
        let variable = |name| std::env::var(name).ok();
        let address = variable("TIDINGS_MONITOR__ADDRESS").or_else(|| variable("TIDINGS_STANDALONE__MONITOR_ADDRESS"));
        monitor_of(address.as_deref())
    });
    let url = format!("{}/{path}", monitor.trim_end_matches('/'));
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

/// The monitor's URL on this machine, by the address that a process was told to listen at.
fn monitor_of(address: Option<&str>) -> String {
    let Some(address) = address else {
        return "http://127.0.0.1:9464".into();
    };
    match address.parse::<SocketAddr>() {
        Ok(every) if every.ip().is_unspecified() => {
            let here = if every.is_ipv6() { "[::1]" } else { "127.0.0.1" };
            format!("http://{here}:{}", every.port())
        }
        _ => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitor_is_found_where_the_environment_has_it_listen() {
        let url = |address: &str| monitor_of(Some(address));
        assert_eq!(monitor_of(None), "http://127.0.0.1:9464");
        assert_eq!(url("0.0.0.0:9000"), "http://127.0.0.1:9000");
        assert_eq!(url("[::]:9000"), "http://[::1]:9000");
        assert_eq!(url("10.0.0.7:9000"), "http://10.0.0.7:9000");
        assert_eq!(url("localhost:9000"), "http://localhost:9000");
    }
}
