//! Sends one request and reads its response, within size limits and one deadline (guarantee G8).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use tidings_dialect::{CasedHeaderName, Request};
use tidings_domain::destination::Destinations;
use tidings_domain::trace::TraceParent;
use tidings_domain::{Endpoint, FailureReason, Timing};
use tokio::time::Instant;
use url::Url;

use crate::resolve::GuardedResolver;

use self::client::Clients;
use self::connect::Network;
use self::header_case::HeaderCases;
use self::http_client::{HttpClient, Reply};
use self::token::Tokens;

mod addresses;
mod authenticate;
mod broken;
mod client;
mod connect;
mod connection;
mod decompress;
mod handshake;
mod head;
mod header_case;
mod http_client;
mod lease;
mod outbound;
mod pool;
mod proxy;
mod tap;
#[cfg(test)]
mod tests;
mod timing;
mod token;
mod trust;
mod usual;

pub use self::proxy::{Proxy, ProxyConfigError};

/// The most header lines and the longest value that are kept of a response.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_VALUE: usize = 1_024;

/// Time limit for making a connection, including name lookup and TLS handshake, for requests with a longer timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests over pooled connections.
pub(crate) struct Sender {
    clients: Clients,
    header_cases: HeaderCases,
    tokens: Tokens,
    max_response: usize,
}

/// A request on its way out.
struct Outgoing<'a> {
    url: &'a Url,
    headers: &'a [(CasedHeaderName, HeaderValue)],
    /// Number of headers, from the first, that are in the usual case.
    added: usize,
    body: Bytes,
}

/// End of an attempt, whatever it is doing then.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    /// Total time of the attempt, for error texts.
    within: Duration,
    /// Time by which it was postponed.
    waited: Duration,
}

impl Deadline {
    fn after(within: Duration) -> Self {
        Self {
            at: Instant::now() + within,
            within,
            waited: Duration::ZERO,
        }
    }

    /// Postpones the deadline by time that is not part of the attempt.
    fn put_off(&mut self, by: Duration) {
        self.at += by;
        self.waited += by;
    }

    /// Duration of the attempt so far.
    fn elapsed(&self) -> Duration {
        (self.at - self.within).elapsed()
    }
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct SenderError(String);

/// A response, read as far as it is recorded.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) truncated: bool,
    /// None if only the proxy knows.
    pub(crate) remote_address: Option<IpAddr>,
    pub(crate) is_http2: bool,
    pub(crate) timing: Timing,
    /// Reason for sending the request a second time.
    pub(crate) sent_again: Option<Box<str>>,
    /// Wait for a connection that other requests made; not part of the attempt.
    pub(crate) waited: Duration,
}

/// A request without a response.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) reason: FailureReason,
    pub(crate) error: Box<str>,
    pub(crate) timing: Timing,
    /// Reason for sending the request a second time.
    pub(crate) sent_again: Option<Box<str>>,
    /// Wait for a connection that other requests made; not part of the attempt.
    pub(crate) waited: Duration,
    /// The receiver was not contacted, because this machine could make no connection. Then this is no attempt.
    pub(crate) ours: bool,
}

impl NoAnswer {
    fn new(reason: FailureReason, error: impl Into<Box<str>>) -> Self {
        Self {
            reason,
            error: error.into(),
            timing: Timing::default(),
            sent_again: None,
            waited: Duration::ZERO,
            ours: false,
        }
    }
}

impl Sender {
    /// A sender with an optional proxy, the given name servers (the system's if empty), which keeps `max_response`
    /// bytes of a body.
    pub(crate) fn new(
        destinations: Destinations,
        proxy: Option<Proxy>,
        nameservers: &[SocketAddr],
        max_response: usize,
    ) -> Result<Self, SenderError> {
        Self::connecting_within(CONNECT_TIMEOUT, destinations, proxy, nameservers, max_response)
    }

