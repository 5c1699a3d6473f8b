//! Sends header names with the case that the dialect or the endpoint gave them.
//!
//! A receiver's document prints `X-UserHero-Signature`, and some receivers look for exactly that, but
//! [`http::HeaderName`] is always lower-case. The HTTP library can write names as they stood in a request that it
//! read, which is meant for proxies. So it is given a request with the wanted names to read once, from memory, and
//! what it remembers of them is cached. Only HTTP/1.1 needs this: over HTTP/2 names are lower-case (RFC 9113, section
//! 8.2.1).

use std::convert::Infallible;
use std::future::ready;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Extensions, HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use moka::future::Cache;
use tidings_dialect::CasedHeaderName;
use tokio::io::AsyncWriteExt as _;

/// Cached lists of names: one for each dialect, and one for each list of headers that endpoints add.
const MAX_KEPT: u64 = 10_000;
/// Names added to every request that are not in the usual case (`Host`): Trace Context, section 3.2.1, wants lower
/// case.
const OURS: &str = "traceparent:\r\n";
/// More headers than any request has.
const MAX_HEADERS: usize = 256;

/// Remembers how lists of names are spelled.
pub(super) struct HeaderCases(Cache<String, Extensions>);

impl HeaderCases {
    pub(super) fn new() -> Self {
        Self(Cache::new(MAX_KEPT))
    }

    /// Request extensions that make the HTTP library write these names in their own case.
    pub(super) async fn of(&self, headers: &[(CasedHeaderName, HeaderValue)]) -> Extensions {
        let mut lines: String = headers.iter().flat_map(|(name, _)| [name.as_str(), ":\r\n"]).collect();
        lines.push_str(OURS);
        self.0.get_with_by_ref(&lines, read(&lines)).await
    }
}

/// Lets the HTTP library read a request with these header lines and returns the extensions it adds.
async fn read(lines: &str) -> Extensions {
    let request = format!("POST / HTTP/1.1\r\n{lines}\r\n");
    let (mut to, from) = tokio::io::duplex(request.len());
    let remembered = Mutex::new(Extensions::new());
    let service = service_fn(|request: Request<Incoming>| {
        if let Ok(mut remembered) = remembered.lock() {
            *remembered = request.into_parts().0.extensions;
        }
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let reading = http1::Builder::new()
        .preserve_header_case(true)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(from), service);
    let asking = async {
        // It all fits in the pipe, and whether anybody reads it shows in what is remembered.
        let _ = to.write_all(request.as_bytes()).await;
        drop(to);
    };
    // The answer can't be delivered any more; it was never wanted.
    let (_, _) = tokio::join!(reading, asking);
    remembered.into_inner().unwrap_or_default()
}
