//! Printing of replays, for people and as JSON.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::pb;

use crate::output::{self, Format, fields, instant, non_empty, table, time};

pub(super) fn preview(format: Format, counted: &pb::PreviewReplayResponse) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Document {
        rows: u64,
        at_least: bool,
    }
    match format {
        Format::Json => output::json(&Document {
            rows: counted.rows,
            at_least: counted.at_least,
        }),
        Format::Text => output::line(&format!("{} to go through", number(counted.rows, counted.at_least))),
    }
}

pub(super) fn show(format: Format, replay: &pb::Replay) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&ReplayDocument::of(replay));
    }
    fields(&[
        ("replay", replay.id.clone()),
        ("state", replay.state.clone()),
        ("error", replay.error.clone()),
        ("rows", number(replay.matched, replay.matched_at_least)),
        ("gone through", replay.walked.to_string()),
        ("deliveries", replay.deliveries.to_string()),
        ("left out", replay.skipped.to_string()),
        ("to", replay.endpoint_id.clone()),
        ("per second", replay.per_second.to_string()),
        ("asked for", time(replay.created_at.as_ref())),
        ("last got on", time(replay.updated_at.as_ref())),
        ("ended", time(replay.ended_at.as_ref())),
    ])
}

pub(super) fn show_list(format: Format, replays: &[pb::Replay]) -> anyhow::Result<()> {
    if format == Format::Json {
        return replays
            .iter()
            .try_for_each(|replay| output::json(&ReplayDocument::of(replay)));
    }
    let row = |replay: &pb::Replay| {
        vec![
            replay.id.clone(),
            time(replay.created_at.as_ref()),
            replay.state.clone(),
            number(replay.matched, replay.matched_at_least),
            replay.walked.to_string(),
            replay.deliveries.to_string(),
        ]
    };
    table(
        &["replay", "asked for", "state", "rows", "gone through", "deliveries"],
        &replays.iter().map(row).collect::<Vec<_>>(),
    )
}

/// One line that is written over again and again, for a person who waits.
pub(super) fn progress(replay: &pb::Replay) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let (walked, rows) = (replay.walked, number(replay.matched, replay.matched_at_least));
        // Nobody is helped by an error of a line that is gone at once.
        let _ = write!(out, "\r{}: {walked} of {rows} \x1b[K", replay.state);
        let _ = out.flush();
    }
}

fn number(rows: u64, at_least: bool) -> String {
    if at_least {
        format!("{rows} or more")
    } else {
        rows.to_string()
    }
}

#[derive(Serialize)]
struct ReplayDocument<'a> {
    id: &'a str,
    tenant_id: &'a str,
    state: &'a str,
    matched: u64,
    matched_at_least: bool,
    walked: u64,
    deliveries: u64,
    skipped: u64,
    endpoint_id: Option<&'a str>,
    only_undelivered: bool,
    per_second: u32,
    error: Option<&'a str>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl<'a> ReplayDocument<'a> {
    fn of(replay: &'a pb::Replay) -> Self {
        Self {
            id: &replay.id,
            tenant_id: &replay.tenant_id,
            state: &replay.state,
            matched: replay.matched,
            matched_at_least: replay.matched_at_least,
            walked: replay.walked,
            deliveries: replay.deliveries,
            skipped: replay.skipped,
            endpoint_id: non_empty(&replay.endpoint_id),
            only_undelivered: replay.only_undelivered,
            per_second: replay.per_second,
            error: non_empty(&replay.error),
            created_at: instant(replay.created_at.as_ref()),
            updated_at: instant(replay.updated_at.as_ref()),
            ended_at: instant(replay.ended_at.as_ref()),
        }
    }
}
