//! How many requests to one endpoint may be under way at once: few at first, more as it answers, up to its cap.
//!
//! Need: many endpoints that hang at the same time must not take all that a dispatcher can have in hand, and a cap
//! that a fast endpoint can use is too high for that. Mechanism: like a TCP sender; every good answer that
//! comes while the window is full widens it by one, every sign of overload halves it, and while nothing comes back for
//! longer than usual only as many as at first are let in.

use std::time::Duration;

use tokio::time::Instant;

use crate::places::Pace;

/// How many requests may be under way to an endpoint of which nothing is known.
const FIRST: u32 = 4;

/// An endpoint is never taken for stalled before this time without any answer.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// An endpoint is quick if it usually answers within this time.
const QUICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Window {
    cap: u32,
    size: u32,
    under_way: u32,
    /// When a request last ended, or the first of those under way was begun.
    last_sign: Instant,
    /// How long answers take, smoothed.
    usual: Duration,
}

impl Window {
    pub(crate) fn new(cap: u32, now: Instant) -> Self {
        Self {
            cap,
            size: FIRST.min(cap),
            under_way: 0,
            last_sign: now,
            usual: Duration::ZERO,
        }
    }

    /// Sets another cap.
    pub(crate) fn set_cap(&mut self, cap: u32) {
        self.cap = cap;
        self.size = self.size.min(cap);
    }

    /// Whether one more request may be begun.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        let size = if self.is_stalled(now) {
            self.size.min(FIRST)
        } else {
            self.size
        };
        self.under_way < size
    }

    /// How many requests are under way, and how many may be.
    pub(crate) fn filled(&self) -> (u32, u32) {
        (self.under_way, self.size)
    }

    /// Whether a request is likely to end within the patience, so that waiting for room makes sense: some have ended
    /// lately, and as many are under way as are needed for the next end to be near.
    pub(crate) fn is_moving(&self, patience: Duration, now: Instant) -> bool {
        let is_near = self.usual <= patience * 2 * self.under_way.max(1);
        is_near && now.saturating_duration_since(self.last_sign) < patience.max(self.usual)
    }

    /// How quickly answers come.
    pub(crate) fn pace(&self, now: Instant) -> Pace {
        if self.usual.is_zero() {
            Pace::Unknown
        } else if self.usual >= QUICK || (self.under_way > 0 && self.is_stalled(now)) {
            Pace::Slow
        } else {
            Pace::Quick
        }
    }

    pub(crate) fn begin(&mut self, now: Instant) {
        if self.under_way == 0 {
            self.last_sign = now;
        }
        self.under_way += 1;
    }

    /// A request is no longer under way.
    pub(crate) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A request has ended by itself, with or without an answer.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.last_sign = now;
    }

    /// A request was answered after this time, well or not.
    pub(crate) fn answered_after(&mut self, took: Duration) {
        self.usual = if self.usual.is_zero() {
            took
        } else {
            (self.usual * 7 + took) / 8
        };
    }

    /// The endpoint does well; call it before [`Window::end`].
    pub(crate) fn widen(&mut self) {
        if self.under_way >= self.size {
            self.size = (self.size + 1).min(self.cap);
        }
    }

    /// The endpoint has too much to do, or says nothing.
    pub(crate) fn narrow(&mut self) {
        self.size = (self.size / 2).max(1);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    fn is_stalled(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_sign) > STALLED_AFTER.max(self.usual * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn fill(window: &mut Window, now: Instant) -> u32 {
        let before = window.under_way;
        while window.has_room(now) {
            window.begin(now);
        }
        window.under_way - before
    }

    #[test]
    fn it_widens_while_answers_come_up_to_the_cap() {
        let now = Instant::now();
        let mut window = Window::new(10, now);
        assert_eq!(fill(&mut window, now), FIRST);
        for _ in 0..20 {
            window.ended(now);
            window.widen();
            window.end();
            fill(&mut window, now);
        }
        assert_eq!(window.under_way, 10);
        window.set_cap(2);
        assert!(!window.has_room(now));
        assert_eq!(Window::new(2, now).size, 2);
    }

    #[test]
    fn a_failure_halves_it_and_one_is_always_let_in() {
        let now = Instant::now();
        let mut window = Window::new(32, now);
        (0..10).for_each(|_| window.narrow());
        assert_eq!(fill(&mut window, now), 1);
    }

    #[test]
    fn when_nothing_comes_back_only_a_few_are_let_in() {
        let start = Instant::now();
        let mut window = Window::new(32, start);
        window.size = 32;
        (0..6).for_each(|_| window.begin(start));
        assert!(window.has_room(start + 900 * MS));
        assert!(!window.has_room(start + 1_100 * MS));
        // Slow is not stalled where slow is usual.
        window.ended(start);
        window.answered_after(Duration::from_secs(2));
        assert!(window.has_room(start + 1_100 * MS));
        assert!(window.is_moving(250 * MS, start + 1_100 * MS) && !window.is_moving(250 * MS, start + 2_100 * MS));
    }

    #[test]
    fn an_endpoint_is_slow_that_usually_is_or_has_fallen_silent() {
        let start = Instant::now();
        let mut window = Window::new(32, start);
        assert_eq!(window.pace(start), Pace::Unknown);
        window.answered_after(50 * MS);
        assert_eq!(window.pace(start + 5_000 * MS), Pace::Quick, "nothing is asked of it");
        window.begin(start);
        assert_eq!(window.pace(start + 900 * MS), Pace::Quick);
        assert_eq!(window.pace(start + 1_100 * MS), Pace::Slow);
        let mut window = Window::new(32, start);
        window.answered_after(1_000 * MS);
        assert_eq!(window.pace(start), Pace::Slow);
    }

    #[test]
    fn nobody_waits_for_an_end_that_is_far() {
        let start = Instant::now();
        let mut window = Window::new(64, start);
        window.answered_after(25_000 * MS);
        (0..32).for_each(|_| window.begin(start));
        assert!(!window.is_moving(250 * MS, start), "one ends each 800 ms");
        (0..32).for_each(|_| window.begin(start));
        assert!(window.is_moving(250 * MS, start), "one ends each 400 ms");
    }
}
