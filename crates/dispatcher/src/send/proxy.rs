//! Connects through the operator's proxy (`[destinations] proxy`): HTTP CONNECT (RFC 9110, section 9.3.6) or SOCKS5
//! (RFC 1928).
//!
//! In many networks only a proxy reaches the internet, and a proxy connects wherever it is sent. So it gets the
//! address that was resolved and checked here, not a name. The request itself goes through the tunnel, so the proxy's
//! credentials and the request never meet. With `proxy_resolves = true` the proxy gets the name, and its own rules
//! decide about addresses.

use std::fmt;
use std::net::SocketAddr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tidings_domain::FailureReason;
use tidings_domain::destination::read_url;
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;
use url::{Host, Url};

#[cfg(test)]
mod tests;

/// The longest user name and password that SOCKS5 can carry, bytes (RFC 1929).
const MAX_SOCKS_LOGIN: usize = 255;

/// The proxy that all requests go through.
#[derive(Clone)]
pub struct Proxy {
    protocol: Protocol,
    pub(super) host: Host,
    pub(super) port: u16,
    login: Option<Login>,
    /// The proxy resolves names itself, and so decides alone about addresses.
    pub(super) resolves: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Connect,
    Socks5,
}

#[derive(Clone)]
struct Login {
    user: String,
    password: String,
}

/// Reason why `destinations.proxy` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyConfigError {
    /// Not a URL at all. It is not repeated here, because it may hold a password.
    #[error("destinations.proxy is not a URL ({0}): write it like `http://user:password@proxy.example.com:3128`")]
    NotUrl(String),
    /// A protocol that is not spoken here.
    #[error("destinations.proxy begins with `{0}://`: use `http://` for HTTP CONNECT or `socks5://`")]
    Scheme(String),
    /// `socks5h://`, which says the same as a key of its own.
    #[error(
        "destinations.proxy begins with `socks5h://`: write `socks5://` and set destinations.proxy_resolves = true"
    )]
    Socks5h,
    /// No host, or not a valid one.
    #[error("destinations.proxy has no usable host: write it like `socks5://proxy.example.com:1080`")]
    NoHost,
    /// Something that a proxy has no use for.
    #[error("destinations.proxy has a path, a query or a fragment: remove it")]
    Path,
    /// Credentials that can't be sent.
    #[error(
        "user name and password in destinations.proxy are UTF-8, percent-encoded, and for SOCKS5 1 to 255 bytes each"
    )]
    Login,
    /// Names can't be left to a proxy that is not there.
    #[error("destinations.proxy_resolves is set without destinations.proxy: name the proxy or remove it")]
    NoProxy,
}

/// Destination of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// An address that was checked.
    Address(SocketAddr),
    /// A name that the proxy looks up.
    Name(String, u16),
}

/// Reason why the proxy made no tunnel.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    #[error("the proxy does not speak HTTP")]
    NotHttp(#[source] hyper::Error),
    #[error("the proxy answered {} to CONNECT {target}", crate::status::named(*.status))]
    Refused { status: StatusCode, target: Target },
    #[error("the proxy sent something before the receiver was asked")]
    Early,
    #[error("the proxy did not connect to {target} (SOCKS5)")]
    Socks { source: tokio_socks::Error, target: Target },
}

