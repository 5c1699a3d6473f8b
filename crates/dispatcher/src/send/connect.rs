//! Making connections: looking a host up, connecting, directly or through the proxy, and encrypting.
//!
//! Need: a connection goes to an address that was checked for it, whatever the name says a moment later, and its parts
//! are measured. Mechanism: one place does all three, and what is connected to is the list that the check left over.
//! Limit: a literal address is checked in the URL ([`HttpClient`](super::http_client::HttpClient)) and once more here.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use rustls::pki_types::ServerName;
use tidings_domain::FailureReason;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;
use url::Host;

use super::connection::Connection;
use super::proxy::{Proxy, Target, TunnelError};
use super::timing::{self, Part};
use crate::resolve::{GuardedResolver, ResolveError};

#[cfg(test)]
mod tests;

/// How many addresses of a host a proxy is asked for; directly, the client tries all.
const PROXY_TRIES: usize = 3;

/// How long a connection may be silent before the other side is asked whether it is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The network as requests see it.
pub(crate) struct Network {
    pub(crate) resolver: GuardedResolver,
    pub(crate) proxy: Option<Proxy>,
    /// How long making a connection may take, the name's lookup and the TLS handshake included.
    pub(crate) connect_timeout: Duration,
}

/// Makes the connections of an HTTP client.
#[derive(Clone)]
pub(super) struct Connector {
    network: Arc<Network>,
    tls: TlsConnector,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("{0} is not an allowed address")]
    NotAllowed(IpAddr),
    #[error("no connection")]
    Tcp(#[source] BoxError),
    #[error("the TLS handshake failed")]
    Tls(#[source] std::io::Error),
    #[error("`{0}` can't be a server's name in TLS")]
    ServerName(String),
    #[error("the proxy {proxy} can't be reached")]
    NoProxy { proxy: String, source: BoxError },
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    #[error("the URL has no host")]
    NoHost,
}

impl Network {
    async fn connect(&self, uri: &Uri, tls: &TlsConnector) -> Result<Connection, ConnectError> {
        let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (tcp, remote) = self.reach(host, port).await?;
        if !encrypted {
            return Ok(Connection::plain(tcp, remote));
        }
        timing::begin(Part::Tls);
        let name = host.trim_end_matches('.').to_owned();
        let name = ServerName::try_from(name).map_err(|_| ConnectError::ServerName(host.to_owned()))?;
        let tls = tls.connect(name, tcp).await.map_err(ConnectError::Tls)?;
        Ok(Connection::encrypted(tls, remote))
    }

    /// A connection, and the address at its end as far as it is known here.
    async fn reach(&self, host: &str, port: u16) -> Result<(TcpStream, Option<IpAddr>), ConnectError> {
        let literal = host.parse::<IpAddr>().ok();
        if let (Some(proxy), None) = (self.proxy.as_ref().filter(|proxy| proxy.resolves), literal) {
            timing::begin(Part::Connect);
            let target = Target::Name(host.to_owned(), port);
            return Ok((self.reach_through(proxy, target).await?, None));
        }
        let addresses = match literal {
            Some(address) if self.resolver.rules().allows(address) => vec![address],
            Some(address) => return Err(ConnectError::NotAllowed(address)),
            None => {
                timing::begin(Part::Dns);
                self.resolver.allowed_addresses(host).await?
            }
        };
        timing::begin(Part::Connect);
        match &self.proxy {
            None => {
                let tcp = connect_to(addresses, port).await.map_err(ConnectError::Tcp)?;
                let remote = tcp.peer_addr().ok().map(|address| address.ip());
                Ok((tcp, remote))
            }
            Some(proxy) => {
                let (tcp, remote) = self.reach_one(proxy, addresses, port).await?;
                Ok((tcp, Some(remote)))
            }
        }
    }

    /// A proxy is told one address at a time.
    async fn reach_one(
        &self,
        proxy: &Proxy,
        addresses: Vec<IpAddr>,
        port: u16,
    ) -> Result<(TcpStream, IpAddr), ConnectError> {
        let mut failure = ConnectError::NoHost;
        for address in addresses.into_iter().take(PROXY_TRIES) {
            let target = Target::Address(SocketAddr::new(address, port));
            match self.reach_through(proxy, target).await {
                Ok(tcp) => return Ok((tcp, address)),
                Err(error) if error.reason() == FailureReason::Connect => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// Where the proxy is, is the operator's choice: its address is not checked.
    async fn reach_through(&self, proxy: &Proxy, target: Target) -> Result<TcpStream, ConnectError> {
        let unreachable = |source: BoxError| ConnectError::NoProxy {
            proxy: proxy.to_string(),
            source,
        };
        let addresses = match &proxy.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                let found = self.resolver.addresses(name).await;
                found.map_err(|error| unreachable(error.into()))?
            }
        };
        let tcp = connect_to(addresses, proxy.port).await.map_err(unreachable)?;
        Ok(proxy.tunnel(tcp, target).await?)
    }
}

/// Connects to one of these addresses and to no other; the families take turns (RFC 8305).
async fn connect_to(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, BoxError> {
    let addresses: Vec<_> = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    let found =
        tower::service_fn(move |_: Name| std::future::ready(Ok::<_, Infallible>(addresses.clone().into_iter())));
    let mut connector = HttpConnector::new_with_resolver(found);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(TCP_KEEPALIVE));
    // The name stands for the addresses above, which say the port too.
    let tcp = connector.call(Uri::from_static("http://found")).await?;
    Ok(tcp.into_inner())
}

impl Connector {
    pub(super) fn new(network: Arc<Network>, tls: Arc<rustls::ClientConfig>) -> Self {
        Self {
            network,
            tls: TlsConnector::from(tls),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { network, tls } = self.clone();
        Box::pin(async move {
            let within = network.connect_timeout;
            let connection = tokio::time::timeout(within, network.connect(&uri, &tls))
                .await
                .map_err(|_| ConnectError::Timeout(within))??;
            timing::connected();
            Ok(connection)
        })
    }
}

impl ConnectError {
    pub(super) fn reason(&self) -> FailureReason {
        match self {
            Self::Resolve(ResolveError::Blocked { .. }) | Self::NotAllowed(_) => FailureReason::BlockedAddress,
            Self::Resolve(_) => FailureReason::Dns,
            Self::Tcp(_) | Self::NoHost => FailureReason::Connect,
            Self::Tls(_) | Self::ServerName(_) => FailureReason::Tls,
            Self::NoProxy { .. } => FailureReason::Proxy,
            Self::Tunnel(error) => error.reason(),
            Self::Timeout(_) => FailureReason::Timeout,
        }
    }
}
