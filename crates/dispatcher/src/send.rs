//! Sending one request and reading its response, within bounds and one deadline (guarantee G8).

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tidings_dialect::Request;
use tidings_domain::FailureReason;
use tidings_domain::destination::Destinations;
use tidings_domain::trace::TraceParent;
use url::{Host, Url};

use crate::resolve::{GuardedResolver, ResolveError};

/// The most header lines and the longest value that are kept of a response.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_VALUE: usize = 1_024;

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
    pub(crate) fn new(destinations: Destinations, max_response: usize) -> Result<Self, SenderError> {
        // Another part of the process may have chosen the provider already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(GuardedResolver(destinations.clone())))
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
        let mut builder = self.client.post(url.clone()).body(request.body.clone());
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
        let truncated = loop {
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
        Answer {
            status,
            headers,
            body: body.freeze(),
            truncated,
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
    let mut reason = if error.is_connect() {
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
        if inner.downcast_ref::<rustls::Error>().is_some() {
            reason = FailureReason::Tls;
            break;
        }
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            // TLS errors travel inside I/O errors.
            match io.get_ref().and_then(|wrapped| wrapped.downcast_ref::<rustls::Error>()) {
                Some(_) => reason = FailureReason::Tls,
                None if reason == FailureReason::Protocol => reason = FailureReason::Connect,
                None => {}
            }
        }
        cause = inner.source();
    }
    NoAnswer {
        reason,
        error: explain(error),
    }
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
