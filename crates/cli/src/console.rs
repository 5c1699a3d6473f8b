//! `tidings console`: a signed-in browser.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tidings_domain::Timestamp;
use tidings_proto::{pb, timestamp};
use url::Url;

use crate::client::{ClientArgs, explain};

/// As long as an operator's session lasts.
const LASTS: Duration = Duration::from_secs(8 * 3_600);

/// Opens the operator's console in a browser, signed in for eight hours, and prints the link. Requires an operator's
/// key; in the directory that contains `tidings-data`, the key that standalone made is used.
///
/// Example:
///   tidings console
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Address at which browsers reach the console: standalone or control, over HTTP.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// Print the link without opening a browser.
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let client = args.client.connect().await?;
    let expires_at = Timestamp::now().checked_add(LASTS).ok().map(timestamp);
    let request = pb::CreateApiKeyRequest {
        name: "console".into(),
        expires_at,
        ..pb::CreateApiKeyRequest::default()
    };
    let made = client.tenants().create_api_key(request).await.map_err(explain)?;
    let link = link(&args.url, &made.into_inner().token);
    println!("{link}");
    if !args.print && !opened(&link) {
        eprintln!("Open this link in a browser.");
    }
    Ok(())
}

/// The token is in the fragment, which browsers send to nobody.
fn link(url: &Url, token: &str) -> Url {
    let mut link = url.clone();
    link.set_path(&format!("{}/admin", url.path().trim_end_matches('/')));
    link.set_fragment(Some(&format!("token={token}")));
    link
}

/// Opens the link in a browser; `false` if none could be started.
fn opened(link: &Url) -> bool {
    let programs: &[&str] = if cfg!(target_os = "macos") {
        &["open"]
    } else {
        &["xdg-open", "wslview"]
    };
    programs.iter().any(|program| {
        let mut command = Command::new(program);
        let command = command
            .arg(link.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = command.status().context("no such program");
        status.is_ok_and(|status| status.success())
    })
}
