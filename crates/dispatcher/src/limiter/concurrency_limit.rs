//! Adaptive concurrency limit of one endpoint: low at first, raised while the endpoint responds, up to a maximum.
//!
//! Many endpoints that hang at the same time must not take up everything that a dispatcher can have in flight, and a
//! fixed limit that suits a fast endpoint is too high for that. So the limit follows additive increase, multiplicative
//! decrease, as a TCP sender's window does: each success while the limit is reached raises it by one, each sign of
//! overload halves it. While no response arrives for longer than usual, only [`INITIAL_LIMIT`] requests are admitted.

use std::time::Duration;

use tokio::time::Instant;

use crate::places::Pace;

/// Requests in flight to an endpoint of which nothing is known yet.
const INITIAL_LIMIT: u32 = 4;

/// Shortest time without a response after which an endpoint counts as stalled.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// An endpoint whose average latency is lower is [`Pace::Quick`].
const QUICK_LATENCY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    max: u32,
    limit: u32,
    in_flight: u32,
    /// The end of the last request, or the start of the first of those in flight if that was later.
    last_ended: Instant,
    /// Moving average of response times; zero before the first response.
    latency: Duration,
}

impl ConcurrencyLimit {
    pub(crate) fn new(max: u32, now: Instant) -> Self {
        Self {
            max,
            limit: INITIAL_LIMIT.min(max),
            in_flight: 0,
            last_ended: now,
            latency: Duration::ZERO,
        }
    }

    pub(crate) fn set_max(&mut self, max: u32) {
        self.max = max;
        self.limit = self.limit.min(max);
    }

    pub(crate) fn has_capacity(&self, now: Instant) -> bool {
        let limit = if self.is_stalled(now) {
            self.limit.min(INITIAL_LIMIT)
        } else {
            self.limit
        };
        self.in_flight < limit
    }

    /// Requests in flight, and the limit.
    pub(crate) fn usage(&self) -> (u32, u32) {
        (self.in_flight, self.limit)
    }

    /// Estimates whether a request will end within `wait`: some have ended lately, and enough are in flight for the next
    /// end to be near.
    pub(crate) fn expects_release(&self, wait: Duration, now: Instant) -> bool {
        // With n requests in flight, one ends about every latency / n; twice the wait leaves room for uneven spacing.
        let is_near = self.latency <= wait * 2 * self.in_flight.max(1);
        is_near && now.saturating_duration_since(self.last_ended) < wait.max(self.latency)
    }

    pub(crate) fn pace(&self, now: Instant) -> Pace {
        if self.latency.is_zero() {
            Pace::Unknown
        } else if self.latency >= QUICK_LATENCY || (self.in_flight > 0 && self.is_stalled(now)) {
            Pace::Slow
        } else {
            Pace::Quick
        }
    }

    /// Counts a request that is about to be sent.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.in_flight == 0 {
            self.last_ended = now;
        }
        self.in_flight += 1;
    }

    /// Counts a request as no longer in flight, for whatever reason.
    pub(crate) fn end(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Notes that a request ended by itself, with or without a response.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.last_ended = now;
    }

    /// Adds the duration of a request that got a response, successful or not, to the average (weight 1/8).
    pub(crate) fn record_latency(&mut self, took: Duration) {
        self.latency = if self.latency.is_zero() {
            took
        } else {
            (self.latency * 7 + took) / 8
        };
    }

    /// Raises the limit by one if it is reached. Call it before [`ConcurrencyLimit::end`], which lowers the count.
    pub(crate) fn increase(&mut self) {
        // An endpoint that is not used up to its limit has not shown that it could take more.
        if self.in_flight >= self.limit {
            self.limit = (self.limit + 1).min(self.max);
        }
    }

    /// Halves the limit, to 1 at the lowest.
    pub(crate) fn decrease(&mut self) {
        self.limit = (self.limit / 2).max(1);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    fn is_stalled(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_ended) > STALLED_AFTER.max(self.latency * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn fill(limit: &mut ConcurrencyLimit, now: Instant) -> u32 {
        let before = limit.in_flight;
        while limit.has_capacity(now) {
            limit.start(now);
        }
        limit.in_flight - before
    }

    #[test]
    fn the_limit_rises_with_successes_up_to_the_maximum() {
        let now = Instant::now();
        let mut limit = ConcurrencyLimit::new(10, now);
        assert_eq!(fill(&mut limit, now), INITIAL_LIMIT);
        for _ in 0..20 {
            limit.ended(now);
            limit.increase();
            limit.end();
            fill(&mut limit, now);
        }
        assert_eq!(limit.in_flight, 10);
        limit.set_max(2);
        assert!(!limit.has_capacity(now));
        assert_eq!(ConcurrencyLimit::new(2, now).limit, 2);
    }

    #[test]
    fn a_failure_halves_the_limit_and_one_request_is_always_admitted() {
        let now = Instant::now();
        let mut limit = ConcurrencyLimit::new(32, now);
        (0..10).for_each(|_| limit.decrease());
        assert_eq!(fill(&mut limit, now), 1);
    }

    #[test]
    fn a_stalled_endpoint_gets_only_the_initial_limit() {
        let start = Instant::now();
        let mut limit = ConcurrencyLimit::new(32, start);
        limit.limit = 32;
        (0..6).for_each(|_| limit.start(start));
        assert!(limit.has_capacity(start + 900 * MS));
        assert!(!limit.has_capacity(start + 1_100 * MS));
        // An endpoint that is always slow is not stalled.
        limit.ended(start);
        limit.record_latency(Duration::from_secs(2));
        assert!(limit.has_capacity(start + 1_100 * MS));
        assert!(
            limit.expects_release(250 * MS, start + 1_100 * MS) && !limit.expects_release(250 * MS, start + 2_100 * MS)
        );
    }

    #[test]
    fn an_endpoint_is_slow_by_its_average_or_when_it_falls_silent() {
        let start = Instant::now();
        let mut limit = ConcurrencyLimit::new(32, start);
        assert_eq!(limit.pace(start), Pace::Unknown);
        limit.record_latency(50 * MS);
        assert_eq!(limit.pace(start + 5_000 * MS), Pace::Quick, "nothing is asked of it");
        limit.start(start);
        assert_eq!(limit.pace(start + 900 * MS), Pace::Quick);
        assert_eq!(limit.pace(start + 1_100 * MS), Pace::Slow);
        let mut limit = ConcurrencyLimit::new(32, start);
        limit.record_latency(1_000 * MS);
        assert_eq!(limit.pace(start), Pace::Slow);
    }

    #[test]
    fn no_release_is_expected_when_the_next_end_is_far() {
        let start = Instant::now();
        let mut limit = ConcurrencyLimit::new(64, start);
        limit.record_latency(25_000 * MS);
        (0..32).for_each(|_| limit.start(start));
        assert!(!limit.expects_release(250 * MS, start), "one ends each 800 ms");
        (0..32).for_each(|_| limit.start(start));
        assert!(limit.expects_release(250 * MS, start), "one ends each 400 ms");
    }
}
