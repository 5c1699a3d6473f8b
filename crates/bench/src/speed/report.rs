//! The printed report of cost and latency.

use serde::Serialize;

use crate::Report;
use crate::latency::Latency;
use crate::load::{SaturatedRun, SteadyRun};
use tidings_cli::output::{heading, table};

#[derive(Serialize)]
pub(super) struct SpeedReport {
    pub(super) engines: &'static str,
    pub(super) payload_bytes: usize,
    pub(super) endpoints: usize,
    pub(super) steady: Steady,
    pub(super) saturated: Saturated,
}

#[derive(Serialize)]
pub(super) struct Steady {
    events_per_second: u32,
    events: u64,
    lost: u64,
    acknowledged_ms: Latency,
    delivered_ms: Latency,
}

#[derive(Serialize)]
pub(super) struct Saturated {
    deliveries: u64,
    deliveries_per_second: f64,
    cpu_us_per_delivery: f64,
    groups: Vec<GroupCost>,
}

#[derive(Serialize)]
struct GroupCost {
    name: &'static str,
    cpu_us_per_delivery: f64,
    cores: f64,
}

impl Steady {
    pub(super) fn of(rate: u32, run: &SteadyRun) -> Self {
        Self {
            events_per_second: rate,
            events: run.events,
            lost: run.lost,
            acknowledged_ms: Latency::of(&run.acknowledged),
            delivered_ms: Latency::of(&run.delivered),
        }
    }
}

impl Saturated {
    pub(super) fn of(run: &SaturatedRun) -> Self {
        let per_delivery = |cpu: f64| cpu * 1e6 / run.deliveries.max(1) as f64;
        let groups: Vec<_> = run
            .cpu
            .iter()
            .map(|(name, cpu)| GroupCost {
                name,
                cpu_us_per_delivery: per_delivery(cpu.as_secs_f64()),
                cores: cpu.as_secs_f64() / run.seconds,
            })
            .collect();
        Self {
            deliveries: run.deliveries,
            deliveries_per_second: run.deliveries as f64 / run.seconds,
            cpu_us_per_delivery: groups.iter().map(|group| group.cpu_us_per_delivery).sum(),
            groups,
        }
    }
}

impl Report for SpeedReport {
    fn print(&self) -> anyhow::Result<()> {
        let (steady, saturated) = (&self.steady, &self.saturated);
        heading(&format!(
            "{}, {} byte payloads, {} endpoint(s)",
            self.engines, self.payload_bytes, self.endpoints
        ))?;
        println!(
            "\nsteady, {} events/s: {} events, {} lost",
            steady.events_per_second, steady.events, steady.lost
        );
        let row = |what: &str, latency: &Latency| [vec![what.to_owned()], latency.cells().to_vec()].concat();
        table(
            &[&["ms from intended send"], Latency::HEADER.as_slice()].concat(),
            &[
                row("acknowledged", &steady.acknowledged_ms),
                row("delivered", &steady.delivered_ms),
            ],
        )?;
        println!(
            "\nsaturated: {:.0} deliveries/s, {:.0} µs of CPU per delivery",
            saturated.deliveries_per_second, saturated.cpu_us_per_delivery
        );
        let rows: Vec<_> = saturated
            .groups
            .iter()
            .map(|g| {
                vec![
                    g.name.to_owned(),
                    format!("{:.1}", g.cpu_us_per_delivery),
                    format!("{:.2}", g.cores),
                ]
            })
            .collect();
        table(&["process group", "µs/delivery", "cores"], &rows)
    }
}
