//! The result as Markdown, for the terminal and for `docs/`.

use std::fmt::Write;
use std::time::Duration;

use crate::schedule::{CAUGHT_UP, Inflicted, seconds};
use crate::verdict::Verdict;

/// Examples shown of a failure, at most.
const EXAMPLES: usize = 10;

/// The parameters and results of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) rate: u32,
    pub(crate) published_for: Duration,
    pub(crate) refused: u64,
    pub(crate) faults: Vec<Inflicted>,
    pub(crate) verdict: Verdict,
    /// Unexpected ends and panics of processes.
    pub(crate) misdeeds: Vec<String>,
}

impl Run {
    /// `true` if no promise was broken.
    pub(crate) fn passed(&self) -> bool {
        self.verdict.failures().is_empty() && self.misdeeds.is_empty() && self.broken().is_empty()
    }

    /// Broken promises of single faults.
    fn broken(&self) -> Vec<String> {
        self.faults.iter().filter_map(Inflicted::broken).collect()
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "Seed {}, {} events/s for {:.0} s, {} faults: {}.\n\n",
            self.seed,
            self.rate,
            self.published_for.as_secs_f64(),
            self.faults.len(),
            if self.passed() { "passed" } else { "FAILED" },
        );
        text += &table(&["", "number"], self.counts());
        text += "\n";
        text += &table(
            &[
                "at",
                "fault",
                "lasted",
                "accepted",
                "refused",
                "repeated",
                "first request",
                "caught up",
                "longest silence",
                "longest wait",
                "what was drawn",
            ],
            self.faults.iter().map(fault_row).collect(),
        );
        let _ = writeln!(
            text,
            "\nTimes of recovery count from the end of a fault, when every process is ready again, to the next request at any \
             receiver, and until no accepted event has waited for its first request for more than {CAUGHT_UP:?}; – where the \
             next fault came before that. Silence is the longest time without a request at any receiver, from the begin of a \
             fault until the system has caught up; wait the longest that an accepted event had waited for its first request \
             meanwhile. Delays count from the answer to the publisher to the first request."
        );
        for broken in self.broken() {
            let _ = writeln!(text, "\n{broken}");
        }
        for (name, examples) in self.verdict.failures() {
            let _ = writeln!(text, "\n{name}: {}, of them", examples.len());
            for example in examples.iter().take(EXAMPLES) {
                let _ = writeln!(text, "- {example}");
            }
        }
        for misdeed in &self.misdeeds {
            let _ = writeln!(text, "\n{misdeed}");
        }
        text
    }

    fn counts(&self) -> Vec<Vec<String>> {
        let verdict = &self.verdict;
        let state = |name: &str| verdict.states.get(name).copied().unwrap_or(0);
        let deliveries = verdict.deliveries;
        let rows: Vec<(&str, String)> = vec![
            ("events accepted", verdict.accepted.to_string()),
            (
                "publishes refused or not answered (published again as new events)",
                self.refused.to_string(),
            ),
            (
                "of those, events that exist all the same",
                verdict.unanswered.to_string(),
            ),
            ("deliveries of accepted events", deliveries.to_string()),
            ("succeeded", state("succeeded").to_string()),
            ("exhausted", state("exhausted").to_string()),
            ("cancelled", state("cancelled").to_string()),
            ("not ended", verdict.open.len().to_string()),
            ("missing in the ledger", verdict.missing.len().to_string()),
            (
                "received at least once",
                (deliveries - verdict.unseen.len() as u64).to_string(),
            ),
            (
                "**lost** (accepted and never received)",
                verdict.unseen.len().to_string(),
            ),
            (
                "succeeded without a success at the receiver",
                verdict.unfounded.len().to_string(),
            ),
            (
                "exhausted although a request was answered 200",
                verdict.exhausted_after_success.to_string(),
            ),
            (
                "open deliveries of events without an answer",
                verdict.other_open.len().to_string(),
            ),
            ("attempts recorded", verdict.attempts.to_string()),
            ("requests received", verdict.requests.to_string()),
            (
                "duplicates: requests beyond the recorded attempts of their delivery",
                verdict.extra_requests.to_string(),
            ),
            (
                "duplicates: successes beyond the first of their delivery",
                verdict.extra_successes.to_string(),
            ),
            ("delay, median", seconds(verdict.delay(50))),
            ("delay, 99 %", seconds(verdict.delay(99))),
            ("delay, longest", seconds(verdict.delay(100))),
            (
                "until everything had ended, after the last fault",
                seconds(Some(verdict.drained)),
            ),
            (
                "left in queues",
                if verdict.leftovers.is_empty() {
                    "nothing".to_owned()
                } else {
                    verdict.leftovers.join(", ")
                },
            ),
        ];
        rows.into_iter()
            .map(|(name, value)| vec![name.to_owned(), value])
            .collect()
    }
}

fn fault_row(inflicted: &Inflicted) -> Vec<String> {
    vec![
        format!("{:.0} s", inflicted.at.as_secs_f64()),
        inflicted.fault.name().to_owned(),
        seconds(Some(inflicted.lasted)),
        inflicted.accepted.to_string(),
        inflicted.refused.to_string(),
        inflicted.repeated.to_string(),
        seconds(inflicted.first_request),
        seconds(inflicted.caught_up),
        seconds(Some(inflicted.felt.silence)),
        seconds(Some(inflicted.felt.wait)),
        inflicted.detail.clone(),
    ]
}

/// Columns are as wide as their widest cell, so that the source reads as well as the page.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(&mut head.iter().copied());
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    text += &line(&mut rule.iter().map(String::as_str));
    for row in &rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned() {
        let rows = vec![vec!["lost".to_owned(), "0".to_owned()]];
        assert_eq!(
            table(&["", "number"], rows),
            "|      | number |\n| ---- | ------ |\n| lost | 0      |\n"
        );
    }
}
