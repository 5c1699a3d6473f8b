//! Serving HTTP and gRPC until told to stop.
//!
//! Both servers log `listening` with the service's name and the address once they take connections, so that port 0
//! can be used; both stop taking requests when told to, finish what they hold, and return no later than the grace
//! period. Every wait for the other side is bounded: for request headers and bodies, and for answers to HTTP/2 pings.

mod timely;

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tower::util::MapRequest;

use self::timely::timely;
use crate::health::Health;

/// How long a client may take over the headers of a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);

/// How often an idle HTTP/2 connection is pinged, well below the idle limits of common load balancers (60 s), and how
/// long the answer may take.
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// HTTP/2's default of 64 KiB in flight would bound a stream of events at 64 KiB a round trip.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// How long accepting pauses when the process is out of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Why serving failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; {}", listen_advice(source))]
    Bind {
        /// The address as configured.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A listener lost its address.
    #[error("cannot tell the address of a listener: {0}")]
    Address(#[source] io::Error),
    /// The server failed.
    #[error("{service} stopped serving: {source}")]
    Grpc {
        /// The service's name.
        service: String,
        /// Why.
        source: transport::Error,
    },
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
    service: &str,
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    log_listening(service, &listener)?;
    let server = http_server();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let (stream, from) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    recover_from(error, service).await;
                    continue;
                }
            },
        };
        // It only costs latency when it fails.
        let _ = stream.set_nodelay(true);
        let requests = MapRequest::new(router.clone(), move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(from));
            request.map(timely)
        });
        let requests = TowerToHyperService::new(requests);
        let connection = server
            .serve_connection_with_upgrades(TokioIo::new(stream), requests)
            .into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
        });
    }
    drop(listener);
    if time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            service,
            connections = connections.len(),
            "grace period is over; cutting connections off"
        );
    }
    Ok(())
}

/// Serves gRPC until `shutdown`, then at most for `grace`; what is not done by then is left behind.
pub async fn grpc(
    service: &str,
    listener: TcpListener,
    routes: Routes,
    shutdown: CancellationToken,
    grace: Duration,
) -> Result<(), ServeError> {
    log_listening(service, &listener)?;
    let serving = transport::Server::builder()
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            shutdown.clone().cancelled_owned(),
        );
    let grace_is_over = async {
        shutdown.cancelled().await;
        time::sleep(grace).await;
    };
    tokio::select! {
        served = serving => served.map_err(|source| ServeError::Grpc { service: service.to_owned(), source }),
        () = grace_is_over => {
            tracing::warn!(service, "grace period is over; leaving calls behind");
            Ok(())
        }
    }
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

fn http_server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
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
