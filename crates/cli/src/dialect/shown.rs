//! Printing of dialects, and of errors in their files.

use serde::Serialize;
use tidings_dialect::{Dialect, DialectError, Dialects};

use super::document::{Document, EventDocument, Summary, document, summary};
use crate::output::{self, Format, fields, heading, line, lines, table};
use crate::pretty::pretty;

/// Prints dialects as rows.
pub(super) fn list(format: Format, dialects: &Dialects) -> anyhow::Result<()> {
    let summaries = dialects
        .names()
        .filter_map(|name| dialects.get(name))
        .map(|dialect| summary(dialect))
        .collect::<Result<Vec<_>, _>>()?;
    if format == Format::Json {
        return summaries.iter().try_for_each(output::json);
    }
    let row = |dialect: &Summary| {
        vec![
            dialect.name.to_owned(),
            dialect.secret_headers.join(" "),
            dialect.schedule.to_string(),
            dialect.description.to_owned(),
            dialect.chosen_for.join(" "),
        ]
    };
    let header = ["dialect", "signature headers", "schedule", "description", "chosen for"];
    table(&header, &summaries.iter().map(row).collect::<Vec<_>>())
}

/// Prints a dialect in full.
pub(super) fn one(format: Format, dialect: &Dialect) -> anyhow::Result<()> {
    let document = document(dialect)?;
    if format == Format::Json {
        return output::json(&document);
    }
    let Summary {
        name,
        description,
        chosen_for,
        secret_headers,
        schedule,
    } = &document.summary;
    fields(&[
        ("dialect", (*name).to_owned()),
        ("description", (*description).to_owned()),
        ("chosen for", chosen_for.join(" ")),
        ("content type", document.content_type.clone()),
        ("user agent", document.user_agent.to_owned()),
        ("headers", document.headers.join(" ")),
        ("with a secret", or("nothing more", secret_headers.join(" "))),
        ("success", document.success.join(" ")),
        ("final", or("nothing", document.final_.join(" "))),
        ("schedule", or("a single attempt", schedule.to_string())),
        ("timeout", document.timeout.clone()),
        ("properties", properties(&document)),
    ])?;
    settings(&document)?;
    events(&document.events)?;
    dialect.samples().iter().try_for_each(|(event_type, payload)| {
        line("")?;
        heading(&format!("sample {event_type}"))?;
        lines(&pretty(payload))
    })
}

/// Says that a file can be used, and what it holds.
pub(super) fn is_right(format: Format, dialect: &Dialect) -> anyhow::Result<()> {
    let document = document(dialect)?;
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let summary = format!(
        "ok: {}, {}, {}, {}",
        document.summary.name,
        count(document.samples.len(), "sample"),
        count(document.events.len(), "event name"),
        or("no signature", document.summary.secret_headers.join(" ")),
    );
    match format {
        Format::Json => output::json(&document),
        Format::Text => line(&summary),
    }
}

/// Says what is wrong with a file, and where.
pub(super) fn is_wrong(format: Format, mistake: &DialectError) -> anyhow::Result<()> {
    match (format, mistake) {
        (Format::Text, _) => lines(&mistake.to_string()),
        (
            Format::Json,
            DialectError::Invalid {
                file,
                line,
                column,
                problem,
            },
        ) => output::json(&Mistake {
            file,
            line: Some(*line),
            column: Some(*column),
            problem,
        }),
        (Format::Json, DialectError::Read { path, source }) => output::json(&Mistake {
            file: &path.display().to_string(),
            line: None,
            column: None,
            problem: &source.to_string(),
        }),
    }
}

#[derive(Serialize)]
struct Mistake<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    problem: &'a str,
}

fn properties(document: &Document) -> String {
    let Some(properties) = &document.properties else {
        return String::new();
    };
    let object = |(object, always): (&&str, &&[String])| match always {
        [] => format!("{object} (all of it is sent)"),
        always => format!("{object} (always sent: {})", always.join(" ")),
    };
    let objects: Vec<_> = properties.always.iter().map(object).collect();
    format!("up to {} of {}", properties.max, objects.join(", "))
}

fn settings(document: &Document) -> anyhow::Result<()> {
    if document.settings.is_empty() {
        return Ok(());
    }
    let row = |(name, setting): (&&str, &super::document::SettingDocument)| {
        vec![
            (*name).to_owned(),
            setting.form.to_owned(),
            setting.default.unwrap_or_default().to_owned(),
            setting.description.to_owned(),
        ]
    };
    line("")?;
    let rows: Vec<_> = document.settings.iter().map(row).collect();
    table(&["setting", "form", "default", "description"], &rows)
}

fn events(events: &[EventDocument]) -> anyhow::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let row = |event: &EventDocument| {
        let names = event.names.iter().map(|(key, name)| format!("{key}={name}"));
        vec![event.pattern.clone(), names.collect::<Vec<_>>().join(" ")]
    };
    line("")?;
    table(&["event type", "called"], &events.iter().map(row).collect::<Vec<_>>())
}

fn or(nothing: &str, text: String) -> String {
    if text.is_empty() { nothing.to_owned() } else { text }
}
