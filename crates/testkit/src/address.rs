//! A loopback address that stays the same while listeners there come and go.
//!
//! A socket that is bound and never listens holds the port: the system gives it to nobody else, whoever knows the
//! address can listen on it again and again, and while nobody does, connections are refused.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port of its own, free again when this value is dropped.
#[derive(Debug)]
pub struct Reserved {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Reserved {
    /// Reserves a free port on the loopback interface.
    pub fn address() -> Self {
        let socket = bound(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = socket.local_addr().expect("a bound socket has an address");
        Self {
            address,
            _socket: socket,
        }
    }

    pub fn socket(&self) -> SocketAddr {
        self.address
    }

    /// The address as `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A socket bound in the way that lets others bind to the same address while none of them listens.
pub(crate) fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.set_reuseaddr(true).expect("an option of sockets");
    socket
        .bind(address)
        .unwrap_or_else(|error| panic!("cannot bind to {address}: {error}"));
    socket
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::wait_until;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn listeners_come_and_go_at_one_address() {
        let reserved = Reserved::address();
        for _ in 0..2 {
            // A process that another test has just started holds the last listener until it becomes its program.
            wait_until(SOON, "connections to be refused", async || {
                let connected = TcpStream::connect(reserved.socket()).await;
                connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
            })
            .await;
            let listener = TcpListener::bind(reserved.socket()).await.unwrap();
            let (connected, accepted) = tokio::join!(TcpStream::connect(reserved.socket()), listener.accept());
            connected.unwrap();
            accepted.unwrap();
        }
    }
}
