//! Bounds on connections: their number, and the time that one may stay silent at its beginning.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics;

static OPEN: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    let help = "Connections that are open, by listener.";
    metrics::gauges("tidings_connections", help, &["listener"])
});
static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Connections that were closed at once: too many altogether, or of one address.";
    metrics::counters("tidings_connections_refused_total", help, &["listener", "reason"])
});

/// Makes the metrics of this part.
pub(super) fn register() {
    LazyLock::force(&OPEN);
    LazyLock::force(&REFUSED);
}

/// The places of one listener.
#[derive(Clone)]
pub(super) struct Places {
    listener: &'static str,
    most: usize,
    /// 0 for any number.
    most_of_one: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A place, given back when this is dropped.
pub(super) struct Place {
    places: Places,
    network: IpAddr,
}

impl Places {
    pub(super) fn new(listener: &'static str, most: usize, most_of_one: usize) -> Self {
        for reason in ["all", "address"] {
            REFUSED.with_label_values(&[listener, reason]).inc_by(0);
        }
        Self {
            listener,
            most,
            most_of_one,
            taken: Arc::default(),
        }
    }

    /// A place for a connection from this address, if there is one.
    pub(super) fn take(&self, from: IpAddr) -> Option<Place> {
        let network = network(from);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = taken.of.get(&network).copied().unwrap_or_default();
        let full = if taken.all >= self.most {
            Some("all")
        } else if self.most_of_one > 0 && of_one >= self.most_of_one {
            Some("address")
        } else {
            None
        };
        if let Some(reason) = full {
            let refused = REFUSED.with_label_values(&[self.listener, reason]);
            // Every time would be as many lines as there are attempts.
            if refused.get().is_power_of_two() || refused.get() == 0 {
                tracing::warn!(listener = self.listener, reason, %from, "too many connections; closing new ones");
            }
            refused.inc();
            return None;
        }
        taken.all += 1;
        taken.of.insert(network, of_one + 1);
        self.open().inc();
        Some(Place {
            places: self.clone(),
            network,
        })
    }

    fn open(&self) -> IntGauge {
        OPEN.with_label_values(&[self.listener])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(of_one) = taken.of.get_mut(&self.network) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.of.remove(&self.network);
            }
        }
        self.places.open().dec();
    }
}

/// The owner of an address: with IPv6 everybody has a network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

/// The knowledge whether a connection has said anything yet.
#[derive(Clone, Default)]
pub(super) struct Beginning(Arc<Began>);

#[derive(Default)]
struct Began {
    bytes: AtomicUsize,
    request: AtomicBool,
}

/// The bytes with which HTTP/2 begins.
const PREFACE: usize = 24;

impl Beginning {
    /// A request has come.
    pub(super) fn request(&self) {
        self.0.request.store(true, Ordering::Relaxed);
    }

    /// True while neither a request nor the beginning of HTTP/2 has come.
    pub(super) fn is_late(&self) -> bool {
        !self.0.request.load(Ordering::Relaxed) && self.0.bytes.load(Ordering::Relaxed) < PREFACE
    }
}

/// A connection whose first bytes are counted.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) beginning: Beginning,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = &self.beginning.0.bytes;
        if bytes.load(Ordering::Relaxed) < PREFACE {
            bytes.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_altogether_and_by_address() {
        let places = Places::new("places in a test", 3, 2);
        let take = |text: &str| places.take(text.parse().unwrap());
        let first = take("192.0.2.1");
        let second = take("::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(take("192.0.2.1").is_none(), "two of one address are enough");
        let third = take("2001:db8::1");
        assert!(third.is_some());
        assert!(take("192.0.2.2").is_none(), "three are enough");
        drop(first);
        let fourth = take("2001:db8::2");
        assert!(fourth.is_some());
        drop(second);
        assert!(take("2001:db8::3").is_none(), "of one network");
        assert_eq!(OPEN.with_label_values(&["places in a test"]).get(), 2);
        drop((third, fourth));
        assert!(places.taken.lock().unwrap().of.is_empty());
    }
}
