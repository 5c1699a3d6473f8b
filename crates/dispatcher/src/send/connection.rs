//! A connection to a receiver with the traits that the HTTP library needs.

use std::net::IpAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::tap::{Tap, Tapped};

pub(super) type Io = TokioIo<Tapped<Either<TcpStream, Box<TlsStream<TcpStream>>>>>;

/// A plain or encrypted stream.
pub(super) struct Connection {
    pub(super) io: Io,
    pub(super) tap: Arc<Tap>,
    /// The address at its end; none if only the proxy knows.
    pub(super) remote: Option<IpAddr>,
    /// ALPN selected HTTP/2.
    pub(super) is_http2: bool,
}

impl Connection {
    pub(super) fn plain(tcp: TcpStream, remote: Option<IpAddr>) -> Self {
        Self::over(Either::Left(tcp), remote, false)
    }

    pub(super) fn encrypted(tls: TlsStream<TcpStream>, remote: Option<IpAddr>) -> Self {
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Self::over(Either::Right(Box::new(tls)), remote, is_http2)
    }

    fn over(stream: Either<TcpStream, Box<TlsStream<TcpStream>>>, remote: Option<IpAddr>, is_http2: bool) -> Self {
        let tap = Arc::new(Tap::new());
        Self {
            io: TokioIo::new(Tapped::new(stream, tap.clone())),
            tap,
            remote,
            is_http2,
        }
    }
}
