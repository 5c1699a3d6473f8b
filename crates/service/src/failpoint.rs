//! Fail points: places where a test lets a process die or wait.
//!
//! Need: the instants between two steps of a protocol are too short to be hit by killing from outside. Mechanism: the
//! environment variable `FAILPOINTS` names places and what happens there, as the crate `fail` reads it:
//! `dispatcher::before_ack=20*off->return` dies at the 21st pass, `…=1*sleep(500)` waits once. Limit: in debug
//! builds only; in a release build a place is nothing at all.

/// Reads `FAILPOINTS`. Call it once, at the start of a process.
pub fn set_up() {
    #[cfg(debug_assertions)]
    std::mem::forget(fail::FailScenario::setup());
}

/// Passes a place. `return` as the action means death without any clean-up, as by `kill -9`.
#[inline]
pub fn pass(place: &str) {
    #[cfg(debug_assertions)]
    fail::fail_point!(place, |_| std::process::abort());
    #[cfg(not(debug_assertions))]
    let _ = place;
}
