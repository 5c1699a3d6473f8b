//! Reception of PostgreSQL's notifications (`LISTEN`).

use std::future::poll_fn;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Connection};

use super::Postgres;
use crate::error::StoreError;

/// Notifications that may wait to be received; more than that wait in the server.
const CAPACITY: usize = 1_024;

impl Postgres {
    /// Listens to a channel on a connection of its own. What `read` makes nothing of is left out. The receiver's channel
    /// closes when that connection is lost.
    pub(super) async fn listen<T: Send + 'static>(
        &self,
        channel: &'static str,
        read: impl Fn(&str) -> Option<T> + Send + 'static,
    ) -> Result<mpsc::Receiver<T>, StoreError> {
        let (client, connection) = self.session.connect(self.tls.clone()).await?;
        let (announced, receiver) = mpsc::channel(CAPACITY);
        // The connection lives as long as its client, so whoever forwards keeps it.
        let client = Arc::new(client);
        let alive = Arc::clone(&client);
        tokio::spawn(async move {
            tokio::select! {
                () = forward(channel, connection, read, &announced) => {}
                () = announced.closed() => {}
            }
            drop(alive);
        });
        // After the task is spawned, because nothing is answered unless somebody drives the connection.
        client.batch_execute(&format!("LISTEN {channel}")).await?;
        Ok(receiver)
    }
}

/// Passes announcements on until the connection or the receiver is gone.
async fn forward<S, T, A>(
    channel: &str,
    mut connection: Connection<S, T>,
    read: impl Fn(&str) -> Option<A>,
    announced: &mpsc::Sender<A>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        let announcement = match message {
            Ok(AsyncMessage::Notification(notification)) => read(notification.payload()),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(channel, %error, "the connection that receives the database's notifications was lost");
                return;
            }
        };
        if let Some(announcement) = announcement
            && announced.send(announcement).await.is_err()
        {
            return;
        }
    }
}
