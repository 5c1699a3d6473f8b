//! The connections to one host, and which of them takes the next request.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use tokio::sync::Notify;

use super::MAX_AGE;
use crate::send::outbound::Outbound;
use crate::send::tap::Tap;

/// How many requests go over one HTTP/2 connection at once, whatever its receiver allows.
const MAX_STREAMS: usize = 100;

/// The age from which one request makes a new HTTP/2 connection, while others still use the old one.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// After what silence an HTTP/2 connection with requests under way is asked for a sign of life, and how long that may
/// take before it is given up with all its requests. Once the answer is late it takes no new ones.
pub(in crate::send) const PING_AFTER: Duration = Duration::from_secs(2);
pub(in crate::send) const PING_TIMEOUT: Duration = Duration::from_secs(8);
const PING_LATE: Duration = Duration::from_secs(2);

/// The connections to one host.
#[derive(Default)]
pub(super) struct Host {
    /// HTTP/1.1, the one that was used last at the end.
    pub(super) idle: Vec<Idle>,
    /// HTTP/2, the newest first.
    pub(super) shared: Vec<Arc<Shared>>,
    /// How many requests make a connection, and how many wait for one that is being made.
    pub(super) making: usize,
    pub(super) waiting: usize,
    /// Whether a new HTTP/2 connection is being made for an old one.
    pub(super) renewing: bool,
    /// How many requests its last HTTP/2 connection took at once; 0 if it had none.
    pub(super) width: usize,
    pub(super) freed: Arc<Notify>,
}

pub(super) struct Idle {
    pub(super) sender: http1::SendRequest<Outbound>,
    pub(super) about: Arc<About>,
    pub(super) until: Instant,
}

/// What is known of a connection.
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
    /// How many requests the receiver takes at once.
    width: Arc<AtomicUsize>,
    streams: Mutex<Streams>,
    freed: Arc<Notify>,
}

struct Streams {
    count: usize,
    /// When the first was begun, or the last ended.
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

/// What a host had.
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

    /// Whether it takes another request, and still gives signs of life.
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
