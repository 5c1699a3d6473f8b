//! Pool of an HTTP client's connections.
//!
//! Requests to one host share connections without waiting for another tenant's. Over HTTP/1.1 a connection carries
//! one request at a time; over HTTP/2 as many as the receiver allows, and a further connection is made when all
//! streams are taken. No connection is used after [`MAX_AGE`], so that a name's new address is found, nor after its
//! receiver announced that it would close it, nor once it is silent. The number of connections to a host is bounded
//! by its endpoints' limiters.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use http::uri::{Authority, Scheme};
use hyper::client::conn::http1;
use moka::sync::Cache;

use self::host::{Host, Idle, Taken};
use super::lease::{Channel, Lease};
use super::outbound::Outbound;

mod host;
mod making;

pub(super) use self::host::{About, PING_AFTER, PING_TIMEOUT, Shared};
pub(super) use self::making::Making;

/// Idle time after which a connection is closed, and the number of idle connections kept per host.
const IDLE: Duration = Duration::from_secs(60);
const MAX_IDLE: usize = 64;

/// Age after which a connection takes no further requests.
const MAX_AGE: Duration = Duration::from_secs(90);

/// Interval of the search for connections that can be closed.
const REAP_EVERY: Duration = Duration::from_secs(5);

/// Hosts remembered as HTTP/1.1-only, and for how long.
const MAX_HTTP1_HOSTS: u64 = 10_000;
const HTTP1_FOR: Duration = Duration::from_secs(3_600);

/// Scheme and authority of a URL: the key of pooled connections.
pub(super) type Origin = (Scheme, Authority);

pub(super) struct Pool {
    hosts: Mutex<HashMap<Origin, Host>>,
    /// Those that want HTTP/1.1; few have any.
    http1_only: OnceLock<Cache<Origin, ()>>,
    reaping: AtomicBool,
}

/// Result of looking for a connection.
pub(super) enum Found {
    Connection(Lease),
    Nothing(Making),
}

