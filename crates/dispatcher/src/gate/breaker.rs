//! The circuit breaker of one endpoint: closed, open, half-open.
//!
//! Need: an endpoint that is down or hangs must not be hammered, nor hold connections. Mechanism: after some failures
//! in a row the circuit opens; from then on one request at a time probes the endpoint, with a pause of twice as
//! long as the failed probe took between two probes, so that a dead endpoint has a third of one connection at the
//! most. The first good answer closes it. Limit: what a failure is, the caller says; nothing is known of what other
//! dispatchers see.

use std::time::Duration;

use tokio::time::Instant;

/// Between two probes: twice the time a failed probe took, within these bounds.
const PAUSE_FACTOR: u32 = 2;
const MIN_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The longest rest that a receiver gets by asking for it; after that, a probe asks whether it still wants one.
const MAX_REST: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Breaker {
    /// How many failures in a row open the circuit.
    threshold: u32,
    failures: u32,
    state: State,
    /// When the circuit opened; what it says while the circuit is closed is of no use.
    opened_at: Option<Instant>,
}

/// How a circuit looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circuit {
    /// closed, open or half_open.
    pub(crate) state: &'static str,
    /// Since when it is not closed.
    pub(crate) open_since: Option<Instant>,
    /// How many failures there were in a row.
    pub(crate) failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// No request before this time; then a probe.
    Open {
        until: Instant,
    },
    /// A probe is under way.
    HalfOpen,
}

/// Whether a request may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Yes.
    Free,
    /// Yes, alone: its answer decides how it goes on. The circuit is half-open now.
    Probe,
    /// No: a probe is under way.
    Probing,
    /// Not before this time.
    NotBefore(Instant),
}

impl Breaker {
    /// A closed circuit that opens after this many failures in a row; never, if 0.
    pub(crate) fn new(threshold: u32) -> Self {
        Self {
            threshold,
            failures: 0,
            state: State::Closed,
            opened_at: None,
        }
    }

    /// Whether a request may be begun now.
    pub(crate) fn passage(&self, now: Instant) -> Passage {
        match self.state {
            State::Closed => Passage::Free,
            State::HalfOpen => Passage::Probing,
            State::Open { until } if until > now => Passage::NotBefore(until),
            State::Open { .. } => Passage::Probe,
        }
    }

    /// A probe is begun.
    pub(crate) fn probe(&mut self) {
        self.state = State::HalfOpen;
    }

    /// A request was answered well. Returns whether that closed the circuit.
    pub(crate) fn good(&mut self) -> bool {
        self.failures = 0;
        std::mem::replace(&mut self.state, State::Closed) != State::Closed
    }

    /// A request failed, after this time. Returns whether that opened the circuit.
    pub(crate) fn bad(&mut self, took: Duration, now: Instant) -> bool {
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

    /// The receiver asked to be left alone for so long. Returns whether that opened the circuit.
    pub(crate) fn rest(&mut self, wait: Duration, now: Instant) -> bool {
        let until = now + wait.min(MAX_REST);
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

    /// A probe ended without an answer that says anything: the next may follow at once.
    pub(crate) fn unsettled(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            self.state = State::Open { until: now };
        }
    }

    /// How it looks from outside.
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

    /// Whether requests flow freely.
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
        assert!(!breaker.bad(MS, start) && !breaker.bad(MS, start));
        breaker.good();
        assert!(
            !breaker.bad(MS, start) && !breaker.bad(MS, start),
            "a good answer starts the count anew"
        );
        assert!(breaker.bad(100 * MS, start));
        let circuit = breaker.circuit();
        assert_eq!(
            (circuit.state, circuit.open_since, circuit.failures),
            ("open", Some(start), 3)
        );

        let retry_at = start + 200 * MS;
        assert_eq!(breaker.passage(start), Passage::NotBefore(retry_at));
        assert_eq!(breaker.passage(retry_at), Passage::Probe);
        breaker.probe();
        assert_eq!(breaker.passage(retry_at), Passage::Probing, "one at a time");
        assert!(!breaker.bad(100 * MS, retry_at), "it was open before");
        assert_eq!(breaker.passage(retry_at), Passage::NotBefore(retry_at + 200 * MS));
        breaker.probe();
        assert!(breaker.good());
        assert_eq!(breaker.circuit().open_since, None);
        assert_eq!(breaker.passage(start), Passage::Free);
    }

    #[test]
    fn the_pause_is_bounded_and_late_answers_do_not_move_it() {
        let start = Instant::now();
        let mut breaker = Breaker::new(1);
        breaker.bad(Duration::ZERO, start);
        assert_eq!(breaker.passage(start), Passage::NotBefore(start + MIN_PAUSE));
        breaker.bad(Duration::from_secs(50), start);
        assert_eq!(breaker.passage(start), Passage::NotBefore(start + MIN_PAUSE));
        breaker.probe();
        breaker.bad(Duration::from_secs(50), start);
        assert_eq!(breaker.passage(start), Passage::NotBefore(start + MAX_PAUSE));
    }

    #[test]
    fn a_receiver_may_ask_for_a_rest() {
        let start = Instant::now();
        let mut breaker = Breaker::new(0);
        assert!(breaker.rest(7 * MS, start));
        assert!(!breaker.rest(3 * MS, start), "a shorter one does not shorten it");
        assert_eq!(breaker.passage(start), Passage::NotBefore(start + 7 * MS));
        breaker.rest(Duration::from_secs(3600), start);
        assert_eq!(breaker.passage(start), Passage::NotBefore(start + MAX_REST));
    }

    #[test]
    fn without_a_threshold_it_stays_closed() {
        let mut breaker = Breaker::new(0);
        assert!((0..100).all(|_| !breaker.bad(MS, Instant::now())));
        assert!(breaker.is_closed());
    }

    #[test]
    fn a_probe_that_was_cut_off_is_followed_by_another() {
        let start = Instant::now();
        let mut breaker = Breaker::new(1);
        breaker.bad(MS, start);
        breaker.probe();
        breaker.unsettled(start);
        assert_eq!(breaker.passage(start), Passage::Probe);
    }
}
