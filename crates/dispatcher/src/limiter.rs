//! Per-endpoint admission control: concurrency limit, circuit breaker and rate limit (guarantee G5).
//!
//! A slow, failing or flooded endpoint must not delay the deliveries of others. Each endpoint therefore has a limiter of
//! four parts: an adaptive concurrency limit, a circuit breaker that admits one probe at a time, a rate limit, and a
//! bound on how many of its deliveries wait in delay queues. A delivery waits here for at most [`MAX_WAIT`]; after that
//! it is throttled and the caller defers it.
//!
//! Every dispatcher has limiters of its own. The concurrency and rate limits that an endpoint configures are divided
//! among the dispatchers; breakers and delay bounds are not.

mod breaker;
mod concurrency_limit;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_domain::{Endpoint, EndpointId, RateLimit};
use tidings_service::Bucket;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::breaker::{Admission, Breaker, Circuit};
use self::concurrency_limit::ConcurrencyLimit;
use crate::places::Pace;

/// Longest time that a delivery waits for a permit while it occupies a prefetch slot.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// Deliveries of one endpoint that may be sent to delay queues, as a token bucket. The rest is held in the ledger,
/// which costs less than a record and a publish for every wait.
const DELAYS_PER_SECOND: f64 = 50.0;
const MAX_DELAYS_AT_ONCE: f64 = 100.0;

/// Longest pause after a response that says the endpoint's own rate limit is used up; then one request tries again.
const MAX_RATE_LIMIT_WAIT: Duration = Duration::from_secs(60);

/// Reason for throttling a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    Busy,
    /// The configured rate limit, or the one that the endpoint reported, is used up.
    RateLimited,
    /// The circuit breaker is open and a probe is already in flight.
    CircuitOpen,
}

/// A delivery that got no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) reason: Rejection,
    /// Shortest time until a permit may be available; zero if unknown.
    pub(crate) wait: Duration,
    /// `false` if too many deliveries of the endpoint are in delay queues already: hold this one.
    pub(crate) may_delay: bool,
}

/// Outcome of a request, as far as it concerns the endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// The endpoint works. Its response may still reject this one event, as most 4xx do.
    Healthy,
    /// The endpoint works and takes no further request for this long.
    RateLimitReached(Duration),
    /// The endpoint reported a failure of its own.
    Failing,
    /// The endpoint asked for fewer requests, perhaps for a pause of this length.
    Overloaded(Option<Duration>),
    /// No usable response arrived.
    NoAnswer,
}

/// The limiters of all endpoints that this dispatcher has sent to lately.
pub(crate) struct EndpointLimiters {
    default_concurrency: u32,
    /// Upper bound whatever an endpoint configures: more than its share of a lane's prefetch is of no use.
    max_concurrency: u32,
    breaker_threshold: u32,
    /// Dispatchers that share concurrency and rate limits.
    dispatchers: AtomicU32,
    limiters: Mutex<HashMap<EndpointId, Arc<EndpointLimiter>>>,
}

struct EndpointLimiter {
    state: Mutex<State>,
    /// Wakes one waiting delivery: a permit was released, or the last one woken found room for another.
    released: Notify,
}

struct State {
    limit: ConcurrencyLimit,
    breaker: Breaker,
    rate: Bucket,
    /// End of the pause that [`Feedback::RateLimitReached`] asked for.
    rate_limited_until: Instant,
    delays: Bucket,
    used_at: Instant,
}

/// Permission for one request. Dropped without [`Permit::complete`], it counts as abandoned.
pub(crate) struct Permit {
    limiter: Arc<EndpointLimiter>,
    pace: Pace,
    started_at: Instant,
    completed: bool,
}

enum Decision {
    Admit,
    /// A permit is likely to be released within [`MAX_WAIT`].
    WaitForPermit(Rejection),
    WaitUntil(Instant, Rejection),
    /// No permit will be released soon.
    Reject(Rejection),
}

impl EndpointLimiters {
    /// `breaker_threshold` is the number of failures in a row that open a circuit; 0 disables breakers.
    pub(crate) fn new(default_concurrency: u32, max_concurrency: u32, breaker_threshold: u32) -> Self {
        Self {
            default_concurrency,
            max_concurrency: max_concurrency.max(1),
            breaker_threshold,
            dispatchers: AtomicU32::new(1),
            limiters: Mutex::new(HashMap::new()),
        }
    }

