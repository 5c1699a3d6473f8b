//! Starts HTTP on a new connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::connection::{Connection, Io};
use super::lease::Lease;
use super::outbound::Outbound;
use super::pool::{About, Making, PING_AFTER, PING_TIMEOUT};

/// HTTP/2 flow-control window of a stream and of the connection: unread bytes that a response may have in flight.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Delays between checks for how many concurrent requests an HTTP/2 receiver allows; until its settings arrive, the
/// connection takes one.
const LOOKS: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(400),
    Duration::from_millis(2_000),
];

/// Maximum header lines of a response over HTTP/1.1; of one with more, only the status is read. Also the maximum
/// bytes of headers over HTTP/2.
const MAX_HEADERS: usize = 512;
const MAX_HEADER_LIST: u32 = 256 * 1024;

/// Begins HTTP on a connection, in the version that was agreed upon.
pub(super) async fn handshake(connection: Connection, making: Making) -> hyper::Result<Lease> {
    let Connection {
        io,
        tap,
        remote,
        is_http2,
    } = connection;
    let about = Arc::new(About::new(tap, remote));
    if is_http2 {
        let (sender, driving) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(1)
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(io)
            .await?;
        let width = Arc::new(AtomicUsize::new(1));
        tokio::spawn(drive(driving, width.clone()));
        Ok(making.made_shared(sender, about, width))
    } else {
        let (sender, driving) = http1::Builder::new()
            // The spelling of headers that have none of their own; some receivers compare case.
            .title_case_headers(true)
            .max_headers(MAX_HEADERS)
            // Lenient, because a status that can be read decides, however odd the rest is (docs/decisions/0024).
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(io)
            .await?;
        // Its request is told how it ends.
        tokio::spawn(async move { drop(driving.await) });
        Ok(making.made(sender, about))
    }
}

/// Drives a connection until it ends and tracks how many concurrent requests it allows.
async fn drive(mut driving: http2::Connection<Io, Outbound, TokioExecutor>, width: Arc<AtomicUsize>) {
    let mut looks = LOOKS.into_iter();
    loop {
        let next = looks.next();
        let driven = poll_fn(|context| {
            let driven = Pin::new(&mut driving).poll(context);
            width.store(driving.current_max_send_streams(), Ordering::Relaxed);
            driven
        });
        tokio::select! {
            _ = driven => return,
            () = tokio::time::sleep(next.unwrap_or_default()), if next.is_some() => {}
        }
    }
}
