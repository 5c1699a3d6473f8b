//! A connection to the broker that keeps a handle of its socket.
//!
//! The client keeps a closing connection's socket open until the broker agrees. A broker that is unresponsive does
//! not agree, and once it recovers it delivers messages to that connection, where nobody receives them. So the socket
//! is cut when a connection is given up.

use std::net::{Shutdown, TcpStream};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_compat::CompatExt;
use lapin::tcp::RustlsConnector;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ErrorKind};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::addresses::Address;

/// A connection that ends when this is dropped.
pub(super) struct Line {
    connection: Connection,
    socket: Socket,
    pub(super) address: Address,
}

impl Line {
    /// Connects to one address, with TLS if there is a configuration for it.
    pub(super) async fn open(
        address: Address,
        tls: Option<(Arc<ClientConfig>, String)>,
        name: &str,
    ) -> lapin::Result<Self> {
        let io = |error: std::io::Error| lapin::Error::from(ErrorKind::IOError(Arc::new(error)));
        let stream = tokio::net::TcpStream::connect(address.socket).await.map_err(io)?;
        // Acknowledgements and confirms are small frames that somebody waits for.
        stream.set_nodelay(true).map_err(io)?;
        // Before TLS and the client take the stream, which give no handle back.
        let socket = Socket(stream.as_fd().try_clone_to_owned().map_err(io)?.into());
        let mut stream = AsyncTcpStream::Plain(stream.compat());
        if let Some((config, host)) = tls {
            let connector = RustlsConnector::from(config);
            stream = stream.into_rustls(&connector, &host).await.map_err(io)?;
        }
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let once = Mutex::new(Some(stream));
        // The client asks again only when it is to recover by itself, which it is not.
        let hand_over = async move |_, _| {
            let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
            stream.ok_or_else(|| io(std::io::ErrorKind::ConnectionAborted.into()))
        };
        let runtime = lapin::runtime::default_runtime()?;
        let connection = Connection::connector(address.uri.clone(), runtime, hand_over, properties).await?;
        Ok(Self {
            connection,
            socket,
            address,
        })
    }

    /// Closes the connection, whose channels are closed or lost, and cuts it if the broker does not agree at once. The
    /// client can hang here when a channel is half closed or the broker blocks.
    pub(super) async fn close(&self) {
        // A healthy broker answers within milliseconds; measured, this call can also hang for ever.
        const LIMIT: Duration = Duration::from_secs(1);
        let _ = timeout(LIMIT, self.connection.close(200, "bye".into())).await;
        self.socket.cut();
    }
}

impl Deref for Line {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// A second handle to a connection's socket, which ends with it.
struct Socket(TcpStream);

impl Socket {
    fn cut(&self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.cut();
    }
}
