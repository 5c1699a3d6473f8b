//! `tidings metrics`: the list of metrics.

use tidings_service::metrics::{Family, families};

/// Prints the page that lists every metric (`docs/operations/metrics.md`).
#[derive(clap::Args)]
pub(crate) struct Args;

/// A part of the program, the roles that it is in, and what makes its metrics.
type Part = (&'static str, &'static str, fn());

const PARTS: [Part; 8] = [
    (
        "Every process",
        "ingest, log, dispatcher, control",
        tidings_service::metrics::register,
    ),
    (
        "Registry and database",
        "ingest, log, dispatcher, control",
        tidings_store::register_metrics,
    ),
    ("Queue", "ingest, log, dispatcher", tidings_queue::register_metrics),
    ("Recorder", "ingest, dispatcher", tidings_recorder::register_metrics),
    ("Ingest", "ingest", tidings_ingest::register_metrics),
    ("Dispatcher", "dispatcher", tidings_dispatcher::register_metrics),
    ("Log", "log", tidings_log::register_metrics),
    ("Control", "control", tidings_control::register_metrics),
];

const HEAD: &str = "\
<!-- Written by `tidings metrics`; a test keeps it true. -->
# Metrics

Each process serves its metrics at `/metrics` of its monitor (`monitor.address`, 9464), in Prometheus' text format. No label
bears a tenant, an endpoint, or anything else that callers choose, so the number of series does not grow with them. Failures
that are ours, and outcomes that alerts look at, are there as 0 from the start: `increase()` sees the first one.

What an alert is about, and what to do then, is in [the runbook](runbook.md); how busy is too busy, in
[capacity](capacity.md). Beside these each process has Prometheus' usual `process_*` (CPU, memory, file descriptors).
";

pub(crate) fn run() {
    let mut known: Vec<String> = Vec::new();
    print!("{HEAD}");
    for (name, roles, register) in PARTS {
        register();
        println!("\n## {name}\n\nIn {roles}.\n");
        println!("| metric | type | labels | what it says |\n| --- | --- | --- | --- |");
        for family in families() {
            if !known.contains(&family.name) {
                println!("{}", row(&family));
                known.push(family.name);
            }
        }
    }
}

fn row(family: &Family) -> String {
    let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    let help = family.help.replace('|', "\\|");
    format!(
        "| `{}` | {} | {} | {help} |",
        family.name,
        family.kind,
        labels.join(", ")
    )
}
