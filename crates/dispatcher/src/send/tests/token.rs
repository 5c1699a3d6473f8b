//! Tokens from authorization servers, good and bad.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tidings_domain::{Authorization, CredentialsIn};

use super::*;
use crate::record;

const SECRET: &str = "s3cret/ +&";

/// An authorization server and a receiver that asks for its tokens.
struct Scene {
    server: Receiver,
    receiver: Receiver,
    sender: Sender,
    endpoint: Endpoint,
    /// What the server was asked.
    asked: Arc<Mutex<Vec<String>>>,
    /// The `Authorization` that requests had.
    seen: Arc<Mutex<Vec<String>>>,
    /// What the receiver answers next.
    status: Arc<AtomicUsize>,
}

impl Scene {
    /// The server answers what this says to its n-th question, from 1 on; none for never.
    async fn new(answer: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (questions, answer) = (asked.clone(), Arc::new(answer));
        let server = Receiver::start(move |mut caller: Caller| {
            let (questions, answer) = (questions.clone(), answer.clone());
            async move {
                loop {
                    let question = caller.request().await?;
                    let number = {
                        let mut questions = questions.lock().unwrap();
                        questions.push(question);
                        questions.len()
                    };
                    match answer(number) {
                        Some(answer) => caller.send(answer).await?,
                        None => return caller.wait().await,
                    }
                }
            }
        })
        .await;
        let (seen, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(200)));
        let (see, say) = (seen.clone(), status.clone());
        let receiver = Receiver::start(move |mut caller: Caller| {
            let (see, say) = (see.clone(), say.clone());
            async move {
                loop {
                    let request = caller.request().await?;
                    see.lock().unwrap().push(header_of(&request, "authorization"));
                    let status = say.load(Ordering::SeqCst);
                    caller
                        .send(format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n"))
                        .await?;
                }
            }
        })
        .await;
        let authentication = oauth2(server.url("http"), CredentialsIn::Header);
        let endpoint = endpoint(&receiver.url("http"), authentication);
        Self {
            server,
            receiver,
            sender: sender(),
            endpoint,
            asked,
            seen,
            status,
        }
    }

    async fn send(&self) -> Result<Answer, NoAnswer> {
        let mut request = request("{}");
        let answer = self.sender.send(&self.endpoint, &mut request, None, DEADLINE).await;
        let recorded = record::request_headers(&request, false);
        let mut tokens = recorded.iter().filter(|header| header.name == "Authorization");
        assert!(tokens.all(|header| header.value == "***"), "{recorded:?}");
        answer
    }

