//! HTTP client: sends requests over pooled connections from [`Network`] and explains why one got no response.
//!
//! A connection that ends while a request is on its way says nothing about the receiver and must not cost an attempt.
//! Such a request is repeated at once on a new connection: once if a reused connection broke (RFC 9112, section
//! 9.3.1), more often if the receiver reports that it did not process it, and over HTTP/1.1 if the receiver demands
//! that. What breaks on a new connection is the receiver's failure and is not repeated.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use rustls::ClientConfig;
use tidings_domain::{FailureReason, Timing};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Url;

use super::broken::{Broken, Kind};
use super::connect::{ConnectError, Network};
use super::connection::Connection;
use super::handshake::handshake;
use super::head;
use super::lease::Lease;
use super::outbound::{Outbound, Taken};
use super::pool::{Found, Origin, Pool};
use super::timing::{self, Part};
use super::{Deadline, NoAnswer};

/// Sends requests. Clients that present themselves differently in TLS have pools of their own.
#[derive(Clone)]
pub(crate) struct HttpClient {
    network: Arc<Network>,
    /// Offers HTTP/2 and HTTP/1.1, or HTTP/1.1 alone.
    tls: TlsConnector,
    tls_http1: TlsConnector,
    pool: Arc<Pool>,
}

/// Head of a response, with its body still to be read.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// None if what followed the status can't be read.
    pub(super) rest: Option<(Incoming, Lease)>,
    /// None if only the proxy knows.
    pub(super) remote: Option<IpAddr>,
    pub(super) is_http2: bool,
    pub(super) timing: Timing,
    pub(super) sent_again: Option<Box<str>>,
}

/// A request, as often as it is sent.
struct Outgoing {
    uri: Uri,
    headers: HeaderMap,
    header_case: Extensions,
    body: Bytes,
}

/// A request without a response.
struct Failure {
    reason: FailureReason,
    words: String,
    /// The cause is a shortage on this machine: the receiver was not contacted.
    ours: bool,
}

impl HttpClient {
    /// A client with connections of its own.
    pub(crate) fn new(network: Arc<Network>, mut tls: ClientConfig) -> Self {
        let mut http1 = tls.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            network,
            tls: TlsConnector::from(Arc::new(tls)),
            tls_http1: TlsConnector::from(Arc::new(http1)),
            pool: Pool::new(),
        }
    }

    /// Posts a body, its headers' names spelled like this or else as usual (`Host`), and waits for the head of the
    /// response, redirect or not, until the deadline. Waiting for a connection that other requests make puts it off.
    pub(crate) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        header_case: Extensions,
        body: Bytes,
        deadline: &mut Deadline,
    ) -> Result<Reply, NoAnswer> {
        // The endpoint may have been stored under other rules, so they are applied to each request.
        if let Err(error) = self.network.resolver.rules().check_url(url) {
            return Err(NoAnswer::new(FailureReason::BlockedAddress, error.to_string()));
        }
        let unusable = |why: String| NoAnswer::new(FailureReason::Protocol, format!("no request: {why}"));
        let uri: Uri = url.as_str().parse().map_err(|error| unusable(format!("{error}")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
            return Err(unusable("the URL has no host".into()));
        };
        let outgoing = Outgoing {
            uri,
            headers,
            header_case,
            body,
        };
        let mut sent_again = None;
        let exchange = self.exchange((scheme, authority), &outgoing, deadline, &mut sent_again);
        let (exchanged, timing) = timing::measured(exchange).await;
        match exchanged {
            Ok(reply) => {
                let first_byte = Some(deadline.elapsed());
                Ok(Reply {
                    timing: Timing { first_byte, ..timing },
                    sent_again,
                    ..reply
                })
            }
            Err(Failure { reason, words, ours }) => Err(NoAnswer {
                timing,
                sent_again,
                ours,
                waited: deadline.waited,
                ..NoAnswer::new(reason, words)
            }),
        }
    }

    async fn exchange(
        &self,
        origin: Origin,
        outgoing: &Outgoing,
        deadline: &mut Deadline,
        sent_again: &mut Option<Box<str>>,
    ) -> Result<Reply, Failure> {
        let mut made_again = [0; Kind::COUNT];
        let mut anew = false;
        loop {
            let mut lease = self.connection(&origin, &outgoing.uri, anew, deadline).await?;
            let (request, taken) = outgoing.request(lease.is_http2());
            let sent = timeout_at(deadline.at, lease.send(request)).await;
            let (late, was_read) = (sent.is_err(), matches!(sent, Ok(Ok(_))));
            let broken = match sent {
                Ok(Ok(response)) => match Broken::idle_timeout(&response, lease.reused) {
                    // A second 408 is about the request and no longer about an idle connection.
                    Some(broken) if made_again[broken.kind as usize] == 0 => broken,
                    _ => return Ok(reply(response, lease)),
                },
                Ok(Err(error)) => Broken::of(error, lease.tap(), lease.is_http2()),
                Err(_) => Broken::late(&taken, lease.tap(), outgoing.body.len(), deadline),
            };
            // A receiver that answered with a status has the event, so this comes before any repetition.
            if let Some(reply) = status_alone(&lease, &broken).filter(|_| !was_read) {
                return Ok(reply);
            }
            let allowed = broken.kind.sent_again_at_most(lease.reused);
            let count = &mut made_again[broken.kind as usize];
            if late {
                lease.retire();
            } else {
                drop(lease);
            }
            if *count >= allowed {
                return Err(Failure::of(broken));
            }
            *count += 1;
            // Other idle connections of the host may have ended in the same way.
            anew = true;
            if broken.kind == Kind::Http1Required {
                self.pool.use_http1(&origin);
            }
            // What never left this machine was not sent twice.
            if broken.kind != Kind::NotSent {
                *sent_again = Some(broken.words.into());
            }
        }
    }

    /// A connection that is there, or a new one; or one that becomes free while that is being made.
    async fn connection(
        &self,
        origin: &Origin,
        uri: &Uri,
        anew: bool,
        deadline: &mut Deadline,
    ) -> Result<Lease, Failure> {
        let mut making = if anew {
            self.pool.make(origin)
        } else {
            match self.pool.find(origin) {
                Found::Connection(lease) => return Ok(lease),
                Found::Nothing(making) => making,
            }
        };
        let began = Instant::now();
        let found = making.wait().await;
        deadline.put_off(began.elapsed());
        if let Some(lease) = found {
            return Ok(lease);
        }
        let made = tokio::select! {
            made = timeout_at(deadline.at, self.make(origin, uri, deadline)) => made,
            lease = making.other(), if !anew => {
                timing::forget();
                return Ok(lease);
            }
        };
        let connection = match made {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(self.no_connection(origin, &error)),
            Err(_) => return Err(Failure::of(Broken::not_connected(deadline))),
        };
        timing::connected();
        handshake(connection, making)
            .await
            .map_err(|error| Failure::of(Broken::of_handshake(&error)))
    }

    async fn make(&self, origin: &Origin, uri: &Uri, deadline: &Deadline) -> Result<Connection, ConnectError> {
        let tls = if self.pool.uses_http1(origin) {
            &self.tls_http1
        } else {
            &self.tls
        };
        self.network.connect(uri, tls, deadline.within).await
    }

    /// A receiver that takes requests on the connections it has, and no more connections, has only too much to do.
    fn no_connection(&self, origin: &Origin, error: &ConnectError) -> Failure {
        let busy = error.is_refused() && self.pool.has_connections(origin);
        Failure {
            reason: error.reason(),
            words: error.in_words(),
            ours: busy || error.is_ours(),
        }
    }
}

