//! Waiting for a condition instead of sleeping for luck.

use std::time::{Duration, Instant};

/// Interval between two looks at a condition.
const EVERY: Duration = Duration::from_millis(10);

/// Returns as soon as `condition` holds; panics with `what` when it does not hold by the deadline. `what` completes
/// "waited for …", as in `"the endpoint to be disabled"`.
#[track_caller]
pub fn wait_until(deadline: Duration, what: &str, condition: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    // Taken here, because the location of the caller is lost inside of the future.
    let caller = std::panic::Location::caller();
    poll(deadline, what, condition, caller)
}

async fn poll(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
    caller: &std::panic::Location<'_>,
) {
    let start = Instant::now();
    while !condition().await {
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} for {what} (at {caller})"
        );
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_once_the_condition_holds() {
        let mut looks = 0;
        wait_until(Duration::from_secs(10), "three looks", async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "waited 20ms for what never comes (at crates/testkit/src/wait.rs:")]
    async fn it_panics_at_the_deadline() {
        wait_until(Duration::from_millis(20), "what never comes", async || false).await;
    }
}
