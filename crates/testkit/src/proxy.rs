//! A TCP proxy that can be cut, or adds latency.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use url::Url;

use crate::address::{Reserved, bound};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// Forwards connections from a loopback port of its own to one address. Dropping it closes them all.
#[derive(Debug)]
pub struct FaultProxy {
    reserved: Reserved,
    target: SocketAddr,
    distance: Duration,
    forwarding: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy in front of the server that a URL names by host and port.
    ///
    /// # Panics
    ///
    /// When the URL names neither a port nor a host that resolves.
    pub async fn start(server: &str) -> Self {
        Self::start_far_from(server, Duration::ZERO).await
    }

    /// The same with this latency in each direction, for ends of connections as well.
    ///
    /// # Panics
    ///
    /// As [`FaultProxy::start`] does.
    pub async fn start_far_from(server: &str, distance: Duration) -> Self {
        let url = Url::parse(server).unwrap_or_else(|error| panic!("{server} is not a URL: {error}"));
        let (host, port) = (url.host_str().expect("a host"), url.port().expect("a port"));
        let mut found = tokio::net::lookup_host((host, port)).await.expect("the host resolves");
        let target = found.next().expect("the host has an address");
        let mut proxy = Self {
            reserved: Reserved::address(),
            target,
            distance,
            forwarding: None,
        };
        proxy.restore();
        proxy
    }

    /// The same URL with the proxy's address in it.
    pub fn in_front_of(&self, server: &str) -> String {
        let mut url = Url::parse(server).unwrap_or_else(|error| panic!("{server} is not a URL: {error}"));
        url.set_ip_host(self.reserved.socket().ip())
            .expect("a URL with a host takes another");
        url.set_port(Some(self.reserved.socket().port()))
            .expect("a URL with a host takes a port");
        url.into()
    }

    /// Closes every connection; new ones are refused until [`FaultProxy::restore`]. Both hold when this returns.
    pub async fn cut(&mut self) {
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.abort();
            // The listener and the connections belong to the task and are closed when it has ended.
            let _ = forwarding.await;
        }
    }

    /// Forwards again, after a cut.
    pub fn restore(&mut self) {
        if self.forwarding.is_none() {
            let listener = bound(self.reserved.socket())
                .listen(BACKLOG)
                .expect("the port is reserved");
            self.forwarding = Some(tokio::spawn(forward(listener, self.target, self.distance)));
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(forwarding) = &self.forwarding {
            forwarding.abort();
        }
    }
}

async fn forward(listener: TcpListener, target: SocketAddr, distance: Duration) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((mut client, _)) = listener.accept() => {
                connections.spawn(async move {
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
                    // It ends when either side leaves.
                    if distance.is_zero() {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                        return;
                    }
                    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                    let _ = tokio::join!(
                        carry(from_client, to_server, distance),
                        carry(from_server, to_client, distance)
                    );
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Writes what is read, so much later, and so its end.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    distance: Duration,
) -> std::io::Result<()> {
    let (sent, mut on_its_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let sending = async move {
        loop {
            let mut bytes = Vec::with_capacity(16 * 1024);
            let read = from.read_buf(&mut bytes).await;
            let ends = !matches!(read, Ok(count) if count > 0);
            if sent.send((Instant::now() + distance, bytes)).is_err() || ends {
                return;
            }
        }
    };
    let arriving = async move {
        while let Some((at, bytes)) = on_its_way.recv().await {
            tokio::time::sleep_until(at).await;
            if bytes.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::join!(sending, arriving).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Receiver, wait_until};

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn from_far_away_everything_arrives_later() {
        let receiver = Receiver::start().await;
        let distance = Duration::from_millis(40);
        let proxy = FaultProxy::start_far_from(&receiver.url(), distance).await;
        let mut connection = connect(&proxy).await.unwrap();
        for _ in 0..2 {
            let began = std::time::Instant::now();
            connection.write_all(REQUEST).await.unwrap();
            assert!(connection.read(&mut [0; 1024]).await.unwrap() > 0);
            assert!(began.elapsed() >= distance * 2);
        }
        connection.shutdown().await.unwrap();
        assert_eq!(connection.read(&mut [0; 1024]).await.unwrap(), 0);
    }

    async fn connect(proxy: &FaultProxy) -> std::io::Result<TcpStream> {
        TcpStream::connect(proxy.reserved.socket()).await
    }

    #[tokio::test]
    async fn it_forwards_until_it_is_cut_and_again_when_restored() {
        let receiver = Receiver::start().await;
        let mut proxy = FaultProxy::start(&receiver.url()).await;
        let through = proxy.in_front_of("http://user:password@example.org:1/path");
        assert_eq!(
            through,
            format!("http://user:password@{}/path", proxy.reserved.socket())
        );

        let mut connection = connect(&proxy).await.unwrap();
        connection.write_all(REQUEST).await.unwrap();
        receiver.wait_for(1, Duration::from_secs(10)).await;

        proxy.cut().await;
        let mut answer = Vec::new();
        // Reset or closed: in either case this ends.
        let _ = connection.read_to_end(&mut answer).await;
        assert!(connect(&proxy).await.is_err());

        proxy.restore();
        connect(&proxy).await.unwrap().write_all(REQUEST).await.unwrap();
        wait_until(Duration::from_secs(10), "the second request", async || {
            receiver.count() == 2
        })
        .await;
    }
}
