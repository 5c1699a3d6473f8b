//! A connection to a receiver, as the HTTP client needs it.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{self, Connected};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

type Io = TokioIo<Either<TcpStream, Box<TlsStream<TcpStream>>>>;

/// A connection, encrypted or not.
pub(super) struct Connection {
    io: Io,
    remote: Option<IpAddr>,
}

/// The address that a response came from, in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemoteAddress(pub(super) IpAddr);

impl Connection {
    /// `remote` is none if only the proxy knows.
    pub(super) fn plain(tcp: TcpStream, remote: Option<IpAddr>) -> Self {
        let io = TokioIo::new(Either::Left(tcp));
        Self { io, remote }
    }

    pub(super) fn encrypted(tls: TlsStream<TcpStream>, remote: Option<IpAddr>) -> Self {
        let io = TokioIo::new(Either::Right(Box::new(tls)));
        Self { io, remote }
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut Io> {
        Pin::new(&mut self.get_mut().io)
    }
}

impl connect::Connection for Connection {
    fn connected(&self) -> Connected {
        let mut connected = Connected::new();
        if let Some(remote) = self.remote {
            connected = connected.extra(RemoteAddress(remote));
        }
        match self.io.inner() {
            Either::Right(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl Read for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.io().poll_read(context, buffer)
    }
}

impl Write for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(context, parts)
    }
}
