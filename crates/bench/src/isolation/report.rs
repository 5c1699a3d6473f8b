//! The printed report of a scenario.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Report;
use crate::latency::Latency;
use crate::load::SteadyRun;
use tidings_cli::output::{heading, line, table};

/// The metrics that say what the system did about the trouble.
pub(super) const TELLING_METRICS: [&str; 12] = [
    "tidings_circuits_open",
    "tidings_deferrals_total",
    "tidings_deliveries_due_total",
    "tidings_deliveries_put_off_total",
    "tidings_deliveries_released_total",
    "tidings_deliveries_swept_total",
    "tidings_deliveries_total",
    "tidings_duplicates_dropped_total",
    "tidings_log_commits_failed_total",
    "tidings_log_records_drained_total",
    "tidings_queue_depth",
    "tidings_retries_left_to_sweeper_total",
];

/// Allowed slowdown of an event beside somebody else's trouble (guarantee G5).
const MAX_RATIO: f64 = 1.2;
/// The same beside a tenant that takes all that one tenant may.
const MAX_CROWDED_RATIO: f64 = 1.5;
/// Allowed memory of a dispatcher, MiB.
const MAX_MEMORY: f64 = 200.0;

#[derive(Serialize)]
pub(super) struct IsolationReport {
    pub(super) scenario: String,
    pub(super) engines: &'static str,
    pub(super) payload_bytes: usize,
    /// Load of the machine by others before the start, percent.
    pub(super) busy_before: Option<f64>,
    pub(super) load_before: Option<f64>,
    pub(super) load_after: Option<f64>,
    #[serde(flatten)]
    pub(super) findings: Findings,
    pub(super) metrics: BTreeMap<String, f64>,
}

/// The results of a scenario.
#[derive(Serialize)]
pub(super) struct Findings {
    latencies: Vec<Run>,
    facts: Vec<Fact>,
}

#[derive(Serialize)]
struct Run {
    name: &'static str,
    intended_per_second: u32,
    /// Lower where the publisher was held up; then the latencies tell that and nothing else.
    published_per_second: f64,
    machine_busy_percent: Option<f64>,
    events: u64,
    lost: u64,
    delivered_ms: Latency,
}

