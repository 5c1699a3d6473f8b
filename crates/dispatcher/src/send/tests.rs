//! Against receivers that mean no good. What each may hold of us is bounded: the time by the deadline, the bytes by
//! what is kept of a response and what buffers take, the connection by the end of the attempt.

use std::io::Write;
use std::net::Ipv4Addr;

use flate2::write::{GzEncoder, ZlibEncoder};
use hickory_resolver::proto::op::ResponseCode;
use tidings_domain::{Authentication, TenantId, Timestamp};
use tokio::io::AsyncReadExt as _;

mod authenticate;
mod connections;
mod heads;
mod http2;
mod node;
mod receiver;
pub(super) mod servers;
mod tls;
mod token;

use self::receiver::{Caller, Receiver, Then, saying};
use super::*;
use crate::resolve::tests::{NameServer, Reply};

const MAX_RESPONSE: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_millis(700);
/// How late the end of an attempt may be on a busy machine.
const SLACK: Duration = Duration::from_millis(700);
/// What the buffers of two kernels and a client may take in before anybody looks at it.
const BUFFERS: usize = 16 * 1024 * 1024;

fn loopback() -> Destinations {
    Destinations {
        allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        allow_http: true,
        ..Destinations::default()
    }
}

fn sender() -> Sender {
    Sender::new(loopback(), None, &[], MAX_RESPONSE).unwrap()
}

fn request(body: impl Into<Bytes>) -> Request {
    Request {
        headers: Vec::new(),
        body: body.into(),
        payload_at: None,
    }
}

async fn send(sender: &Sender, url: &Url) -> Result<Answer, NoAnswer> {
    let endpoint = endpoint(url, Authentication::default());
    sender.send(&endpoint, &mut request("{}"), None, DEADLINE).await
}

fn endpoint(url: &Url, authentication: Authentication) -> Endpoint {
    Endpoint {
        authentication,
        ..Endpoint::new(TenantId::new(), url.clone(), "standard", Timestamp::now())
    }
}

/// One attempt at a receiver, and how long it took. It is within the deadline, and afterwards the connection is gone.
async fn attempt<F>(scheme: &str, behave: impl Fn(Caller) -> F + Send + 'static) -> (Result<Answer, NoAnswer>, Duration)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let receiver = Receiver::start(behave).await;
    let (sender, url) = (sender(), receiver.url(scheme));
    let started = Instant::now();
    let answer = send(&sender, &url).await;
    let took = started.elapsed();
    assert!(took < DEADLINE + SLACK, "{took:?}");
    receiver.closed(1).await;
    assert_eq!(receiver.connections(), 1);
    assert!(receiver.sent() < BUFFERS, "{} bytes", receiver.sent());
    (answer, took)
}

fn reason(answer: Result<Answer, NoAnswer>) -> FailureReason {
    answer.unwrap_err().reason
}

fn headers(more: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{more}\r\n")
}

fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off_at_the_deadline() {
    let (answer, took) = attempt("http", async |mut caller: Caller| {
        caller.request().await?;
        caller.send(headers("content-length: 1000\r\n")).await?;
        caller.send_for_ever("x", Duration::from_millis(100)).await
    })
    .await;
    let answer = answer.unwrap();
    assert_eq!((answer.status.as_u16(), answer.truncated), (200, true));
    assert!((1..20).contains(&answer.body.len()), "{}", answer.body.len());
    assert!(took >= DEADLINE);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_cut_off_at_once() {
    for head in [headers(""), headers("content-length: 104857600\r\n")] {
        let for_ever = Then::Repeat(vec![b'x'; 65536].into());
        let (answer, took) = attempt("http", saying(head, for_ever)).await;
        let answer = answer.unwrap();
        assert_eq!((answer.body.len(), answer.truncated), (MAX_RESPONSE, true));
        assert!(took < DEADLINE, "{took:?}");
    }
}

/// So many times this, packed.
fn pack(encoding: &str, part: &[u8], times: usize) -> Vec<u8> {
    fn write<W: Write>(mut packing: W, part: &[u8], times: usize) -> W {
        for _ in 0..times {
            packing.write_all(part).unwrap();
        }
        packing
    }
    let (into, fast) = (Vec::new(), flate2::Compression::fast());
    match encoding {
        "gzip" => write(GzEncoder::new(into, fast), part, times).finish().unwrap(),
        "deflate" => write(ZlibEncoder::new(into, fast), part, times).finish().unwrap(),
        "br" => write(brotli::CompressorWriter::new(into, 4096, 1, 24), part, times).into_inner(),
        "zstd" => write(zstd::Encoder::new(into, 1).unwrap(), part, times)
            .finish()
            .unwrap(),
        _ => write(into, part, times),
    }
}

#[tokio::test]
async fn a_compression_bomb_is_unpacked_no_further_than_a_plain_body_is_read() {
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let body = pack(encoding, &[0; 65536], 1024);
        assert!(body.len() < 1024 * 1024, "{encoding}: {}", body.len());
        // One gigabyte in all, where the encoding can be continued.
        let head = headers(&format!("content-encoding: {encoding}\r\n")).into_bytes();
        let response = [head, body.repeat(16)].concat();
        let (answer, took) = attempt("http", saying(response, Then::Close)).await;
        let answer = answer.unwrap();
        assert_eq!(
            (answer.body.len(), answer.truncated),
            (MAX_RESPONSE, true),
            "{encoding}"
        );
        assert!(answer.body.iter().all(|byte| *byte == 0), "{encoding}");
        assert!(took < DEADLINE, "{encoding}: {took:?}");
    }
}

#[tokio::test]
async fn a_compressed_body_that_unpacks_to_nothing_is_cut_off_as_well() {
    const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];
    let head = [headers("content-encoding: gzip\r\n").as_bytes(), &GZIP_HEADER].concat();
    let for_ever = Then::Repeat(EMPTY_BLOCK.repeat(10_000).into());
    let (answer, took) = attempt("http", saying(head, for_ever)).await;
    let answer = answer.unwrap();
    assert_eq!(
        (answer.body.len(), answer.truncated),
        (MAX_RESPONSE, true),
        "it stays packed"
    );
    assert!(took < DEADLINE, "{took:?}");
}

