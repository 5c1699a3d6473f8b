//! Clock that decides when messages are due.
//!
//! It never goes back, which would change the order of messages, and never stops, which would stop delay queues: it
//! advances monotonically from the system time at which the queue was opened. A system clock that is set forward and
//! soon corrected changes nothing; one that stays ahead is followed, because the machine may have slept. One that is
//! set back is followed only after the queue is opened again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Lead of the system clock that is ignored, milliseconds.
const TOLERATED: i64 = 1_000;

/// For how long it must be ahead of that before it is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(30);

/// The clock of one open queue.
#[derive(Debug)]
pub(super) struct Clock {
    opened: Instant,
    course: Mutex<Course>,
}

#[derive(Debug)]
struct Course {
    /// System time when the queue was opened, milliseconds since 1970.
    base_ms: i64,
    /// Since when the system's clock is ahead, from the opening on.
    ahead_since: Option<Duration>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            course: Mutex::new(Course {
                base_ms: wall_ms(),
                ahead_since: None,
            }),
        }
    }

    /// Current time, milliseconds since 1970; never decreases.
    pub(super) fn now_ms(&self) -> i64 {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        course.now_ms(wall_ms(), self.opened.elapsed())
    }
}

impl Course {
    fn now_ms(&mut self, wall_ms: i64, elapsed: Duration) -> i64 {
        let now = self.base_ms.saturating_add(millis(elapsed));
        if wall_ms.saturating_sub(now) <= TOLERATED {
            self.ahead_since = None;
            return now;
        }
        let since = *self.ahead_since.get_or_insert(elapsed);
        // A forward jump that is soon corrected would otherwise hand out all waits at once.
        if elapsed.saturating_sub(since) < BELIEVED_AFTER {
            return now;
        }
        self.ahead_since = None;
        // Moves the base and keeps the monotonic part, so that the clock still never goes back.
        self.base_ms = wall_ms.saturating_sub(millis(elapsed));
        wall_ms
    }
}

fn wall_ms() -> i64 {
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    millis(wall)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn course() -> impl FnMut(i64, u64) -> i64 {
        let mut course = Course {
            base_ms: 0,
            ahead_since: None,
        };
        move |wall_ms, seconds| course.now_ms(wall_ms, Duration::from_secs(seconds))
    }

    #[test]
    fn a_clock_that_is_set_forward_and_corrected_changes_nothing() {
        let mut now = course();
        assert_eq!(now(1_000, 1), 1_000);
        assert_eq!(now(DAY, 2), 2_000);
        assert_eq!(now(DAY + 20_000, 22), 22_000);
        assert_eq!(now(23_000, 23), 23_000);
        assert_eq!(now(DAY, 40), 40_000, "the time ahead counts anew");
    }

    #[test]
    fn one_that_stays_ahead_is_followed_and_never_left_standing() {
        let mut now = course();
        assert_eq!(now(DAY, 1), 1_000);
        assert_eq!(now(DAY + 30_000, 31), DAY + 30_000);
        assert_eq!(
            now(32_000, 32),
            DAY + 31_000,
            "corrected late: it goes on at its own pace"
        );
        assert_eq!(now(60_000, 60), DAY + 59_000);
    }

    #[test]
    fn one_that_is_set_back_is_not_followed() {
        let mut now = course();
        assert_eq!(now(10_000, 10), 10_000);
        assert_eq!(now(-DAY, 11), 11_000);
        assert_eq!(now(-DAY + 60_000, 71), 71_000);
    }
}
