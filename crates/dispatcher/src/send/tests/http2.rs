//! Receivers that speak HTTP/2, some of them badly.

use std::sync::atomic::{AtomicUsize, Ordering};

use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidings_domain::ClientCertificate;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::receiver::read_request;
use super::tls::Authority;
use super::*;

type Served = Connection<TlsStream<TcpStream>, Bytes>;

/// A receiver that speaks HTTP/2 with whoever can, and answers 200 in HTTP/1.1 otherwise.
struct Http2Receiver {
    receiver: Receiver,
    authority: Authority,
    http1: Arc<AtomicUsize>,
}

impl Http2Receiver {
    async fn start<F>(streams: u32, serve: impl Fn(Served) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), h2::Error>> + Send + 'static,
    {
        let authority = Authority::new("ours");
        let ClientCertificate { chain, key } = authority.certificate("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let http1 = Arc::new(AtomicUsize::new(0));
        let counted = http1.clone();
        let receiver = Receiver::start(move |caller: Caller| {
            let (acceptor, serve, counted) = (acceptor.clone(), serve.clone(), counted.clone());
            async move {
                let mut tls = acceptor.accept(caller.stream).await?;
                if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let handshake = h2::server::Builder::new()
                        .max_concurrent_streams(streams)
                        .handshake(tls)
                        .await;
                    let served = match handshake {
                        Ok(connection) => serve(connection).await,
                        Err(error) => Err(error),
                    };
                    return served.map_err(std::io::Error::other);
                }
                loop {
                    read_request(&mut tls).await?;
                    counted.fetch_add(1, Ordering::SeqCst);
                    tls.write_all(OK.as_bytes()).await?;
                }
            }
        })
        .await;
        Self {
            receiver,
            authority,
            http1,
        }
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint_at(&self.receiver.url("https"))
    }

    fn endpoint_at(&self, url: &Url) -> Endpoint {
        let authentication = Authentication {
            trusted_ca: Some(self.authority.pem.clone()),
            ..Authentication::default()
        };
        endpoint(url, authentication)
    }
}

async fn post(sender: &Sender, endpoint: &Endpoint, within: Duration) -> Result<Answer, NoAnswer> {
    sender.send(endpoint, &mut request("{}"), None, within).await
}

/// Answers each request in a task of its own, after so long.
async fn answer(mut connection: Served, after: impl Fn(&str) -> Duration) -> Result<(), h2::Error> {
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        let after = after(request.uri().path());
        tokio::spawn(ok(request.into_body(), respond, after));
    }
    Ok(())
}

async fn ok(mut body: RecvStream, mut respond: SendResponse<Bytes>, after: Duration) {
    while body.data().await.is_some() {}
    tokio::time::sleep(after).await;
    let _ = respond
        .send_response(http::Response::new(()), false)
        .and_then(|mut stream| stream.send_data("ok".into(), true));
}

#[tokio::test]
async fn requests_share_a_connection_and_are_recorded_as_sent() {
    let receiver = Http2Receiver::start(100, |connection| answer(connection, |_| Duration::ZERO)).await;
    let (sender, endpoint) = (sender(), receiver.endpoint());
    for _ in 0..5 {
        let mut request = request("{}");
        let answer = sender.send(&endpoint, &mut request, None, DEADLINE).await.unwrap();
        assert_eq!((&*answer.body, answer.is_http2), (&b"ok"[..], true));
        let headers = crate::record::request_headers(&request, answer.is_http2);
        let authority = headers.iter().find(|header| header.name == ":authority").unwrap();
        assert_eq!(authority.value, receiver.receiver.address.to_string());
        assert!(headers.iter().any(|header| header.name == "content-length"));
    }
    assert_eq!(receiver.receiver.connections(), 1);
}

