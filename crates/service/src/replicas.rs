//! All replicas of a role, behind the names that a configuration has for them.
//!
//! Need: calls reach every replica, also one that came later, and pass over one that has gone. Mechanism: each name is
//! resolved to all of its addresses, and again every ten seconds and when a call fails; each address has a connection of its
//! own; calls take them in turn, and leave one out for two seconds after it failed. A request that was never sent, because
//! nobody listens or the connection was just being closed, goes to the next. Limit: one that may have been sent is not made again
//! here, only its caller knows whether that does harm; requests must be whole, not streams; and a name that does not
//! resolve any more keeps its last addresses, because name servers fail as well.

mod in_process;

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tower::{BoxError, Service, ServiceExt as _};

/// The time after which names are resolved again: a new replica gets calls after that, at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The time after which they are resolved again when something failed.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// For how long a replica that did not answer gets no calls, as long as there are others.
const SHUNNED_FOR: Duration = Duration::from_secs(2);

pub use self::in_process::InProcess;

/// A client's view of the replicas of a role, to make calls to. Clones share their connections.
#[derive(Clone)]
pub struct Replicas(Way);

#[derive(Clone)]
enum Way {
    Connections(Arc<Shared>),
    InProcess(InProcess),
}

/// A name, or an address, at which replicas are reached.
pub(crate) struct Server {
    /// As configured, `http://log:50052`.
    pub(crate) uri: Uri,
    /// For `https://`, with the name that certificates must bear.
    pub(crate) tls: Option<ClientTlsConfig>,
    pub(crate) connect_timeout: Duration,
}

/// A function that resolves a name, with a port, to addresses.
trait Resolve<F>: Fn(String, u16) -> F + Send + Sync + 'static {}
impl<F, R: Fn(String, u16) -> F + Send + Sync + 'static> Resolve<F> for R {}
trait Looking: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {}
impl<F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static> Looking for F {}

struct Shared {
    servers: Vec<Server>,
    known: watch::Sender<Known>,
    next: AtomicUsize,
    /// Somebody found that what is known is wrong.
    look: Arc<Notify>,
}

#[derive(Default)]
struct Known {
    replicas: Vec<Arc<Replica>>,
    /// The reason that a name could not be resolved the last time.
    failed: Option<String>,
    looked: bool,
}

struct Replica {
    server: usize,
    address: SocketAddr,
    channel: Channel,
    shunned_until: Mutex<Option<Instant>>,
}

impl Replicas {
    /// Begins to look for the replicas. Nothing is connected yet.
    pub(crate) fn of(servers: Vec<Server>) -> Self {
        Self::found_by(servers, |host, port| async move {
            Ok(tokio::net::lookup_host((host, port)).await?.collect())
        })
    }

    fn found_by<F: Looking>(servers: Vec<Server>, resolve: impl Resolve<F>) -> Self {
        let shared = Arc::new(Shared {
            servers,
            known: watch::Sender::new(Known::default()),
            next: AtomicUsize::new(0),
            look: Arc::new(Notify::new()),
        });
        tokio::spawn(keep_looking(Arc::downgrade(&shared), resolve));
        Self(Way::Connections(shared))
    }

    /// The number of replicas that are known.
    pub fn len(&self) -> usize {
        match &self.0 {
            Way::Connections(shared) => shared.known.borrow().replicas.len(),
            Way::InProcess(_) => 1,
        }
    }

    /// True if none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<InProcess> for Replicas {
    fn from(services: InProcess) -> Self {
        Self(Way::InProcess(services))
    }
}

impl Service<Request<Body>> for Replicas {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Which replica is to be ready is decided with the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.0.clone() {
            Way::Connections(shared) => Box::pin(async move { shared.call_one(request).await }),
            Way::InProcess(services) => Box::pin(async move { services.call(request).await }),
        }
    }
}

/// True if a request never left this process: there was no connection, or the server had announced the end of the connection
/// before the request was written.
fn was_not_sent(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        let cancelled = cause.downcast_ref().is_some_and(hyper::Error::is_canceled);
        if cancelled || cause.is::<tonic::ConnectError>() {
            return true;
        }
        next = cause.source();
    }
    false
}

/// A call under way. One that fails, or is given up before there is an answer, says that its replica may have gone.
struct Trial<'a> {
    replica: &'a Replica,
    look: &'a Notify,
    answered: bool,
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let until = (!self.answered).then(|| Instant::now() + SHUNNED_FOR);
        *self
            .replica
            .shunned_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = until;
        if !self.answered {
            self.look.notify_one();
        }
    }
}

impl Replica {
    fn is_shunned(&self, now: Instant) -> bool {
        let until = *self.shunned_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until > now)
    }
}

impl Shared {
    /// Calls the replica whose turn it is, and others if the request did not leave this process.
    async fn call_one(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let mut more = self.known.borrow().replicas.len();
        loop {
            let replica = self.next_replica().await?;
            let request = Request::from_parts(head.clone(), Body::new(Full::new(body.clone())));
            match self.call(&replica, request).await {
                Err(error) if more > 0 && was_not_sent(&*error) => more -= 1,
                answer => return answer,
            }
        }
    }

