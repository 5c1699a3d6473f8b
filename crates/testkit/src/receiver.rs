//! An HTTP receiver that records requests and answers as configured.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tidings_domain::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A receiver on a loopback port of its own. Dropping it closes its port and every connection to it.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

/// A request that arrived, with its whole body.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: Method,
    /// The path, with the query if there is one.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The time at which the last byte of its body was read.
    pub received_at: Timestamp,
}

#[derive(Clone, Debug)]
pub enum Answer {
    /// This status and an empty body.
    Status(u16),
    /// This status with headers and a body.
    Full {
        status: u16,
        /// Names and values, in order.
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    /// A gRPC response to a unary call: this code, with an empty message if it is 0 (OK).
    Grpc(i32),
    /// Another answer, delayed.
    After(Duration, Box<Answer>),
    /// Nothing, ever; the connection stays open.
    Hang,
    /// The connection is closed without an answer, and so is the next one if the very same request comes over it: whoever
    /// finds a connection closed that was used before sends again. That is not recorded as another request.
    Disconnect,
}

#[derive(Debug)]
struct Shared {
    requests: watch::Sender<Vec<Received>>,
    script: Mutex<Script>,
}

#[derive(Debug)]
struct Script {
    next: VecDeque<Answer>,
    afterwards: Answer,
    /// The headers and body of the last request that was left without an answer.
    left: Option<(HeaderMap, Bytes)>,
}

impl Receiver {
    /// Starts a receiver that answers 200 until another answer is set.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let script = Mutex::new(Script {
            next: VecDeque::new(),
            afterwards: Answer::Status(200),
            left: None,
        });
        let shared = Arc::new(Shared {
            requests: watch::Sender::new(Vec::new()),
            script,
        });
        let serving = tokio::spawn(serve(listener, shared.clone())).abort_handle();
        Self {
            address,
            shared,
            serving,
        }
    }

    /// Its address, as in `http://127.0.0.1:41234/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the next requests with these, in order of arrival, and later ones as before.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.script().next.extend(answers);
    }

    /// Answers every request with this that [`Receiver::answer_next`] says nothing about.
    pub fn answer_always(&self, answer: Answer) {
        self.shared.script().afterwards = answer;
    }

    /// The requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.requests.borrow().clone()
    }

    /// The number of requests so far.
    pub fn count(&self) -> usize {
        self.shared.requests.borrow().len()
    }

    /// Waits until `count` requests arrived and returns all that did.
    ///
    /// # Panics
    ///
    /// When fewer arrived by the deadline.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Received> {
        let mut requests = self.shared.requests.subscribe();
        let arrived = tokio::time::timeout(deadline, requests.wait_for(|requests| requests.len() >= count)).await;
        match arrived {
            Ok(Ok(requests)) => requests.clone(),
            _ => panic!("waited {deadline:?} for {count} requests; {} arrived", self.count()),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Received {
    /// A header's value, if the header is there (once or more) and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is something else.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }
}

impl Answer {
    /// This status with headers and a body.
    pub fn full(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        Self::Full {
            status,
            headers,
            body: body.into(),
        }
    }

    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }
}

impl Shared {
    /// A test that panicked while it held the script left it whole all the same.
    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request; the answer is chosen in the same order in which requests are recorded.
    fn record(&self, received: Received) -> Answer {
        let mut script = self.script();
        let left = script.left.take();
        if left.is_some_and(|(headers, body)| headers == received.headers && body == received.body) {
            return Answer::Disconnect;
        }
        let answer = script.next.pop_front().unwrap_or_else(|| script.afterwards.clone());
        if matches!(answer, Answer::Disconnect) {
            script.left = Some((received.headers.clone(), received.body.clone()));
        }
        self.requests.send_modify(|requests| requests.push(received));
        answer
    }
}

