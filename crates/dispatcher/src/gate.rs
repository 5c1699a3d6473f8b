//! The gate before each endpoint: who may send now, who waits a moment, who is turned away (guarantee G5).
//!
//! Need: whatever an endpoint does, the others must not feel it. Mechanism: four rules: the window (how many
//! requests are under way at once), the breaker (one probe at a time while it fails), the rate limit, and a bound on how many deliveries it may have going round in rungs. A delivery waits in hand only for what comes
//! within a moment; otherwise it is turned away, and the caller puts it aside. Limit: each dispatcher has gates of its
//! own; the highest window and the rate limit are divided among them, breakers and rounds are not.

mod breaker;
mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_domain::{Endpoint, EndpointId, RateLimit};
use tidings_service::Bucket;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::breaker::{Breaker, Circuit, Passage};
use self::window::Window;
use crate::places::Pace;

/// How long a delivery waits in hand for its turn.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many deliveries of one endpoint may go round in rungs: so many per second, so many at once. The rest is held
/// in the ledger, which costs less than going round.
const ROUNDS_PER_SECOND: f64 = 50.0;
const ROUNDS_AT_ONCE: f64 = 100.0;

/// The longest time that an endpoint is left alone because its rate limit is used up; then a request finds out more.
const MAX_SPENT: Duration = Duration::from_secs(60);

/// Why a delivery is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many requests as may be are under way.
    Busy,
    /// There are more deliveries than its rate limit lets through.
    RateLimited,
    /// It fails; one probe at a time is let through.
    CircuitOpen,
}

/// A delivery that is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TurnedAway {
    pub(crate) why: Refusal,
    /// How long it takes at least until it would be let through.
    pub(crate) wait: Duration,
    /// Whether it may go round in a rung; otherwise too many of its endpoint do.
    pub(crate) may_go_round: bool,
}

/// What the end of a request says about its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answers, and the answer is about the request.
    Well,
    /// It answers well, and takes nothing more for so long.
    Spent(Duration),
    /// It answers that it has failed.
    Failing,
    /// It has too much to do, and may say how long it wants to be left alone.
    Overloaded(Option<Duration>),
    /// It says nothing that can be understood.
    Silent,
}

/// All gates of a dispatcher.
pub(crate) struct Gates {
    default_cap: u32,
    /// The highest cap, whatever an endpoint asks for: a lane has so many places for it and no more.
    highest_cap: u32,
    breaker_threshold: u32,
    /// How many dispatchers share the caps and rate limits.
    dispatchers: AtomicU32,
    gates: Mutex<HashMap<EndpointId, Arc<Gate>>>,
}

struct Gate {
    state: Mutex<State>,
    /// Something ended, or the next in line should look.
    freed: Notify,
}

struct State {
    window: Window,
    breaker: Breaker,
    rate: Bucket,
    /// Before this time its own rate limit takes nothing more.
    spent_until: Instant,
    rounds: Bucket,
    used_at: Instant,
}

/// The right to have one request under way.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    pace: Pace,
    begun_at: Instant,
    settled: bool,
}

enum Entry {
    Open,
    /// Somebody must end first, which is to be expected soon.
    Full(Refusal),
    NotBefore(Instant, Refusal),
    /// Nothing ends here.
    Never(Refusal),
}

impl Gates {
    pub(crate) fn new(default_cap: u32, highest_cap: u32, breaker_threshold: u32) -> Self {
        Self {
            default_cap,
            highest_cap: highest_cap.max(1),
            breaker_threshold,
            dispatchers: AtomicU32::new(1),
            gates: Mutex::new(HashMap::new()),
        }
    }

    /// A pass for the endpoint, at once or after a moment.
    pub(crate) async fn enter(&self, endpoint: &Endpoint) -> Result<Pass, TurnedAway> {
        let gate = self.gate(endpoint);
        let share = endpoint.overrides.rate_limit.map(|limit| self.share(limit));
        let begun = Instant::now();
        let give_up = begun + PATIENCE;
        loop {
            let now = Instant::now();
            let (entry, pace) = {
                let mut state = gate.state();
                let pace = state.window.pace(now);
                (state.try_enter(share, now), pace)
            };
            let (why, until) = match entry {
                Entry::Open => {
                    // There may be room for one more; whoever waits next looks for itself.
                    gate.freed.notify_one();
                    return Ok(Pass {
                        gate,
                        pace,
                        begun_at: now,
                        settled: false,
                    });
                }
                Entry::Full(why) => (why, None),
                Entry::NotBefore(until, why) => (why, Some(until)),
                Entry::Never(why) => return Err(gate.state().turn_away(why, Duration::ZERO, now)),
            };
            let wait = until
                .map(|until| until.saturating_duration_since(now))
                .unwrap_or_default();
            if now >= give_up || until.is_some_and(|until| until > give_up) {
                return Err(gate.state().turn_away(why, wait, now));
            }
            tokio::select! {
                () = gate.freed.notified() => {}
                () = tokio::time::sleep_until(until.unwrap_or(give_up)) => {}
            }
        }
    }

    /// Sets how many dispatchers share the caps and rate limits, this one among them.
    pub(crate) fn set_dispatchers(&self, count: u32) {
        self.dispatchers.store(count.max(1), Ordering::Relaxed);
    }

    /// Forgets gates that nobody has used for a while.
    pub(crate) fn forget_idle(&self) {
        const QUIET: Duration = Duration::from_secs(60);
        const LONG_QUIET: Duration = Duration::from_secs(600);
        let now = Instant::now();
        self.gates().retain(|_, gate| {
            let state = gate.state();
            let quiet = now.saturating_duration_since(state.used_at);
            !state.window.is_idle() || quiet < QUIET || (!state.breaker.is_closed() && quiet < LONG_QUIET)
        });
    }

