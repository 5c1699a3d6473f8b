//! Meaning of an exchange that broke off: the error to report, and if the request may be sent again.

use std::error::Error;
use std::io;

use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tidings_domain::FailureReason;

use super::Deadline;
use super::outbound::{Outbound, Taken};
use super::tap::Tap;
use super::trust;

/// Maximum repetitions of a request that never left, or that its receiver reported as not processed.
const MAX_NOT_SENT: u32 = 4;
const MAX_NOT_BEGUN: u32 = 2;

/// Maximum bytes shown of a response that is not HTTP.
const MAX_SHOWN: usize = 80;

/// An exchange that ended without a response.
pub(super) struct Broken {
    pub(super) kind: Kind,
    pub(super) reason: FailureReason,
    pub(super) words: String,
}

/// Kind of a broken exchange; it decides how often the request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The connection had ended before anything was sent.
    NotSent,
    /// The receiver says that it has not begun (RFC 9113, section 8.7).
    NotBegun,
    /// The receiver wants this in HTTP/1.1 (RFC 9113, section 7).
    Http1Required,
    /// The connection ended before the first byte of an answer.
    Ended,
    /// The receiver, or the deadline, ended it.
    Final,
}

impl Kind {
    pub(super) const COUNT: usize = 5;

    /// Maximum repetitions on a new connection.
    pub(super) fn sent_again_at_most(self, reused: bool) -> u32 {
        match self {
            Self::NotSent => MAX_NOT_SENT,
            Self::NotBegun => MAX_NOT_BEGUN,
            Self::Http1Required => 1,
            Self::Ended => u32::from(reused),
            Self::Final => 0,
        }
    }
}

