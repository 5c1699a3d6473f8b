//! A token bucket: so many per second over time, a few more at once after a rest.

use std::time::{Duration, Instant};

/// Tokens that come at a steady rate. Rate and burst are given at each use, so that they may change.
#[derive(Debug)]
pub struct Bucket {
    /// Tokens, up to the burst; taking needs a whole one.
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    #[must_use]
    pub fn full(burst: f64, now: Instant) -> Self {
        Self {
            tokens: burst.max(1.0),
            filled_at: now,
        }
    }

    /// Takes a token, or says how long it takes until there is one.
    pub fn take(&mut self, per_second: f64, burst: f64, now: Instant) -> Result<(), Duration> {
        self.tokens = self.tokens_at(per_second, burst, now);
        self.filled_at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / per_second.max(0.001)))
    }

    /// True if it is full again, so that forgetting it changes nothing.
    #[must_use]
    pub fn is_full(&self, per_second: f64, burst: f64, now: Instant) -> bool {
        self.tokens_at(per_second, burst, now) >= burst
    }

    fn tokens_at(&self, per_second: f64, burst: f64, now: Instant) -> f64 {
        let rested = now.saturating_duration_since(self.filled_at).as_secs_f64();
        (self.tokens + rested * per_second).min(burst.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_the_burst_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(3.0, start);
        let mut taken = |ms: u64| bucket.take(10.0, 3.0, start + Duration::from_millis(ms));
        assert_eq!([taken(0), taken(0), taken(0)], [Ok(()); 3]);
        assert_eq!(taken(0), Err(Duration::from_millis(100)));
        assert_eq!(taken(100), Ok(()));
        assert!(taken(150).is_err());
        // A long rest fills it to the burst and no further.
        assert_eq!([taken(9_000), taken(9_000), taken(9_000)], [Ok(()); 3]);
        assert!(taken(9_000).is_err());
        assert!(!bucket.is_full(10.0, 3.0, start + Duration::from_millis(9_100)));
        assert!(bucket.is_full(10.0, 3.0, start + Duration::from_millis(9_300)));
    }
}
