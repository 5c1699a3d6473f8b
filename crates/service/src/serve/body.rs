//! A request's body that has a place to go to, comes in time, and is not cut off in the middle of a word.
//!
//! Need: what strangers send must cost nothing, what others send must be bounded in bytes and in time, and whoever is
//! refused while still sending must see why. Mechanism: the bytes of a body (over gRPC: of each message) are reserved
//! before they are handed on; the whole body has one deadline, beginning with the request's headers; what nobody wants to
//! read is read and thrown away for a while, because closing at once would tell the client of a broken pipe instead of
//! the answer (RFC 9112, section 9.6). Limit: an honest client on a very slow line is refused as well.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep, timeout};

use super::budget::{Reserved, Share};
use crate::problem::Problem;

/// The time for which a body that nobody wants is read on, so that its sender comes to read the answer.
const DISCARDED_FOR: Duration = Duration::from_secs(10);

/// The way that the bytes of a body are counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    /// All of them stay until the request is answered.
    Whole,
    /// Of the messages of a gRPC stream each has gone when the next begins.
    ByMessage,
}

/// The bounds of a body.
pub(super) struct Terms {
    /// The budget in which its bytes are reserved.
    pub(super) share: Share,
    /// The most bytes, if anything bounds them here.
    pub(super) most: Option<u64>,
    /// True if it consists of gRPC messages.
    pub(super) grpc: bool,
    pub(super) counted: Counted,
    /// The time for the whole of it.
    pub(super) within: Option<Duration>,
    /// True if the connection ends when it is not read to its end (HTTP/1.1), and its sender does not wait for `100
    /// Continue`.
    pub(super) discard: bool,
}

/// The slip that a body leaves for the answer: the bytes that it reserved, and the reason of its refusal, if any.
#[derive(Clone, Default)]
pub(super) struct Slip {
    reserved: Arc<Mutex<Vec<Reserved>>>,
    pub(super) refusal: Arc<OnceLock<Problem>>,
}

/// A body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come within {0:?}: send it at once")]
struct Late(Duration);

/// The body, on its terms.
pub(super) struct Guarded<B: HttpBody<Data = Bytes> + Send + Unpin + 'static>
where
    B::Error: Into<BoxError>,
{
    /// `None` once it has ended.
    body: Option<B>,
    terms: Terms,
    slip: Slip,
    deadline: Option<Pin<Box<Sleep>>>,
    messages: Messages,
    taken: u64,
    /// The frame that is handed on when its bytes are reserved.
    waiting: Option<(Frame<Bytes>, Reserving)>,
    announced: Announced,
}

type Reserving = Pin<Box<dyn Future<Output = Reserved> + Send>>;

/// The length that stands in the headers.
enum Announced {
    /// Not reserved yet.
    Length(usize),
    Reserving(Reserving),
    /// Nothing more is to be reserved.
    Reserved,
    /// The length is not known before the end.
    Nothing,
}

