//! How the broker is reached: several addresses, TLS, a network that fails; and when it is of use.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tidings_queue::{LaneKind, PublishError, Queue, Route, Source};
use tidings_testkit::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::broker_only::{reason, through};
use crate::damage::{delete_policy, put_policy};
use crate::places::{Broker, SOON, live, message, next, publish_all, text};

const LIVE: Source = Source::Work(LaneKind::Live);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_refuse_or_are_silent_do_not_hide_the_one_that_answers() {
    let broker = Broker::new().await;
    let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refuses = refusing.local_addr().unwrap();
    drop(refusing);
    // Connections are taken by the system, and nobody ever answers on them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let is_silent = silent.local_addr().unwrap();
    let mut config = broker.config();
    let (_, target) = through(config.url.reveal(), refuses);
    config.url = config
        .url
        .reveal()
        .replace(&target, &format!("{refuses},{is_silent},{target},nowhere.invalid:1"))
        .into();
    config.connect_timeout = Duration::from_secs(1);
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    let mut messages = queue.consume(LIVE, 1).await;
    publish_all(&*queue, Route::Work(live(0)), ["there".into()]).await;
    assert_eq!(text(&next(&mut messages).await), "there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_given_up_is_cut_whatever_the_broker_answers() {
    let broker = Broker::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = broker.config();
    let (url, target) = through(config.url.reveal(), listener.local_addr().unwrap());
    let open = Arc::new(AtomicUsize::new(0));
    let (frozen, freeze) = watch::channel(false);
    tokio::spawn(stand_still(listener, target, freeze, open.clone()));
    config.url = url.into();
    config.confirm_timeout = Duration::from_secs(1);
    config.connect_timeout = Duration::from_secs(1);
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    let _messages = queue.consume(LIVE, 1).await;
    wait_until(SOON, "both connections", async || open.load(Ordering::Relaxed) == 2).await;

    frozen.send_replace(true);
    // Heartbeats would tell after 40 s only.
    wait_until(SOON, "both to be cut", async || open.load(Ordering::Relaxed) == 0).await;
    frozen.send_replace(false);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    publish_all(&*queue, Route::Work(live(0)), ["again".into()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_keeps_nothing_is_not_there() {
    let broker = Broker::new().await;
    let mut config = broker.config();
    config.confirm_timeout = Duration::from_secs(2);
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    put_policy(
        &broker,
        r"tidings\.canary\.v1\.probe.",
        r#"{"max-length": 0, "overflow": "reject-publish"}"#,
    )
    .await;
    wait_until(SOON, "it to be noticed", async || {
        reason(&health).contains("confirms no message")
    })
    .await;
    assert!(!queue.available());
    let refused = queue.publish(message(Route::Records, "")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    delete_policy(&broker).await;
    timeout(SOON, health.wait_until(true)).await.unwrap();
    publish_all(&*queue, Route::Records, ["again".into()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_reached_with_tls_by_who_shows_a_certificate() {
    let broker = Broker::new().await;
    let files = Files::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = broker.config();
    let (url, target) = through(config.url.reveal(), listener.local_addr().unwrap());
    tokio::spawn(end_tls(listener, target, files.server()));
    config.url = url.replace("amqp://", "amqps://").into();
    config.connect_timeout = Duration::from_secs(2);
    for (expected, ca, certificate, name) in [
        ("invalid peer certificate", "", "", "mq.internal"),
        ("can't connect to 127.0.0.1", "ca", "", "mq.internal"),
        ("invalid peer certificate", "ca", "client", ""),
    ] {
        let mut config = config.clone();
        config.tls = files.client(ca, certificate, name);
        let (_queue, health) = broker.start(config);
        wait_until(SOON, expected, async || reason(&health).contains(expected)).await;
    }
    config.tls = files.client("ca", "client", "mq.internal");
    let (queue, health) = broker.start(config);
    timeout(SOON, health.wait_until(true)).await.unwrap();
    let mut messages = queue.consume(LIVE, 1).await;
    publish_all(&*queue, Route::Work(live(0)), ["sealed".into()]).await;
    assert_eq!(text(&next(&mut messages).await), "sealed");
}

/// Forwards connections, and only reads from clients while it stands still. Counts the connections that clients have open.
async fn stand_still(listener: TcpListener, target: String, frozen: watch::Receiver<bool>, open: Arc<AtomicUsize>) {
    while let Ok((near, _)) = listener.accept().await {
        let (target, mut frozen, open) = (target.clone(), frozen.clone(), open.clone());
        tokio::spawn(async move {
            let far = TcpStream::connect(&target).await.unwrap();
            open.fetch_add(1, Ordering::Relaxed);
            let (mut from_near, mut to_near) = near.into_split();
            let (mut from_far, mut to_far) = far.into_split();
            let mut thawed = frozen.clone();
            let answers = tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(read @ 1..) = from_far.read(&mut buffer).await {
                    let _ = thawed.wait_for(|frozen| !frozen).await;
                    if to_near.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from_near.read(&mut buffer).await {
                if !*frozen.borrow_and_update() && to_far.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
            open.fetch_sub(1, Ordering::Relaxed);
            answers.abort();
        });
    }
}

/// Ends TLS in front of the broker.
async fn end_tls(listener: TcpListener, target: String, config: ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((near, _)) = listener.accept().await {
        let (acceptor, target) = (acceptor.clone(), target.clone());
        tokio::spawn(async move {
            let Ok(mut near) = acceptor.accept(near).await else {
                return;
            };
            let mut far = TcpStream::connect(&target).await.unwrap();
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
    }
}

/// An authority with a server's and a client's certificate.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        files.write("ca", &authority.self_signed(&key).unwrap().pem());
        let authority = Issuer::new(authority, key);
        for (name, usage) in [
            ("mq.internal", ExtendedKeyUsagePurpose::ServerAuth),
            ("client", ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            files.write(name, &params.signed_by(&key, &authority).unwrap().pem());
            files.write(&format!("{name}.key"), &key.serialize_pem());
        }
        files
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn client(&self, ca: &str, certificate: &str, server_name: &str) -> tidings_service::tls::ClientTls {
        let path = |name: &str, end: &str| (!name.is_empty()).then(|| self.path(&format!("{name}{end}")));
        tidings_service::tls::ClientTls {
            ca_file: path(ca, ""),
            certificate_file: path(certificate, ""),
            key_file: path(certificate, ".key"),
            server_name: (!server_name.is_empty()).then(|| server_name.to_owned()),
        }
    }

    fn server(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.path("ca")).unwrap())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_file(self.path("mq.internal")).unwrap()],
                PrivateKeyDer::from_pem_file(self.path("mq.internal.key")).unwrap(),
            )
            .unwrap()
    }
}
