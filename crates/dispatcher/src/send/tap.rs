//! Observes the bytes of a connection, to tell afterwards how far a request got.
//!
//! After a broken connection, the next step depends on whether the receiver had begun to answer and with which
//! status; the HTTP library reports neither. So each connection notes what is read and written. A failed write counts
//! as done here, because the response to a request that was not read to its end may lie in the socket already (RFC
//! 9112, section 9.6); reading then shows the outcome. At most 64 KiB of a head are kept.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes kept of what was read since the request began.
const MAX_KEPT: usize = 64 * 1024;

/// Bytes kept of what was read last: enough for a GOAWAY frame with a short text.
const TAIL: usize = 64;

pub(super) struct Tap(Mutex<Passed>);

struct Passed {
    head: Vec<u8>,
    /// Bytes that may still be kept.
    room: usize,
    nothing_read: bool,
    written: usize,
    read_at: Instant,
    /// The last bytes that were read.
    tail: [u8; TAIL],
    /// A write has failed.
    broken: bool,
}

impl Tap {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Passed {
            head: Vec::new(),
            // On an HTTP/2 connection this is enough to recognise a receiver that answers in HTTP/1.1.
            room: 16,
            nothing_read: true,
            written: 0,
            read_at: Instant::now(),
            tail: [0; TAIL],
            broken: false,
        }))
    }

    /// A request begins that has the connection for itself: from now on its answer is kept.
    pub(super) fn begin(&self) {
        let mut passed = self.passed();
        passed.head.clear();
        passed.room = MAX_KEPT;
        passed.nothing_read = true;
        passed.written = 0;
    }

    /// The head of the answer was understood: nothing more of it needs to be kept.
    pub(super) fn understood(&self) {
        self.passed().room = 0;
    }

    /// No byte of a response has arrived.
    pub(super) fn nothing_read(&self) -> bool {
        self.passed().nothing_read
    }

    /// Bytes read since the request began, or since the connection did.
    pub(super) fn head(&self) -> Vec<u8> {
        self.passed().head.clone()
    }

    /// Bytes handed over since the request began.
    pub(super) fn written(&self) -> usize {
        self.passed().written
    }

    pub(super) fn read_at(&self) -> Instant {
        self.passed().read_at
    }

    /// Recognises a GOAWAY with this reason as the last HTTP/2 frame (RFC 9113, section 6.8: type, flags, stream,
    /// last stream, reason). The HTTP library does not report it to requests that had begun.
    pub(super) fn went_away_for(&self, reason: h2::Reason) -> bool {
        let reason = u32::from(reason).to_be_bytes();
        let passed = self.passed();
        passed
            .tail
            .windows(14)
            .any(|frame| frame[..6] == [7, 0, 0, 0, 0, 0] && frame[10..] == reason)
    }

    /// Nothing can be written any more.
    pub(super) fn is_broken(&self) -> bool {
        self.passed().broken
    }

    fn read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut passed = self.passed();
        passed.read_at = Instant::now();
        passed.nothing_read = false;
        let last = bytes.len().min(TAIL);
        passed.tail.copy_within(last.., 0);
        passed.tail[TAIL - last..].copy_from_slice(&bytes[bytes.len() - last..]);
        let kept = bytes.len().min(passed.room);
        if kept > 0 {
            passed.room -= kept;
            passed.head.extend_from_slice(&bytes[..kept]);
        }
    }

    fn passed(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream whose bytes are noted.
pub(super) struct Tapped<S> {
    stream: S,
    tap: Arc<Tap>,
    /// A write failed: the rest is written to nowhere.
    deaf: bool,
}

impl<S> Tapped<S> {
    pub(super) fn new(stream: S, tap: Arc<Tap>) -> Self {
        Self {
            stream,
            tap,
            deaf: false,
        }
    }

    /// Notes the result of writing up to `wanted` bytes, and hides a failure from the HTTP library.
    fn wrote(&mut self, result: io::Result<usize>, wanted: usize) -> io::Result<usize> {
        match result {
            Ok(count) => {
                self.tap.passed().written += count;
                Ok(count)
            }
            Err(error) if is_end(&error) => {
                self.deaf = true;
                self.tap.passed().broken = true;
                Ok(wanted)
            }
            Err(error) => Err(error),
        }
    }
}

/// Recognises errors that mean the other side closed the connection.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected
    )
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.tap.read(&buffer.filled()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream)
            .poll_write(context, bytes)
            .map(|result| self.wrote(result, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = parts.iter().map(|part| part.len()).sum();
        if self.deaf {
            return Poll::Ready(Ok(wanted));
        }
        Pin::new(&mut self.stream)
            .poll_write_vectored(context, parts)
            .map(|result| self.wrote(result, wanted))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream)
            .poll_flush(context)
            .map(|result| self.wrote(result.map(|()| 0), 0).map(drop))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
