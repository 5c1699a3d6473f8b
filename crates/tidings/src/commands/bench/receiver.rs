//! A receiver that costs as little as one can: it reads requests off the socket, notes when each came, and answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What has arrived.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    arrived: Arc<Arrived>,
}

struct Arrived {
    started: Instant,
    requests: AtomicU64,
    /// When event number n first came, nanoseconds after the start.
    first: Mutex<HashMap<u64, u64>>,
}

impl Sink {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let arrived = Arc::new(Arrived {
            started: Instant::now(),
            requests: AtomicU64::new(0),
            first: Mutex::new(HashMap::new()),
        });
        let serving = arrived.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Ok(Self { address, arrived })
    }

    /// Nanoseconds since the sink was started: the clock of all latencies.
    pub(super) fn now(&self) -> u64 {
        self.arrived.now()
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.arrived.requests.load(Ordering::Relaxed)
    }

    /// When each event came, by its number; forgotten with this.
    pub(super) fn take(&self) -> HashMap<u64, u64> {
        std::mem::take(&mut *self.arrived.first.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Arrived {
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }
}

async fn serve(mut stream: TcpStream, arrived: Arc<Arrived>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        while let Some(end) = request_end(&buffer) {
            let now = arrived.now();
            if let Some(number) = event_number(&buffer[..end]) {
                arrived
                    .first
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .entry(number)
                    .or_insert(now);
            }
            arrived.requests.fetch_add(1, Ordering::Relaxed);
            buffer.drain(..end);
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

/// Where the first request in the buffer ends, if it is there as a whole.
fn request_end(buffer: &[u8]) -> Option<usize> {
    let body = find(buffer, b"\r\n\r\n")? + 4;
    let head = &buffer[..body];
    let length = find(head, b"content-length: ")? + b"content-length: ".len();
    let end = body + number_at(&head[length..])? as usize;
    (buffer.len() >= end).then_some(end)
}

/// The `"n":123` with which every payload of the benchmark begins.
fn event_number(request: &[u8]) -> Option<u64> {
    number_at(&request[find(request, b"{\"n\":")? + 5..])
}

fn number_at(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_where_its_length_says() {
        let request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 16\r\n\r\n{\"data\":{\"n\":7}}";
        assert_eq!(request_end(request), Some(request.len()));
        assert_eq!(request_end(&request[..request.len() - 1]), None);
        assert_eq!(event_number(request), Some(7));
    }
}