    fn connecting_within(
        connect_timeout: Duration,
        destinations: Destinations,
        proxy: Option<Proxy>,
        nameservers: &[SocketAddr],
        max_response: usize,
    ) -> Result<Self, SenderError> {
        let resolver = GuardedResolver::new(destinations, nameservers)
            .map_err(|error| SenderError(format!("no resolver: {error}")))?;
        let network = Network {
            resolver,
            proxy,
            connect_timeout,
        };
        Ok(Self {
            clients: Clients::new(Arc::new(network))?,
            header_cases: HeaderCases::new(),
            tokens: Tokens::new(),
            max_response,
        })
    }

    /// Sends a request to an endpoint, with what lets it in; whatever happens, it ends at the deadline. The request has
    /// the headers afterwards that were added to it.
    pub(crate) async fn send(
        &self,
        endpoint: &Endpoint,
        request: &mut Request,
        traceparent: Option<&TraceParent>,
        timeout: Duration,
    ) -> Result<Answer, NoAnswer> {
        let deadline = Deadline::after(timeout);
        let authentication = &endpoint.authentication;
        let client = self.clients.of(authentication)?;
        authenticate::authenticate(request, authentication)?;
        let token = match &authentication.authorization {
            Some(authorization) if !authenticate::has(request, &header::AUTHORIZATION) => {
                self.token(endpoint.id, authorization, deadline).await?
            }
            _ => None,
        };
        if let Some(token) = &token {
            request
                .headers
                .push((header::AUTHORIZATION.into(), token.header.clone()));
        }
        let body = request.body.clone();
        let added = usual::add_usual(&mut request.headers, &endpoint.url, body.len(), traceparent);
        let outgoing = Outgoing {
            url: &endpoint.url,
            headers: &request.headers,
            added,
            body,
        };
        let answer = self.exchange(&client, outgoing, deadline, self.max_response).await?;
        // One attempt is one request, so it is the next one that fetches a new token.
        if let Some(token) = token.filter(|_| answer.status == StatusCode::UNAUTHORIZED) {
            self.tokens.forget(&token).await;
        }
        Ok(answer)
    }

    /// Sends a request and reads up to `max_response` bytes of the response's body.
    async fn exchange(
        &self,
        client: &HttpClient,
        outgoing: Outgoing<'_>,
        mut deadline: Deadline,
        max_response: usize,
    ) -> Result<Answer, NoAnswer> {
        let mut headers = HeaderMap::with_capacity(outgoing.headers.len());
        headers.extend(
            outgoing
                .headers
                .iter()
                .map(|(name, value)| (Some(name.name().clone()), value.clone())),
        );
        let header_case = self.header_cases.of(&outgoing.headers[outgoing.added..]).await;
        let reply = client
            .post(outgoing.url, headers, header_case, outgoing.body, &mut deadline)
            .await?;
        Ok(read(reply, deadline, max_response).await)
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

/// Reads what is kept of a response. The status is the receiver's answer: a body that is too long, too slow
/// or broken is cut off and does not change it.
async fn read(reply: Reply, deadline: Deadline, max_response: usize) -> Answer {
    let mut body = BytesMut::new();
    let mut cut_off = true;
    if let Some((mut stream, lease)) = reply.rest {
        loop {
            match tokio::time::timeout_at(deadline.at, stream.frame()).await {
                Ok(None) => {
                    cut_off = false;
                    lease.give_back(&reply.headers).await;
                    break;
                }
                Ok(Some(Ok(frame))) => {
                    // Trailers are not kept.
                    let Some(chunk) = frame.data_ref() else { continue };
                    let room = max_response - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    // The rest stays unread, so an HTTP/1.1 connection ends here and is not given back.
                    if chunk.len() > room {
                        break;
                    }
                }
                Ok(Some(Err(_))) => break,
                Err(_) => {
                    lease.retire();
                    break;
                }
            }
        }
    }
    let (body, not_whole) = decompress::decompress(&reply.headers, body.freeze(), max_response);
    Answer {
        status: reply.status,
        headers: reply.headers,
        body,
        truncated: cut_off || not_whole,
        remote_address: reply.remote,
        is_http2: reply.is_http2,
        timing: reply.timing,
        sent_again: reply.sent_again,
        waited: deadline.waited,
    }
}
