//! Sending one request and reading its response, within bounds and one deadline (guarantee G8).

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tidings_dialect::Request;
use tidings_domain::FailureReason;
use tidings_domain::destination::Destinations;
use tidings_domain::trace::TraceParent;
use url::{Host, Url};

use crate::resolve::{GuardedResolver, ResolveError};

#[cfg(test)]
mod tests;
mod unpack;

/// The most header lines and the longest value that are kept of a response.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_VALUE: usize = 1_024;

/// How long making a connection may take, the name's lookup and the TLS handshake included. A request's deadline
/// covers these too, but a connection that is still being made when its request gets another one goes on without
/// that request, and a receiver that never ends the handshake would hold a socket for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of an HTTP/2 response may arrive before it is read, bytes: of one stream and of one connection.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// After what silence an HTTP/2 connection with requests under way is asked for a sign of life, and how long that may
/// take. All requests to a host share one connection, so one that died unnoticed would fail them all.
const PING_AFTER: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests over pooled connections.
pub(crate) struct Sender {
    client: Client,
    destinations: Destinations,
    max_response: usize,
}

/// Why requests can't be sent at all.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct SenderError(String);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) truncated: bool,
    pub(crate) remote_address: Option<IpAddr>,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) reason: FailureReason,
    pub(crate) error: String,
}

impl Sender {
    /// A sender that asks these name servers, or the system's if there are none, and keeps so many bytes of a
    /// response's body.
    pub(crate) fn new(
        destinations: Destinations,
        nameservers: &[SocketAddr],
        max_response: usize,
    ) -> Result<Self, SenderError> {
        Self::connecting_within(CONNECT_TIMEOUT, destinations, nameservers, max_response)
    }

    fn connecting_within(
        connect_timeout: Duration,
        destinations: Destinations,
        nameservers: &[SocketAddr],
        max_response: usize,
    ) -> Result<Self, SenderError> {
        // Another part of the process may have chosen the provider already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resolver = GuardedResolver::new(destinations.clone(), nameservers)
            .map_err(|error| SenderError(format!("no resolver: {error}")))?;
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(connect_timeout)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(PING_AFTER)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(64)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(|error| SenderError(explain(&error)))?;
        Ok(Self {
            client,
            destinations,
            max_response,
        })
    }

    /// Sends a request; whatever happens, it ends at the deadline.
    pub(crate) async fn send(
        &self,
        url: &Url,
        request: &Request,
        traceparent: Option<&TraceParent>,
        timeout: Duration,
    ) -> Result<Answer, NoAnswer> {
        self.check_address(url)?;
        let mut builder = self
            .client
            .post(url.clone())
            .header(header::ACCEPT_ENCODING, unpack::ACCEPT_ENCODING)
            .body(request.body.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(trace) = traceparent {
            builder = builder.header("traceparent", trace.as_str());
        }
        let deadline = Instant::now() + timeout;
        match tokio::time::timeout_at(deadline.into(), builder.send()).await {
            Err(_) => Err(NoAnswer {
                reason: FailureReason::Timeout,
                error: format!("no response within {timeout:?}"),
            }),
            Ok(Err(error)) => Err(judge(&error)),
            Ok(Ok(response)) => Ok(self.read(response, deadline).await),
        }
    }

    /// An address in place of a name never meets the resolver.
    fn check_address(&self, url: &Url) -> Result<(), NoAnswer> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        if self.destinations.allows(address) {
            return Ok(());
        }
        let error = format!("{address} is not a public address");
        Err(NoAnswer {
            reason: FailureReason::BlockedAddress,
            error,
        })
    }

    /// Reads what is kept of a response. The status is the receiver's answer: a body that is too long, too slow
    /// or broken is cut off and does not change it.
    async fn read(&self, mut response: Response, deadline: Instant) -> Answer {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let remote_address = response.remote_addr().map(|address| address.ip());
        let mut body = BytesMut::new();
        let cut_off = loop {
            match tokio::time::timeout_at(deadline.into(), response.chunk()).await {
                Ok(Ok(None)) => break false,
                Ok(Ok(Some(chunk))) => {
                    let room = self.max_response - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        break true;
                    }
                }
                Ok(Err(_)) | Err(_) => break true,
            }
        };
        let (body, not_whole) = unpack::unpack(&headers, body.freeze(), self.max_response);
        Answer {
            status,
            headers,
            body,
            truncated: cut_off || not_whole,
            remote_address,
        }
    }
}

impl Answer {
    /// The header lines that are kept, as text.
    pub(crate) fn header_lines(&self) -> Vec<(String, String)> {
        self.headers
            .iter()
            .take(MAX_HEADERS)
            .map(|(name, value)| {
                let value = &value.as_bytes()[..value.len().min(MAX_HEADER_VALUE)];
                (name.as_str().to_owned(), String::from_utf8_lossy(value).into_owned())
            })
            .collect()
    }
}

/// Finds out at which step a request failed, from the errors that led to the failure.
fn judge(error: &reqwest::Error) -> NoAnswer {
    let mut reason = if error.is_timeout() {
        FailureReason::Timeout
    } else if error.is_connect() {
        FailureReason::Connect
    } else {
        FailureReason::Protocol
    };
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(resolve) = inner.downcast_ref::<ResolveError>() {
            reason = match resolve {
                ResolveError::Blocked { .. } => FailureReason::BlockedAddress,
                ResolveError::Dns { .. } | ResolveError::Nothing { .. } => FailureReason::Dns,
            };
            break;
        }
        if is_tls(inner) {
            reason = FailureReason::Tls;
            break;
        }
        let broke = inner.is::<std::io::Error>()
            || inner
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_incomplete_message);
        if broke && reason == FailureReason::Protocol {
            reason = FailureReason::Connect;
        }
        cause = inner.source();
    }
    NoAnswer {
        reason,
        error: explain(error),
    }
}

/// TLS errors travel inside I/O errors, which may lie in each other.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<rustls::Error>()
        || error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .is_some_and(|inner| is_tls(inner))
}

/// An error with its causes, without the URL, which may hold a token.
fn explain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = error.source();
    while let Some(inner) = cause {
        let part = inner.to_string();
        if !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        cause = inner.source();
    }
    if text.is_empty() {
        "the request failed".into()
    } else {
        text
    }
}
