//! Heads that are odd behind a status that can be read.

use super::*;

/// The answer to a head like this, and a body of two bytes.
async fn answered(head: Vec<u8>) -> Answer {
    let receiver = Receiver::start(saying([&head[..], b"ok"].concat(), Then::Close)).await;
    let shown = String::from_utf8_lossy(&head[..head.len().min(200)]).into_owned();
    send(&sender(), &receiver.url("http"))
        .await
        .unwrap_or_else(|failed| panic!("{shown}: {}", failed.error))
}

#[tokio::test]
async fn an_odd_head_that_can_be_read_leaves_the_body() {
    let many: String = (0..400).map(|n| format!("x-{n}: y\r\n")).collect();
    for more in [
        &*many,
        "x-folded: a\r\n  b\r\n\tc\r\n",
        "no colon\r\n",
        "x name: y\r\n",
        "x-space : y\r\n",
        "x-bytes: \u{e9}\u{fffd}\r\n",
        "x-empty:\r\n",
        ": no name\r\n",
        "Content-Length: 2\r\n",
    ] {
        let answer = answered(headers(&format!("{more}content-length: 2\r\n")).into()).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.body, answer.truncated),
            (200, &b"ok"[..], false),
            "{more}"
        );
    }
    let folded = answered(headers("retry-after:\r\n 17\r\ncontent-length: 2\r\n").into()).await;
    assert_eq!(folded.headers["retry-after"].to_str().unwrap().trim(), "17");
}

#[tokio::test]
async fn a_status_that_can_be_read_decides_whatever_follows() {
    let many: String = (0..10_000).map(|n| format!("x-{n}: y\r\n")).collect();
    for head in [
        headers(&many),
        headers(&format!("x: {}\r\n", "y".repeat(1024 * 1024))),
        headers("content-length: 2\r\ncontent-length: 3\r\n"),
        headers("content-length: 18446744073709551614\r\n"),
        headers("content-length: two\r\n"),
        headers("transfer-encoding: nonsense\r\ncontent-length: 2\r\n"),
        headers("x: a\0b\r\n"),
        "HTTP/1.1 200 OK\r\nx: never ends".to_owned(),
        "HTTP/1.1 200 OK\r\n".to_owned(),
        "HTTP/1.1 200 O\u{7f}K\r\n\r\n".to_owned(),
        "HTTP/1.2 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_owned(),
    ] {
        assert_eq!(answered(head.into()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_by_the_deadline_has_a_status() {
    let (answer, _) = attempt("http", async |mut caller: Caller| {
        caller.request().await?;
        caller.send("HTTP/1.1 202 OK\r\nx: ").await?;
        caller.send_for_ever("x", Duration::from_millis(100)).await
    })
    .await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), answer.truncated), (202, true));
}

#[tokio::test]
async fn what_came_instead_of_a_response_is_shown() {
    let receiver = Receiver::start(saying("SSH-2.0-OpenSSH_9.6\r\n", Then::Close)).await;
    let failed = send(&sender(), &receiver.url("http")).await.unwrap_err();
    let words = "what came back is not an HTTP response, it begins with `SSH-2.0-OpenSSH_9.6`";
    assert_eq!((failed.reason, &*failed.error), (FailureReason::Protocol, words));
}