    async fn call(&self, replica: &Replica, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let mut trial = Trial {
            replica,
            look: &self.look,
            answered: false,
        };
        let mut channel = replica.channel.clone();
        let answer = channel.ready().await?.call(request).await?;
        trial.answered = true;
        Ok(answer)
    }

    /// The replica whose turn it is. Before names were resolved for the first time, that is waited for.
    async fn next_replica(&self) -> Result<Arc<Replica>, Status> {
        let mut known = self.known.subscribe();
        // It fails only when the sender is gone, which `self` holds.
        let known = known.wait_for(|known| known.looked).await;
        let known = known.map_err(|_| Status::unavailable("nobody looks for replicas"))?;
        let (first, count) = (self.next.fetch_add(1, Ordering::Relaxed), known.replicas.len());
        let in_turn = || (0..count).filter_map(|n| known.replicas.get(first.wrapping_add(n) % count));
        let now = Instant::now();
        let well = in_turn().find(|replica| !replica.is_shunned(now));
        match well.or_else(|| in_turn().next()) {
            Some(replica) => Ok(replica.clone()),
            None => {
                self.look.notify_one();
                let why = known.failed.as_deref().unwrap_or("no address is known");
                Err(Status::unavailable(why.to_owned()))
            }
        }
    }

    /// Resolves every name once; whether all could be.
    async fn look<F: Looking>(&self, resolve: &impl Resolve<F>) -> bool {
        let (mut found, mut failed) = (Vec::new(), None);
        for (number, server) in self.servers.iter().enumerate() {
            match server.addresses(resolve).await {
                Ok(addresses) => found.extend(addresses.into_iter().map(|address| (number, address))),
                Err(why) => {
                    // Its last addresses are the best that is known.
                    let known = self.known.borrow();
                    let of_it = known.replicas.iter().filter(|replica| replica.server == number);
                    found.extend(of_it.map(|replica| (number, replica.address)));
                    failed = Some(why);
                }
            }
        }
        self.known.send_modify(|known| {
            let before = std::mem::take(&mut known.replicas);
            for (number, address) in found {
                let is_it = |replica: &&Arc<Replica>| (replica.server, replica.address) == (number, address);
                let kept = before.iter().find(is_it).cloned();
                known.replicas.extend(kept.or_else(|| self.replica(number, address)));
            }
            if let Some(why) = failed.as_ref().filter(|_| known.failed.is_none()) {
                tracing::warn!(why, "a name of another role can't be resolved");
            }
            known.failed.clone_from(&failed);
            known.looked = true;
        });
        failed.is_none()
    }

    fn replica(&self, number: usize, address: SocketAddr) -> Option<Arc<Replica>> {
        let endpoint = self.servers.get(number)?.endpoint(address);
        let endpoint = endpoint.inspect_err(|error| tracing::error!(%address, %error, "a replica can't be called"));
        Some(Arc::new(Replica {
            server: number,
            address,
            channel: endpoint.ok()?.connect_lazy(),
            shunned_until: Mutex::new(None),
        }))
    }
}

impl Server {
    async fn addresses<F: Looking>(&self, resolve: &impl Resolve<F>) -> Result<Vec<SocketAddr>, String> {
        let host = self.host();
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port())]);
        }
        match resolve(host.to_owned(), self.port()).await {
            Ok(addresses) if addresses.is_empty() => Err(format!("{host} has no address")),
            Ok(mut addresses) => {
                addresses.sort_unstable();
                addresses.dedup();
                Ok(addresses)
            }
            Err(error) => Err(format!("{host} can't be resolved: {error}")),
        }
    }

    /// The host, an IPv6 address without its brackets.
    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    fn port(&self) -> u16 {
        let usual = if self.uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        self.uri.port_u16().unwrap_or(usual)
    }

    /// The endpoint for one of its addresses, called by the name that it has here.
    pub(crate) fn endpoint(&self, address: SocketAddr) -> Result<Endpoint, tonic::transport::Error> {
        let scheme = self.uri.scheme_str().unwrap_or("http");
        let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?
            .origin(self.uri.clone())
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .initial_stream_window_size(4 * 1024 * 1024)
            .initial_connection_window_size(8 * 1024 * 1024);
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()),
            None => Ok(endpoint),
        }
    }
}

/// Looks as long as somebody makes calls.
async fn keep_looking<F: Looking>(shared: Weak<Shared>, resolve: impl Resolve<F>) {
    while let Some(held) = shared.upgrade() {
        let wait = if held.look(&resolve).await {
            LOOK_EVERY
        } else {
            LOOK_SOON
        };
        let asked = held.look.clone();
        drop(held);
        let begun = Instant::now();
        tokio::select! {
            () = asked.notified() => tokio::time::sleep_until(begun + LOOK_SOON).await,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests;
