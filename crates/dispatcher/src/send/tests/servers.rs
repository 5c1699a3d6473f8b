//! Servers for tests, each on a loopback port of its own: a receiver that speaks TLS, and proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// What a server saw, in order.
pub(in crate::send) type Seen<T> = Arc<Mutex<Vec<T>>>;

pub(in crate::send) fn seen<T: Clone>(seen: &Seen<T>) -> Vec<T> {
    seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn see<T>(seen: &Seen<T>, what: T) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

/// A receiver that answers every request with 200, in HTTP/1.1.
pub(in crate::send) struct SecureReceiver {
    pub(in crate::send) address: SocketAddr,
    /// The name in TLS and the head of each request.
    pub(in crate::send) requests: Seen<(Option<String>, String)>,
    certificate: rcgen::Certificate,
    accepting: AbortHandle,
}

/// How slow a receiver is.
#[derive(Clone, Copy, Default)]
pub(in crate::send) struct Slowness {
    pub(in crate::send) handshake: Duration,
    pub(in crate::send) answer: Duration,
}

impl SecureReceiver {
    /// Starts one with a certificate for these names, which closes after so many requests.
    pub(in crate::send) async fn start(names: &[&str], slowness: Slowness, requests_per_connection: usize) -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                .unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let requests = Seen::default();
        let shared = requests.clone();
        let (address, accepting) = serve(move |tcp| {
            let (acceptor, requests) = (acceptor.clone(), shared.clone());
            async move {
                tokio::time::sleep(slowness.handshake).await;
                let mut tls = acceptor.accept(tcp).await?;
                let name = tls.get_ref().1.server_name().map(str::to_owned);
                for _ in 0..requests_per_connection {
                    let head = read_head(&mut tls).await?;
                    see(&requests, (name.clone(), head));
                    tokio::time::sleep(slowness.answer).await;
                    tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await?;
                }
                tls.shutdown().await
            }
        })
        .await;
        Self {
            address,
            requests,
            certificate: cert,
            accepting,
        }
    }

    /// A client's side that trusts this receiver and nobody else.
    pub(in crate::send) fn trusting(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

impl Drop for SecureReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A receiver without TLS, at this address, that answers one request per connection with 200; and what it was asked.
pub(in crate::send) async fn plain_receiver(at: SocketAddr) -> (SocketAddr, Seen<String>) {
    let heads = Seen::default();
    let shared = heads.clone();
    let (address, _) = serve_at(at, move |mut tcp| {
        let heads = shared.clone();
        async move {
            see(&heads, read_head(&mut tcp).await?);
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
                .await
        }
    })
    .await;
    (address, heads)
}

/// A proxy that does what the test says for each target.
pub(in crate::send) struct TestProxy {
    pub(in crate::send) address: SocketAddr,
    /// The targets, as they were asked for, and the credentials that came with them.
    pub(in crate::send) asked: Seen<(String, Option<String>)>,
    accepting: AbortHandle,
}

/// What a proxy does with a target.
#[derive(Clone)]
pub(in crate::send) enum Then {
    /// Connects, here and not where it was asked to.
    Connect(SocketAddr),
    /// Says this and closes: an HTTP response, or the code of a SOCKS5 reply.
    Answer(Vec<u8>),
    Silence,
}

impl TestProxy {
    /// HTTP CONNECT.
    pub(in crate::send) async fn connect(then: impl Fn(&str) -> Then + Clone + Send + 'static) -> Self {
        let asked = Seen::default();
        let shared = asked.clone();
        let (address, accepting) = serve(move |mut tcp| {
            let (then, asked) = (then.clone(), shared.clone());
            async move {
                let head = read_head(&mut tcp).await?;
                let line = head.lines().next().unwrap_or_default();
                let target = line
                    .strip_prefix("CONNECT ")
                    .and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
                let target = target.expect("a CONNECT request").to_owned();
                assert!(head.contains(&format!("host: {target}\r\n")), "{head}");
                let login = head.lines().find_map(|line| line.strip_prefix("proxy-authorization: "));
                let then = then(&target);
                see(&asked, (target, login.map(str::to_owned)));
                match then {
                    Then::Connect(address) => join(tcp, address, b"HTTP/1.1 200 OK\r\n\r\n").await,
                    Then::Answer(bytes) => tcp.write_all(&bytes).await,
                    Then::Silence => wait(tcp).await,
                }
            }
        })
        .await;
        Self {
            address,
            asked,
            accepting,
        }
    }

    /// SOCKS5, with this user and password or without any.
    pub(in crate::send) async fn socks(
        login: Option<(&'static str, &'static str)>,
        then: impl Fn(&str) -> Then + Clone + Send + 'static,
    ) -> Self {
        let asked = Seen::default();
        let shared = asked.clone();
        let (address, accepting) = serve(move |mut tcp| {
            let (then, asked) = (then.clone(), shared.clone());
            async move {
                let [_, methods] = read::<2>(&mut tcp).await?;
                tcp.read_exact(&mut vec![0; methods.into()]).await?;
                tcp.write_all(&[5, if login.is_some() { 2 } else { 0 }]).await?;
                let mut given = None;
                if let Some((user, password)) = login {
                    let [_, length] = read::<2>(&mut tcp).await?;
                    let mut name = vec![0; length.into()];
                    tcp.read_exact(&mut name).await?;
                    let [length] = read::<1>(&mut tcp).await?;
                    let mut secret = vec![0; length.into()];
                    tcp.read_exact(&mut secret).await?;
                    let right = name == user.as_bytes() && secret == password.as_bytes();
                    tcp.write_all(&[1, u8::from(!right)]).await?;
                    given = Some(format!(
                        "{}:{}",
                        String::from_utf8_lossy(&name),
                        String::from_utf8_lossy(&secret)
                    ));
                }
                let target = read_socks_target(&mut tcp).await?;
                let then = then(&target);
                see(&asked, (target, given));
                let reply = |code| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
                match then {
                    Then::Connect(address) => join(tcp, address, &reply(0)).await,
                    Then::Answer(code) => tcp.write_all(&reply(code[0])).await,
                    Then::Silence => wait(tcp).await,
                }
            }
        })
        .await;
        Self {
            address,
            asked,
            accepting,
        }
    }

    pub(in crate::send) fn targets(&self) -> Vec<String> {
        seen(&self.asked).into_iter().map(|(target, _)| target).collect()
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<F>(connection: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, AbortHandle)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    serve_at(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), connection).await
}

async fn serve_at<F>(at: SocketAddr, connection: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, AbortHandle)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(connection(tcp));
        }
    });
    (address, accepting.abort_handle())
}

/// Reads a head, and the body of two bytes that may follow it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if head.contains("content-length: 2\r\n") {
        read::<2>(stream).await?;
    }
    Ok(head)
}

async fn read<const LENGTH: usize>(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_socks_target(tcp: &mut TcpStream) -> std::io::Result<String> {
    let [_, _, _, kind] = read::<4>(tcp).await?;
    let host = match kind {
        1 => IpAddr::from(read::<4>(tcp).await?).to_string(),
        4 => format!("[{}]", IpAddr::from(read::<16>(tcp).await?)),
        _ => {
            let [length] = read::<1>(tcp).await?;
            let mut name = vec![0; length.into()];
            tcp.read_exact(&mut name).await?;
            String::from_utf8_lossy(&name).into_owned()
        }
    };
    Ok(format!("{host}:{}", tcp.read_u16().await?))
}

async fn join(mut tcp: TcpStream, address: SocketAddr, ready: &[u8]) -> std::io::Result<()> {
    let mut receiver = TcpStream::connect(address).await?;
    tcp.write_all(ready).await?;
    copy_bidirectional(&mut tcp, &mut receiver).await?;
    Ok(())
}

async fn wait(mut tcp: TcpStream) -> std::io::Result<()> {
    while tcp.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}