    async fn refused(&self) -> String {
        let refused = self.send().await.unwrap_err();
        assert_eq!(refused.reason, FailureReason::Authorization, "{}", refused.error);
        assert!(
            refused.error.starts_with("no token from 127.0.0.1: "),
            "{}",
            refused.error
        );
        assert!(!refused.error.contains("s3cret"), "{}", refused.error);
        assert_eq!(self.receiver.connections(), 0);
        refused.error.into()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn oauth2(token_url: Url, credentials_in: CredentialsIn) -> Authentication {
    Authentication {
        authorization: Some(Authorization::Oauth2 {
            token_url,
            client_id: "tidings:1".into(),
            client_secret: SECRET.into(),
            scopes: vec!["hooks".into(), "orders:write".into()],
            audience: Some("https://shop.example/".into()),
            credentials_in,
        }),
        ..Authentication::default()
    }
}

fn header_of(request: &str, name: &str) -> String {
    let line = request.lines().find(|line| {
        let found = line.split_once(": ");
        found.is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
    });
    line.and_then(|line| line.split_once(": "))
        .map(|(_, value)| value.to_owned())
        .unwrap_or_default()
}

fn answer(status: u16, json: &str) -> String {
    let json = json.replace('\'', "\"");
    let length = json.len();
    format!("HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}")
}

fn token(number: usize, expires_in: &str) -> Option<String> {
    let json = format!("{{'access_token': 'token-{number}', 'token_type': 'Bearer', 'expires_in': {expires_in}}}");
    Some(answer(200, &json))
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_used_until_it_expires() {
    let scene = Scene::new(|number| match number {
        1 => token(1, "2"),
        _ => token(number, "'3600'"),
    })
    .await;
    for _ in 0..3 {
        scene.send().await.unwrap();
    }
    assert_eq!(scene.seen(), ["Bearer token-1"; 3]);
    assert_eq!(scene.asked().len(), 1);
    // A fifth of its two seconds is left for the way.
    let expired = Instant::now() + Duration::from_millis(1_600);
    while scene.asked().len() == 1 {
        assert!(
            Instant::now() < expired + SLACK,
            "the token is used although it expired"
        );
        scene.send().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    scene.send().await.unwrap();
    assert_eq!(scene.seen().last().unwrap(), "Bearer token-2");
    assert_eq!(scene.asked().len(), 2);
}

#[tokio::test]
async fn a_server_reads_id_and_secret_where_it_looks_for_them() {
    let mut scene = Scene::new(|number| token(number, "60")).await;
    scene.send().await.unwrap();
    scene.endpoint.authentication = oauth2(scene.server.url("http"), CredentialsIn::Body);
    scene.send().await.unwrap();

    let (in_header, in_body) = (scene.asked()[0].clone(), scene.asked()[1].clone());
    let common = "grant_type=client_credentials&scope=hooks+orders%3Awrite&audience=https%3A%2F%2Fshop.example%2F";
    for question in [&in_header, &in_body] {
        assert!(question.starts_with("POST /hook HTTP/1.1\r\n"), "{question}");
        assert_eq!(header_of(question, "content-type"), "application/x-www-form-urlencoded");
        assert_eq!(header_of(question, "accept"), "application/json");
        assert!(question.contains(common), "{question}");
    }
    // base64 of `tidings%3A1:s3cret%2F+%2B%26`
    assert_eq!(
        header_of(&in_header, "authorization"),
        "Basic dGlkaW5ncyUzQTE6czNjcmV0JTJGKyUyQiUyNg=="
    );
    assert!(in_header.ends_with(common), "{in_header}");
    assert_eq!(header_of(&in_body, "authorization"), "");
    let credentials = "&client_id=tidings%3A1&client_secret=s3cret%2F+%2B%26";
    assert!(in_body.ends_with(credentials), "{in_body}");
    assert_eq!(scene.seen(), ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn requests_at_the_same_time_wait_for_one_token() {
    let scene = Scene::new(|number| token(number, "60")).await;
    let (a, b, c, d) = tokio::join!(scene.send(), scene.send(), scene.send(), scene.send());
    for answer in [a, b, c, d] {
        answer.unwrap();
    }
    assert_eq!(scene.asked().len(), 1);
    assert_eq!(scene.seen(), ["Bearer token-1"; 4]);
}

#[tokio::test]
async fn endpoints_do_not_share_tokens() {
    let mut scene = Scene::new(|number| token(number, "60")).await;
    scene.send().await.unwrap();
    scene.endpoint.id = tidings_domain::EndpointId::new();
    scene.send().await.unwrap();
    assert_eq!(scene.seen(), ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn a_token_that_the_receiver_refuses_is_not_used_again() {
    let scene = Scene::new(|number| token(number, "3600")).await;
    scene.send().await.unwrap();
    scene.status.store(401, Ordering::SeqCst);
    assert_eq!(scene.send().await.unwrap().status.as_u16(), 401);
    scene.status.store(200, Ordering::SeqCst);
    scene.send().await.unwrap();
    // One attempt is one request: the one that was refused was not sent again.
    assert_eq!(scene.seen(), ["Bearer token-1", "Bearer token-1", "Bearer token-2"]);
    scene.status.store(403, Ordering::SeqCst);
    scene.send().await.unwrap();
    scene.send().await.unwrap();
    assert_eq!(scene.asked().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_told_without_the_secret() {
    let scene = Scene::new(|number| {
        Some(match number {
            1 => answer(
                401,
                "{'error': 'invalid_client', 'error_description': 'no s3cret/ +&\\r\\nor s3cret%2F+%2B%26 or \
                 dGlkaW5ncyUzQTE6czNjcmV0JTJGKyUyQiUyNg== here'}",
            ),
            2 => answer(400, &format!("{{'error': '{}'}}", "x".repeat(10_000))),
            3 => answer(503, "busy"),
            4 => answer(200, "{'token': 'x'}"),
            5 => answer(200, "{'access_token': 'x', 'token_type': 'mac'}"),
            6 => answer(200, "{'access_token': 'a\\nb', 'token_type': 'bearer'}"),
            7 => answer(200, &format!("{{'access_token': '{}'}}", "x".repeat(70_000))),
            8 => answer(302, "{}").replace("content-type", "location: http://127.0.0.1:1/\r\ncontent-type"),
            _ => answer(500, "{'error': {'code': 1}}"),
        })
    })
    .await;
    let refused = scene.refused().await;
    assert_eq!(
        refused,
        "no token from 127.0.0.1: it answered 401 Unauthorized: invalid_client: no ***  or *** or *** here"
    );
    let long = scene.refused().await;
    assert!(long.contains("400 Bad Request: xxx") && long.len() < 300, "{long}");
    for expected in [
        "it answered 503 Service Unavailable",
        "without an `access_token`",
        "type `mac`",
        "a token that can't be sent",
        "more than 65536 bytes",
        "it answered 302 Found",
        "it answered 500 Internal Server Error",
    ] {
        let error = scene.refused().await;
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_or_silent_or_not_allowed_fails_the_attempt() {
    let mut scene = Scene::new(|_| None).await;
    let started = Instant::now();
    let error = scene.refused().await;
    assert!(error.contains("within 700ms"), "{error}");
    assert!(started.elapsed() < DEADLINE + SLACK);

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap()).parse().unwrap();
    drop(closed);
    scene.endpoint.authentication = oauth2(url, CredentialsIn::Header);
    let error = scene.refused().await;
    assert!(error.contains("refused"), "{error}");

    let asked = scene.asked().len();
    let rules = Destinations {
        allowed_networks: vec![format!("{}/32", scene.receiver.address.ip()).parse().unwrap()],
        allow_http: true,
        ..Destinations::default()
    };
    let elsewhere = format!("http://127.0.0.2:{}/", scene.server.address.port());
    scene.sender = Sender::new(rules, None, &[], MAX_RESPONSE).unwrap();
    scene.endpoint.authentication = oauth2(elsewhere.parse().unwrap(), CredentialsIn::Header);
    let error = scene.send().await.unwrap_err();
    assert_eq!(error.reason, FailureReason::Authorization);
    assert!(error.error.contains("not"), "{}", error.error);
    assert_eq!(scene.asked().len(), asked);
}
