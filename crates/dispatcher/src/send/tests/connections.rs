//! Connections that end in every way there is, while they are used again and while they are new.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;

use super::*;

/// How a receiver ends a connection.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// With FIN, after the request was read.
    Fin,
    /// With a reset, after the request was read.
    Reset,
    /// With a reset, while the request lies unread.
    Unread,
    /// With an answer that is about the connection.
    IdleTimeout,
}

impl Ending {
    async fn of(self, mut caller: Caller) -> std::io::Result<()> {
        match self {
            Self::Fin => caller.request().await.map(drop),
            Self::Reset => {
                caller.request().await?;
                caller.stream.set_zero_linger()
            }
            Self::Unread => {
                caller.stream.readable().await?;
                Ok(())
            }
            Self::IdleTimeout => {
                caller.request().await?;
                caller
                    .send("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                    .await
            }
        }
    }
}

const ENDINGS: [Ending; 4] = [Ending::Fin, Ending::Reset, Ending::Unread, Ending::IdleTimeout];

#[tokio::test]
async fn a_used_connection_that_ends_before_an_answer_costs_no_attempt() {
    for ending in ENDINGS {
        let receiver = Receiver::start(move |mut caller: Caller| async move {
            caller.request().await?;
            caller.send(OK).await?;
            ending.of(caller).await
        })
        .await;
        let (sender, url) = (sender(), receiver.url("http"));
        for round in 0..3 {
            let answer = send(&sender, &url).await.unwrap();
            assert_eq!(answer.body, "ok", "{ending:?} {round}");
            assert_eq!(
                answer.sent_again.is_some(),
                round > 0,
                "{ending:?} {round}: {:?}",
                answer.sent_again
            );
        }
        assert_eq!(receiver.connections(), 3, "{ending:?}");
    }
}

#[tokio::test]
async fn it_is_sent_again_once_and_on_a_new_connection_only() {
    for ending in [Ending::Fin, Ending::Reset] {
        let good = Arc::new(AtomicUsize::new(3));
        let left = good.clone();
        let receiver = Receiver::start(move |mut caller: Caller| {
            let left = left.clone();
            async move {
                if left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    .is_ok()
                {
                    caller.request().await?;
                    // All are under way at once, so that there are as many connections.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    caller.send(OK).await?;
                }
                ending.of(caller).await
            }
        })
        .await;
        let (sender, url) = (sender(), receiver.url("http"));
        let (a, b, c) = tokio::join!(send(&sender, &url), send(&sender, &url), send(&sender, &url));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(receiver.connections(), 3);

        let failed = send(&sender, &url).await.unwrap_err();
        assert_eq!(failed.reason, FailureReason::Protocol, "{ending:?}: {}", failed.error);
        assert!(
            failed.error.ends_with("the connection without an answer"),
            "{}",
            failed.error
        );
        assert!(failed.sent_again.is_some(), "{ending:?}");
        // Two others were there, and neither was tried.
        assert_eq!(receiver.connections(), 4, "{ending:?}");
    }
}

#[tokio::test]
async fn a_new_connection_that_ends_is_the_receivers_doing() {
    for ending in [Ending::Fin, Ending::Reset, Ending::Unread] {
        let receiver = Receiver::start(move |caller: Caller| ending.of(caller)).await;
        let failed = send(&sender(), &receiver.url("http")).await.unwrap_err();
        assert_eq!(failed.reason, FailureReason::Protocol, "{ending:?}: {}", failed.error);
        assert_eq!((failed.sent_again, receiver.connections()), (None, 1), "{ending:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_an_answer_has_answered() {
    let receiver = Receiver::start(async |mut caller: Caller| {
        caller.request().await?;
        caller.send(OK).await?;
        caller.request().await?;
        caller.send("HTTP/1.1 503 Slow Down\r\ncontent-le").await
    })
    .await;
    let (sender, url) = (sender(), receiver.url("http"));
    send(&sender, &url).await.unwrap();
    let answer = send(&sender, &url).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.truncated), (503, true));
    assert_eq!((answer.sent_again, receiver.connections()), (None, 1));
}

#[tokio::test]
async fn a_receiver_that_says_how_long_it_keeps_a_connection_is_believed() {
    for (keep_alive, connections) in [("timeout=60", 1), ("timeout=0", 2), ("timeout=60, max=0", 2)] {
        let head = headers(&format!("keep-alive: {keep_alive}\r\ncontent-length: 2\r\n"));
        let receiver = Receiver::start(move |mut caller: Caller| {
            let head = head.clone();
            async move {
                loop {
                    caller.request().await?;
                    caller.send(format!("{head}ok")).await?;
                }
            }
        })
        .await;
        let (sender, url) = (sender(), receiver.url("http"));
        for _ in 0..2 {
            assert_eq!(send(&sender, &url).await.unwrap().sent_again, None);
        }
        assert_eq!(receiver.connections(), connections, "{keep_alive}");
    }
}

#[tokio::test]
async fn an_answer_counts_although_the_rest_of_the_request_can_not_be_sent() {
    let receiver = Receiver::start(async |mut caller: Caller| {
        let mut first = [0; 1];
        caller.stream.read_exact(&mut first).await?;
        caller
            .send("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno")
            .await?;
        caller.stream.shutdown().await?;
        // The kernel resets what is closed with bytes unread; the answer has arrived before that.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    })
    .await;
    let endpoint = endpoint(&receiver.url("http"), Authentication::default());
    for _ in 0..3 {
        let mut large = request(vec![b'x'; 32 * 1024 * 1024]);
        let answer = sender().send(&endpoint, &mut large, None, DEADLINE).await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (413, &b"no"[..]));
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    for head in [
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ] {
        let receiver = Receiver::start(saying(head.to_owned() + "ok", Then::Close)).await;
        let (sender, url) = (sender(), receiver.url("http"));
        for _ in 0..2 {
            let answer = send(&sender, &url).await.unwrap();
            assert_eq!((&*answer.body, answer.truncated), (&b"ok"[..], false));
            assert_eq!(answer.sent_again, None);
        }
    }
}

#[tokio::test]
async fn the_words_of_a_deadline_name_what_it_met() {
    let receiver = Receiver::start(async |caller: Caller| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(caller);
        Ok(())
    })
    .await;
    let endpoint = endpoint(&receiver.url("http"), Authentication::default());
    for (length, words) in [
        (2, "no response within 300ms: the request was sent, and no answer came"),
        (
            64 * 1024 * 1024,
            "no response within 300ms: the receiver had not taken in the whole request",
        ),
    ] {
        let mut request = request(vec![b'x'; length]);
        let within = Duration::from_millis(300);
        let late = sender().send(&endpoint, &mut request, None, within).await.unwrap_err();
        assert_eq!((late.reason, &*late.error), (FailureReason::Timeout, words));
    }
    let tls = Receiver::start(async |caller: Caller| caller.wait().await).await;
    let late = send(&sender(), &tls.url("https")).await.unwrap_err();
    let words = "no response within 700ms: the TLS handshake had not ended";
    assert_eq!((late.reason, &*late.error), (FailureReason::Timeout, words));
}

#[tokio::test]
async fn what_is_recorded_of_a_request_is_what_was_sent() {
    let seen = Arc::new(Mutex::new(String::new()));
    let kept = seen.clone();
    let receiver = Receiver::start(move |mut caller: Caller| {
        let kept = kept.clone();
        async move {
            *kept.lock().unwrap() = caller.request().await?;
            caller.send(OK).await
        }
    })
    .await;
    let endpoint = endpoint(&receiver.url("http"), Authentication::default());
    let mut request = request("{}");
    let (name, value) = ("X-UserHero-Event".parse().unwrap(), HeaderValue::from_static("a"));
    request.headers.push((name, value));
    let trace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
    let sent = sender().send(&endpoint, &mut request, Some(&trace), DEADLINE).await;
    sent.unwrap();

    let mut expected: Vec<_> = crate::record::request_headers(&request, false)
        .into_iter()
        .map(|header| format!("{}: {}", header.name, header.value))
        .collect();
    let seen = seen.lock().unwrap().clone();
    let (head, _) = seen.split_once("\r\n\r\n").unwrap();
    let mut came: Vec<_> = head.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(came.first().unwrap(), &format!("Host: {}", receiver.address));
    expected.sort();
    came.sort();
    assert_eq!(came, expected);
    for line in [
        "Content-Length: 2",
        "X-UserHero-Event: a",
        "Accept-Encoding: gzip, deflate, br, zstd",
    ] {
        assert!(came.iter().any(|came| came == line), "{line} in {came:?}");
    }
}
