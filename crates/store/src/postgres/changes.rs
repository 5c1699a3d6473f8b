//! Changes of the registry as they are announced (`LISTEN tidings_registry`).

use std::future::poll_fn;
use std::sync::Arc;

use tidings_domain::TenantId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Connection};
use uuid::Uuid;

use super::Postgres;
use crate::error::StoreError;
use crate::registry::Of;

/// How many changes may wait to be received; those beyond wait in the server.
const CAPACITY: usize = 1_024;

impl Postgres {
    /// Listens on a connection of its own. The channel closes when that connection is lost.
    pub(super) async fn listen(&self) -> Result<mpsc::Receiver<Of>, StoreError> {
        let (client, connection) = self.session.connect(self.tls.clone()).await?;
        let (changes, receiver) = mpsc::channel(CAPACITY);
        // The connection lives as long as its client, so whoever forwards keeps it.
        let client = Arc::new(client);
        let alive = Arc::clone(&client);
        tokio::spawn(async move {
            tokio::select! {
                () = forward(connection, &changes) => {}
                () = changes.closed() => {}
            }
            drop(alive);
        });
        client.batch_execute("LISTEN tidings_registry").await?;
        Ok(receiver)
    }
}

/// Passes announcements on until the connection or the receiver is gone.
async fn forward<S, T>(mut connection: Connection<S, T>, changes: &mpsc::Sender<Of>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        let change = match message {
            Ok(AsyncMessage::Notification(notification)) => parse(notification.payload()),
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, "changes of the registry are no longer heard");
                return;
            }
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

/// What a trigger `announce_…` wrote. Anything else says that something changed.
fn parse(payload: &str) -> Of {
    match Uuid::try_parse(payload) {
        Ok(tenant) => Of::Tenant(TenantId::from_uuid(tenant)),
        Err(_) if payload == "operators" => Of::Operators,
        Err(_) if payload == "event_types" => Of::EventTypes,
        Err(_) => Of::Everything,
    }
}
