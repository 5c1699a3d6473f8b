//! Serving HTTP and gRPC until told to stop.
//!
//! Both servers log `listening` with the service's name and the address once they take connections, so that port 0
//! can be used; both stop taking requests when told to, finish what they hold, and return no later than the grace
//! period. Every wait for the other side is bounded: for request headers and bodies, and for answers to HTTP/2 pings; and
//! so is what the other side may cost: connections, calls on each, headers, the memory of bodies (see [`Door`]).

mod body;
mod budget;
mod calls;
mod certificates;
mod connections;
mod door;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::server::TcpConnectInfo;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use self::certificates::Certificates;
use self::connections::{Beginning, Places, Watched};
use crate::health::Health;
use crate::tls::TlsError;

pub use self::budget::Payer;
pub use self::certificates::ServerTls;
pub use self::door::Door;

/// Bounds on what strangers and callers cost (`[server]`), for every listener of every role.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The most connections of one listener.
    pub max_connections: usize,
    /// The most connections of one listener from one address, or one IPv6 network of 64 bits; 0 for any number. All of a
    /// load balancer's come from few addresses.
    pub max_connections_per_address: usize,
    /// The age of a connection, a tenth more or less, at which its client is sent to make another, which may reach another
    /// replica. Calls under way on it go on. Unlimited if zero.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Duration,
    /// The most calls under way on one HTTP/2 connection.
    pub max_calls_per_connection: u32,
    /// The most bytes of the headers of one request.
    pub max_header_bytes: u32,
    /// The most bytes of request bodies that are being read or answered, over all listeners. A tenant has at most a
    /// quarter; who comes when nothing is left waits.
    pub max_body_memory: usize,
    /// The time for a connection to begin, and for the headers of a request.
    #[serde(with = "humantime_serde")]
    pub headers_within: Duration,
    /// The time for the body of a request that is no stream.
    #[serde(with = "humantime_serde")]
    pub body_within: Duration,
    /// The time for a gRPC call that is no stream. Tests of endpoints take as long as their timeout, 5 minutes at most.
    #[serde(with = "humantime_serde")]
    pub call_within: Duration,
    /// TLS of the gRPC listeners, which other roles, product services and commands call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_tls: Option<ServerTls>,
    /// TLS of the HTTP listeners of ingest, control and standalone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_tls: Option<ServerTls>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_address: 2_000,
            max_connection_age: Duration::from_secs(1800),
            max_calls_per_connection: 200,
            max_header_bytes: 32 * 1024,
            max_body_memory: 256 * 1024 * 1024,
            headers_within: Duration::from_secs(15),
            body_within: Duration::from_secs(30),
            call_within: Duration::from_secs(360),
            grpc_tls: None,
            http_tls: None,
        }
    }
}

/// Makes the metrics of this part.
pub(crate) fn register() {
    calls::register();
    connections::register();
    budget::register();
}

/// The least that HTTP/1.1 is read into, bytes; headers must fit.
const LEAST_BUFFER: usize = 16 * 1024;

/// The interval of pings on an idle HTTP/2 connection, well below the idle limits of common load balancers (60 s), and the
/// time for the answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// HTTP/2's default of 64 KiB in flight would bound a stream of events at 64 KiB a round trip.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// The pause of accepting when the process is out of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The reason that serving failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; {}", listen_advice(source))]
    Bind {
        /// The address as configured.
        address: String,
        source: io::Error,
    },
    /// The listener's certificates can't be used.
    #[error("{key}: {source}")]
    Tls {
        /// The section of the configuration.
        key: &'static str,
        source: TlsError,
    },
    /// A listener lost its address.
    #[error("cannot tell the address of a listener: {0}")]
    Address(#[source] io::Error),
    /// The descriptors of the services cannot be read, so reflection cannot show them.
    #[error("the compiled protos cannot be read: {0}")]
    Descriptors(#[from] tonic_reflection::server::Error),
}

/// Listens on `address` (`host:port`; port 0 takes any free one).
pub async fn bind(address: &str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind {
        address: address.to_owned(),
        source,
    })
}

