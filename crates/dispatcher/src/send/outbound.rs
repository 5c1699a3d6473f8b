//! Request body that tells when all of it was handed to the HTTP library.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes per chunk. A body that fits in one counts as taken from the start.
const CHUNK: usize = 64 * 1024;

pub(super) struct Outbound {
    rest: Bytes,
    taken: Option<Arc<AtomicBool>>,
}

/// Observer of a body: the HTTP library takes its last chunk only when the receiver has read enough of it.
#[derive(Clone)]
pub(super) struct Taken(Option<Arc<AtomicBool>>);

impl Outbound {
    pub(super) fn new(body: Bytes) -> (Self, Taken) {
        let taken = (body.len() > CHUNK).then(Arc::default);
        let outbound = Self {
            rest: body,
            taken: taken.clone(),
        };
        (outbound, Taken(taken))
    }
}

impl Taken {
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|taken| taken.load(Ordering::Relaxed))
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(CHUNK);
        let chunk = self.rest.split_to(size);
        if let Some(taken) = self.taken.as_ref().filter(|_| self.rest.is_empty()) {
            taken.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
