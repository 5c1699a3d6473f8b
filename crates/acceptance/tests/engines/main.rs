//! The guarantees of the design, held against the real engines and processes that stop, die and lose each other.

#![allow(clippy::unwrap_used, reason = "a test panics with what it found")]

mod choosing;
mod delivering;
mod doctor;
mod door;
mod failing;
mod failpoints;
mod idempotency;
mod isolation;
mod killing;
mod outages;
mod pacing;
mod pausing;
mod registry;
mod replaying;
mod restoring;
mod retrying;
mod secured;
mod standalone;
mod starting;
mod stopping;
mod sweeping;
mod tracing;
mod watching;

use std::collections::HashSet;

use tidings_acceptance::{Role, System};
use tidings_testkit::Receiver;

/// One role of a system.
type Pick = fn(&mut System) -> &mut Role;

/// The ids of the events that arrived, and how many requests were repetitions.
fn arrived(receiver: &Receiver) -> (HashSet<String>, usize) {
    let requests = receiver.requests();
    let ids: HashSet<String> = requests
        .iter()
        .map(|request| {
            request
                .header("webhook-id")
                .expect("every request names its event")
                .to_owned()
        })
        .collect();
    let repeated = requests.len() - ids.len();
    (ids, repeated)
}

/// Purges every lane and every delay queue.
async fn lose_messages(system: &System) {
    for queue in system.vhost.list_queues().await {
        if queue.name.starts_with("tidings.work.") || queue.name.starts_with("tidings.delay.") {
            system.vhost.purge_queue(&queue.name).await;
        }
    }
}
