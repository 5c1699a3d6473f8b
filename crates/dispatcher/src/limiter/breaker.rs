//! Circuit breaker of one endpoint: closed, open, half-open.
//!
//! An endpoint that is down or hangs must neither be flooded with requests nor tie up connections. After a number of
//! failures in a row the circuit opens; from then on one request at a time probes the endpoint. Between two probes passes
//! twice the time that the failed probe took, so that a dead endpoint uses at most a third of one connection. The first
//! success closes the circuit. The caller decides what counts as a failure; other dispatchers' observations are not
//! shared.

use std::time::Duration;

use tokio::time::Instant;

/// Pause between two probes: the failed probe's duration times this factor, within the bounds below.
const PAUSE_FACTOR: u32 = 2;
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Longest pause granted to a receiver that asks for one; then a probe finds out whether it still needs it.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Breaker {
    /// Failures in a row that open the circuit; 0 for never.
    threshold: u32,
    failures: u32,
    state: State,
    /// Meaningful only while the circuit is not closed.
    opened_at: Option<Instant>,
}

/// Snapshot of a circuit, for explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circuit {
    /// `closed`, `open` or `half_open`.
    pub(crate) state: &'static str,
    pub(crate) open_since: Option<Instant>,
    /// Failures in a row before the last success.
    pub(crate) failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// No request before `until`; then a probe.
    Open {
        until: Instant,
    },
    /// A probe is in flight.
    HalfOpen,
}

/// The breaker's answer to a request that wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Allow,
    /// Allowed as the only request: its outcome decides the circuit's next state.
    Probe,
    /// Refused while a probe is in flight.
    ProbeInFlight,
    /// Refused before this time.
    NotBefore(Instant),
}

impl Breaker {
    /// A closed circuit that opens after `threshold` failures in a row, or never if that is 0.
    pub(crate) fn new(threshold: u32) -> Self {
        Self {
            threshold,
            failures: 0,
            state: State::Closed,
            opened_at: None,
        }
    }

    /// Decides on a request without changing the circuit; a probe that starts is announced by [`Breaker::begin_probe`].
    pub(crate) fn admission(&self, now: Instant) -> Admission {
        match self.state {
            State::Closed => Admission::Allow,
            State::HalfOpen => Admission::ProbeInFlight,
            State::Open { until } if until > now => Admission::NotBefore(until),
            State::Open { .. } => Admission::Probe,
        }
    }

    pub(crate) fn begin_probe(&mut self) {
        self.state = State::HalfOpen;
    }

    /// Closes the circuit. Returns whether it was open.
    pub(crate) fn on_success(&mut self) -> bool {
        self.failures = 0;
        std::mem::replace(&mut self.state, State::Closed) != State::Closed
    }

    /// Counts a failed request that took this long. Returns whether it opened the circuit.
    pub(crate) fn on_failure(&mut self, took: Duration, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let closed = self.state == State::Closed;
        let opens = self.threshold > 0 && self.failures >= self.threshold;
        // A request from before the circuit opened says nothing new.
        if self.state == State::HalfOpen || (closed && opens) {
            let until = now + (took * PAUSE_FACTOR).clamp(MIN_PAUSE, MAX_PAUSE);
            self.state = State::Open { until };
        }
        if closed && opens {
            self.opened_at = Some(now);
        }
        closed && opens
    }

    /// Opens the circuit for the pause that the receiver asked for, at most [`MAX_BACK_OFF`]; a shorter one than the
    /// circuit already keeps changes nothing. Returns whether the circuit was closed before.
    pub(crate) fn back_off(&mut self, wait: Duration, now: Instant) -> bool {
        let until = now + wait.min(MAX_BACK_OFF);
        let longer = !matches!(self.state, State::Open { until: known } if known >= until);
        let closed = self.state == State::Closed;
        if longer {
            self.state = State::Open { until };
        }
        if closed {
            self.opened_at = Some(now);
        }
        closed
    }

    /// Notes a request that was dropped before its outcome was known. If it was the probe, the next may follow at once.
    pub(crate) fn on_abandoned(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            self.state = State::Open { until: now };
        }
    }

    pub(crate) fn circuit(&self) -> Circuit {
        Circuit {
            state: match self.state {
                State::Closed => "closed",
                State::Open { .. } => "open",
                State::HalfOpen => "half_open",
            },
            open_since: self.opened_at.filter(|_| !self.is_closed()),
            failures: self.failures,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_with_the_first_good_probe() {
        let start = Instant::now();
        let mut breaker = Breaker::new(3);
        assert!(!breaker.on_failure(MS, start) && !breaker.on_failure(MS, start));
        breaker.on_success();
        assert!(
            !breaker.on_failure(MS, start) && !breaker.on_failure(MS, start),
            "a good answer starts the count anew"
        );
        assert!(breaker.on_failure(100 * MS, start));
        let circuit = breaker.circuit();
        assert_eq!(
            (circuit.state, circuit.open_since, circuit.failures),
            ("open", Some(start), 3)
        );

        let retry_at = start + 200 * MS;
        assert_eq!(breaker.admission(start), Admission::NotBefore(retry_at));
        assert_eq!(breaker.admission(retry_at), Admission::Probe);
        breaker.begin_probe();
        assert_eq!(breaker.admission(retry_at), Admission::ProbeInFlight, "one at a time");
        assert!(!breaker.on_failure(100 * MS, retry_at), "it was open before");
        assert_eq!(breaker.admission(retry_at), Admission::NotBefore(retry_at + 200 * MS));
        breaker.begin_probe();
        assert!(breaker.on_success());
        assert_eq!(breaker.circuit().open_since, None);
        assert_eq!(breaker.admission(start), Admission::Allow);
    }

    #[test]
    fn the_pause_is_bounded_and_late_answers_do_not_move_it() {
        let start = Instant::now();
        let mut breaker = Breaker::new(1);
        breaker.on_failure(Duration::ZERO, start);
        assert_eq!(breaker.admission(start), Admission::NotBefore(start + MIN_PAUSE));
        breaker.on_failure(Duration::from_secs(50), start);
        assert_eq!(breaker.admission(start), Admission::NotBefore(start + MIN_PAUSE));
        breaker.begin_probe();
        breaker.on_failure(Duration::from_secs(50), start);
        assert_eq!(breaker.admission(start), Admission::NotBefore(start + MAX_PAUSE));
    }

    #[test]
    fn a_receiver_may_ask_for_a_rest() {
        let start = Instant::now();
        let mut breaker = Breaker::new(0);
        assert!(breaker.back_off(7 * MS, start));
        assert!(!breaker.back_off(3 * MS, start), "a shorter one does not shorten it");
        assert_eq!(breaker.admission(start), Admission::NotBefore(start + 7 * MS));
        breaker.back_off(Duration::from_secs(3600), start);
        assert_eq!(breaker.admission(start), Admission::NotBefore(start + MAX_BACK_OFF));
    }

    #[test]
    fn without_a_threshold_it_stays_closed() {
        let mut breaker = Breaker::new(0);
        assert!((0..100).all(|_| !breaker.on_failure(MS, Instant::now())));
        assert!(breaker.is_closed());
    }

    #[test]
    fn a_probe_that_was_cut_off_is_followed_by_another() {
        let start = Instant::now();
        let mut breaker = Breaker::new(1);
        breaker.on_failure(MS, start);
        breaker.begin_probe();
        breaker.on_abandoned(start);
        assert_eq!(breaker.admission(start), Admission::Probe);
    }
}
