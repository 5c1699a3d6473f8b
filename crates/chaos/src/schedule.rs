//! The order of faults, and the time that the system takes to recover from each.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::faults::Fault;
use crate::journal::Journal;
use crate::system::System;

/// The system has caught up when no accepted event has waited longer than this for its first request.
pub(crate) const CAUGHT_UP: Duration = Duration::from_secs(2);

/// Limit for catching up; the next fault comes after it all the same.
const PATIENCE: Duration = Duration::from_secs(90);

/// Percentage of faults, in a longer run, that the next one follows at once.
const HASTE: u32 = 20;

/// Faults in the given order, or in rounds: every one of them once, in an order drawn from a seed, then again.
#[derive(Debug)]
pub(crate) struct Schedule {
    faults: Vec<Fault>,
    left: Vec<Fault>,
    random: StdRng,
}

/// An inflicted fault with its effects.
#[derive(Debug)]
pub(crate) struct Inflicted {
    pub(crate) fault: Fault,
    /// Its begin, counted from the start of publishing.
    pub(crate) at: Duration,
    /// Its random parameters, in words.
    pub(crate) detail: String,
    /// From its begin to its end, when every process is ready again.
    pub(crate) lasted: Duration,
    /// Publishes accepted while it lasted.
    pub(crate) accepted: u64,
    /// Publishes rejected or not answered while it lasted.
    pub(crate) refused: u64,
    /// Requests until the next fault whose delivery had been answered with a success before.
    pub(crate) repeated: u64,
    /// From its end to the next request at any receiver.
    pub(crate) first_request: Option<Duration>,
    /// From its end until the system has caught up; none if the next fault came before.
    pub(crate) caught_up: Option<Duration>,
    /// The receivers' view, from its begin until the system had caught up.
    pub(crate) felt: Felt,
}

/// Effects of a fault that receivers noticed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Felt {
    /// The longest time in which none of them got a request.
    pub(crate) silence: Duration,
    /// The longest that an accepted event waited for its first request.
    pub(crate) wait: Duration,
}

impl Inflicted {
    /// The promise that the fault broke, if any.
    pub(crate) fn broken(&self) -> Option<String> {
        let promised = self.fault.longest_silence(self.lasted)?;
        let name = self.fault.name();
        if self.felt.silence > promised {
            let silence = seconds(Some(self.felt.silence));
            return Some(format!(
                "{name}: no receiver got a request for {silence}, more than {promised:.0?}"
            ));
        }
        let caught_up = self.caught_up.is_none();
        caught_up.then(|| format!("{name}: not caught up {PATIENCE:.0?} after its end"))
    }
}

impl Felt {
    /// Observes the journal until it is dropped.
    async fn watch(&mut self, journal: &Journal) -> Infallible {
        let mut requests = journal.standing().requests;
        let mut since = Instant::now();
        loop {
            let standing = journal.standing();
            if standing.requests != requests {
                (requests, since) = (standing.requests, Instant::now());
            }
            self.silence = self.silence.max(since.elapsed());
            self.wait = self.wait.max(standing.oldest_wait);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Schedule {
    pub(crate) fn new(seed: u64, faults: Vec<Fault>) -> Self {
        Self {
            faults,
            left: Vec::new(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Inflicts faults in rounds for a time, or once in the given order.
    pub(crate) async fn run(
        &mut self,
        system: &mut System,
        journal: &Journal,
        lasting: Option<Duration>,
    ) -> anyhow::Result<Vec<Inflicted>> {
        let start = Instant::now();
        let mut inflicted: Vec<Inflicted> = Vec::new();
        let mut repeated = 0;
        loop {
            let pause = Duration::from_millis(self.random.random_range(500..2_500));
            tokio::time::sleep(pause).await;
            let before = std::mem::replace(&mut repeated, journal.standing().repeated);
            if let Some(last) = inflicted.last_mut() {
                last.repeated = repeated - before;
            }
            let over = match lasting {
                Some(lasting) => start.elapsed() >= lasting,
                None => inflicted.len() == self.faults.len(),
            };
            if over {
                return Ok(inflicted);
            }
            let fault = match lasting {
                Some(_) => self.draw(),
                None => self.faults[inflicted.len()],
            };
            let hasty = lasting.is_some() && self.random.random_range(0..100) < HASTE;
            inflicted.push(self.inflict(fault, hasty, system, journal, start).await?);
        }
    }

    fn draw(&mut self) -> Fault {
        if self.left.is_empty() {
            self.left.clone_from(&self.faults);
            self.left.shuffle(&mut self.random);
        }
        self.left.pop().unwrap_or(Fault::KillBroker)
    }

    async fn inflict(
        &mut self,
        fault: Fault,
        hasty: bool,
        system: &mut System,
        journal: &Journal,
        start: Instant,
    ) -> anyhow::Result<Inflicted> {
        let name = fault.name();
        let (at, before) = (start.elapsed(), journal.standing());
        log(at, &format!("{name}: begins"));
        let mut felt = Felt::default();
        let suffering = async {
            let detail = fault.inflict(system, &mut self.random).await;
            let detail = detail.with_context(|| format!("{name} failed"))?;
            system.heal().await.with_context(|| format!("after {name}"))?;
            let (end, after) = (Instant::now(), journal.standing());
            let lasted = start.elapsed() - at;
            log(start.elapsed(), &format!("{name}: over ({detail})"));
            let recovered = recovery(journal, after.requests, end, hasty).await;
            anyhow::Ok((detail, after, lasted, recovered))
        };
        let (detail, after, lasted, (first_request, caught_up)) = tokio::select! {
            suffered = suffering => suffered?,
            never = felt.watch(journal) => match never {},
        };
        log(
            start.elapsed(),
            &format!(
                "{name}: first request after {}, caught up after {}; longest silence {}, longest wait {}",
                seconds(first_request),
                seconds(caught_up),
                seconds(Some(felt.silence)),
                seconds(Some(felt.wait)),
            ),
        );
        Ok(Inflicted {
            fault,
            at,
            detail,
            lasted,
            accepted: after.accepted - before.accepted,
            refused: after.refused - before.refused,
            repeated: 0,
            first_request,
            caught_up,
            felt,
        })
    }
}

async fn recovery(journal: &Journal, requests: u64, end: Instant, hasty: bool) -> (Option<Duration>, Option<Duration>) {
    let mut first_request = None;
    while end.elapsed() < PATIENCE {
        let standing = journal.standing();
        if first_request.is_none() && standing.requests > requests {
            first_request = Some(end.elapsed());
        }
        if first_request.is_some() && hasty {
            return (first_request, None);
        }
        if first_request.is_some() && standing.oldest_wait <= CAUGHT_UP {
            return (first_request, Some(end.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (first_request, None)
}

/// Logs a step of the run with its time.
pub(crate) fn log(at: Duration, what: &str) {
    let now = jiff::Timestamp::now();
    println!("{now:.3} {:>7.1} s  {what}", at.as_secs_f64());
}

/// `1.23 s`, or `–` for never.
pub(crate) fn seconds(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "–".to_owned(), |duration| format!("{:.2} s", duration.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_order_and_every_fault_comes_before_one_comes_again() {
        let order = |seed| {
            let mut schedule = Schedule::new(seed, Fault::ALL.to_vec());
            (0..2 * Fault::ALL.len()).map(|_| schedule.draw()).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let drawn = order(1);
        assert!(Fault::ALL.iter().all(|fault| drawn[..Fault::ALL.len()].contains(fault)));
    }
}
