//! The printed report of cost and latency.

use serde::Serialize;

use crate::Report;
use crate::cost::Cost;
use crate::latency::Latency;
use crate::load::{OneByOneRun, SteadyRun};
use tidings_cli::output::{heading, table};

#[derive(Serialize)]
pub(super) struct SpeedReport {
    pub(super) engines: &'static str,
    pub(super) payload_bytes: usize,
    pub(super) endpoints: usize,
    pub(super) at_rest: Option<AtRest>,
    pub(super) stretches: Vec<Stretch>,
    /// The least that a delivery can cost with these engines, µs of CPU.
    pub(super) floor: Option<f64>,
}

/// A system without events.
#[derive(Serialize)]
pub(super) struct AtRest {
    groups: Vec<Resting>,
}

#[derive(Serialize)]
struct Resting {
    name: &'static str,
    cpu_ms_per_second: f64,
    /// Only of Tidings' own processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mib: Option<f64>,
}

/// A measured stretch under one kind of load.
#[derive(Serialize)]
pub(super) struct Stretch {
    load: String,
    deliveries: u64,
    deliveries_per_second: f64,
    cpu_us_per_delivery: f64,
    groups: Vec<GroupCost>,
    lost: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_ms: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_ms: Option<Latency>,
    /// Load of the whole machine, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    busy: Option<f64>,
}

#[derive(Serialize)]
struct GroupCost {
    name: &'static str,
    cpu_us_per_delivery: f64,
}

impl AtRest {
    pub(super) fn of(cost: &Cost, memory: &[(&'static str, u64)]) -> Self {
        let memory_of = |group: &str| memory.iter().find(|(name, _)| *name == group);
        let groups = cost.cpu.iter().map(|(name, cpu)| Resting {
            name,
            cpu_ms_per_second: cpu.as_secs_f64() * 1e3 / cost.seconds,
            memory_mib: memory_of(name).map(|(_, bytes)| *bytes as f64 / 1_048_576.0),
        });
        Self {
            groups: groups.collect(),
        }
    }
}

impl Stretch {
    pub(super) fn steady(rate: u32, run: &SteadyRun, cost: &Cost) -> Self {
        Self {
            lost: run.lost,
            acknowledged_ms: Some(Latency::of(&run.acknowledged)),
            delivered_ms: Some(Latency::of(&run.delivered)),
            busy: run.busy,
            ..Self::of(format!("{rate}/s"), cost)
        }
    }

    pub(super) fn one_by_one(in_flight: usize, fan_out: usize, run: &OneByOneRun) -> Self {
        let load = match fan_out {
            1 => format!("HTTP one by one, {in_flight} in flight"),
            _ => format!("the same to {fan_out} endpoints"),
        };
        Self {
            lost: run.lost,
            acknowledged_ms: Some(Latency::of(&run.acknowledged)),
            delivered_ms: Some(Latency::of(&run.delivered)),
            ..Self::of(load, &run.cost)
        }
    }

    pub(super) fn saturated(batch: usize, cost: &Cost) -> Self {
        Self::of(format!("gRPC batches of {batch}, saturated"), cost)
    }

    fn of(load: String, cost: &Cost) -> Self {
        let per_delivery = |seconds: f64| seconds * 1e6 / cost.deliveries.max(1) as f64;
        let groups: Vec<_> = cost
            .cpu
            .iter()
            .map(|(name, cpu)| GroupCost {
                name,
                cpu_us_per_delivery: per_delivery(cpu.as_secs_f64()),
            })
            .collect();
        Self {
            load,
            deliveries: cost.deliveries,
            deliveries_per_second: cost.deliveries as f64 / cost.seconds,
            cpu_us_per_delivery: groups.iter().map(|group| group.cpu_us_per_delivery).sum(),
            groups,
            lost: 0,
            acknowledged_ms: None,
            delivered_ms: None,
            busy: None,
        }
    }
}

impl Report for SpeedReport {
    fn print(&self) -> anyhow::Result<()> {
        heading(&format!(
            "{}, {} byte payloads, {} endpoint(s)",
            self.engines, self.payload_bytes, self.endpoints
        ))?;
        if let Some(at_rest) = &self.at_rest {
            println!("\nat rest");
            at_rest.print()?;
        }
        if self.stretches.is_empty() {
            return Ok(());
        }
        println!("\nµs of CPU per delivery");
        self.print_costs()?;
        println!("\nms, from the time at which an event should have been sent");
        self.print_latencies()
    }
}

impl AtRest {
    fn print(&self) -> anyhow::Result<()> {
        let rows: Vec<_> = self
            .groups
            .iter()
            .map(|group| {
                vec![
                    group.name.to_owned(),
                    format!("{:.1}", group.cpu_ms_per_second),
                    group.memory_mib.map(|mib| format!("{mib:.0}")).unwrap_or_default(),
                ]
            })
            .collect();
        table(&["process group", "ms of CPU per second", "MiB"], &rows)
    }
}

impl SpeedReport {
    fn print_costs(&self) -> anyhow::Result<()> {
        let names = self.stretches[0].groups.iter().map(|group| group.name);
        let mut head = vec!["load", "deliveries/s", "lost", "all"];
        head.extend(self.floor.map(|_| "× floor"));
        head.extend(names);
        let rows: Vec<_> = self
            .stretches
            .iter()
            .map(|stretch| {
                let mut row = vec![
                    stretch.load.clone(),
                    format!("{:.0}", stretch.deliveries_per_second),
                    stretch.lost.to_string(),
                    format!("{:.0}", stretch.cpu_us_per_delivery),
                ];
                row.extend(
                    self.floor
                        .map(|floor| format!("{:.1}", stretch.cpu_us_per_delivery / floor)),
                );
                row.extend(stretch.groups.iter().map(|g| format!("{:.1}", g.cpu_us_per_delivery)));
                row
            })
            .collect();
        table(&head, &rows)
    }

    fn print_latencies(&self) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        for stretch in &self.stretches {
            let kinds = [
                ("acknowledged", &stretch.acknowledged_ms),
                ("delivered", &stretch.delivered_ms),
            ];
            for (what, latency) in kinds {
                let Some(latency) = latency else { continue };
                let busy = stretch
                    .busy
                    .map(|percent| format!("{percent:.0} %"))
                    .unwrap_or_default();
                let mut row = vec![stretch.load.clone(), what.to_owned()];
                row.extend(latency.cells());
                row.push(busy);
                rows.push(row);
            }
        }
        let head = [&["load", ""], Latency::HEADER.as_slice(), &["machine busy"]].concat();
        table(&head, &rows)
    }
}