/// The connections belong to this future, so that they end with it.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            Ok((stream, _)) = listener.accept() => stream,
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let shared = shared.clone();
        let answer = service_fn(move |request| answer(request, shared.clone()));
        connections.spawn(async move {
            // It ends early when the client leaves or the answer is to disconnect.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Disconnected> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Disconnected)?.to_bytes();
    let mut answer = shared.record(Received {
        method: parts.method,
        path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: parts.headers,
        body,
        received_at: Timestamp::now(),
    });
    loop {
        match answer {
            Answer::Status(status) => return Ok(response(status, &[], Bytes::new())),
            Answer::Full { status, headers, body } => return Ok(response(status, &headers, body)),
            Answer::Grpc(code) => return Ok(grpc(code)),
            Answer::After(delay, later) => {
                tokio::time::sleep(delay).await;
                answer = *later;
            }
            Answer::Hang => match std::future::pending::<Infallible>().await {},
            Answer::Disconnect => return Err(Disconnected),
        }
    }
}

type Body = Either<Full<Bytes>, WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>>;

fn grpc(code: i32) -> Response<Body> {
    /// An uncompressed gRPC message of no bytes.
    const EMPTY_MESSAGE: &[u8] = &[0; 5];
    let message = Bytes::from_static(if code == 0 { EMPTY_MESSAGE } else { &[] });
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from(code))]);
    let mut response = Response::new(Either::Right(
        Full::new(message).with_trailers(ready(Some(Ok(trailers)))),
    ));
    let content_type = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn response(status: u16, headers: &[(String, String)], body: Bytes) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response
        .body(Either::Left(Full::new(body)))
        .expect("the scripted status and headers are valid")
}

/// An error is how a hyper service closes the connection.
#[derive(Debug)]
struct Disconnected;

impl std::fmt::Display for Disconnected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("disconnected")
    }
}

impl std::error::Error for Disconnected {}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ureq::Agent;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    async fn post(url: String, body: &'static str) -> Result<(u16, String, String), String> {
        let send = move || {
            let agent: Agent = Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(1)))
                .build()
                .into();
            let answer = agent
                .post(&url)
                .header("x-test", "yes")
                .send(body)
                .map_err(|error| error.to_string())?;
            let header = answer
                .headers()
                .get("x-answer")
                .map(|value| value.to_str().unwrap().to_owned());
            let status = answer.status().as_u16();
            Ok((
                status,
                header.unwrap_or_default(),
                answer.into_body().read_to_string().unwrap(),
            ))
        };
        tokio::task::spawn_blocking(send).await.unwrap()
    }

    fn plain(status: u16) -> Result<(u16, String, String), String> {
        Ok((status, String::new(), String::new()))
    }

    #[tokio::test]
    async fn requests_are_recorded() {
        let receiver = Receiver::start().await;
        assert_eq!(
            post(format!("{}hook?a=b", receiver.url()), r#"{"n":1}"#).await,
            plain(200)
        );
        let requests = receiver.wait_for(1, SOON).await;
        let request = &requests[0];
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook?a=b"));
        assert_eq!(
            (request.header("X-Test"), request.header("x-none")),
            (Some("yes"), None)
        );
        assert_eq!(request.json(), serde_json::json!({ "n": 1 }));
        assert_eq!(receiver.count(), 1);
    }

    #[tokio::test]
    async fn answers_follow_the_script() {
        let receiver = Receiver::start().await;
        receiver.answer_always(Answer::Status(204));
        receiver.answer_next([
            Answer::Status(500),
            Answer::full(429, &[("x-answer", "wait")], "slow down"),
            Answer::Status(201).after(Duration::from_millis(50)),
            Answer::Disconnect,
        ]);
        assert_eq!(post(receiver.url(), "").await, plain(500));
        assert_eq!(
            post(receiver.url(), "").await,
            Ok((429, "wait".to_owned(), "slow down".to_owned()))
        );
        let start = Instant::now();
        assert_eq!(post(receiver.url(), "").await, plain(201));
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert!(post(receiver.url(), "").await.is_err());
        // The same request at once would be taken for the one that was cut off, sent again.
        assert_eq!(post(receiver.url(), "another").await, plain(204));
        assert_eq!(receiver.requests().len(), 5);
    }

    #[tokio::test]
    async fn a_receiver_that_hangs_is_closed_by_dropping_it() {
        let receiver = Receiver::start().await;
        receiver.answer_always(Answer::Hang);
        let url = receiver.url();
        let request = tokio::spawn(post(url.clone(), ""));
        receiver.wait_for(1, SOON).await;
        assert!(!request.is_finished());
        drop(receiver);
        assert!(request.await.unwrap().is_err());
        assert!(post(url, "").await.is_err());
    }

    #[tokio::test]
    #[should_panic(expected = "waited 20ms for 1 requests; 0 arrived")]
    async fn waiting_ends_at_the_deadline() {
        Receiver::start().await.wait_for(1, Duration::from_millis(20)).await;
    }
}
