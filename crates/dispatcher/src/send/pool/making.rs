//! Makes a connection, or waits for one that another request makes.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::sync::Notify;

use super::{About, Origin, Pool, Shared};
use crate::send::lease::{Channel, Lease};
use crate::send::outbound::Outbound;

/// Wait for an HTTP/2 connection that another request is making, before making one of its own.
const PATIENCE: Duration = Duration::from_millis(250);

/// A request that makes a connection, until it has one.
pub(in crate::send) struct Making {
    pub(super) pool: Arc<Pool>,
    pub(super) origin: Origin,
    pub(super) freed: Arc<Notify>,
    /// Another request is making a connection: wait for that.
    pub(super) waits: bool,
    /// The new connection replaces an old one.
    pub(super) renews: bool,
}

impl Making {
    /// A connection that others make, if one comes within a moment.
    pub(in crate::send) async fn wait(&mut self) -> Option<Lease> {
        if !self.waits {
            return None;
        }
        let lease = tokio::time::timeout(PATIENCE, async {
            loop {
                // Before looking: `notify_waiters` wakes only waiters that exist.
                let freed = self.freed.notified();
                if let Some(lease) = self.pool.take(&self.origin) {
                    return Some(lease);
                }
                if self.pool.hosts().get(&self.origin).is_none_or(|host| host.making == 0) {
                    return None;
                }
                freed.await;
            }
        })
        .await;
        self.waits = false;
        if let Some(host) = self.pool.hosts().get_mut(&self.origin) {
            host.waiting = host.waiting.saturating_sub(1);
            host.making += 1;
        }
        lease.unwrap_or_default()
    }

    /// A connection that becomes free while this one is being made; never, if it is to take the place of an old one.
    pub(in crate::send) async fn other(&self) -> Lease {
        if self.renews {
            std::future::pending::<()>().await;
        }
        loop {
            let freed = self.freed.notified();
            freed.await;
            if let Some(lease) = self.pool.take(&self.origin) {
                return lease;
            }
        }
    }

    /// The connection is made, for one request at a time.
    pub(in crate::send) fn made(self, sender: http1::SendRequest<Outbound>, about: Arc<About>) -> Lease {
        let channel = Channel::One(sender);
        Lease::new(self.pool.clone(), self.origin.clone(), channel, about, false)
    }

    /// The connection is made, for many requests.
    pub(in crate::send) fn made_shared(
        self,
        sender: http2::SendRequest<Outbound>,
        about: Arc<About>,
        width: Arc<AtomicUsize>,
    ) -> Lease {
        let shared = Arc::new(Shared::new(sender, about.clone(), width, self.freed.clone()));
        {
            let mut hosts = self.pool.hosts();
            let host = hosts.entry(self.origin.clone()).or_default();
            host.shared.insert(0, shared.clone());
            host.width = host.width.max(1);
        }
        self.pool.reap_now_and_then();
        let channel = Channel::Stream(shared);
        Lease::new(self.pool.clone(), self.origin.clone(), channel, about, false)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if let Some(host) = self.pool.hosts().get_mut(&self.origin) {
            let count = if self.waits {
                &mut host.waiting
            } else {
                &mut host.making
            };
            *count = count.saturating_sub(1);
            if self.renews {
                host.renewing = false;
            }
        }
        // It may have become one that others can share, or they wait for nothing now.
        self.freed.notify_waiters();
    }
}
