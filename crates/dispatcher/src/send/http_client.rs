//! The HTTP client: requests over pooled connections that [`Connector`] makes, and why one of them got no response.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tidings_domain::{FailureReason, Timing};
use url::Url;

use super::connect::{ConnectError, Connector, Network};
use super::timing;
use super::{Deadline, NoAnswer};

/// How much of an HTTP/2 response may arrive before it is read, bytes: of one stream and of one connection.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// After what silence an HTTP/2 connection with requests under way is asked for a sign of life, and how long that may
/// take. All requests to a host share one connection, so one that died unnoticed would fail them all.
const PING_AFTER: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection waits for another request, and how many of a host do.
const IDLE: Duration = Duration::from_secs(60);
const MAX_IDLE: usize = 64;

/// How often a request is sent again that its receiver says it has not begun to work on.
const MAX_RESENDS: usize = 2;

/// Sends requests. Clients that present themselves differently in TLS have pools of their own.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
    network: Arc<Network>,
}

impl HttpClient {
    /// A client with connections of its own.
    pub(crate) fn new(network: Arc<Network>, mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connector = Connector::new(network.clone(), Arc::new(tls));
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_title_case_headers(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(PING_AFTER)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(connector);
        Self { client, network }
    }

    /// Posts a body, its headers' names spelled like this or else as usual (`Host`), and waits for the head of the response, redirect or not, until the deadline.
    pub(crate) async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        spelling: Extensions,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<(Response<Incoming>, Timing), NoAnswer> {
        let failed = |reason, error: String, timing| NoAnswer { reason, error, timing };
        if let Err(error) = self.network.resolver.rules().check_url(url) {
            return Err(failed(
                FailureReason::BlockedAddress,
                error.to_string(),
                Timing::default(),
            ));
        }
        let uri: Uri = url.as_str().parse().map_err(|error| {
            failed(
                FailureReason::Protocol,
                format!("no request: {error}"),
                Timing::default(),
            )
        })?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        *request.extensions_mut() = spelling;
        let accept = request.headers_mut().entry(header::ACCEPT);
        accept.or_insert(HeaderValue::from_static("*/*"));

        let connection = capture_connection(&mut request);
        let exchange = tokio::time::timeout_at(deadline.at, self.exchange(request));
        let has_connection = || connection.connection_metadata().is_some();
        match timing::measured(exchange, has_connection).await {
            (Ok(Ok(response)), timing) => {
                let first_byte = Some(deadline.elapsed());
                Ok((response, Timing { first_byte, ..timing }))
            }
            (Ok(Err(error)), timing) => Err(failed(judge(&error), explain(&error), timing)),
            (Err(_), timing) => {
                let error = format!("no response within {:?}", deadline.within);
                Err(failed(FailureReason::Timeout, error, timing))
            }
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, legacy::Error> {
        for _ in 0..MAX_RESENDS {
            match self.client.request(request.clone()).await {
                Err(error) if was_not_begun(&error) => {}
                other => return other,
            }
        }
        self.client.request(request).await
    }
}

/// A connection that its receiver is closing in good order, or a stream that it refused (RFC 9113, section 8.7).
fn was_not_begun(error: &legacy::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<h2::Error>())
        .any(|error| {
            let reason = error.reason();
            error.is_remote()
                && (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)
                    || error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM))
        })
}

/// Finds out at which step a request failed, from the errors that led to the failure.
fn judge(error: &legacy::Error) -> FailureReason {
    let mut reason = FailureReason::Protocol;
    for cause in causes(error) {
        if let Some(connect) = cause.downcast_ref::<ConnectError>() {
            return connect.reason();
        }
        if is_tls(cause) {
            return FailureReason::Tls;
        }
        let http = cause.downcast_ref::<hyper::Error>();
        if http.is_some_and(hyper::Error::is_timeout) {
            return FailureReason::Timeout;
        }
        if cause.is::<std::io::Error>() || http.is_some_and(hyper::Error::is_incomplete_message) {
            reason = FailureReason::Connect;
        }
    }
    reason
}

/// TLS errors travel inside I/O errors, which may lie in each other.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    error.is::<rustls::Error>()
        || error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .is_some_and(|inner| is_tls(inner))
}

/// An error's causes, each once.
fn explain(error: &legacy::Error) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let part = cause.to_string();
        if !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
    }
    if text.is_empty() {
        "the request failed".into()
    } else {
        text
    }
}

fn causes(error: &legacy::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