impl Pool {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            hosts: Mutex::default(),
            http1_only: OnceLock::new(),
            reaping: AtomicBool::new(false),
        })
    }

    /// A connection, or the right to make one.
    pub(super) fn find(self: &Arc<Self>, origin: &Origin) -> Found {
        let mut hosts = self.hosts();
        let host = hosts.entry(origin.clone()).or_default();
        match host.take() {
            Taken::One(sender, about) => Found::Connection(self.lease(origin, Channel::One(sender), about)),
            Taken::Stream(shared) => Found::Connection(self.lease_stream(origin, shared)),
            Taken::Nothing { renews } => {
                host.renewing |= renews;
                // As many may wait as the connections under way will take besides their makers, by what the host
                // allowed last.
                let waits = !renews && host.waiting < host.making * host.width.saturating_sub(1);
                Found::Nothing(self.making(origin, host, waits, renews))
            }
        }
    }

    /// The right to make a connection, whatever there is.
    pub(super) fn make(self: &Arc<Self>, origin: &Origin) -> Making {
        let mut hosts = self.hosts();
        let host = hosts.entry(origin.clone()).or_default();
        self.making(origin, host, false, false)
    }

    fn making(self: &Arc<Self>, origin: &Origin, host: &mut Host, waits: bool, renews: bool) -> Making {
        *(if waits { &mut host.waiting } else { &mut host.making }) += 1;
        Making {
            pool: self.clone(),
            origin: origin.clone(),
            freed: host.freed.clone(),
            waits,
            renews,
        }
    }

    fn take(self: &Arc<Self>, origin: &Origin) -> Option<Lease> {
        let mut hosts = self.hosts();
        match hosts.get_mut(origin)?.take() {
            Taken::One(sender, about) => Some(self.lease(origin, Channel::One(sender), about)),
            Taken::Stream(shared) => Some(self.lease_stream(origin, shared)),
            Taken::Nothing { .. } => None,
        }
    }

    fn lease(self: &Arc<Self>, origin: &Origin, channel: Channel, about: Arc<About>) -> Lease {
        Lease::new(self.clone(), origin.clone(), channel, about, true)
    }

    fn lease_stream(self: &Arc<Self>, origin: &Origin, shared: Arc<Shared>) -> Lease {
        let about = shared.about.clone();
        self.lease(origin, Channel::Stream(shared), about)
    }

    /// Tells that the host has HTTP/2 connections, all of them fully used.
    pub(super) fn has_connections(&self, origin: &Origin) -> bool {
        let mut hosts = self.hosts();
        let live = |shared: &Arc<Shared>| shared.is_usable(Instant::now());
        hosts.get_mut(origin).is_some_and(|host| host.shared.iter().any(live))
    }

    /// Keeps a connection for the next request, for so long or less.
    pub(super) fn put(
        self: &Arc<Self>,
        origin: &Origin,
        sender: http1::SendRequest<Outbound>,
        about: Arc<About>,
        kept_for: Option<Duration>,
    ) {
        let now = Instant::now();
        let idle_until = now + kept_for.unwrap_or(IDLE).min(IDLE);
        let until = idle_until.min(about.made_at + MAX_AGE);
        if until <= now {
            return;
        }
        let mut hosts = self.hosts();
        let host = hosts.entry(origin.clone()).or_default();
        if host.idle.len() >= MAX_IDLE {
            // The one that was used longest ago is the next that the receiver would close.
            host.idle.remove(0);
        }
        host.idle.push(Idle { sender, about, until });
        host.freed.notify_one();
        drop(hosts);
        self.reap_now_and_then();
    }

    /// Retires a connection. If it was silent, its host's idle connections are suspect too and are dropped.
    pub(super) fn retire(&self, origin: &Origin, channel: Option<&Channel>) {
        let mut hosts = self.hosts();
        let Some(host) = hosts.get_mut(origin) else { return };
        match channel {
            Some(Channel::Stream(silent)) => host.shared.retain(|shared| !Arc::ptr_eq(shared, silent)),
            Some(Channel::One(_)) | None => host.idle.clear(),
        }
    }

    /// Restricts the host to HTTP/1.1 for a while.
    pub(super) fn use_http1(&self, origin: &Origin) {
        let http1_only = self.http1_only.get_or_init(|| {
            let cache = Cache::builder().max_capacity(MAX_HTTP1_HOSTS);
            cache.time_to_live(HTTP1_FOR).build()
        });
        http1_only.insert(origin.clone(), ());
        if let Some(host) = self.hosts().get_mut(origin) {
            host.shared.clear();
            // Nobody is to wait for others' connections any more: HTTP/1.1 does not share them.
            host.width = 0;
        }
    }

    pub(super) fn uses_http1(&self, origin: &Origin) -> bool {
        self.http1_only.get().is_some_and(|hosts| hosts.contains_key(origin))
    }

    fn reap_now_and_then(self: &Arc<Self>) {
        if self.reaping.swap(true, Ordering::Relaxed) {
            return;
        }
        // Weak, so that the task ends with a client that is no longer used.
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            while !Weak::upgrade(&pool).is_none_or(|pool| pool.reap()) {
                tokio::time::sleep(REAP_EVERY).await;
            }
        });
    }

    /// Lets go of what is of no use any more; whether nothing is left.
    fn reap(&self) -> bool {
        let now = Instant::now();
        let mut hosts = self.hosts();
        hosts.retain(|_, host| {
            host.idle.retain(|idle| idle.is_usable(now));
            host.shared
                .retain(|shared| shared.is_usable(now) && !shared.is_idle_for(IDLE, now));
            !host.idle.is_empty() || !host.shared.is_empty() || host.making + host.waiting > 0
        });
        let nothing = hosts.is_empty();
        if nothing {
            // Under the lock of the hosts, so that whoever puts a connection there next starts another task.
            self.reaping.store(false, Ordering::Relaxed);
        }
        nothing
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<Origin, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
