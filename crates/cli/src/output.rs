//! Output of commands: for people, or for machines with `--output json`. Control sequences in others' texts are
//! escaped, so a terminal obeys only what is written here.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use serde::Serialize;
use tidings_domain::Timestamp;
use tidings_proto::timestamp_from;

use crate::escape;

/// The flag of every command that prints things.
#[derive(Args, Clone, Copy)]
pub struct OutputArgs {
    /// Output format: text for people, json (one document per line) for machines.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// Prints a document on one line.
pub fn json(document: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(document)?)
}

/// Prints a line; others' control characters are escaped.
pub fn line(text: &str) -> anyhow::Result<()> {
    write(&escape::one_line(text))
}

/// Prints several lines; others' control characters are escaped.
pub fn lines(text: &str) -> anyhow::Result<()> {
    write(&escape::lines(text))
}

/// Prints a line in bold, where a person reads it.
pub fn heading(text: &str) -> anyhow::Result<()> {
    let text = escape::one_line(text);
    if io::stdout().is_terminal() {
        write(&format!("\x1b[1m{text}\x1b[0m"))
    } else {
        write(&text)
    }
}

/// Ends quietly if the reader has closed the pipe (`| head`).
fn write(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}

/// Prints rows under a header, each column as wide as its widest cell.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
    let escaped = |row: &Vec<String>| row.iter().map(|cell| escape::one_line(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(escaped).collect();
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let padded = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    heading(&padded(header.to_vec()))?;
    rows.iter()
        .try_for_each(|row| line(&padded(row.iter().map(String::as_str).collect())))
}

/// Prints names and values, one pair a line; pairs without a value are left out.
pub fn fields(pairs: &[(&str, String)]) -> anyhow::Result<()> {
    let shown: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown
        .iter()
        .try_for_each(|(name, value)| line(&format!("{name:width$}  {value}")))
}

/// Says that something was done to the thing of this id.
pub fn done(format: Format, what: &str, id: &impl std::fmt::Display) -> anyhow::Result<()> {
    match format {
        Format::Json => json(&std::collections::BTreeMap::from([(what, id.to_string())])),
        Format::Text => line(&format!("{what} {id}")),
    }
}

/// A time to the millisecond; empty if there is none.
pub fn time(at: Option<&prost_types::Timestamp>) -> String {
    instant(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// A time; `None` if there is none.
pub fn instant(at: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    at.and_then(timestamp_from)
}

/// A text that a message may leave empty; `None` if it does.
pub fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
