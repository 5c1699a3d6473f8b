//! Processes are killed under full load and started again at once: nothing accepted may be missing, and what comes twice
//! is counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_domain::EventId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Bench;
use super::report::{Findings, Target};
use crate::WARM_UP;
use crate::load::Load;
use crate::receiver::{Arrival, Manner, Sink, now};

/// Events that may be accepted and not yet delivered.
const OUTSTANDING: u64 = 2_000;
const BATCH: usize = 50;
/// Limit for the arrival of accepted events. The sweeper takes a delivery for lost after `log.grace`, 75 s, and looks
/// again after twice that.
const PATIENCE: Duration = Duration::from_secs(300);

/// Effects of a crash; times in nanoseconds on the clock of [`now`].
struct Crash {
    killed: u64,
    started: u64,
    /// End of publishing.
    stopped: u64,
    accepted: Vec<Accepted>,
    arrived: HashMap<EventId, Arrival>,
}

struct Accepted {
    event: EventId,
    at: u64,
}

pub(super) async fn run(bench: &mut Bench) -> anyhow::Result<Findings> {
    let sink = Sink::start(1, Manner::Answers).await?;
    let load = Load::prepare(&bench.system, &sink, bench.one("saturating")).await?;
    let mut findings = Findings::new();
    for process in bench.crashing {
        eprintln!("{process} is killed under full load …");
        let crash = crash(bench, process, &load, &sink).await?;
        crash.tell(process, &mut findings);
        bench.system.ready().await?;
    }
    Ok(findings)
}

async fn crash(bench: &mut Bench, process: &str, load: &Load<'_>, sink: &Sink) -> anyhow::Result<Crash> {
    let accepted = Mutex::new(Vec::new());
    let stop = CancellationToken::new();
    // A batch that failed was not accepted, even if a part of it is delivered.
    let publish = load.keep_ahead(BATCH, OUTSTANDING, &stop, |result| {
        let events = result.map(|batch| batch.accepted).unwrap_or_default();
        let at = now();
        let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.extend(events.into_iter().map(|event| Accepted { event, at }));
        Ok(())
    });
    let strike = async {
        let _stop = stop.clone().drop_guard();
        tokio::time::sleep(WARM_UP + bench.duration / 2).await;
        let killed = now();
        bench.system.crash(process).await?;
        let started = now();
        tokio::time::sleep(bench.duration / 2).await;
        anyhow::Ok((killed, started))
    };
    let ((), (killed, started)) = tokio::try_join!(publish, strike)?;
    let stopped = now();
    let accepted = accepted.into_inner().unwrap_or_else(PoisonError::into_inner);

    // Events of failed batches may have come too, so that it is not enough to count.
    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up && accepted.iter().any(|accepted| !sink.has(accepted.event)) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(Crash {
        killed,
        started,
        stopped,
        accepted,
        arrived: sink.take(),
    })
}

impl Crash {
    fn tell(&self, process: &str, findings: &mut Findings) {
        let seconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e9;
        let mut arrivals: Vec<u64> = self.arrived.values().map(|arrival| arrival.first).collect();
        arrivals.sort_unstable();
        let arrived = |accepted: &&Accepted| self.arrived.get(&accepted.event);

        let lost = self
            .accepted
            .iter()
            .filter(|accepted| arrived(accepted).is_none())
            .count();
        let again: u64 = self.arrived.values().map(|arrival| u64::from(arrival.times - 1)).sum();
        let back = arrivals.iter().find(|at| **at > self.started);
        let caught_up = self
            .accepted
            .iter()
            .filter(|accepted| accepted.at <= self.killed)
            .filter_map(|accepted| arrived(&accepted).map(|arrival| arrival.first))
            .max();
        let from_kill = arrivals.partition_point(|at| *at <= self.killed).saturating_sub(1);
        let under_load = &arrivals[from_kill..arrivals.partition_point(|at| *at <= self.stopped).max(from_kill)];
        let pause = under_load.windows(2).map(|pair| pair[1] - pair[0]).max();

        let mut fact = |what: &str, value: f64, unit| findings.fact(&format!("{process}: {what}"), value, unit);
        fact("accepted", self.accepted.len() as f64, "events");
        fact("duplicates", again as f64, "");
        fact(
            "duplicates of delivered",
            again as f64 * 100.0 / arrivals.len().max(1) as f64,
            "%",
        );
        fact(
            "next delivery after the start",
            back.map_or(f64::NAN, |at| seconds(self.started, *at)),
            "s",
        );
        fact("longest pause", pause.unwrap_or_default() as f64 / 1e9, "s");
        let caught_up = caught_up.map_or(f64::NAN, |at| seconds(self.started, at));
        fact("all accepted before delivered after", caught_up, "s");
        findings.bound(&format!("{process}: lost"), lost as f64, "", Target::AtMost(0.0));
    }
}
