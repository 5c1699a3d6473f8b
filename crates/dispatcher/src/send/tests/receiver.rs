//! A receiver that works on the bare socket.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use url::Url;

/// A receiver on a loopback port of its own, which does with each connection what the test says.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
    accepting: AbortHandle,
}

struct Seen {
    connections: AtomicUsize,
    sent: AtomicUsize,
    /// One permit for each connection that is over.
    closed: Semaphore,
}

/// A connection to a receiver.
pub(super) struct Caller {
    pub(super) stream: TcpStream,
    seen: Arc<Seen>,
}

impl Receiver {
    pub(super) async fn start<F>(behave: impl Fn(Caller) -> F + Send + 'static) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            connections: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            closed: Semaphore::new(0),
        });
        let shared = seen.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let seen = shared.clone();
                let done = behave(Caller {
                    stream,
                    seen: seen.clone(),
                });
                tokio::spawn(async move {
                    let _ = done.await;
                    seen.closed.add_permits(1);
                });
            }
        });
        Self {
            address,
            seen,
            accepting: accepting.abort_handle(),
        }
    }

    pub(super) fn url(&self, scheme: &str) -> Url {
        format!("{scheme}://{}/hook", self.address).parse().unwrap()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(super) fn sent(&self) -> usize {
        self.seen.sent.load(Ordering::SeqCst)
    }

    /// Waits until so many connections are over, as the receiver sees it.
    pub(super) async fn closed(&self, connections: u32) {
        let closed = self.seen.closed.acquire_many(connections);
        let permits = tokio::time::timeout(Duration::from_secs(5), closed).await;
        permits.expect("the connection is still open").unwrap().forget();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Caller {
    /// Reads one request with its body, and returns both.
    pub(super) async fn request(&mut self) -> std::io::Result<String> {
        read_request(&mut self.stream).await
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let written = self.stream.write(rest).await?;
            self.seen.sent.fetch_add(written, Ordering::SeqCst);
            rest = &rest[written..];
        }
        Ok(())
    }

    pub(super) async fn send_for_ever(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> std::io::Result<()> {
        loop {
            self.send(bytes.as_ref()).await?;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Says nothing more until the other side closes.
    pub(super) async fn wait(mut self) -> std::io::Result<()> {
        while self.stream.read(&mut [0; 4096]).await? > 0 {}
        Ok(())
    }
}

/// Reads one request with its body, and returns both.
pub(super) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                return Ok(text.into_owned());
            }
        }
    }
}

/// What a receiver does after its response.
#[derive(Clone)]
pub(super) enum Then {
    Close,
    Wait,
    Repeat(Bytes),
}

/// Reads a request and answers with these bytes.
pub(super) fn saying(
    response: impl Into<Bytes>,
    then: Then,
) -> impl Fn(Caller) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>> {
    let response = response.into();
    move |mut caller| {
        let (response, then) = (response.clone(), then.clone());
        Box::pin(async move {
            caller.request().await?;
            caller.send(response).await?;
            match then {
                Then::Close => Ok(()),
                Then::Wait => caller.wait().await,
                Then::Repeat(bytes) => caller.send_for_ever(bytes, Duration::ZERO).await,
            }
        })
    }
}
