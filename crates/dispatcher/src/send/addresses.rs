//! Connects to one of a host's addresses (RFC 8305, section 5).
//!
//! An address that does not answer must not use up the time of those that do. The next address is tried as soon as
//! one fails, or in parallel after [`STAGGER`]; the families take turns, and the first connection wins. Earlier
//! results are not remembered.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower::Service as _;

use super::broken::causes;

/// Delay before the next address is tried in parallel.
const STAGGER: Duration = Duration::from_millis(250);

/// Idle time before TCP keep-alive probes the other side.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Errors that mean this machine lacks a resource: `EMFILE`, `ENFILE`, `ENOMEM`, `ENOBUFS`, `EADDRNOTAVAIL`.
const SHORTAGES: [i32; 5] = [24, 23, 12, 105, 99];

/// No address could be connected to. Holds the error of the first one, which is the preferred address.
#[derive(Debug, thiserror::Error)]
#[error("{}", in_words(*address, *kind, *code))]
pub(super) struct Unreachable {
    address: SocketAddr,
    kind: io::ErrorKind,
    code: Option<i32>,
}

/// Connects to one of these addresses, at least one, and to no other.
pub(super) async fn connect(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, Unreachable> {
    let mut rest = in_turns(addresses).into_iter().map(|ip| SocketAddr::new(ip, port));
    let mut failure = None;
    let mut trying = JoinSet::new();
    loop {
        match rest.next() {
            // Most hosts have one.
            Some(address) if rest.len() == 0 && trying.is_empty() => {
                return connect_to(address).await.map_err(|error| failure.unwrap_or(error));
            }
            Some(address) => drop(trying.spawn(connect_to(address))),
            None if trying.is_empty() => return Err(failure.unwrap_or_else(|| Unreachable::nothing(port))),
            None => {}
        }
        let next = tokio::select! {
            tried = trying.join_next() => tried,
            () = tokio::time::sleep(STAGGER), if rest.len() > 0 => None,
        };
        match next {
            // Dropping the set gives up the attempts at other addresses.
            Some(Ok(Ok(tcp))) => return Ok(tcp),
            Some(Ok(Err(error))) => failure = failure.or(Some(error)),
            Some(Err(_)) | None => {}
        }
    }
}

async fn connect_to(address: SocketAddr) -> Result<TcpStream, Unreachable> {
    let found = tower::service_fn(move |_: Name| std::future::ready(Ok::<_, Infallible>(std::iter::once(address))));
    let mut connector = HttpConnector::new_with_resolver(found);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(TCP_KEEPALIVE));
    // The name stands for the address above, which says the port too.
    let connected = connector.call(Uri::from_static("http://found")).await;
    connected.map(|tcp| tcp.into_inner()).map_err(|error| {
        let io = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>());
        Unreachable {
            address,
            kind: io.map_or(io::ErrorKind::Other, io::Error::kind),
            code: io.and_then(io::Error::raw_os_error),
        }
    })
}

/// The families in turns, beginning with that of the first.
fn in_turns(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let (like_first, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut turns = Vec::with_capacity(like_first.len() + others.len());
    let (mut like_first, mut others) = (like_first.into_iter(), others.into_iter());
    loop {
        let pair = [like_first.next(), others.next()];
        let before = turns.len();
        turns.extend(pair.into_iter().flatten());
        if turns.len() == before {
            return turns;
        }
    }
}

impl Unreachable {
    fn nothing(port: u16) -> Self {
        Self {
            address: SocketAddr::new([0, 0, 0, 0].into(), port),
            kind: io::ErrorKind::Other,
            code: None,
        }
    }

    /// Detects a shortage on this machine, which says nothing about the receiver.
    pub(super) fn is_ours(&self) -> bool {
        // A machine without IPv6 has no address for it, and will have none later.
        let lacks_family = self.kind == io::ErrorKind::AddrNotAvailable && self.address.is_ipv6();
        !lacks_family && self.code.is_some_and(|code| SHORTAGES.contains(&code))
    }
}

fn in_words(address: SocketAddr, kind: io::ErrorKind, code: Option<i32>) -> String {
    let why = match kind {
        io::ErrorKind::ConnectionRefused => "refused it: nothing listens there, or a firewall refuses us".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => "reset it at once".into(),
        io::ErrorKind::TimedOut => "did not answer".into(),
        io::ErrorKind::NetworkUnreachable => "is in a network that can't be reached from here".into(),
        io::ErrorKind::HostUnreachable => "can't be reached: a router on the way says so".into(),
        io::ErrorKind::AddrNotAvailable if address.is_ipv6() => "needs IPv6, which this machine does not have".into(),
        io::ErrorKind::PermissionDenied => "may not be connected to: a firewall of this machine forbids it".into(),
        _ => match code {
            Some(code) if SHORTAGES.contains(&code) => {
                format!("was not asked: this machine has no room for another connection (system error {code})")
            }
            Some(code) => format!("could not be connected to (system error {code})"),
            None => "could not be connected to".into(),
        },
    };
    format!("{address} {why}")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::1"].map(ip).to_vec();
        let expected = ["10.0.0.1", "::1", "10.0.0.2", "10.0.0.3"].map(ip);
        assert_eq!(in_turns(addresses), expected);
        assert_eq!(in_turns(vec![ip("::1"), ip("::2")]), [ip("::1"), ip("::2")]);
        assert!(in_turns(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_fails_leads_to_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.1"].map(ip).to_vec();
        let tcp = connect(addresses, port).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), listener.local_addr().unwrap());

        let refused = connect(["127.0.0.2", "127.0.0.3"].map(ip).to_vec(), port)
            .await
            .unwrap_err();
        let expected = format!("127.0.0.2:{port} refused it: nothing listens there, or a firewall refuses us");
        assert_eq!(refused.to_string(), expected);
        assert!(!refused.is_ours());
    }

    /// A queue of connections that nobody accepts is full after two: the kernel then answers no more.
    #[tokio::test]
    async fn an_address_that_is_silent_does_not_take_the_time_of_the_next() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let silent = socket.listen(1).unwrap();
        let port = silent.local_addr().unwrap().port();
        let _answers = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let mut filling = Vec::new();
        while let Ok(tcp) = tokio::time::timeout(
            Duration::from_millis(200),
            TcpStream::connect(silent.local_addr().unwrap()),
        )
        .await
        {
            filling.push(tcp.unwrap());
        }
        let tcp = connect(["127.0.0.2", "127.0.0.1"].map(ip).to_vec(), port)
            .await
            .unwrap();
        assert_eq!(tcp.peer_addr().unwrap().ip(), ip("127.0.0.1"));
    }
}
