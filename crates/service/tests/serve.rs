//! Both servers over real sockets: what they serve, and that they stop when told to.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use tidings_service::Health;
use tidings_service::serve::{self, Door, ServeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const GRACE: Duration = Duration::from_secs(20);

/// Far below the grace period, far above what a test takes.
const SOON: Duration = Duration::from_secs(10);

fn door() -> Door {
    Door::new(serve::Config::default(), Health::new())
}

type Served = JoinHandle<Result<(), ServeError>>;

async fn start_http(router: Router, grace: Duration) -> (SocketAddr, CancellationToken, Served) {
    let listener = serve::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { serve::http("test-http", listener, router, door(), shutdown, grace).await }
    });
    (address, shutdown, served)
}

#[tokio::test]
async fn clients_of_a_connection_that_was_used_long_enough_make_another() {
    let listener = serve::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let config = serve::Config {
        max_connection_age: Duration::from_millis(300),
        ..serve::Config::default()
    };
    let door = Door::new(config, Health::new());
    let router = Router::new().route("/", get(|| async { "hello" })).route(
        "/slow",
        get(|| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            "done"
        }),
    );
    tokio::spawn(serve::http(
        "test-http",
        listener,
        router,
        door,
        shutdown.clone(),
        GRACE,
    ));
    // An idle one ends.
    let begun = Instant::now();
    let answer = read_all(ask(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(begun.elapsed() >= Duration::from_millis(250));
    // One that is used ends after the answer.
    let answer = read_all(ask(address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(answer.ends_with("done"), "{answer}");
    shutdown.cancel();
}

async fn ask(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test]
async fn http_answers_and_stops() {
    let (address, shutdown, served) = start_http(Router::new().route("/", get(|| async { "hello" })), GRACE).await;
    let idle = TcpStream::connect(address).await.unwrap();
    let answer = read_all(ask(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"),
        "{answer}"
    );

    shutdown.cancel();
    tokio::time::timeout(SOON, served).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn http_finishes_what_it_holds() {
    let (started, mut starts) = mpsc::channel(1);
    let release = CancellationToken::new();
    let held = release.clone();
    let slow = get(async move || {
        started.send(()).await.unwrap();
        held.cancelled().await;
        "done"
    });
    let (address, shutdown, served) = start_http(Router::new().route("/", slow), GRACE).await;
    let request = ask(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    starts.recv().await.unwrap();
    shutdown.cancel();
    assert!(!served.is_finished());
    release.cancel();
    let answer = read_all(request).await;
    assert!(answer.ends_with("done"), "{answer}");
    tokio::time::timeout(SOON, served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn http_never_stops_later_than_the_grace_period() {
    let (started, mut starts) = mpsc::channel(1);
    let hangs = get(async move || {
        started.send(()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let grace = Duration::from_millis(200);
    let (address, shutdown, served) = start_http(Router::new().route("/", hangs), grace).await;
    let request = ask(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    starts.recv().await.unwrap();
    let told = Instant::now();
    shutdown.cancel();
    tokio::time::timeout(SOON, served).await.unwrap().unwrap().unwrap();
    assert!(told.elapsed() >= grace);
    assert_eq!(read_all(request).await, "", "the connection is cut off");
}

struct Grpc {
    address: SocketAddr,
    health: Health,
    shutdown: CancellationToken,
    served: Served,
}

async fn start_grpc(grace: Duration) -> Grpc {
    let listener = serve::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (shutdown, health) = (CancellationToken::new(), Health::new());
    let (routes, reporter) = serve::grpc_routes(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
    tokio::spawn(serve::report_health(reporter, health.clone(), shutdown.clone()));
    let served = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { serve::grpc("test-grpc", listener, routes.routes(), door(), shutdown, grace).await }
    });
    Grpc {
        address,
        health,
        shutdown,
        served,
    }
}

async fn channel(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// Watches the overall status until it is `wanted`.
async fn wait_for_status(channel: Channel, wanted: ServingStatus) {
    let request = HealthCheckRequest { service: String::new() };
    let mut statuses = HealthClient::new(channel).watch(request).await.unwrap().into_inner();
    let reached = async { while statuses.message().await.unwrap().unwrap().status() != wanted {} };
    tokio::time::timeout(SOON, reached).await.unwrap();
}

#[tokio::test]
async fn grpc_health_follows_readiness() {
    let grpc = start_grpc(GRACE).await;
    let channel = channel(grpc.address).await;
    wait_for_status(channel.clone(), ServingStatus::Serving).await;
    let rabbitmq = grpc.health.component("rabbitmq");
    wait_for_status(channel.clone(), ServingStatus::NotServing).await;
    rabbitmq.up();
    wait_for_status(channel.clone(), ServingStatus::Serving).await;

    drop(channel);
    grpc.shutdown.cancel();
    tokio::time::timeout(SOON, grpc.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn grpc_reflection_lists_the_services() {
    let grpc = start_grpc(GRACE).await;
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel(grpc.address).await);
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("not a list of services")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
}

#[tokio::test]
async fn grpc_never_stops_later_than_the_grace_period() {
    let grace = Duration::from_millis(200);
    let grpc = start_grpc(grace).await;
    let request = HealthCheckRequest { service: String::new() };
    let mut endless = HealthClient::new(channel(grpc.address).await)
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    endless.message().await.unwrap();
    let told = Instant::now();
    grpc.shutdown.cancel();
    tokio::time::timeout(SOON, grpc.served).await.unwrap().unwrap().unwrap();
    assert!(told.elapsed() >= grace);
}

#[tokio::test]
async fn an_address_in_use_is_explained() {
    let taken = serve::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = serve::bind(&address).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {address}: ")) && error.contains("another port"),
        "{error}"
    );
    let error = serve::bind("localhost").await.unwrap_err().to_string();
    assert!(error.contains("host:port"), "{error}");
}

#[tokio::test]
async fn unreadable_descriptors_are_refused() {
    assert!(matches!(
        serve::grpc_routes(b"not protos"),
        Err(ServeError::Descriptors(_))
    ));
}

/// What a test logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_where_a_service_listens() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    let _here = tracing::subscriber::set_default(subscriber);

    let listener = serve::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    serve::http("ingest-http", listener, Router::new(), door(), shutdown, GRACE)
        .await
        .unwrap();

    let line: serde_json::Value = serde_json::from_slice(&log.0.lock().unwrap()).unwrap();
    let fields = serde_json::json!({ "message": "listening", "service": "ingest-http", "address": address });
    assert_eq!((&line["fields"], &line["level"]), (&fields, &serde_json::json!("INFO")));
}
