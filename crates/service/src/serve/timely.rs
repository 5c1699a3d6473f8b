//! A request's body that comes in time or not at all.
//!
//! Need: a client that sends its body byte by byte would hold a connection and what was read so far for as long as it
//! likes. Mechanism: the whole body has one deadline, beginning with the request's headers. Limit: an honest client on a
//! very slow line is refused as well.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How long a whole body may take.
const WITHIN: Duration = Duration::from_secs(30);

/// A body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come within {WITHIN:?}: send it at once")]
struct Late;

/// The body, until its deadline.
struct Timely {
    body: Body,
    deadline: Pin<Box<Sleep>>,
}

/// The body, which fails if it has not come in time.
pub(super) fn timely<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    // Most requests have no body, and then there is nothing to wait for.
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Timely {
        body: Body::new(body),
        deadline: Box::pin(sleep(WITHIN)),
    })
}

impl HttpBody for Timely {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => self.deadline.as_mut().poll(context).map(|()| Some(Err(Late.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_cut_off_at_its_deadline() {
        let drips = futures::stream::unfold((), |()| async {
            sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let began = tokio::time::Instant::now();
        let error = timely(Body::from_stream(drips)).collect().await.unwrap_err();
        assert!(began.elapsed() <= WITHIN + Duration::from_secs(1));
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error} {}", cause.unwrap_or_default());
        assert!(text.contains("within 30s"), "{text}");
    }

    #[tokio::test]
    async fn a_body_that_comes_is_left_as_it_is() {
        let whole = timely(Body::from("all of it")).collect().await.unwrap().to_bytes();
        assert_eq!(whole, "all of it");
        assert!(timely(Body::empty()).is_end_stream());
    }
}
