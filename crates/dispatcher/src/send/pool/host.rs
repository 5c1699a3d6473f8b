//! Connections to one host, and the choice of one for the next request.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use tokio::sync::Notify;

use super::MAX_AGE;
use crate::send::outbound::Outbound;
use crate::send::tap::Tap;

/// Maximum concurrent requests over one HTTP/2 connection, even if the receiver allows more.
const MAX_STREAMS: usize = 100;

/// The age from which one request makes a new HTTP/2 connection, while others still use the old one.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// Silence after which an HTTP/2 connection with requests in flight is pinged, and time for the answer before it is
/// given up with all its requests. While an answer is late, the connection takes no new requests.
pub(in crate::send) const PING_AFTER: Duration = Duration::from_secs(2);
pub(in crate::send) const PING_TIMEOUT: Duration = Duration::from_secs(8);
const PING_LATE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Host {
    /// HTTP/1.1, the one that was used last at the end.
    pub(super) idle: Vec<Idle>,
    /// HTTP/2 connections, newest first.
    pub(super) shared: Vec<Arc<Shared>>,
    /// Requests that are making a connection, and requests that wait for one.
    pub(super) making: usize,
    pub(super) waiting: usize,
    /// A new HTTP/2 connection is being made to replace an old one.
    pub(super) renewing: bool,
    /// Concurrent requests that its last HTTP/2 connection allowed; 0 if it had none.
    pub(super) width: usize,
    pub(super) freed: Arc<Notify>,
}

pub(super) struct Idle {
    pub(super) sender: http1::SendRequest<Outbound>,
    pub(super) about: Arc<About>,
    pub(super) until: Instant,
}

/// Facts about one connection.
pub(in crate::send) struct About {
    pub(in crate::send) tap: Arc<Tap>,
    /// The address at its end; none if only the proxy knows.
    pub(in crate::send) remote: Option<IpAddr>,
    pub(super) made_at: Instant,
}

/// A connection that many requests share.
pub(in crate::send) struct Shared {
    pub(in crate::send) sender: http2::SendRequest<Outbound>,
    pub(super) about: Arc<About>,
    /// Concurrent requests that the receiver allows.
    width: Arc<AtomicUsize>,
    streams: Mutex<Streams>,
    freed: Arc<Notify>,
}

struct Streams {
    count: usize,
    /// Start of the first request, or end of the last.
    since: Instant,
}

impl About {
    pub(in crate::send) fn new(tap: Arc<Tap>, remote: Option<IpAddr>) -> Self {
        Self {
            tap,
            remote,
            made_at: Instant::now(),
        }
    }
}

/// Connection found for a request.
pub(super) enum Taken {
    One(http1::SendRequest<Outbound>, Arc<About>),
    Stream(Arc<Shared>),
    Nothing {
        /// There is an old HTTP/2 connection that others may use until there is a new one.
        renews: bool,
    },
}

impl Host {
    pub(super) fn take(&mut self) -> Taken {
        let now = Instant::now();
        for shared in &self.shared {
            if shared.is_usable(now) && shared.has_room(now) {
                if now.duration_since(shared.about.made_at) > RENEW_AFTER && !self.renewing {
                    return Taken::Nothing { renews: true };
                }
                shared.begin(now);
                self.width = shared.width();
                return Taken::Stream(shared.clone());
            }
        }
        // From the end: the connection that was used last has the most time left.
        while let Some(idle) = self.idle.pop() {
            if idle.is_usable(now) {
                return Taken::One(idle.sender, idle.about);
            }
        }
        Taken::Nothing { renews: false }
    }
}

impl Idle {
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        self.until > now && !self.sender.is_closed() && !self.about.tap.is_broken()
    }
}

impl Shared {
    /// A connection that its maker uses already.
    pub(super) fn new(
        sender: http2::SendRequest<Outbound>,
        about: Arc<About>,
        width: Arc<AtomicUsize>,
        freed: Arc<Notify>,
    ) -> Self {
        Self {
            sender,
            about,
            width,
            streams: Mutex::new(Streams {
                count: 1,
                since: Instant::now(),
            }),
            freed,
        }
    }

    pub(super) fn is_usable(&self, now: Instant) -> bool {
        now.duration_since(self.about.made_at) < MAX_AGE && !self.sender.is_closed() && !self.about.tap.is_broken()
    }

    /// Checks for a free stream on a connection that still answers.
    fn has_room(&self, now: Instant) -> bool {
        let streams = self.streams();
        let sign = streams.since.max(self.about.tap.read_at());
        let silent = streams.count > 0 && now.saturating_duration_since(sign) > PING_AFTER + PING_LATE;
        streams.count < self.width() && !silent
    }

    fn width(&self) -> usize {
        self.width.load(Ordering::Relaxed).min(MAX_STREAMS)
    }

    pub(super) fn is_idle_for(&self, time: Duration, now: Instant) -> bool {
        let streams = self.streams();
        streams.count == 0 && now.saturating_duration_since(streams.since) > time
    }

    fn begin(&self, now: Instant) {
        let mut streams = self.streams();
        if streams.count == 0 {
            streams.since = now;
        }
        streams.count += 1;
    }

    pub(in crate::send) fn end(&self) {
        let mut streams = self.streams();
        streams.count = streams.count.saturating_sub(1);
        if streams.count == 0 {
            streams.since = Instant::now();
        }
        drop(streams);
        self.freed.notify_one();
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