impl Broken {
    fn new(kind: Kind, reason: FailureReason, words: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            words: words.into(),
        }
    }

    /// Interprets an error of the HTTP library together with the bytes that were seen on the connection.
    pub(super) fn of(error: Option<TrySendError<Request<Outbound>>>, tap: &Tap, is_http2: bool) -> Self {
        let Some(mut error) = error else {
            return Self::not_sent();
        };
        // The library gives the request back only while nothing of it was written.
        if error.take_message().is_some() {
            return Self::not_sent();
        }
        let error = error.into_error();
        if is_http2 && tap.went_away_for(h2::Reason::HTTP_1_1_REQUIRED) {
            let words = "the receiver wants HTTP/1.1 (GOAWAY, HTTP_1_1_REQUIRED)";
            return Self::new(Kind::Http1Required, FailureReason::Protocol, words);
        }
        // Over HTTP/2 the bytes may be of other requests and prove nothing; its own errors are told apart below.
        let nothing_came = is_http2 || tap.nothing_read();
        for cause in causes(&error) {
            if let Some(tls) = tls_error(cause) {
                let kind = if nothing_came { Kind::Ended } else { Kind::Final };
                return Self::new(kind, FailureReason::Tls, trust::explain(tls));
            }
            if let Some(http2) = cause.downcast_ref::<h2::Error>() {
                return Self::of_http2(http2, tap);
            }
        }
        if error.is_timeout() {
            let words = "the receiver stopped responding (HTTP/2 PING)";
            return Self::new(Kind::Ended, FailureReason::Timeout, words);
        }
        if error.is_parse() && !nothing_came {
            return Self::new(Kind::Final, FailureReason::Protocol, not_http(&tap.head()));
        }
        if nothing_came {
            let how = how_it_ended(causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>()));
            let words = format!("the receiver {how} without an answer");
            return Self::new(Kind::Ended, FailureReason::Protocol, words);
        }
        let words = "the receiver closed the connection before its answer had a status";
        Self::new(Kind::Final, FailureReason::Protocol, words)
    }

    fn of_http2(error: &h2::Error, tap: &Tap) -> Self {
        let reason = error.reason();
        let code = reason.map(|reason| format!("{reason:?}")).unwrap_or_default();
        let remote = error.is_remote();
        match reason {
            Some(h2::Reason::HTTP_1_1_REQUIRED) if remote => {
                let words = "the receiver wants HTTP/1.1 (HTTP_1_1_REQUIRED)";
                Self::new(Kind::Http1Required, FailureReason::Protocol, words)
            }
            Some(h2::Reason::REFUSED_STREAM) if remote && error.is_reset() => {
                let words = "the receiver refused the request before it began with it (REFUSED_STREAM)";
                Self::new(Kind::NotBegun, FailureReason::Protocol, words)
            }
            // Only requests behind the last stream that the receiver took in end like this (RFC 9113, section 6.8).
            Some(h2::Reason::NO_ERROR) if remote && error.is_go_away() => {
                let words = "the receiver closed the connection before it began with the request (GOAWAY)";
                Self::new(Kind::NotBegun, FailureReason::Protocol, words)
            }
            // Sending again at once is what the receiver complains of.
            Some(h2::Reason::ENHANCE_YOUR_CALM) if remote && error.is_go_away() => {
                let words = "the receiver closed the connection, because too much was asked of it (GOAWAY, \
                             ENHANCE_YOUR_CALM)";
                Self::new(Kind::Final, FailureReason::Protocol, words)
            }
            Some(_) if remote && error.is_go_away() => {
                let words = format!("the receiver closed the connection (GOAWAY, {code})");
                Self::new(Kind::Ended, FailureReason::Protocol, words)
            }
            Some(_) if remote => {
                // It may have processed the request, so it is not sent again here.
                let words = format!("the receiver broke the exchange off (RST_STREAM, {code})");
                Self::new(Kind::Final, FailureReason::Protocol, words)
            }
            _ if tap.head().starts_with(b"HTTP/1.") => {
                let words = "the receiver agreed upon HTTP/2 and speaks HTTP/1.1";
                Self::new(Kind::Http1Required, FailureReason::Protocol, words)
            }
            Some(_) => {
                let words = format!("what came back is not HTTP/2 as it should be ({code})");
                Self::new(Kind::Final, FailureReason::Protocol, words)
            }
            None => {
                let words = format!("the receiver {} without an answer", how_it_ended(error.get_io()));
                Self::new(Kind::Ended, FailureReason::Protocol, words)
            }
        }
    }

    /// HTTP could not be begun on a new connection.
    pub(super) fn of_handshake(error: &hyper::Error) -> Self {
        let how = how_it_ended(causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()));
        let words = format!("the receiver {how} before anything was asked");
        Self::new(Kind::Final, FailureReason::Protocol, words)
    }

    /// An answer that is about the connection: nothing had come over it for too long when the request was on its way
    /// already (RFC 9110, section 15.5.9).
    pub(super) fn idle_timeout(response: &Response<Incoming>, reused: bool) -> Option<Self> {
        let closes = response.headers().get(header::CONNECTION);
        let closes = closes.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        (reused && closes && response.status() == StatusCode::REQUEST_TIMEOUT).then(|| {
            let words = "the receiver closed the connection, because nothing had come over it for too long (408)";
            Self::new(Kind::Ended, FailureReason::Protocol, words)
        })
    }

    /// The deadline came before the answer.
    pub(super) fn late(taken: &Taken, tap: &Tap, length: usize, deadline: &Deadline) -> Self {
        let doing = if taken.is_whole() && (length == 0 || tap.written() >= length) {
            "the request was sent, and no answer came"
        } else {
            "the receiver had not taken in the whole request"
        };
        let words = format!("no response within {:?}: {doing}", deadline.within);
        Self::new(Kind::Final, FailureReason::Timeout, words)
    }

    fn not_sent() -> Self {
        let words = "the receiver closed the connection before anything was sent";
        Self::new(Kind::NotSent, FailureReason::Protocol, words)
    }
}

/// Describes how the other side closed the connection.
fn how_it_ended(error: Option<&io::Error>) -> &'static str {
    match error.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) => "reset the connection",
        Some(io::ErrorKind::TimedOut) => "could not be reached any more",
        _ => "closed the connection",
    }
}

fn not_http(head: &[u8]) -> String {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii_end();
    let line = &line[..line.len().min(MAX_SHOWN)];
    let shown: String = line
        .iter()
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect();
    format!("what came back is not an HTTP response, it begins with `{shown}`")
}

/// TLS errors travel inside I/O errors, which may lie in each other.
pub(super) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref::<rustls::Error>().or_else(|| {
        let inner = error.downcast_ref::<io::Error>()?.get_ref()?;
        tls_error(inner)
    })
}

/// An error and what led to it.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}
