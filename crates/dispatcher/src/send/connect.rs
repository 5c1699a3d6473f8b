//! Makes connections: resolves the host, connects directly or through the proxy, and encrypts.
//!
//! A connection goes to an address that was checked for it, whatever the name resolves to a moment later: one place
//! does all three steps and connects only to the list that the check left over. Each step is timed. Resolving has a
//! time limit of its own, so that a slow name server does not use up the receiver's time. A literal address is
//! checked in the URL ([`HttpClient`](super::http_client::HttpClient)) and here once more.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tidings_domain::FailureReason;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Host;

use super::addresses::{self, Unreachable};
use super::broken::{causes, tls_error};
use super::connection::Connection;
use super::proxy::{Proxy, Target, TunnelError};
use super::timing::{self, Part};
use super::trust;
use crate::resolve::{GuardedResolver, ResolveError};

#[cfg(test)]
mod tests;

/// Maximum addresses of a host tried through a proxy; directly, the client tries all.
const PROXY_TRIES: usize = 3;

/// The longest time that a name is looked up; of an attempt that has less, half of its time.
const LOOKUP: Duration = Duration::from_secs(5);

/// The network as requests see it.
pub(crate) struct Network {
    pub(crate) resolver: GuardedResolver,
    pub(crate) proxy: Option<Proxy>,
    /// Time limit for making a connection, including name lookup and TLS handshake.
    pub(crate) connect_timeout: Duration,
}

/// Reason why no connection was made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("{0} is not an allowed address")]
    NotAllowed(IpAddr),
    #[error("no connection: {0}")]
    Tcp(Unreachable),
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("`{0}` can't be a server's name in TLS")]
    ServerName(String),
    #[error("the proxy {proxy} can't be reached: {why}")]
    NoProxy { proxy: String, why: String },
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    #[error("the URL has no host")]
    NoHost,
}

impl Network {
    /// Connects to the host of a URL, for an attempt that has so much time in all.
    pub(super) async fn connect(
        &self,
        uri: &Uri,
        tls: &TlsConnector,
        within: Duration,
    ) -> Result<Connection, ConnectError> {
        let longest = self.connect_timeout;
        timeout(longest, self.connect_patiently(uri, tls, within.min(longest)))
            .await
            .map_err(|_| ConnectError::Timeout(longest))?
    }

    async fn connect_patiently(
        &self,
        uri: &Uri,
        tls: &TlsConnector,
        within: Duration,
    ) -> Result<Connection, ConnectError> {
        let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (tcp, remote) = self.reach(host, port, within).await?;
        if !encrypted {
            return Ok(Connection::plain(tcp, remote));
        }
        timing::begin(Part::Tls);
        // Names in TLS have no dot at the end (RFC 6066, section 3).
        let name = host.trim_end_matches('.').to_owned();
        let name = ServerName::try_from(name).map_err(|_| ConnectError::ServerName(host.to_owned()))?;
        let tls = tls.connect(name, tcp).await.map_err(ConnectError::Tls)?;
        Ok(Connection::encrypted(tls, remote))
    }

    /// A connection, and the address at its end as far as it is known here.
    async fn reach(
        &self,
        host: &str,
        port: u16,
        within: Duration,
    ) -> Result<(TcpStream, Option<IpAddr>), ConnectError> {
        // An address needs no lookup, so it is checked here even if the proxy resolves names.
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
                let longest = LOOKUP.min(within / 2);
                match timeout(longest, self.resolver.allowed_addresses(host)).await {
                    Ok(found) => found?,
                    Err(_) => return Err(ResolveError::no_answer(host, longest).into()),
                }
            }
        };
        timing::begin(Part::Connect);
        match &self.proxy {
            None => {
                let tcp = addresses::connect(addresses, port).await.map_err(ConnectError::Tcp)?;
                let remote = tcp.peer_addr().ok().map(|address| address.ip());
                Ok((tcp, remote))
            }
            Some(proxy) => {
                let (tcp, remote) = self.reach_one(proxy, addresses, port, within).await?;
                Ok((tcp, Some(remote)))
            }
        }
    }

    /// A proxy gets one address at a time, each with a part of the time.
    async fn reach_one(
        &self,
        proxy: &Proxy,
        addresses: Vec<IpAddr>,
        port: u16,
        within: Duration,
    ) -> Result<(TcpStream, IpAddr), ConnectError> {
        let tries = addresses.len().min(PROXY_TRIES);
        // One part more than there are tries is left for TLS and the request.
        let part = within / (tries as u32 + 1);
        let mut failure = ConnectError::NoHost;
        for (number, address) in addresses.into_iter().take(tries).enumerate() {
            let target = Target::Address(SocketAddr::new(address, port));
            let reaching = self.reach_through(proxy, target);
            let reached = if number + 1 == tries {
                reaching.await
            } else {
                let late = |_| Err(ConnectError::Timeout(part));
                timeout(part, reaching).await.unwrap_or_else(late)
            };
            match reached {
                Ok(tcp) => return Ok((tcp, address)),
                Err(error) if error.is_of_address() => failure = error,
                // The proxy itself refused or failed, which another address does not change.
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// Connects through the proxy. Its own address is not checked: the operator chose it.
    async fn reach_through(&self, proxy: &Proxy, target: Target) -> Result<TcpStream, ConnectError> {
        let unreachable = |why: String| ConnectError::NoProxy {
            proxy: proxy.to_string(),
            why,
        };
        let addresses = match &proxy.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => {
                let found = self.resolver.addresses(name).await;
                found.map_err(|error| unreachable(error.to_string()))?
            }
        };
        let tcp = addresses::connect(addresses, proxy.port).await;
        let tcp = tcp.map_err(|error| unreachable(error.to_string()))?;
        Ok(proxy.tunnel(tcp, target).await?)
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

    /// For those who read why an attempt failed.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Tls(error) => match tls_error(error) {
                Some(error) => trust::explain(error),
                None => "the receiver closed the connection during the TLS handshake".into(),
            },
            Self::Tunnel(error) => causes(error)
                .map(|cause| cause.to_string())
                .collect::<Vec<_>>()
                .join(": "),
            other => other.to_string(),
        }
    }

    /// The receiver, or the network on the way there, refused the connection.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// The only cause is that this machine has no room for another connection.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Tcp(error) if error.is_ours())
    }

    /// Another address of the host may succeed.
    fn is_of_address(&self) -> bool {
        matches!(self.reason(), FailureReason::Connect | FailureReason::Timeout)
    }
}
