//! Waits between tries to reach something that is away.

use std::time::Duration;

/// Waits that double up to a bound, each drawn at random between half and all of its value, so that many clients
/// of one service that restarts do not return in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    full: Duration,
}

impl Backoff {
    /// Waits that start at `first` and never exceed `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        let first = first.min(max);
        Self {
            first,
            max,
            full: first,
        }
    }

    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would make callers unwrap what never ends"
    )]
    pub fn next(&mut self) -> Duration {
        let full = self.full;
        self.full = full.saturating_mul(2).min(self.max);
        rand::random_range(full / 2..=full)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.full = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(700));
        for _ in 0..50 {
            for full in [100, 200, 400, 700, 700] {
                let wait = backoff.next();
                assert!(
                    wait >= Duration::from_millis(full / 2) && wait <= Duration::from_millis(full),
                    "{full}: {wait:?}"
                );
            }
            backoff.reset();
        }
    }

    #[test]
    fn waits_differ() {
        let mut backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60));
        let first = backoff.next();
        assert!((0..50).any(|_| backoff.next() != first));
    }

    #[test]
    fn a_bound_below_the_first_wait_holds() {
        assert!(Backoff::new(Duration::from_secs(5), Duration::from_secs(1)).next() <= Duration::from_secs(1));
        assert_eq!(Backoff::new(Duration::ZERO, Duration::ZERO).next(), Duration::ZERO);
    }
}