#[derive(Serialize)]
struct Fact {
    what: String,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Findings {
    pub(super) fn new() -> Self {
        Self {
            latencies: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// A steady run of healthy endpoints. All of its events must be delivered.
    pub(super) fn latency(&mut self, name: &'static str, rate: u32, run: &SteadyRun) {
        self.latencies.push(Run {
            name,
            intended_per_second: rate,
            published_per_second: run.events as f64 / run.seconds,
            machine_busy_percent: run.busy,
            events: run.events,
            lost: run.lost,
            delivered_ms: Latency::of(&run.delivered),
        });
        self.delivered(name, run.events - run.lost, run.events);
    }

    /// Adds the slowdown of events beside the trouble, compared with the run alone.
    pub(super) fn compare(&mut self, name: &str, alone: &SteadyRun, beside: &SteadyRun) {
        let (alone, beside) = (Latency::of(&alone.delivered), Latency::of(&beside.delivered));
        let times = |beside: f64, alone: f64| if alone > 0.0 { beside / alone } else { f64::NAN };
        self.fact(
            &format!("{name}: p50, times the other"),
            times(beside.p50, alone.p50),
            "",
        );
        let what = format!("{name}: p99, times the other");
        self.bound(&what, times(beside.p99, alone.p99), "", Target::AtMost(MAX_RATIO));
    }

    /// Adds the slowdown of publishing beside the trouble, compared with the run alone.
    pub(super) fn compare_publishing(&mut self, name: &str, alone: &SteadyRun, beside: &SteadyRun) {
        let (alone, beside) = (Latency::of(&alone.acknowledged), Latency::of(&beside.acknowledged));
        self.fact("alone: publish, p99", alone.p99, "ms");
        self.fact(&format!("{name}: publish, p99"), beside.p99, "ms");
        let what = format!("{name}: publish, p99, times the other");
        self.bound(
            &what,
            beside.p99 / alone.p99.max(0.001),
            "",
            Target::AtMost(MAX_CROWDED_RATIO),
        );
    }

    /// As [`Findings::compare`], with what is allowed beside a tenant that takes all that it may.
    pub(super) fn compare_crowded(&mut self, name: &str, alone: &SteadyRun, beside: &SteadyRun) {
        let (alone, beside) = (Latency::of(&alone.delivered), Latency::of(&beside.delivered));
        let what = format!("{name}: p99, times the other");
        self.bound(
            &what,
            beside.p99 / alone.p99.max(0.001),
            "",
            Target::AtMost(MAX_CROWDED_RATIO),
        );
    }

    /// Adds the share of accepted events that were delivered.
    pub(super) fn delivered(&mut self, name: &str, delivered: u64, of: u64) {
        // Rounded down, so that a single one that is missing is seen.
        let percent = (delivered.min(of) as f64 / of.max(1) as f64 * 1e5).floor() / 1e3;
        self.bound(&format!("{name}: delivered"), percent, "%", Target::AtLeast(100.0));
    }

    pub(super) fn fact(&mut self, what: &str, value: f64, unit: &'static str) {
        self.facts.push(Fact {
            what: what.to_owned(),
            value,
            unit,
            target: None,
        });
    }

    /// Adds a measured value with its target.
    pub(super) fn bound(&mut self, what: &str, value: f64, unit: &'static str, target: Target) {
        self.facts.push(Fact {
            what: what.to_owned(),
            value,
            unit,
            target: Some(target),
        });
    }

    /// The most memory that processes had, bytes. That of the one that makes attempts is bounded.
    pub(super) fn memory(&mut self, peaks: &[(&'static str, u64)]) {
        for (process, bytes) in peaks {
            let (what, mib) = (format!("{process}: most memory"), *bytes as f64 / 1024.0 / 1024.0);
            match *process {
                "dispatcher" | "standalone" => self.bound(&what, mib, "MiB", Target::AtMost(MAX_MEMORY)),
                _ => self.fact(&what, mib, "MiB"),
            }
        }
    }
}

impl Fact {
    fn cells(&self) -> Vec<String> {
        let verdict = match self.target {
            None => String::new(),
            Some(target) if target.is_met_by(self.value) => target.text(),
            Some(target) => format!("MISSED: {}", target.text()),
        };
        vec![
            self.what.clone(),
            format!("{} {}", number(self.value), self.unit).trim_end().to_owned(),
            verdict,
        ]
    }
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {}", number(bound)),
            Self::AtLeast(bound) => format!("at least {}", number(bound)),
        }
    }
}

impl Report for IsolationReport {
    fn print(&self) -> anyhow::Result<()> {
        let load = |average: Option<f64>| average.map_or_else(|| "?".to_owned(), |load| format!("{load:.1}"));
        heading(&format!(
            "{}: {}, {} byte payloads; machine {} % busy before, load average {} before, {} after",
            self.scenario,
            self.engines,
            self.payload_bytes,
            load(self.busy_before),
            load(self.load_before),
            load(self.load_after)
        ))?;
        let findings = &self.findings;
        if !findings.latencies.is_empty() {
            line("")?;
            let header = ["ms until delivered", "intended/s", "published/s", "busy", "events"];
            let rows: Vec<_> = findings.latencies.iter().map(Run::cells).collect();
            table(&[header.as_slice(), &Latency::HEADER].concat(), &rows)?;
        }
        line("")?;
        let rows: Vec<_> = findings.facts.iter().map(Fact::cells).collect();
        table(&["what", "value", "target"], &rows)?;
        line("")?;
        let counted = self.metrics.iter().filter(|(_, value)| **value != 0.0);
        let rows: Vec<_> = counted
            .map(|(name, value)| vec![name.clone(), number(*value)])
            .collect();
        table(&["metric", "value"], &rows)
    }
}

impl Run {
    fn cells(&self) -> Vec<String> {
        let counts = [
            self.name.to_owned(),
            self.intended_per_second.to_string(),
            format!("{:.0}", self.published_per_second),
            self.machine_busy_percent
                .map_or_else(String::new, |busy| format!("{busy:.0} %")),
            self.events.to_string(),
        ];
        [counts.as_slice(), &self.delivered_ms.cells()].concat()
    }
}

/// A number as people read it: counts whole, everything else with about three digits that say something.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() > 100.0 {
        format!("{value:.0}")
    } else if value.abs() > 99.0 {
        format!("{value:.3}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_target_is_shown() {
        let mut findings = Findings::new();
        findings.bound("lost", 0.0, "", Target::AtMost(0.0));
        findings.bound("p99", 1.25, "", Target::AtMost(MAX_RATIO));
        findings.delivered("all", 7, 7);
        findings.delivered("all but one", 149_999, 150_000);
        findings.memory(&[("dispatcher", 100 << 20), ("log", 300 << 20)]);
        let shown: Vec<_> = findings.facts.iter().map(|fact| fact.cells()[1..].join(", ")).collect();
        assert_eq!(
            shown,
            [
                "0, at most 0",
                "1.25, MISSED: at most 1.20",
                "100 %, at least 100",
                "99.999 %, MISSED: at least 100",
                "100 MiB, at most 200",
                "300 MiB, "
            ]
        );
    }
}
