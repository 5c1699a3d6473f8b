//! `tidings attempt list --export`: every attempt that matches the filter, page by page to the standard output.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use tidings_api::csv;
use tidings_proto::pb;

use super::document;
use crate::client::{Client, explain};
use crate::{escape, output, pages};

/// File formats of an export.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// One JSON document per line.
    Ndjson,
    /// Comma-separated values; texts that a spreadsheet would take for formulas begin with an apostrophe.
    Csv,
}

/// Writes rows; to a terminal without what it would obey.
fn write(rows: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        out.write_all(escape::lines(&String::from_utf8_lossy(rows)).as_bytes())
    } else {
        out.write_all(rows)
    }
}

/// Writes attempts, newest first, until there are no more.
pub(super) async fn export(client: &Client, filter: pb::AttemptFilter, into: Format) -> anyhow::Result<()> {
    if let Format::Csv = into {
        std::io::stdout().write_all(csv::head().as_bytes())?;
    }
    let mut page_token = String::new();
    loop {
        let request = pb::ListAttemptsRequest {
            filter: Some(filter.clone()),
            page_size: pages::LARGEST,
            page_token,
        };
        let page = client.log().list_attempts(request).await.map_err(explain)?.into_inner();
        match into {
            Format::Ndjson => page
                .attempts
                .iter()
                .try_for_each(|attempt| output::json(&document::Attempt::from(attempt)))?,
            Format::Csv => write(&csv::rows(&page.attempts)?)?,
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}