/// Serves HTTP/1.1 and HTTP/2 until `shutdown`, then at most for `grace`; what is not done by then is cut off. Requests
/// bear their peer's address as `ConnectInfo<SocketAddr>`.
pub async fn http(
    service: &'static str,
    listener: TcpListener,
    router: Router,
    door: Door,
    shutdown: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    let server = server(&door.config);
    let certificates = certificates("server.http_tls", door.config.http_tls.as_ref(), &[b"h2", b"http/1.1"])?;
    let listener = Listener {
        service,
        listener,
        server,
        certificates,
    };
    let passing = door.clone();
    let router = router.layer(axum::middleware::from_fn(calls::note_route));
    let passed = move |request, from| {
        let (door, router) = (passing.clone(), router.clone());
        async move { door.http(service, router, with_peer(request, from)).await }
    };
    listener.serve(passed, &door, shutdown, grace).await
}

/// Serves gRPC until `shutdown`, then at most for `grace`; what is not done by then is cut off.
pub async fn grpc(
    service: &'static str,
    listener: TcpListener,
    routes: Routes,
    door: Door,
    shutdown: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    let server = server(&door.config).http2_only();
    let certificates = certificates("server.grpc_tls", door.config.grpc_tls.as_ref(), &[b"h2"])?;
    let listener = Listener {
        service,
        listener,
        server,
        certificates,
    };
    let calls = Calls::new(routes, door.clone());
    let passed = move |request, from| {
        let calls = calls.clone();
        async move { Ok(calls.answer(with_peer(request, from)).await) }
    };
    listener.serve(passed, &door, shutdown, grace).await
}

/// gRPC services behind their door.
#[derive(Clone)]
pub(crate) struct Calls {
    router: Router,
    door: Door,
}

impl Calls {
    pub(crate) fn new(routes: Routes, door: Door) -> Self {
        Self {
            router: routes.prepare().into_axum_router(),
            door,
        }
    }

    pub(crate) async fn answer<B>(self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        self.door.grpc(self.router, request).await
    }
}

/// The loop that takes connections, for either protocol.
struct Listener {
    service: &'static str,
    listener: TcpListener,
    server: auto::Builder<TokioExecutor>,
    /// None for plain text.
    certificates: Option<Arc<Certificates>>,
}

fn certificates(
    key: &'static str,
    tls: Option<&ServerTls>,
    protocols: &'static [&'static [u8]],
) -> Result<Option<Arc<Certificates>>, ServeError> {
    let read = |tls: &ServerTls| Certificates::read(tls.clone(), protocols).map(Arc::new);
    tls.map(read)
        .transpose()
        .map_err(|source| ServeError::Tls { key, source })
}

impl Listener {
    /// Takes connections until `shutdown`, passes each request on to `pass`, and then lets those under way end.
    async fn serve<P, F>(
        self,
        pass: P,
        door: &Door,
        shutdown: CancellationToken,
        grace: Duration,
    ) -> Result<(), ServeError>
    where
        P: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let service = self.service;
        log_listening(service, &self.listener)?;
        let config = &door.config;
        let places = Places::new(service, config.max_connections, config.max_connections_per_address);
        let mut connections = JoinSet::new();
        loop {
            let (stream, from) = tokio::select! {
                () = shutdown.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        recover_from(error, service).await;
                        continue;
                    }
                },
            };
            let Some(place) = places.take(from.ip()) else { continue };
            // It only costs latency when it fails.
            let _ = stream.set_nodelay(true);
            let beginning = Beginning::default();
            let (pass, begun) = (pass.clone(), beginning.clone());
            let requests = service_fn(move |request| {
                begun.request();
                pass(request, from)
            });
            let connection = Connection {
                server: self.server.clone(),
                certificates: self.certificates.clone(),
                beginning: beginning.clone(),
                age: of_about(config.max_connection_age),
                shutdown: shutdown.clone(),
            };
            let within = config.headers_within;
            connections.spawn(async move {
                let _place = place;
                tokio::select! {
                    ended = connection.serve(stream, requests) => if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended early");
                    },
                    () = nothing_came(beginning, within) => {
                        tracing::debug!(%from, "nothing came over a connection");
                    }
                }
            });
        }
        drop(self.listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        if time::timeout(grace, ended).await.is_err() {
            tracing::warn!(
                service,
                connections = connections.len(),
                "grace period is over; cutting connections off"
            );
        }
        Ok(())
    }
}