fn reply(response: Response<Incoming>, lease: Lease) -> Reply {
    let (head, body) = response.into_parts();
    Reply {
        status: head.status,
        headers: head.headers,
        remote: lease.remote(),
        is_http2: lease.is_http2(),
        rest: Some((body, lease)),
        timing: Timing::default(),
        sent_again: None,
    }
}

/// The answer, if nothing of it but its status can be read.
fn status_alone(lease: &Lease, broken: &Broken) -> Option<Reply> {
    if lease.is_http2() || broken.kind == Kind::NotSent {
        return None;
    }
    let (status, headers) = head::read(&lease.tap().head())?;
    Some(Reply {
        status,
        headers,
        rest: None,
        remote: lease.remote(),
        is_http2: false,
        timing: Timing::default(),
        sent_again: None,
    })
}

impl Outgoing {
    /// As it is sent over this version of HTTP: the host is a header in one and a part of the URL in the other.
    fn request(&self, is_http2: bool) -> (Request<Outbound>, Taken) {
        let (body, taken) = Outbound::new(self.body.clone());
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.headers_mut() = self.headers.clone();
        if is_http2 {
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = self.uri.clone();
            request.headers_mut().remove(header::HOST);
        } else {
            let target = self.uri.path_and_query().cloned();
            *request.uri_mut() = target.map_or_else(|| Uri::from_static("/"), Uri::from);
            *request.extensions_mut() = self.header_case.clone();
            let authority = self.uri.authority().map(|authority| authority.as_str());
            if let Some(Ok(host)) = authority.map(HeaderValue::from_str) {
                request.headers_mut().entry(header::HOST).or_insert(host);
            }
        }
        (request, taken)
    }
}

impl Failure {
    fn of(broken: Broken) -> Self {
        Self {
            reason: broken.reason,
            words: broken.words,
            ours: false,
        }
    }
}

impl Broken {
    /// The deadline came before there was a connection.
    fn not_connected(deadline: &Deadline) -> Self {
        let (reason, doing) = match timing::under_way() {
            Some(Part::Dns) => (FailureReason::Dns, "the host's name was still being looked up"),
            Some(Part::Tls) => (FailureReason::Timeout, "the TLS handshake had not ended"),
            Some(Part::Connect) | None => (FailureReason::Timeout, "there was no connection yet"),
        };
        let words = format!("no response within {:?}: {doing}", deadline.within);
        Self {
            kind: Kind::Final,
            reason,
            words,
        }
    }
}