#[tokio::test]
async fn nobody_waits_for_the_streams_of_others() {
    let slow = Duration::from_secs(20);
    let behave = move |connection| {
        answer(
            connection,
            move |path| if path == "/slow" { slow } else { Duration::ZERO },
        )
    };
    let receiver = Http2Receiver::start(2, behave).await;
    let sender = Arc::new(sender());
    let fast = receiver.endpoint();
    post(&sender, &fast, DEADLINE).await.unwrap();
    let slow = receiver.endpoint_at(&receiver.receiver.url("https").join("/slow").unwrap());
    let hanging: Vec<_> = (0..9)
        .map(|_| {
            let (sender, slow) = (sender.clone(), slow.clone());
            tokio::spawn(async move { post(&sender, &slow, Duration::from_secs(20)).await })
        })
        .collect();
    for _ in 0..30 {
        assert_eq!(post(&sender, &fast, DEADLINE).await.unwrap().body, "ok");
    }
    let connections = receiver.receiver.connections();
    assert!(connections <= 11, "{connections}");
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_receiver_that_wants_http_1_1_gets_it_at_once_and_from_then_on() {
    let by_stream = |mut connection: Served| async move {
        while let Some(request) = connection.accept().await {
            request?.1.send_reset(Reason::HTTP_1_1_REQUIRED);
        }
        Ok(())
    };
    let receiver = Http2Receiver::start(100, by_stream).await;
    wants_http1(&receiver).await;

    let by_connection = |mut connection: Served| async move {
        let request = connection.accept().await;
        connection.abrupt_shutdown(Reason::HTTP_1_1_REQUIRED);
        let _ = std::future::poll_fn(|context| connection.poll_closed(context)).await;
        drop(request);
        Ok(())
    };
    let receiver = Http2Receiver::start(100, by_connection).await;
    wants_http1(&receiver).await;
}

async fn wants_http1(receiver: &Http2Receiver) {
    let (sender, endpoint) = (sender(), receiver.endpoint());
    for round in 0..3 {
        let answer = post(&sender, &endpoint, DEADLINE).await.unwrap();
        assert_eq!((&*answer.body, answer.is_http2), (&b"ok"[..], false));
        assert_eq!(answer.sent_again.is_some(), round == 0, "{:?}", answer.sent_again);
    }
    assert_eq!(receiver.http1.load(Ordering::SeqCst), 3);
    assert_eq!(receiver.receiver.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_ends_while_others_use_it_costs_no_attempt() {
    // Each answers one request and ends on the next in another way.
    let ends = Arc::new(AtomicUsize::new(0));
    let behave = move |mut connection: Served| {
        let ends = ends.clone();
        async move {
            let (request, respond) = connection.accept().await.unwrap()?;
            tokio::spawn(ok(request.into_body(), respond, Duration::ZERO));
            let Some(next) = connection.accept().await else {
                return Ok(());
            };
            let (_request, mut respond) = next?;
            match ends.fetch_add(1, Ordering::SeqCst) {
                0 => return Ok(()),
                1 => connection.abrupt_shutdown(Reason::INTERNAL_ERROR),
                2 => respond.send_reset(Reason::REFUSED_STREAM),
                _ => connection.graceful_shutdown(),
            }
            let _ = tokio::time::timeout(
                Duration::from_millis(100),
                std::future::poll_fn(|context| connection.poll_closed(context)),
            )
            .await;
            Ok(())
        }
    };
    let receiver = Http2Receiver::start(100, behave).await;
    let (sender, endpoint) = (sender(), receiver.endpoint());
    for round in 0..5 {
        let answer = post(&sender, &endpoint, DEADLINE * 2).await;
        let answer = answer.unwrap_or_else(|failed| panic!("{round}: {}", failed.error));
        assert_eq!(
            answer.sent_again.is_some(),
            round > 0,
            "{round}: {:?}",
            answer.sent_again
        );
    }
}

#[tokio::test]
async fn a_stream_that_its_receiver_breaks_off_is_not_sent_again() {
    let behave = |mut connection: Served| async move {
        while let Some(request) = connection.accept().await {
            request?.1.send_reset(Reason::INTERNAL_ERROR);
        }
        Ok(())
    };
    let receiver = Http2Receiver::start(100, behave).await;
    let (sender, endpoint) = (sender(), receiver.endpoint());
    let failed = post(&sender, &endpoint, DEADLINE).await.unwrap_err();
    let words = "the receiver broke the exchange off (RST_STREAM, INTERNAL_ERROR)";
    assert_eq!((failed.reason, &*failed.error), (FailureReason::Protocol, words));
    assert_eq!(failed.sent_again, None);
}

#[tokio::test]
async fn a_silent_connection_is_left_after_one_deadline() {
    let receiver = Http2Receiver::start(100, |connection| answer(connection, |_| Duration::ZERO)).await;
    let target = receiver.receiver.address;
    // The first connection passes so many bytes on and then none, in neither direction, without closing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = listener.local_addr().unwrap();
    let dead = Arc::new(tokio::sync::Notify::new());
    let dies = dead.clone();
    let passing = tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut client, _)) = listener.accept().await {
            let dies = dies.clone();
            let mut server = TcpStream::connect(target).await.unwrap();
            let mortal = std::mem::take(&mut first);
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    () = dies.notified(), if mortal => {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                }
            });
        }
    });
    let url: Url = format!("https://{between}/").parse().unwrap();
    let (sender, endpoint) = (sender(), receiver.endpoint_at(&url));
    post(&sender, &endpoint, DEADLINE).await.unwrap();
    dead.notify_one();
    let late = post(&sender, &endpoint, DEADLINE).await.unwrap_err();
    assert_eq!(late.reason, FailureReason::Timeout);
    for _ in 0..2 {
        post(&sender, &endpoint, DEADLINE).await.unwrap();
    }
    assert_eq!(receiver.receiver.connections(), 2);
    passing.abort();
}