/// A connection that was accepted.
struct Connection {
    server: auto::Builder<TokioExecutor>,
    certificates: Option<Arc<Certificates>>,
    beginning: Beginning,
    /// The longest time that it may last; 0 for ever.
    age: Duration,
    shutdown: CancellationToken,
}

impl Connection {
    async fn serve<S>(self, stream: TcpStream, requests: S) -> Result<(), axum::BoxError>
    where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let Some(certificates) = self.certificates.clone() else {
            return self.serve_over(stream, requests).await;
        };
        match self.shutdown.run_until_cancelled(certificates.accept(stream)).await {
            None => Ok(()),
            Some(stream) => self.serve_over(stream?, requests).await,
        }
    }

    async fn serve_over<T, S>(self, stream: T, requests: S) -> Result<(), axum::BoxError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let stream = Watched {
            stream,
            beginning: self.beginning,
        };
        let connection = self
            .server
            .serve_connection_with_upgrades(TokioIo::new(stream), requests);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.shutdown.cancelled() => {}
            () = time::sleep(self.age), if !self.age.is_zero() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}

/// A time that differs from this by up to a tenth, so that clients that came together do not return together.
fn of_about(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.9..1.1))
}

/// Returns when a connection has taken too long to begin; never, if it has begun.
async fn nothing_came(beginning: Beginning, within: Duration) {
    time::sleep(within).await;
    if !beginning.is_late() {
        std::future::pending().await
    }
}

/// The request with its peer's address where axum and tonic look for it.
fn with_peer(mut request: Request<Incoming>, from: SocketAddr) -> Request<Incoming> {
    let extensions = request.extensions_mut();
    extensions.insert(ConnectInfo(from));
    extensions.insert(TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(from),
    });
    request
}

/// Routes to which a role adds its services; health and reflection (v1) are there already. `descriptor_set` is the
/// compiled protos that reflection shows, encoded.
pub fn grpc_routes(descriptor_set: &[u8]) -> Result<(RoutesBuilder, HealthReporter), ServeError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptor_set)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health) = health_reporter();
    let mut routes = RoutesBuilder::default();
    routes.add_service(health).add_service(reflection);
    Ok((routes, reporter))
}

/// Keeps the overall status of gRPC health equal to readiness, and not serving once `shutdown` is told, so that
/// balancers look elsewhere while calls are finished.
pub async fn report_health(reporter: HealthReporter, health: Health, shutdown: CancellationToken) {
    let overall = "";
    let follow = async {
        loop {
            reporter.set_service_status(overall, ServingStatus::NotServing).await;
            health.wait_until(true).await;
            reporter.set_service_status(overall, ServingStatus::Serving).await;
            health.wait_until(false).await;
        }
    };
    shutdown.run_until_cancelled(follow).await;
    reporter.set_service_status(overall, ServingStatus::NotServing).await;
}

fn server(config: &Config) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.headers_within)
        .max_buf_size((config.max_header_bytes as usize).max(LEAST_BUFFER));
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(config.max_calls_per_connection)
        .max_header_list_size(config.max_header_bytes);
    server
}

fn log_listening(service: &str, listener: &TcpListener) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Address)?;
    tracing::info!(service, %address, "listening");
    Ok(())
}

/// A client that left before it was accepted is its own affair; anything else is this process's want of resources,
/// which accepting again at once would not cure.
async fn recover_from(error: io::Error, service: &str) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(service, %error, "cannot accept connections; trying again");
        time::sleep(ACCEPT_AGAIN_AFTER).await;
    }
}

fn listen_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there or configure another port",
        io::ErrorKind::PermissionDenied => "configure a port above 1023 or grant CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "configure an address of this machine, or 0.0.0.0 for all of them",
        _ => "configure it as host:port, as in 127.0.0.1:8080",
    }
}