impl<B: HttpBody<Data = Bytes> + Send + Unpin + 'static> Guarded<B>
where
    B::Error: Into<BoxError>,
{
    pub(super) fn new(body: B, terms: Terms) -> (Self, Slip) {
        let slip = Slip::default();
        let announced = match body.size_hint().exact() {
            Some(length) if !terms.grpc => Announced::Length(usize::try_from(length).unwrap_or(usize::MAX)),
            _ => Announced::Nothing,
        };
        let guarded = Self {
            body: Some(body),
            deadline: terms.within.map(|within| Box::pin(sleep(within))),
            terms,
            slip: slip.clone(),
            messages: Messages::default(),
            taken: 0,
            waiting: None,
            announced,
        };
        (guarded, slip)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Announced::Length(length) = self.announced {
            self.announced = Announced::Reserving(Box::pin(self.terms.share.clone().reserve(length)));
        }
        if let Announced::Reserving(reserving) = &mut self.announced {
            let reserved = ready!(reserving.as_mut().poll(context));
            self.slip.keep(reserved, false);
            self.announced = Announced::Reserved;
        }
        loop {
            if let Some((_, reserving)) = &mut self.waiting {
                let reserved = ready!(reserving.as_mut().poll(context));
                self.slip
                    .keep(reserved, matches!(self.terms.counted, Counted::ByMessage));
                return Poll::Ready(self.waiting.take().map(|(frame, _)| Ok(frame)));
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            let frame = match ready!(Pin::new(body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                ended => {
                    self.body = None;
                    return Poll::Ready(ended.map(|frame| frame.map_err(Into::into)));
                }
            };
            let Some(data) = frame.data_ref() else {
                return Poll::Ready(Some(Ok(frame)));
            };
            let bytes = if self.terms.grpc {
                self.messages.begun_in(data)
            } else {
                data.len()
            };
            self.taken += if self.terms.grpc { bytes } else { data.len() } as u64;
            if let Some(most) = self.terms.most.filter(|most| self.taken > *most) {
                let detail = format!("who is not known sends at most {most} bytes");
                return Poll::Ready(Some(Err(self.refuse(Problem::too_large("request_too_large", detail)))));
            }
            if bytes == 0 || matches!(self.announced, Announced::Reserved) {
                return Poll::Ready(Some(Ok(frame)));
            }
            if matches!(self.terms.counted, Counted::ByMessage) {
                self.slip.give_back();
            }
            self.waiting = Some((frame, Box::pin(self.terms.share.clone().reserve(bytes))));
        }
    }

    /// True if it waits for memory rather than for its sender.
    fn waits_for_memory(&self) -> bool {
        self.waiting.is_some() || matches!(self.announced, Announced::Reserving(_))
    }

    fn refuse(&self, problem: Problem) -> BoxError {
        let status = tonic::Status::from(problem.clone());
        // The first reason is the one that counts.
        let _ = self.slip.refusal.set(problem);
        status.into()
    }
}

impl<B: HttpBody<Data = Bytes> + Send + Unpin + 'static> HttpBody for Guarded<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = this.poll(context) {
            return Poll::Ready(frame);
        }
        let Some(deadline) = &mut this.deadline else {
            return Poll::Pending;
        };
        ready!(deadline.as_mut().poll(context));
        let within = this.terms.within.unwrap_or_default();
        Poll::Ready(Some(Err(if this.waits_for_memory() {
            let detail = "too many large requests are under way: try again in a moment";
            let problem = Problem::unavailable("requests_too_large", detail);
            this.refuse(problem.with_retry_after(Duration::from_secs(1)))
        } else if this.terms.grpc {
            this.refuse(Problem::invalid("request_unreadable", Late(within).to_string()))
        } else {
            Late(within).into()
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_none() && self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.waiting, &self.body) {
            (None, Some(body)) => body.size_hint(),
            _ => SizeHint::default(),
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Send + Unpin + 'static> Drop for Guarded<B>
where
    B::Error: Into<BoxError>,
{
    fn drop(&mut self) {
        let unread = self
            .body
            .take()
            .filter(|body| self.terms.discard && !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (unread, tokio::runtime::Handle::try_current()) {
            runtime.spawn(discard(body));
        }
    }
}

impl Slip {
    /// Keeps what was reserved until the answer; of a stream's messages only the latest.
    fn keep(&self, reserved: Reserved, alone: bool) {
        let mut kept = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        if alone {
            kept.clear();
        }
        kept.push(reserved);
    }

    fn give_back(&self) {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The messages in the body of a gRPC call: each begins with a byte for its compression and four for its length.
#[derive(Default)]
struct Messages {
    prefix: [u8; 5],
    known: usize,
    left: usize,
}

impl Messages {
    /// The bytes of all messages whose lengths become known in this part of the body.
    fn begun_in(&mut self, mut data: &[u8]) -> usize {
        let mut bytes = 0usize;
        while !data.is_empty() {
            if self.left > 0 {
                let here = self.left.min(data.len());
                self.left -= here;
                data = &data[here..];
                continue;
            }
            let here = (self.prefix.len() - self.known).min(data.len());
            self.prefix[self.known..self.known + here].copy_from_slice(&data[..here]);
            self.known += here;
            data = &data[here..];
            if self.known == self.prefix.len() {
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length) as usize;
                self.known = 0;
                bytes = bytes.saturating_add(self.left);
            }
        }
        bytes
    }
}

/// Reads on and keeps nothing.
async fn discard<B: HttpBody<Data = Bytes> + Unpin>(mut body: B) {
    let reading = async {
        while let Some(Ok(_)) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {}
    };
    let _ = timeout(DISCARDED_FOR, reading).await;
}

/// The body as axum takes it.
pub(super) fn guarded<B>(body: B, terms: Terms) -> (Body, Slip)
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let (body, slip) = Guarded::new(body, terms);
    (Body::new(body), slip)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::super::budget::{Budget, Payer};
    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    fn terms(budget: &Budget) -> Terms {
        Terms {
            share: budget.share_of(Payer::System),
            most: None,
            grpc: false,
            counted: Counted::Whole,
            within: Some(WITHIN),
            discard: false,
        }
    }

    fn drips() -> Body {
        Body::from_stream(futures::stream::unfold((), |()| async {
            sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        }))
    }

    fn said(error: &axum::Error) -> String {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        format!("{error} {}", cause.unwrap_or_default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_cut_off_at_its_deadline() {
        let budget = Budget::new(1024);
        let began = tokio::time::Instant::now();
        let error = guarded(drips(), terms(&budget)).0.collect().await.unwrap_err();
        assert!(began.elapsed() <= WITHIN + Duration::from_secs(1));
        assert!(said(&error).contains("within 30s"), "{}", said(&error));
    }

    #[tokio::test]
    async fn a_body_that_comes_is_left_as_it_is() {
        let budget = Budget::new(4);
        let (body, slip) = guarded(Body::from("all of it"), terms(&budget));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all of it");
        assert!(slip.refusal.get().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_room_waits_and_is_refused_in_the_end() {
        let budget = Budget::new(100);
        let (first, slip) = guarded(Body::from(vec![1; 80]), terms(&budget));
        first.collect().await.unwrap();
        // Read, and not answered yet.
        let (second, refused) = guarded(Body::from(vec![2; 80]), terms(&budget));
        assert!(second.collect().await.is_err());
        assert_eq!(refused.refusal.get().unwrap().code, "requests_too_large");
        drop(slip);
        let (third, _) = guarded(Body::from(vec![3; 80]), terms(&budget));
        assert_eq!(third.collect().await.unwrap().to_bytes(), [3; 80][..]);
    }

    fn message(length: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(u32::try_from(length).unwrap().to_be_bytes());
        message.extend(vec![7; length]);
        message
    }

    #[test]
    fn the_messages_of_a_call_are_found_wherever_their_frames_are_cut() {
        let sent = [message(300), message(0), message(5)].concat();
        for size in [1, 2, 4, 7, 100, 1_000] {
            let mut messages = Messages::default();
            let found: usize = sent.chunks(size).map(|part| messages.begun_in(part)).sum();
            assert_eq!(found, 305, "in parts of {size}");
        }
        // It is known as soon as it is announced, before it is there.
        assert_eq!(Messages::default().begun_in(&message(1 << 20)[..5]), 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_streams_messages_only_the_latest_is_counted_and_of_a_calls_all() {
        let budget = Budget::new(150);
        let parts = || [message(100), message(100), message(100)].map(|m| Ok::<_, std::io::Error>(Bytes::from(m)));
        let body = || Body::from_stream(futures::stream::iter(parts()));
        let streamed = Terms {
            grpc: true,
            counted: Counted::ByMessage,
            ..terms(&budget)
        };
        let (stream, slip) = guarded(body(), streamed);
        assert_eq!(stream.collect().await.unwrap().to_bytes().len(), 3 * 105);
        drop(slip);
        let (call, slip) = guarded(
            body(),
            Terms {
                grpc: true,
                ..terms(&budget)
            },
        );
        assert!(call.collect().await.is_err());
        assert_eq!(slip.refusal.get().unwrap().code, "requests_too_large");
    }

    #[tokio::test]
    async fn who_is_not_known_sends_little() {
        let budget = Budget::new(1 << 20);
        let short = Terms {
            most: Some(10),
            ..terms(&budget)
        };
        let (body, slip) = guarded(Body::from("eleven char"), short);
        assert!(body.collect().await.is_err());
        assert_eq!(slip.refusal.get().unwrap().code, "request_too_large");
    }

    #[tokio::test]
    async fn what_nobody_reads_is_read_on_where_that_is_wanted() {
        let budget = Budget::new(1 << 20);
        for (discard, expected) in [(true, 3), (false, 0)] {
            let (taken, mut count) = tokio::sync::mpsc::channel(8);
            let body = Body::from_stream(futures::stream::unfold(0, move |n| {
                let taken = taken.clone();
                async move {
                    if n == 3 {
                        return None;
                    }
                    taken.send(()).await.unwrap();
                    Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), n + 1))
                }
            }));
            drop(guarded(
                body,
                Terms {
                    discard,
                    ..terms(&budget)
                },
            ));
            let mut read = 0;
            while count.recv().await.is_some() {
                read += 1;
            }
            assert_eq!(read, expected);
        }
    }
}
