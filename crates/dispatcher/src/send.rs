//! Sending one request and reading its response, within bounds and one deadline (guarantee G8).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tidings_dialect::{Request, SpelledName};
use tidings_domain::destination::Destinations;
use tidings_domain::trace::TraceParent;
use tidings_domain::{Endpoint, FailureReason, Timing};
use tokio::time::Instant;
use url::Url;

use crate::resolve::GuardedResolver;

use self::client::Clients;
use self::connect::Network;
use self::connection::RemoteAddress;
use self::http_client::HttpClient;
use self::spelling::Spellings;
use self::token::Tokens;

mod authenticate;
mod client;
mod connect;
mod connection;
mod http_client;
mod proxy;
#[cfg(test)]
mod servers;
mod spelling;
#[cfg(test)]
mod tests;
mod timing;
mod token;
mod unpack;

pub use self::proxy::{Proxy, ProxyConfigError};

/// The most header lines and the longest value that are kept of a response.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_VALUE: usize = 1_024;

/// How long making a connection may take, the name's lookup and the TLS handshake included. A request's deadline
/// covers these too, but a connection that is still being made when its request gets another one goes on without
/// that request, and a receiver that never ends the handshake would hold a socket for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests over pooled connections.
pub(crate) struct Sender {
    clients: Clients,
    spellings: Spellings,
    tokens: Tokens,
    max_response: usize,
}

/// A request on its way out.
struct Outgoing<'a> {
    url: &'a Url,
    headers: &'a [(SpelledName, HeaderValue)],
    body: Bytes,
    traceparent: Option<&'a TraceParent>,
}

/// When an attempt ends, whatever it is doing then.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    /// How long it had, for those who read why it failed.
    within: Duration,
}

impl Deadline {
    fn after(within: Duration) -> Self {
        Self {
            at: Instant::now() + within,
            within,
        }
    }

    /// How long the attempt has been under way.
    fn elapsed(&self) -> Duration {
        (self.at - self.within).elapsed()
    }
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
    /// None if only the proxy knows.
    pub(crate) remote_address: Option<IpAddr>,
    pub(crate) timing: Timing,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) reason: FailureReason,
    pub(crate) error: String,
    pub(crate) timing: Timing,
}

impl Sender {
    /// A sender that goes through the proxy, if there is one, asks these name servers, or the system's if there are
    /// none, and keeps so many bytes of a response's body.
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
            spellings: Spellings::new(),
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
        let outgoing = Outgoing {
            url: &endpoint.url,
            headers: &request.headers,
            body: request.body.clone(),
            traceparent,
        };
        let answer = self.exchange(&client, outgoing, deadline, self.max_response).await?;
        // One attempt is one request: the next one asks for a new token.
        if let Some(token) = token.filter(|_| answer.status == StatusCode::UNAUTHORIZED) {
            self.tokens.forget(&token).await;
        }
        Ok(answer)
    }

    /// Sends a request and reads so many bytes of the response's body.
    async fn exchange(
        &self,
        client: &HttpClient,
        outgoing: Outgoing<'_>,
        deadline: Deadline,
        max_response: usize,
    ) -> Result<Answer, NoAnswer> {
        let mut headers = HeaderMap::with_capacity(outgoing.headers.len() + 4);
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static(unpack::ACCEPT_ENCODING),
        );
        headers.extend(
            outgoing
                .headers
                .iter()
                .map(|(name, value)| (Some(name.name().clone()), value.clone())),
        );
        if let Some(Ok(trace)) = outgoing.traceparent.map(|trace| HeaderValue::from_str(trace.as_str())) {
            headers.append("traceparent", trace);
        }
        let spelling = self.spellings.of(outgoing.headers).await;
        let (response, timing) = client
            .post(outgoing.url, headers, spelling, outgoing.body, deadline)
            .await?;
        Ok(read(response, timing, deadline, max_response).await)
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
async fn read(response: Response<Incoming>, timing: Timing, deadline: Deadline, max_response: usize) -> Answer {
    let (head, mut stream) = response.into_parts();
    let mut body = BytesMut::new();
    let cut_off = loop {
        match tokio::time::timeout_at(deadline.at, stream.frame()).await {
            Ok(None) => break false,
            Ok(Some(Ok(frame))) => {
                // Trailers are not kept.
                let Some(chunk) = frame.data_ref() else { continue };
                let room = max_response - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    break true;
                }
            }
            Ok(Some(Err(_))) | Err(_) => break true,
        }
    };
    let (body, not_whole) = unpack::unpack(&head.headers, body.freeze(), max_response);
    Answer {
        status: head.status,
        headers: head.headers,
        body,
        truncated: cut_off || not_whole,
        remote_address: head.extensions.get().map(|RemoteAddress(address)| *address),
        timing,
    }
}