    /// Waits up to [`MAX_WAIT`] for a permit.
    pub(crate) async fn acquire(&self, endpoint: &Endpoint) -> Result<Permit, Throttled> {
        let limiter = self.limiter(endpoint);
        let share = endpoint.overrides.rate_limit.map(|limit| self.share(limit));
        let give_up = Instant::now() + MAX_WAIT;
        loop {
            let now = Instant::now();
            let (decision, pace) = {
                let mut state = limiter.state();
                let pace = state.limit.pace(now);
                (state.try_acquire(share, now), pace)
            };
            let (reason, until) = match decision {
                Decision::Admit => {
                    // One release may have made room for several; the next waiter checks for itself.
                    limiter.released.notify_one();
                    return Ok(Permit {
                        limiter,
                        pace,
                        started_at: now,
                        completed: false,
                    });
                }
                Decision::WaitForPermit(reason) => (reason, None),
                Decision::WaitUntil(until, reason) => (reason, Some(until)),
                Decision::Reject(reason) => return Err(limiter.state().throttle(reason, Duration::ZERO, now)),
            };
            let wait = until
                .map(|until| until.saturating_duration_since(now))
                .unwrap_or_default();
            // A wait that would end too late is not begun, because it occupies a place of the lane.
            if now >= give_up || until.is_some_and(|until| until > give_up) {
                return Err(limiter.state().throttle(reason, wait, now));
            }
            tokio::select! {
                // `notify_one` keeps its wake-up for a later waiter, so a release since the check above is not
                // missed.
                () = limiter.released.notified() => {}
                () = tokio::time::sleep_until(until.unwrap_or(give_up)) => {}
            }
        }
    }

    /// Sets the number of dispatchers that share the limits, this one included.
    pub(crate) fn set_dispatchers(&self, count: u32) {
        self.dispatchers.store(count.max(1), Ordering::Relaxed);
    }

    /// Drops limiters without requests in flight that were not used for a minute, or for ten while their circuit is open.
    pub(crate) fn forget_idle(&self) {
        const IDLE: Duration = Duration::from_secs(60);
        const IDLE_OPEN: Duration = Duration::from_secs(600);
        let now = Instant::now();
        self.limiters().retain(|_, limiter| {
            let state = limiter.state();
            let idle = now.saturating_duration_since(state.used_at);
            // With requests in flight it stays: a new limiter beside it would admit as many again.
            !state.limit.is_idle() || idle < IDLE || (!state.breaker.is_closed() && idle < IDLE_OPEN)
        });
    }

    /// Circuit, requests in flight and concurrency limit of an endpoint as this dispatcher sees it; `None` if it has not
    /// sent to the endpoint lately.
    pub(crate) fn describe(&self, id: EndpointId) -> Option<(Circuit, u32, u32)> {
        let limiter = self.limiters().get(&id).cloned()?;
        let state = limiter.state();
        let (in_flight, limit) = state.limit.usage();
        Some((state.breaker.circuit(), in_flight, limit))
    }

    pub(crate) fn open_circuits(&self) -> usize {
        self.limiters()
            .values()
            .filter(|limiter| !limiter.state().breaker.is_closed())
            .count()
    }

    /// This dispatcher's part of a rate limit: requests per second and burst.
    fn share(&self, limit: RateLimit) -> (f64, f64) {
        let dispatchers = f64::from(self.dispatchers.load(Ordering::Relaxed));
        (
            f64::from(limit.per_second) / dispatchers,
            f64::from(limit.burst) / dispatchers,
        )
    }

    /// This dispatcher's part of a concurrency limit, at least 1: with more dispatchers than the limit allows requests,
    /// the total exceeds it.
    fn concurrency_share(&self, concurrency: u32) -> u32 {
        let part = concurrency.div_ceil(self.dispatchers.load(Ordering::Relaxed));
        part.clamp(1, self.max_concurrency)
    }

    fn limiter(&self, endpoint: &Endpoint) -> Arc<EndpointLimiter> {
        let max = self.concurrency_share(endpoint.overrides.concurrency.unwrap_or(self.default_concurrency));
        let mut limiters = self.limiters();
        let limiter = limiters.entry(endpoint.id).or_insert_with(|| {
            let now = Instant::now();
            let burst = endpoint.overrides.rate_limit.map(|limit| self.share(limit).1);
            Arc::new(EndpointLimiter {
                state: Mutex::new(State {
                    limit: ConcurrencyLimit::new(max, now),
                    breaker: Breaker::new(self.breaker_threshold),
                    rate: Bucket::full(burst.unwrap_or_default(), now.into_std()),
                    rate_limited_until: now,
                    delays: Bucket::full(MAX_DELAYS_AT_ONCE, now.into_std()),
                    used_at: now,
                }),
                released: Notify::new(),
            })
        });
        // The endpoint, or the number of dispatchers, may have changed since.
        limiter.state().limit.set_max(max);
        limiter.clone()
    }

