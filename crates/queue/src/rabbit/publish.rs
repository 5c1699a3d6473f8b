//! Publishing: confirmed, in batches, over one connection with a few channels.
//!
//! [`connection`] keeps the connection and its channels, [`channel`] publishes and awaits confirmations; this module
//! is the interface for callers.

mod channel;
mod connection;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use lapin::Channel;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use self::channel::{Common, Job};
pub(super) use self::connection::keep;
use super::Shared;
use super::line::Line;
use super::routes::Address;
use crate::{Outgoing, PublishError, Route};

/// State of the publishing connection.
#[derive(Clone)]
pub(in crate::rabbit) enum Link {
    /// Not connected, with the reason.
    Down(String),
    /// The broker has an alarm and takes no messages.
    Blocked(String),
    /// Connected, and messages are being confirmed.
    Up(Arc<Publishers>),
}

impl Link {
    fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked(_))
    }
}

/// The channels of one publishing connection.
pub(in crate::rabbit) struct Publishers {
    pub(super) line: Arc<Line>,
    common: Arc<Common>,
    jobs: Vec<mpsc::Sender<Job>>,
    next: AtomicUsize,
    /// Channel for passive declarations, created at first use.
    pub(super) looking: Mutex<Option<Channel>>,
}

impl Publishers {
    fn pick(&self) -> mpsc::Sender<Job> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.jobs[turn % self.jobs.len()].clone()
    }
}

/// Publishes one message and waits for its confirmation.
pub(super) async fn publish(shared: &Shared, outgoing: Outgoing) -> Result<(), PublishError> {
    let to = resolve(shared, outgoing.to)?;
    publish_to(shared, to, outgoing.body).await
}

/// Publishes one message to an exchange, with a routing key.
pub(super) async fn publish_to(shared: &Shared, to: Address, body: Bytes) -> Result<(), PublishError> {
    publishers(shared).await?.publish(to, body).await
}

/// The address of a route. A lane whose queue is avoided is replaced by another shard: every dispatcher consumes all shards.
fn resolve(shared: &Shared, route: Route) -> Result<Address, PublishError> {
    let address = Address::from(shared.topology.address(route)?);
    if !shared.routes.avoids(&address) {
        return Ok(address);
    }
    // A wait has one queue only, and so have records and parked messages; they have no substitute.
    let others = match route {
        Route::Work(lane) => shared.topology.other_shards(lane).map(Route::Work).collect(),
        _ => Vec::new(),
    };
    for other in others {
        let other = Address::from(shared.topology.address(other)?);
        if !shared.routes.avoids(&other) {
            return Ok(other);
        }
    }
    Err(PublishError::Unavailable(format!(
        "the broker did not confirm messages to {address} a moment ago"
    )))
}

impl Publishers {
    async fn publish(&self, to: Address, body: Bytes) -> Result<(), PublishError> {
        let (reply, confirmation) = oneshot::channel();
        let jobs = self.pick();
        let limit = self.common.confirm_timeout;
        let confirmed = async {
            if jobs.send(Job { to, body, reply }).await.is_err() {
                return Err(PublishError::Unavailable("the connection was lost".into()));
            }
            drop(jobs);
            let lost = || PublishError::Unknown("the connection was lost before the broker answered".into());
            confirmation.await.unwrap_or_else(|_| Err(lost()))
        };
        let late = |_| Err(PublishError::Unknown(format!("no answer within {limit:?}")));
        // The message may still be sent: a blocked connection writes it after the alarm. Hence unknown, not failed.
        timeout(limit, confirmed).await.unwrap_or_else(late)
    }
}

/// The current publishers. Waits for a blocked connection up to `blocked_wait`: short alarms then cause no errors.
pub(super) async fn publishers(shared: &Shared) -> Result<Arc<Publishers>, PublishError> {
    let mut link = shared.link.borrow().clone();
    if link.is_blocked() {
        let mut changes = shared.link.subscribe();
        if let Ok(Ok(now)) = timeout(shared.config.blocked_wait, changes.wait_for(|link| !link.is_blocked())).await {
            link = now.clone();
        }
    }
    match link {
        Link::Up(publishers) => Ok(publishers),
        Link::Blocked(reason) => Err(PublishError::Unavailable(format!("blocked: {reason}"))),
        Link::Down(reason) => Err(PublishError::Unavailable(reason)),
    }
}