#[tokio::test]
async fn a_compressed_body_is_unpacked() {
    let text = "it works ".repeat(1000);
    for encoding in ["gzip", "GZIP", "deflate", "br", "zstd", "x-unknown"] {
        let body = pack(&encoding.to_ascii_lowercase(), b"it works ", 1000);
        let head = headers(&format!(
            "content-encoding: {encoding}\r\ncontent-length: {}\r\n",
            body.len()
        ));
        let (answer, _) = attempt("http", saying([head.as_bytes(), &body].concat(), Then::Close)).await;
        let answer = answer.unwrap();
        assert_eq!(
            (&*answer.body, answer.truncated),
            (text.as_bytes(), false),
            "{encoding}"
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_the_status() {
    for body in [
        headers("content-length: 1000\r\n") + "half",
        headers("transfer-encoding: chunked\r\n") + "3e8\r\nhalf",
        headers("transfer-encoding: chunked\r\n") + "4\r\nhalf\r\nnonsense\r\n",
        headers("content-encoding: gzip\r\ncontent-length: 8\r\n") + "half",
    ] {
        let (answer, took) = attempt("http", saying(body, Then::Close)).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.truncated), (200, true));
        assert!(took < DEADLINE, "{took:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_given_up_at_the_deadline() {
    let (answer, took) = attempt("http", async |caller: Caller| caller.wait().await).await;
    assert_eq!(reason(answer), FailureReason::Timeout);
    assert!(took >= DEADLINE);

    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
    ] {
        let receiver = Receiver::start(saying(interim, Then::Repeat(interim.into()))).await;
        let started = Instant::now();
        let answer = send(&sender(), &receiver.url("http")).await;
        assert!(started.elapsed() < DEADLINE + SLACK);
        assert_eq!(reason(answer), FailureReason::Timeout);
        receiver.closed(1).await;
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused_at_once() {
    for response in [
        "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        "HTTP/1.1 abc OK\r\n\r\n".to_owned(),
        "HTTP/1.1 2000 OK\r\n\r\n".to_owned(),
        format!("HTTP/1.1 {}", "2".repeat(1024 * 1024)),
        "<html>400 Bad Request</html>\n".repeat(40_000),
    ] {
        let (answer, took) = attempt("http", saying(response, Then::Wait)).await;
        assert_eq!(reason(answer), FailureReason::Protocol);
        assert!(took < DEADLINE, "{took:?}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_was_read_counts() {
    let receiver = Receiver::start(async |mut caller: Caller| {
        let mut first = [0; 1];
        caller.stream.read_exact(&mut first).await?;
        caller.send(headers("content-length: 2\r\n") + "ok").await?;
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(())
    })
    .await;
    let mut large = request(vec![b'x'; 32 * 1024 * 1024]);
    let endpoint = endpoint(&receiver.url("http"), Authentication::default());
    let started = Instant::now();
    let answer = sender().send(&endpoint, &mut large, None, DEADLINE).await;
    assert_eq!(answer.unwrap().body, "ok");
    assert!(started.elapsed() < DEADLINE);
}

#[tokio::test]
async fn a_handshake_that_fails_or_never_ends_is_told_apart() {
    let (answer, took) = attempt("https", async |caller: Caller| caller.wait().await).await;
    assert_eq!(reason(answer), FailureReason::Timeout);
    assert!(took >= DEADLINE);

    let (answer, took) = attempt("https", async |mut caller: Caller| {
        caller.stream.read_buf(&mut Vec::with_capacity(65536)).await?;
        caller
            .send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            .await
    })
    .await;
    assert_eq!(reason(answer), FailureReason::Tls);
    assert!(took < DEADLINE, "{took:?}");

    let receiver = Receiver::start(async |caller: Caller| caller.wait().await).await;
    let sender = Sender::connecting_within(DEADLINE / 4, loopback(), None, &[], MAX_RESPONSE).unwrap();
    let started = Instant::now();
    let answer = send(&sender, &receiver.url("https")).await;
    assert_eq!(reason(answer), FailureReason::Timeout);
    assert!(started.elapsed() < DEADLINE);
    receiver.closed(1).await;
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let elsewhere = Receiver::start(async |caller: Caller| caller.wait().await).await;
    for status in [301, 302, 303, 307, 308] {
        let response = format!(
            "HTTP/1.1 {status} Go\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            elsewhere.url("http")
        );
        let (answer, _) = attempt("http", saying(response, Then::Close)).await;
        assert_eq!(answer.unwrap().status.as_u16(), status);
    }
    assert_eq!(elsewhere.connections(), 0);
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_is_used_again_unless_something_of_its_last_response_is_left() {
    let receiver = Receiver::start(async |mut caller: Caller| {
        for _ in 0..2 {
            caller.request().await?;
            caller.send(OK).await?;
        }
        caller.request().await?;
        caller.send(headers("transfer-encoding: chunked\r\n")).await?;
        caller.send(chunk(&[b'x'; MAX_RESPONSE + 1])).await?;
        caller.wait().await
    })
    .await;
    let (sender, url) = (sender(), receiver.url("http"));
    for truncated in [false, false, true] {
        assert_eq!(send(&sender, &url).await.unwrap().truncated, truncated);
    }
    assert_eq!(receiver.connections(), 1);
    receiver.closed(1).await;
    assert_eq!(send(&sender, &url).await.unwrap().body, "ok");
    assert_eq!(receiver.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_no_attempt() {
    let receiver = Receiver::start(async |mut caller: Caller| {
        caller.request().await?;
        caller.send(OK).await
    })
    .await;
    let (sender, url) = (sender(), receiver.url("http"));
    for round in 1..=20 {
        assert_eq!(send(&sender, &url).await.unwrap().body, "ok", "{round}");
        receiver.closed(1).await;
    }
    assert_eq!(receiver.connections(), 20);
}

#[tokio::test]
async fn a_connection_that_nobody_waits_for_any_more_is_given_up_too() {
    let server = NameServer::start(|_, before| match before {
        0 => Reply::Addresses(vec![Ipv4Addr::LOCALHOST.into()], 0),
        _ => Reply::Silence,
    })
    .await;
    let receiver = Receiver::start(async |mut caller: Caller| {
        loop {
            caller.request().await?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            caller.send(OK).await?;
        }
    })
    .await;
    let connect_timeout = Duration::from_millis(650);
    let sender = Sender::connecting_within(connect_timeout, loopback(), None, &[server.address], MAX_RESPONSE).unwrap();
    let url: Url = format!("http://shop.example:{}/", receiver.address.port())
        .parse()
        .unwrap();
    // The second begins to connect while the first is under way, and then gets the connection of the first.
    let (first, second) = tokio::join!(send(&sender, &url), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        send(&sender, &url).await
    });
    first.unwrap();
    second.unwrap();
    assert_eq!(receiver.connections(), 1);
    // It would be asked again after a third of a second.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(server.asked()["shop.example."], 2);
}

#[tokio::test]
async fn a_name_is_looked_up_within_the_deadline() {
    let server = NameServer::start(|name, before| match name {
        "slow.example." => Reply::After(
            Duration::from_secs(20),
            Box::new(Reply::Addresses(vec![Ipv4Addr::LOCALHOST.into()], 0)),
        ),
        "empty.example." => Reply::Code(ResponseCode::NoError),
        "rebinding.example." if before == 0 => Reply::Addresses(vec![Ipv4Addr::new(127, 0, 0, 2).into()], 0),
        "rebinding.example." => Reply::Addresses(vec![Ipv4Addr::LOCALHOST.into()], 0),
        _ => Reply::Code(ResponseCode::NXDomain),
    })
    .await;
    // This machine has many addresses; one of them stands for a public one.
    let rules = Destinations {
        allowed_networks: vec!["127.0.0.2/32".parse().unwrap()],
        allow_http: true,
        ..Destinations::default()
    };
    let sender = Sender::new(rules, None, &[server.address], MAX_RESPONSE).unwrap();
    for (name, expected) in [
        ("slow.example", FailureReason::Dns),
        ("empty.example", FailureReason::Dns),
        ("absent.example", FailureReason::Dns),
    ] {
        let started = Instant::now();
        let answer = send(&sender, &format!("http://{name}/").parse().unwrap()).await;
        assert_eq!(reason(answer), expected, "{name}");
        assert!(started.elapsed() < DEADLINE + SLACK, "{name}");
    }

    let receiver = Receiver::start(async |caller: Caller| caller.wait().await).await;
    let url: Url = format!("http://rebinding.example:{}/", receiver.address.port())
        .parse()
        .unwrap();
    assert_eq!(reason(send(&sender, &url).await), FailureReason::Connect);
    assert_eq!(reason(send(&sender, &url).await), FailureReason::BlockedAddress);
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_pooled_connection_needs_no_name() {
    let server = NameServer::start(|_, _| Reply::Addresses(vec![Ipv4Addr::LOCALHOST.into()], 0)).await;
    let receiver = Receiver::start(async |mut caller: Caller| {
        loop {
            caller.request().await?;
            caller.send(OK).await?;
        }
    })
    .await;
    let sender = Sender::new(loopback(), None, &[server.address], MAX_RESPONSE).unwrap();
    let url: Url = format!("http://shop.example:{}/", receiver.address.port())
        .parse()
        .unwrap();
    for _ in 0..10 {
        send(&sender, &url).await.unwrap();
    }
    assert_eq!(server.asked()["shop.example."], 1);
    assert_eq!(receiver.connections(), 1);
}
