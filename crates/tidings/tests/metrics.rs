//! One set of names: what the program counts, the page that lists it, dashboards, rules and the runbook.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .arg("metrics")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The words that begin like a metric.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words
        .filter(|word| word.starts_with("tidings_") && word.len() > "tidings_".len())
        .collect()
}

/// Writes the page with `UPDATE_DOCS=1`.
#[test]
fn the_page_lists_what_the_program_counts() {
    let (path, page) = (root().join("docs/operations/metrics.md"), page());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/operations/metrics.md is not what `tidings metrics` prints: UPDATE_DOCS=1 cargo test -p tidings --test metrics"
    );
}

#[test]
fn dashboards_rules_and_documents_name_what_there_is() {
    let page = page();
    let known = names(&page);
    let folders = [
        "deploy/monitoring/rules",
        "deploy/monitoring/tests",
        "deploy/monitoring/dashboards",
        "docs",
        "docs/operations",
    ];
    for folder in folders {
        for file in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = file.unwrap().path();
            // What was decided and measured once may name what was there then.
            if path.is_dir() || path.ends_with("benchmarks.md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for name in names(&text) {
                let family = ["_bucket", "_count", "_sum"]
                    .iter()
                    .find_map(|part| name.strip_suffix(part));
                let of_code = known.contains(name) || family.is_some_and(|family| known.contains(family));
                // The names of crates, tests and databases look alike.
                let of_metrics = path.starts_with(root().join("deploy")) || ends_like_a_metric(name);
                assert!(of_code || !of_metrics, "{}: no metric is called {name}", path.display());
            }
        }
    }
}

fn ends_like_a_metric(name: &str) -> bool {
    ["_total", "_seconds", "_bytes"].iter().any(|end| name.ends_with(end))
}