    /// How this dispatcher sees an endpoint: its circuit, how many requests are under way and how many may be. Nothing if it
    /// has not sent to it lately.
    pub(crate) fn describe(&self, id: EndpointId) -> Option<(Circuit, u32, u32)> {
        let gate = self.gates().get(&id).cloned()?;
        let state = gate.state();
        let (under_way, window) = state.window.filled();
        Some((state.breaker.circuit(), under_way, window))
    }

    /// How many circuits are open.
    pub(crate) fn open_circuits(&self) -> usize {
        self.gates()
            .values()
            .filter(|gate| !gate.state().breaker.is_closed())
            .count()
    }

    /// This dispatcher's part of a rate limit: tokens per second and at once.
    fn share(&self, limit: RateLimit) -> (f64, f64) {
        let dispatchers = f64::from(self.dispatchers.load(Ordering::Relaxed));
        (
            f64::from(limit.per_second) / dispatchers,
            f64::from(limit.burst) / dispatchers,
        )
    }

    /// This dispatcher's part of how many requests may be under way at once. With more dispatchers than that, each still
    /// makes one.
    fn cap(&self, at_once: u32) -> u32 {
        let part = at_once.div_ceil(self.dispatchers.load(Ordering::Relaxed));
        part.clamp(1, self.highest_cap)
    }

    fn gate(&self, endpoint: &Endpoint) -> Arc<Gate> {
        let cap = self.cap(endpoint.overrides.concurrency.unwrap_or(self.default_cap));
        let mut gates = self.gates();
        let gate = gates.entry(endpoint.id).or_insert_with(|| {
            let now = Instant::now();
            let burst = endpoint.overrides.rate_limit.map(|limit| self.share(limit).1);
            Arc::new(Gate {
                state: Mutex::new(State {
                    window: Window::new(cap, now),
                    breaker: Breaker::new(self.breaker_threshold),
                    rate: Bucket::full(burst.unwrap_or_default(), now.into_std()),
                    spent_until: now,
                    rounds: Bucket::full(ROUNDS_AT_ONCE, now.into_std()),
                    used_at: now,
                }),
                freed: Notify::new(),
            })
        });
        gate.state().window.set_cap(cap);
        gate.clone()
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<EndpointId, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn try_enter(&mut self, rate: Option<(f64, f64)>, now: Instant) -> Entry {
        self.used_at = now;
        let passage = self.breaker.passage(now);
        match passage {
            Passage::NotBefore(until) => return Entry::NotBefore(until, Refusal::CircuitOpen),
            Passage::Probing => return self.full(Refusal::CircuitOpen, now),
            Passage::Free if !self.window.has_room(now) => return self.full(Refusal::Busy, now),
            Passage::Free | Passage::Probe => {}
        }
        if self.spent_until > now {
            return Entry::NotBefore(self.spent_until, Refusal::RateLimited);
        }
        if let Some((per_second, burst)) = rate
            && let Err(wait) = self.rate.take(per_second, burst, now.into_std())
        {
            return Entry::NotBefore(now + wait, Refusal::RateLimited);
        }
        if passage == Passage::Probe {
            self.breaker.probe();
        }
        self.window.begin(now);
        Entry::Open
    }

    /// Waiting makes sense only behind requests that end.
    fn full(&self, why: Refusal, now: Instant) -> Entry {
        if self.window.is_moving(PATIENCE, now) {
            Entry::Full(why)
        } else {
            Entry::Never(why)
        }
    }

    fn turn_away(&mut self, why: Refusal, wait: Duration, now: Instant) -> TurnedAway {
        if why == Refusal::RateLimited {
            // How long the line is, nobody here knows; the releaser keeps to the limit.
            return TurnedAway {
                why,
                wait,
                may_go_round: false,
            };
        }
        let round = self.rounds.take(ROUNDS_PER_SECOND, ROUNDS_AT_ONCE, now.into_std());
        TurnedAway {
            why,
            wait,
            may_go_round: round.is_ok(),
        }
    }
}

/// What became of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Opened,
    Closed,
}

impl Pass {
    /// How quickly the endpoint answers, as far as this dispatcher has seen before.
    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// There is no place for the request: the delivery is turned away after all.
    pub(crate) fn give_up(self) -> TurnedAway {
        let gate = self.gate.clone();
        drop(self);
        gate.state().turn_away(Refusal::Busy, Duration::ZERO, Instant::now())
    }

    /// The request has ended, and this is what it says about the endpoint.
    pub(crate) fn end(mut self, sign: Sign) -> Change {
        self.settled = true;
        let now = Instant::now();
        let took = now.saturating_duration_since(self.begun_at);
        let mut state = self.gate.state();
        state.window.ended(now);
        if sign != Sign::Silent {
            state.window.answered_after(took);
        }
        if let Sign::Spent(rest) = sign {
            state.spent_until = state.spent_until.max(now + rest.min(MAX_SPENT));
        }
        match sign {
            Sign::Well | Sign::Spent(_) => {
                state.window.widen();
                if state.breaker.good() {
                    Change::Closed
                } else {
                    Change::None
                }
            }
            Sign::Failing => opened(state.breaker.bad(took, now)),
            Sign::Silent | Sign::Overloaded(None) => {
                state.window.narrow();
                opened(state.breaker.bad(took, now))
            }
            Sign::Overloaded(Some(wait)) => {
                state.window.narrow();
                let opens = state.breaker.bad(took, now);
                opened(state.breaker.rest(wait, now) || opens)
            }
        }
    }
}

fn opened(opened: bool) -> Change {
    if opened { Change::Opened } else { Change::None }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.window.end();
        if !self.settled {
            state.breaker.unsettled(Instant::now());
        }
        drop(state);
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
