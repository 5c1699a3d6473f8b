//! Durations of a request's phases: lookup, connect, TLS and waiting.
//!
//! Whoever investigates a slow endpoint wants to know if its name server, its network, its TLS or the endpoint itself
//! is slow. The client makes a connection within the task of the request that needs it, so a task-local value is
//! where [`Network`](super::connect::Network) notes the start of each phase. A request that began to connect and then
//! got a freed connection reports no such phases, because it did not need them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tidings_domain::Timing;

#[cfg(test)]
mod tests;

tokio::task_local! {
    static WATCH: Cell<Watch>;
}

/// Phases of making a connection, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Dns,
    Connect,
    Tls,
}

#[derive(Clone, Copy, Default)]
struct Watch {
    timing: Timing,
    under_way: Option<(Part, Instant)>,
}

/// Runs a request and says what the parts of its connection took.
pub(super) async fn measured<T>(request: impl Future<Output = T>) -> (T, Timing) {
    let request = async {
        let output = request.await;
        (output, WATCH.with(Cell::get))
    };
    let (output, watch) = WATCH.scope(Cell::default(), request).await;
    (output, watch.part_over().timing)
}

/// A part begins, and the one before it is over.
pub(super) fn begin(part: Part) {
    change(|watch| Watch {
        under_way: Some((part, Instant::now())),
        ..watch.part_over()
    });
}

/// The connection stands.
pub(super) fn connected() {
    change(Watch::part_over);
}

/// Drops what was measured so far, because it was not needed.
pub(super) fn forget() {
    change(|_| Watch::default());
}

/// The part that has begun and is not over.
pub(super) fn under_way() -> Option<Part> {
    let watch = WATCH.try_with(Cell::get).ok()?;
    watch.under_way.map(|(part, _)| part)
}

/// Outside of a request nothing is measured.
fn change(next: impl FnOnce(Watch) -> Watch) {
    let _ = WATCH.try_with(|watch| watch.set(next(watch.get())));
}

impl Watch {
    fn part_over(mut self) -> Self {
        if let Some((part, began)) = self.under_way.take() {
            let measure = match part {
                Part::Dns => &mut self.timing.dns,
                Part::Connect => &mut self.timing.connect,
                Part::Tls => &mut self.timing.tls,
            };
            *measure = Some(measure.unwrap_or(Duration::ZERO) + began.elapsed());
        }
        self
    }
}
