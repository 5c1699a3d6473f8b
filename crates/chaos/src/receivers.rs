//! The receivers: one small HTTP server with an endpoint for each kind of behaviour.
//!
//! How a request is answered follows from the seed, the event and how many requests of the delivery came before, so
//! two runs with the same seed treat an event of the same id alike whatever order requests arrive in.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_domain::EventId;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::journal::Journal;

/// Number of kinds of events; each endpoint wants some of them.
pub(crate) const KINDS: u8 = 20;

/// A receiver's behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Wants everything and answers 200 at once.
    Healthy,
    /// Answers 500 to some first requests and to every request of a few deliveries, which thereby exhaust; can be
    /// switched to 503 for everything.
    Flaky,
    /// Takes 200 ms to 800 ms.
    Slow,
    Hanging,
}

/// The HTTP server of every endpoint.
#[derive(Debug)]
pub(crate) struct Receivers {
    address: SocketAddr,
    down: Arc<AtomicBool>,
    serving: AbortHandle,
}

/// Paths of which no journal is kept.
const ASIDE: &str = "/aside";
const ASIDE_DOWN: &str = "/aside/down";

/// Percentage of deliveries to the flaky endpoint that never succeed.
const DOOMED: u64 = 2;
/// Percentage of the first three requests that fail there.
const FAILING: u64 = 25;
/// Percentage of first requests to the hanging endpoint that are never answered.
const HANGING: u64 = 4;

impl Endpoint {
    pub(crate) const ALL: [Self; 4] = [Self::Healthy, Self::Flaky, Self::Slow, Self::Hanging];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Flaky => "flaky",
            Self::Slow => "slow",
            Self::Hanging => "hanging",
        }
    }

    /// The kinds of events it wants.
    pub(crate) fn kinds(self) -> Range<u8> {
        match self {
            Self::Healthy => 0..KINDS,
            Self::Flaky => 0..KINDS / 2,
            Self::Slow => 10..12,
            Self::Hanging => 12..14,
        }
    }

    pub(crate) fn timeout(self) -> Duration {
        match self {
            Self::Hanging => Duration::from_secs(2),
            Self::Healthy | Self::Flaky | Self::Slow => Duration::from_secs(10),
        }
    }

    fn answer(self, dice: Dice, requests: u16) -> Answer {
        match self {
            Self::Flaky if dice.throw(0) < DOOMED => Answer::Status(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Flaky if requests < 4 && dice.throw(requests.into()) < FAILING => {
                Answer::Status(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Slow => Answer::Late(Duration::from_millis(200 + 6 * dice.throw(requests.into()))),
            Self::Hanging if requests == 1 && dice.throw(0) < HANGING => Answer::Never,
            Self::Healthy | Self::Flaky | Self::Hanging => Answer::Status(StatusCode::OK),
        }
    }
}

/// The type of events of one kind.
pub(crate) fn event_type(kind: u8) -> String {
    format!("chaos.kind{kind:02}")
}

impl Receivers {
    pub(crate) async fn start(seed: u64, journal: Arc<Journal>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for receivers")?;
        let address = listener.local_addr()?;
        let down = Arc::new(AtomicBool::new(false));
        let server = Arc::new(Server {
            seed,
            journal,
            down: down.clone(),
        });
        let serving = tokio::spawn(serve(listener, server)).abort_handle();
        Ok(Self { address, down, serving })
    }

    pub(crate) fn url(&self, endpoint: Endpoint) -> String {
        format!("http://{}/{}", self.address, endpoint.name())
    }

    /// The URL of an endpoint of which no journal is kept. It answers 200 to everything, or 422, which fails each delivery
    /// but says nothing against the endpoint, so its circuit stays closed.
    pub(crate) fn aside(&self, answers: bool) -> String {
        let path = if answers { ASIDE } else { ASIDE_DOWN };
        format!("http://{}{path}", self.address)
    }

    /// Switches the flaky endpoint to 503 for everything, or back.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[derive(Debug)]
struct Server {
    seed: u64,
    journal: Arc<Journal>,
    down: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Answer {
    Status(StatusCode),
    Late(Duration),
    Never,
}

async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let _ = stream.set_nodelay(true);
                let server = server.clone();
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.handle(request).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service);
                // A client that dies in the middle of a request is what this suite is about.
                connections.spawn(async move { drop(connection.await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Server {
    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            ASIDE => return status(StatusCode::OK),
            ASIDE_DOWN => return status(StatusCode::UNPROCESSABLE_ENTITY),
            _ => {}
        }
        let Some((endpoint, event)) = delivery(&request) else {
            return status(StatusCode::NOT_FOUND);
        };
        // Half a request, cut by the death of its sender, is none.
        if request.into_body().collect().await.is_err() {
            return status(StatusCode::BAD_REQUEST);
        }
        let requests = self.journal.arrived(event, endpoint);
        if endpoint == Endpoint::Flaky && self.down.load(Ordering::Relaxed) {
            return status(StatusCode::SERVICE_UNAVAILABLE);
        }
        let dice = Dice::new(self.seed, event, endpoint);
        let code = match endpoint.answer(dice, requests) {
            Answer::Status(code) => code,
            Answer::Late(delay) => {
                tokio::time::sleep(delay).await;
                StatusCode::OK
            }
            Answer::Never => std::future::pending().await,
        };
        if code.is_success() {
            self.journal.succeeded(event, endpoint);
        }
        status(code)
    }
}

fn delivery(request: &Request<Incoming>) -> Option<(Endpoint, EventId)> {
    let path = request.uri().path().trim_start_matches('/');
    let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == path)?;
    let event = request.headers().get("webhook-id")?.to_str().ok()?.parse().ok()?;
    Some((endpoint, event))
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    response
}

/// Random numbers that depend on the delivery only.
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64, event: EventId, endpoint: Endpoint) -> Self {
        let (high, low) = event.uuid().as_u64_pair();
        Self(mixed(mixed(mixed(seed) ^ high) ^ low ^ endpoint as u64))
    }

    /// 0 to 99; the same for the same `number`.
    fn throw(self, number: u64) -> u64 {
        mixed(self.0 ^ number) % 100
    }
}

/// SplitMix64's finalizer: every bit of the number changes half of the result's.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_deliveries_are_doomed_as_are_meant_to_be() {
        let doomed = (0..10_000)
            .filter(|_| Dice::new(1, EventId::new(), Endpoint::Flaky).throw(0) < DOOMED)
            .count();
        assert!((120..300).contains(&doomed), "{doomed}");
    }

    #[test]
    fn a_seed_and_an_event_decide() {
        let event = EventId::new();
        let throws = |seed| {
            (0..20)
                .map(|n| Dice::new(seed, event, Endpoint::Slow).throw(n))
                .collect::<Vec<_>>()
        };
        assert_eq!(throws(1), throws(1));
        assert_ne!(throws(1), throws(2));
    }

    #[test]
    fn every_kind_is_wanted_by_somebody_and_some_by_two() {
        assert!((0..KINDS).all(|kind| Endpoint::Healthy.kinds().contains(&kind)));
        assert!(Endpoint::ALL.iter().all(|endpoint| endpoint.kinds().end <= KINDS));
    }
}
