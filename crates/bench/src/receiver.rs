//! A receiver that costs as little as one can: it reads requests off the socket, notes when each event came, and
//! answers, or never does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidings_domain::EventId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

mod http2;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Nanoseconds since the first call: the clock of all latencies.
pub(crate) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

/// A receiver's treatment of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It answers at once that all is well.
    Answers,
    /// It answers that all is well, so much later.
    AnswersAfter(Duration),
    /// It reads requests and never answers.
    Hangs,
}

/// A receiver that records the arrival of events.
pub(crate) struct Sink {
    pub(crate) addresses: Vec<SocketAddr>,
    /// The path whose requests it counts.
    path: &'static str,
    /// The certificate that it shows, if it speaks TLS.
    pub(crate) certificate: Option<String>,
    arrived: Arc<Arrived>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// The first arrival, on the clock of [`now`].
    pub(crate) first: u64,
    /// The last arrival, on the same clock.
    pub(crate) last: u64,
    /// The number of arrivals; more than 1 means duplicates.
    pub(crate) times: u32,
}

#[derive(Default)]
struct Arrived {
    requests: AtomicU64,
    /// `requests` when the events were last taken.
    taken: AtomicU64,
    events: Mutex<HashMap<EventId, Arrival>>,
}

impl Sink {
    /// Listens on several ports, which are as many hosts to a dispatcher.
    pub(crate) async fn start(ports: usize, manner: Manner) -> anyhow::Result<Self> {
        let arrived = Arc::new(Arrived::default());
        let mut addresses = Vec::new();
        for _ in 0..ports {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            addresses.push(listener.local_addr()?);
            let serving = arrived.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, manner, serving.clone()));
                }
            });
        }
        Ok(Self {
            addresses,
            path: "/",
            certificate: None,
            arrived,
        })
    }

    /// Listens on one port for HTTP/2, takes so many requests at once on each connection, and answers those for each
    /// path after so long.
    pub(crate) async fn start_http2<const PATHS: usize>(
        streams: u32,
        paths: [(&'static str, Duration); PATHS],
    ) -> anyhow::Result<[Self; PATHS]> {
        let (address, certificate, arrived) = http2::start(streams, paths).await?;
        let mut arrived = arrived.into_iter();
        Ok(paths.map(|(path, _)| Self {
            addresses: vec![address],
            path,
            certificate: Some(certificate.clone()),
            arrived: arrived.next().unwrap_or_default(),
        }))
    }

    /// The URL of an endpoint by its number.
    pub(crate) fn url(&self, number: usize) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        let address = self.addresses[number % self.addresses.len()];
        format!("{scheme}://{address}{}", self.path)
    }

    /// Requests so far, duplicates included.
    pub(crate) fn requests(&self) -> u64 {
        self.arrived.requests.load(Ordering::Relaxed)
    }

    /// Distinct events since [`Sink::take`].
    pub(crate) fn distinct(&self) -> u64 {
        self.arrived.events().len() as u64
    }

    /// `true` if the event has arrived since [`Sink::take`].
    pub(crate) fn has(&self, event: EventId) -> bool {
        self.arrived.events().contains_key(&event)
    }

    /// Waits until this number of events has come. Returns `false` if `patience` ends first.
    pub(crate) async fn wait_for(&self, events: u64, patience: Duration) -> bool {
        wait_until(|| self.distinct() >= events, patience).await
    }

    /// Waits until this number of requests has come since [`Sink::take`]. Returns `false` if `patience` ends first.
    pub(crate) async fn wait_for_requests(&self, requests: u64, patience: Duration) -> bool {
        let until = self.arrived.taken.load(Ordering::Relaxed) + requests;
        wait_until(|| self.requests() >= until, patience).await
    }

    /// Takes the arrivals so far, and starts anew.
    pub(crate) fn take(&self) -> HashMap<EventId, Arrival> {
        self.arrived.taken.store(self.requests(), Ordering::Relaxed);
        std::mem::take(&mut *self.arrived.events())
    }
}

impl Arrived {
    fn note(&self, request: &[u8]) {
        self.note_event(event_id(request));
    }

    fn note_event(&self, event: Option<EventId>) {
        let now = now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(event) = event {
            let mut events = self.events();
            let arrival = events.entry(event).or_insert(Arrival {
                first: now,
                last: now,
                times: 0,
            });
            arrival.times += 1;
            arrival.last = now;
        }
    }

    fn events(&self) -> MutexGuard<'_, HashMap<EventId, Arrival>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait_until(is_so: impl Fn() -> bool, patience: Duration) -> bool {
    let give_up = Instant::now() + patience;
    while !is_so() {
        if Instant::now() > give_up {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

async fn serve(mut stream: TcpStream, manner: Manner, arrived: Arc<Arrived>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        while let Some(end) = request_end(&buffer) {
            arrived.note(&buffer[..end]);
            buffer.drain(..end);
            match manner {
                Manner::Hangs => continue,
                Manner::Answers => {}
                Manner::AnswersAfter(wait) => tokio::time::sleep(wait).await,
            }
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

/// The end of the first request in the buffer, if all of it is there.
fn request_end(buffer: &[u8]) -> Option<usize> {
    let body = find(buffer, b"\r\n\r\n")? + 4;
    let length: usize = header(&buffer[..body], b"\r\nContent-Length: ")?.parse().ok()?;
    let end = body + length;
    (buffer.len() >= end).then_some(end)
}

fn event_id(request: &[u8]) -> Option<EventId> {
    header(request, b"\r\nwebhook-id: ")?.parse().ok()
}

/// The value of a header, whose name is given with what is around it.
fn header<'a>(request: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let value = &request[find(request, name)? + name.len()..];
    std::str::from_utf8(&value[..find(value, b"\r")?]).ok()
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_where_its_length_says() {
        let event = EventId::new();
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\nwebhook-id: {event}\r\nContent-Length: 2\r\n\r\n{{}}");
        let request = request.as_bytes();
        assert_eq!(request_end(request), Some(request.len()));
        assert_eq!(request_end(&request[..request.len() - 1]), None);
        assert_eq!(event_id(request), Some(event));
    }

    #[test]
    fn an_event_that_comes_again_is_one_event() {
        let arrived = Arrived::default();
        let event = EventId::new();
        let request = format!("POST / HTTP/1.1\r\nwebhook-id: {event}\r\n\r\n");
        arrived.note(request.as_bytes());
        arrived.note(request.as_bytes());
        assert_eq!(arrived.requests.load(Ordering::Relaxed), 2);
        assert_eq!(arrived.events()[&event].times, 2);
    }
}
