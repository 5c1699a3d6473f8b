//! Background tasks that outlive their own failures.
//!
//! Need: a loop that ends by a panic or an error ends what it was there for, and nobody notices until something is missed.
//! Mechanism: whoever has such loops spawns them here; one that fails is started again after a wait that grows, each is a
//! component of [`Health`] by its name, and failures are counted. Limit: what a loop had in its hands when it failed is
//! lost with it, so it must be such that it comes again.

use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use futures::FutureExt as _;
use prometheus::IntCounterVec;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Backoff, Component, Health, metrics};

pub(crate) static RESTARTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Background tasks that failed and were started again.";
    metrics::counters("tidings_task_restarts_total", help, &["task"])
});

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A task that has run for so long since it was started again is well.
const STEADY: Duration = Duration::from_secs(10);

/// Runs the background tasks of one part of a process. Clones are the same supervisor.
#[derive(Clone, Debug)]
pub struct Supervisor {
    health: Health,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// The end of a task that ends by itself: with nothing left to do, or by a failure.
pub trait Outcome {
    /// The failure; `None` if it has nothing left to do.
    fn failure(self) -> Option<String>;
}

impl Outcome for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

impl Supervisor {
    /// A supervisor without tasks. After `shutdown` nothing is started again.
    pub fn new(health: Health, shutdown: CancellationToken) -> Self {
        Self {
            health,
            shutdown,
            tasks: TaskTracker::new(),
        }
    }

    /// Runs a task until it has nothing left to do, which for a loop means: until it has to stop. `run` is called
    /// again after each failure.
    pub fn spawn<F>(&self, task: &'static str, run: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output: Outcome + Send> + Send + 'static,
    {
        let component = self.health.component(task);
        component.up();
        self.tasks.spawn(keep(task, component, self.shutdown.clone(), run));
    }

    /// Waits until all tasks have ended.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn keep<F>(task: &'static str, component: Component, shutdown: CancellationToken, mut run: impl FnMut() -> F)
where
    F: Future<Output: Outcome>,
{
    let restarts = RESTARTS.with_label_values(&[task]);
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let mut running = pin!(AssertUnwindSafe(async { run().await }).catch_unwind());
        let ended = match timeout(STEADY, &mut running).await {
            Ok(ended) => ended,
            Err(_) => {
                component.up();
                backoff.reset();
                running.await
            }
        };
        let failure = match ended {
            Ok(outcome) => outcome.failure(),
            Err(panic) => Some(format!("it panicked: {}", message(&*panic))),
        };
        let Some(failure) = failure else { return };
        let wait = backoff.next();
        tracing::error!(task, failure, ?wait, "a background task failed; it is started again");
        restarts.inc();
        component.down(failure);
        if shutdown.run_until_cancelled(sleep(wait)).await.is_none() {
            return;
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("for a reason that is no text")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A task that fails so often before it is well.
    fn failing(times: u32, how: fn()) -> (Arc<AtomicU32>, impl FnMut() -> futures::future::BoxFuture<'static, ()>) {
        let started = Arc::new(AtomicU32::new(0));
        let counted = started.clone();
        let run = move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                if number < times {
                    how();
                }
                std::future::pending().await
            }
            .boxed()
        };
        (started, run)
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again_and_down_until_it_is_well() {
        let (health, shutdown) = (Health::new(), CancellationToken::new());
        let supervisor = Supervisor::new(health.clone(), shutdown.clone());
        let (started, run) = failing(3, || panic!("no such row"));
        let before = RESTARTS.with_label_values(&["panics in a test"]).get();
        supervisor.spawn("panics in a test", run);
        health.wait_until(false).await;
        assert_eq!(health.missing()[0].reason, "it panicked: no such row");
        health.wait_until(true).await;
        assert_eq!(started.load(Ordering::SeqCst), 4);
        assert_eq!(RESTARTS.with_label_values(&["panics in a test"]).get() - before, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_a_failure_and_an_end_is_not() {
        let (health, shutdown) = (Health::new(), CancellationToken::new());
        let supervisor = Supervisor::new(health.clone(), shutdown.clone());
        supervisor.spawn("ends in a test", || async {});
        supervisor.spawn("errs in a test", || async {
            Err::<(), _>("the queue gave nothing more")
        });
        health.wait_until(false).await;
        let missing = health.missing();
        assert_eq!(missing.len(), 1);
        assert_eq!(
            (missing[0].component.as_str(), missing[0].reason.as_str()),
            ("errs in a test", "the queue gave nothing more")
        );
        shutdown.cancel();
        supervisor.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_task_holds_at_the_end_is_waited_for() {
        let (health, shutdown) = (Health::new(), CancellationToken::new());
        let supervisor = Supervisor::new(health, shutdown.clone());
        let finished = Arc::new(AtomicU32::new(0));
        let (told, counted) = (shutdown.clone(), finished.clone());
        supervisor.spawn("finishes in a test", move || {
            let (told, counted) = (told.clone(), counted.clone());
            async move {
                told.cancelled().await;
                sleep(Duration::from_secs(3)).await;
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        shutdown.cancel();
        supervisor.ended().await;
        assert_eq!(finished.load(Ordering::SeqCst), 1);
    }
}