    fn limiters(&self) -> MutexGuard<'_, HashMap<EndpointId, Arc<EndpointLimiter>>> {
        self.limiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EndpointLimiter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn try_acquire(&mut self, rate: Option<(f64, f64)>, now: Instant) -> Decision {
        self.used_at = now;
        let admission = self.breaker.admission(now);
        match admission {
            Admission::NotBefore(until) => return Decision::WaitUntil(until, Rejection::CircuitOpen),
            Admission::ProbeInFlight => return self.full(Rejection::CircuitOpen, now),
            Admission::Allow if !self.limit.has_capacity(now) => return self.full(Rejection::Busy, now),
            Admission::Allow | Admission::Probe => {}
        }
        if self.rate_limited_until > now {
            return Decision::WaitUntil(self.rate_limited_until, Rejection::RateLimited);
        }
        // Last, so that no token is spent on a request that another part rejects.
        if let Some((per_second, burst)) = rate
            && let Err(wait) = self.rate.take(per_second, burst, now.into_std())
        {
            return Decision::WaitUntil(now + wait, Rejection::RateLimited);
        }
        if admission == Admission::Probe {
            // Only now: a probe that the rate limit turned away would leave the circuit half-open for ever.
            self.breaker.begin_probe();
        }
        self.limit.start(now);
        Decision::Admit
    }

    fn full(&self, reason: Rejection, now: Instant) -> Decision {
        if self.limit.expects_release(MAX_WAIT, now) {
            Decision::WaitForPermit(reason)
        } else {
            Decision::Reject(reason)
        }
    }

    fn throttle(&mut self, reason: Rejection, wait: Duration, now: Instant) -> Throttled {
        // Beyond a rate limit, the backlog's length is unknown here: the releaser paces held deliveries by the limit.
        let may_delay = reason != Rejection::RateLimited
            && self
                .delays
                .take(DELAYS_PER_SECOND, MAX_DELAYS_AT_ONCE, now.into_std())
                .is_ok();
        Throttled {
            reason,
            wait,
            may_delay,
        }
    }
}

/// Effect of a request on its endpoint's circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CircuitChange {
    None,
    Opened,
    Closed,
}

impl Permit {
    /// The endpoint's speed as observed before this request.
    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns the permit unused, because the lane has no place for the request.
    pub(crate) fn give_up(self) -> Throttled {
        let limiter = self.limiter.clone();
        drop(self);
        limiter
            .state()
            .throttle(Rejection::Busy, Duration::ZERO, Instant::now())
    }

    /// Releases the permit and adjusts the endpoint's limits to the outcome of the request.
    pub(crate) fn complete(mut self, feedback: Feedback) -> CircuitChange {
        self.completed = true;
        let now = Instant::now();
        let took = now.saturating_duration_since(self.started_at);
        let mut state = self.limiter.state();
        state.limit.ended(now);
        if feedback != Feedback::NoAnswer {
            // What a timeout took is the configured limit and no latency of the endpoint.
            state.limit.record_latency(took);
        }
        if let Feedback::RateLimitReached(wait) = feedback {
            // Answers overtake each other; the pause that ends last counts.
            state.rate_limited_until = state.rate_limited_until.max(now + wait.min(MAX_RATE_LIMIT_WAIT));
        }
        match feedback {
            Feedback::Healthy | Feedback::RateLimitReached(_) => {
                state.limit.increase();
                if state.breaker.on_success() {
                    CircuitChange::Closed
                } else {
                    CircuitChange::None
                }
            }
            // A failure of its own says nothing about load, so the concurrency limit stays.
            Feedback::Failing => opened(state.breaker.on_failure(took, now)),
            Feedback::NoAnswer | Feedback::Overloaded(None) => {
                state.limit.decrease();
                opened(state.breaker.on_failure(took, now))
            }
            Feedback::Overloaded(Some(wait)) => {
                state.limit.decrease();
                let opens = state.breaker.on_failure(took, now);
                opened(state.breaker.back_off(wait, now) || opens)
            }
        }
    }
}

fn opened(opened: bool) -> CircuitChange {
    if opened {
        CircuitChange::Opened
    } else {
        CircuitChange::None
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        state.limit.end();
        if !self.completed {
            state.breaker.on_abandoned(Instant::now());
        }
        // Whoever wakes up takes the same lock.
        drop(state);
        self.limiter.released.notify_one();
    }
}

#[cfg(test)]
mod tests;