impl Proxy {
    /// Reads the configuration; there is no proxy if `url` is empty.
    pub fn parse(url: &str, resolves: bool) -> Result<Option<Self>, ProxyConfigError> {
        if url.is_empty() {
            return if resolves {
                Err(ProxyConfigError::NoProxy)
            } else {
                Ok(None)
            };
        }
        let url = read_url(url).map_err(|error| ProxyConfigError::NotUrl(error.reason()))?;
        let (protocol, usual_port) = match url.scheme() {
            "http" => (Protocol::Connect, 80),
            "socks5" => (Protocol::Socks5, 1080),
            "socks5h" => return Err(ProxyConfigError::Socks5h),
            other => return Err(ProxyConfigError::Scheme(other.to_owned())),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyConfigError::Path);
        }
        let host = url.host_str().ok_or(ProxyConfigError::NoHost)?;
        Ok(Some(Self {
            protocol,
            host: Host::parse(host).map_err(|_| ProxyConfigError::NoHost)?,
            port: url.port().unwrap_or(usual_port),
            login: login(&url, protocol)?,
            resolves,
        }))
    }

    /// Makes a connection to the proxy one to the target.
    pub(super) async fn tunnel(&self, tcp: TcpStream, target: Target) -> Result<TcpStream, TunnelError> {
        match self.protocol {
            Protocol::Connect => self.tunnel_by_connect(tcp, target).await,
            Protocol::Socks5 => self.tunnel_by_socks(tcp, target).await,
        }
    }

    async fn tunnel_by_connect(&self, tcp: TcpStream, target: Target) -> Result<TcpStream, TunnelError> {
        let request = self.connect_request(&target);
        let (mut sender, connection) = http1::handshake(TokioIo::new(tcp))
            .await
            .map_err(TunnelError::NotHttp)?;
        let open = async {
            let response = sender.send_request(request).await.map_err(TunnelError::NotHttp)?;
            let status = response.status();
            if !status.is_success() {
                return Err(TunnelError::Refused { status, target });
            }
            hyper::upgrade::on(response).await.map_err(TunnelError::NotHttp)
        };
        // The connection ends well as soon as it is handed over, and what asked for it has yet to take it.
        let tunnel = tokio::select! {
            tunnel = open => tunnel?,
            Err(error) = connection.with_upgrades() => return Err(TunnelError::NotHttp(error)),
        };
        match tunnel.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
            _ => Err(TunnelError::Early),
        }
    }

    fn connect_request(&self, target: &Target) -> Request<Empty<Bytes>> {
        let authority = target.to_string();
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        if let Ok(uri) = authority.parse() {
            *request.uri_mut() = uri;
        }
        if let Ok(host) = HeaderValue::from_str(&authority) {
            request.headers_mut().insert(header::HOST, host);
        }
        if let Some(login) = self.login.as_ref().and_then(Login::basic) {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, login);
        }
        request
    }

    async fn tunnel_by_socks(&self, tcp: TcpStream, target: Target) -> Result<TcpStream, TunnelError> {
        let to = match &target {
            Target::Address(address) => tokio_socks::TargetAddr::Ip(*address),
            Target::Name(name, port) => tokio_socks::TargetAddr::Domain(name.into(), *port),
        };
        let opened = match &self.login {
            None => Socks5Stream::connect_with_socket(tcp, to).await,
            Some(Login { user, password }) => {
                Socks5Stream::connect_with_password_and_socket(tcp, to, user, password).await
            }
        };
        opened
            .map(Socks5Stream::into_inner)
            .map_err(|source| TunnelError::Socks { source, target })
    }
}

impl Login {
    /// HTTP's Basic scheme (RFC 7617).
    fn basic(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.user, self.password);
        let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

fn login(url: &Url, protocol: Protocol) -> Result<Option<Login>, ProxyConfigError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| text.into_owned()).map_err(|_| ProxyConfigError::Login)
    };
    let login = Login {
        user: decode(url.username())?,
        password: decode(url.password().unwrap_or_default())?,
    };
    let fits = |text: &String| (1..=MAX_SOCKS_LOGIN).contains(&text.len());
    let fits_socks = fits(&login.user) && fits(&login.password);
    match protocol {
        Protocol::Socks5 if !fits_socks => Err(ProxyConfigError::Login),
        // RFC 7617, section 2: what is behind the first colon is the password.
        Protocol::Connect if login.user.contains(':') => Err(ProxyConfigError::Login),
        _ => Ok(Some(login)),
    }
}

impl TunnelError {
    /// Attributes the failure to the proxy or, if the proxy reports that, to the receiver.
    pub(super) fn reason(&self) -> FailureReason {
        use tokio_socks::Error::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TtlExpired};
        match self {
            // RFC 9110, sections 15.6.3 and 15.6.5; RFC 1928, section 6.
            Self::Refused {
                status: StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT,
                ..
            }
            | Self::Socks {
                source: NetworkUnreachable | HostUnreachable | ConnectionRefused | TtlExpired,
                ..
            } => FailureReason::Connect,
            _ => FailureReason::Proxy,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl fmt::Display for Proxy {
    /// Without the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} {self})", self.protocol)
    }
}
