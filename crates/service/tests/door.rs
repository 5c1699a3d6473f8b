//! What strangers and callers may cost, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use http::HeaderMap;
use tidings_service::auth::bearer;
use tidings_service::limit::limited;
use tidings_service::problem::Problem;
use tidings_service::serve::{self, Config, Door, Payer};
use tidings_service::{Health, serve::ServeError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// Far above what anything here takes.
const SOON: Duration = Duration::from_secs(30);
const MIB: usize = 1024 * 1024;
/// What the routes take.
const MOST: usize = 2 * MIB;

struct Server {
    address: SocketAddr,
    health: Health,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

fn knows(headers: &HeaderMap) -> Result<Payer, Problem> {
    match bearer(headers) {
        Some("known") => Ok(Payer::Known(1)),
        _ => Err(Problem::unauthenticated("key_missing", "send a key")),
    }
}

fn config() -> Config {
    Config {
        headers_within: Duration::from_millis(300),
        ..Config::default()
    }
}

async fn start(config: Config, grpc: bool) -> Server {
    let listener = serve::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (health, shutdown) = (Health::new(), CancellationToken::new());
    let door = Door::new(config, health.clone()).knowing(knows);
    let (stop, grace) = (shutdown.clone(), Duration::from_secs(5));
    let served = if grpc {
        let (routes, _) = serve::grpc_routes(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
        tokio::spawn(serve::grpc("door-grpc", listener, routes.routes(), door, stop, grace))
    } else {
        let routes = Router::new().route("/", post(|body: Bytes| async move { body.len().to_string() }));
        tokio::spawn(serve::http(
            "door-http",
            listener,
            limited(routes, MOST),
            door,
            stop,
            grace,
        ))
    };
    Server {
        address,
        health,
        shutdown,
        served,
    }
}

/// Sends a request to its end and only then reads, as simple clients do.
async fn ask(server: &Server, headers: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    let answer = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.expect("the body can be sent to its end");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    timeout(SOON, answer).await.unwrap()
}

#[tokio::test]
async fn who_is_refused_while_sending_sees_why() {
    let server = start(Config::default(), false).await;
    let large = vec![b'x'; 64 * MIB];
    let length = format!("content-length: {}\r\n", large.len());
    let known = "authorization: Bearer known\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    let chunks: Vec<u8> = format!("{:x}\r\n", large.len()).into_bytes();
    let chunks = [&chunks, &large[..], b"\r\n0\r\n\r\n"].concat();
    for (what, headers, body, status) in [
        ("too large, as it says", format!("{known}{length}"), &large, "413"),
        ("too large, as is seen", format!("{known}{chunked}"), &chunks, "413"),
        ("a stranger's", length, &large, "401"),
        ("a stranger's of unknown length", chunked.to_owned(), &chunks, "401"),
    ] {
        let answer = ask(&server, &headers, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
    }
    let answer = ask(&server, &format!("{known}content-length: 3\r\n"), b"abc").await;
    assert!(answer.ends_with("\r\n\r\n3"), "{answer}");
    // What strangers send in short is the handler's business.
    let answer = ask(&server, "content-length: 3\r\n", b"abc").await;
    assert!(answer.ends_with("\r\n\r\n3"), "{answer}");
}

#[tokio::test]
async fn who_waits_to_be_asked_for_a_body_that_is_refused_is_not_asked() {
    let server = start(Config::default(), false).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    for grpc in [false, true] {
        let server = start(config(), grpc).await;
        for begun in ["", "PRI * HTTP/2.0\r\n", "POST / HT"] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            // Closed or reset: either ends it.
            let _ = timeout(SOON, stream.read_to_end(&mut rest))
                .await
                .expect("it is closed");
        }
    }
}

#[tokio::test]
async fn connections_beyond_those_of_one_address_are_closed() {
    let few = Config {
        max_connections_per_address: 2,
        ..Config::default()
    };
    let server = start(few, false).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1")
            .await
            .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        open.push(stream);
    }
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let mut nothing = Vec::new();
    let _ = timeout(SOON, third.read_to_end(&mut nothing))
        .await
        .expect("it is closed");
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn large_headers_are_refused() {
    let server = start(Config::default(), false).await;
    let large = format!("x-large: {}\r\ncontent-length: 0\r\n", "x".repeat(40 * 1024));
    let answer = ask(&server, &large, b"").await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn strangers_ask_for_health_and_nothing_else() {
    let server = start(Config::default(), true).await;
    let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap();
    let channel = channel.connect().await.unwrap();
    let request = || HealthCheckRequest { service: String::new() };
    assert!(HealthClient::new(channel.clone()).check(request()).await.is_ok());
    let long = HealthCheckRequest {
        service: "x".repeat(20_000),
    };
    let refused = HealthClient::new(channel.clone()).check(long).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");

    let mut others = tonic::client::Grpc::new(channel);
    others.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/some.Service/Call");
    let refused = others
        .unary(tonic::Request::new(request()), path, codec)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unauthenticated, "send a key")
    );
}

#[tokio::test]
async fn a_process_that_stops_takes_leave_of_connections() {
    let server = start(Config::default(), false).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1";
    stream.write_all(request).await.unwrap();
    let mut first = vec![0; 4096];
    let length = stream.read(&mut first).await.unwrap();
    assert!(!String::from_utf8_lossy(&first[..length]).contains("connection: close"));
    server.health.stop();
    stream.write_all(request).await.unwrap();
    let mut last = String::new();
    timeout(SOON, stream.read_to_string(&mut last)).await.unwrap().unwrap();
    assert!(
        last.starts_with("HTTP/1.1 200 ") && last.contains("connection: close"),
        "{last}"
    );
    server.shutdown.cancel();
    timeout(SOON, server.served).await.unwrap().unwrap().unwrap();
}
