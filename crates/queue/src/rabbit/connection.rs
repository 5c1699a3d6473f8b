//! Connections to the broker: dialled, closed and their errors put into words, each within a limit.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, Error, ErrorKind, Event};
use tokio::time::timeout;

/// How long the broker may take for one answer, or the network to take one frame.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// Why a connection or channel is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// In words, for the operator.
    pub(super) reason: String,
    /// What helps.
    pub(super) cure: Cure,
}

/// What helps against a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cure {
    /// Trying again.
    Retry,
    /// Declaring the topology again, because something of it is missing.
    Declare,
    /// Somebody who does what the reason says.
    Operator,
}

impl Failure {
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            cure: Cure::Retry,
        }
    }
}

/// Opens a connection that the broker lists under this name.
pub(super) async fn dial(uri: &AMQPUri, name: &str, limit: Duration) -> Result<Connection, Failure> {
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let at = format!("{}:{}", uri.authority.host, uri.authority.port);
    match timeout(limit, Connection::connect_uri(uri.clone(), properties)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(Failure::passing(format!("can't connect to {at}: {}", explain(&error)))),
        Err(_) => Err(Failure::passing(format!(
            "can't connect to {at}: no answer within {limit:?}"
        ))),
    }
}

/// Waits for one answer of the broker, but not for ever.
pub(super) async fn answer<T>(what: &str, future: impl Future<Output = lapin::Result<T>>) -> Result<T, Failure> {
    match timeout(ANSWER, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let cure = if code(&error) == Some(404) {
                Cure::Declare
            } else {
                Cure::Retry
            };
            Err(Failure {
                reason: format!("{what}: {}", explain(&error)),
                cure,
            })
        }
        Err(_) => Err(Failure::passing(format!("{what}: no answer within {ANSWER:?}"))),
    }
}

/// What happens to a connection from now on: alarms and its end. Errors that end one channel only are for who
/// has the channel.
pub(super) fn events(connection: &Connection) -> BoxStream<'static, Event> {
    let of_a_channel = |event: &Event| matches!(event, Event::Error(error) if error.is_amqp_soft_error());
    connection
        .events_listener()
        .filter(move |event| std::future::ready(!of_a_channel(event)))
        .boxed()
}

/// Closes a connection whose channels are closed or lost. The client can hang here when a channel is half
/// closed or the broker blocks, hence the limit; dropping the connection then ends it.
pub(super) async fn close(connection: &Connection) {
    const LIMIT: Duration = Duration::from_secs(5);
    let _ = timeout(LIMIT, connection.close(200, "bye".into())).await;
}

/// An error in the operator's words.
pub(super) fn explain(error: &Error) -> String {
    match error.kind() {
        ErrorKind::IOError(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "connection refused: is the broker running?".to_owned()
        }
        ErrorKind::ProtocolError(error) => {
            let message = error.get_message();
            match error.get_id() {
                403 => format!("bad credentials or missing permissions ({message}): check the user in the URL"),
                530 => format!("wrong virtual host ({message}): check the path of the URL and the user's permissions"),
                320 => format!("closed by the broker or an operator ({message})"),
                _ => message.to_string(),
            }
        }
        ErrorKind::MissingHeartbeatError => "no heartbeat: the network or the broker stopped answering".to_owned(),
        _ => error.to_string(),
    }
}

/// The code of the broker's error, if it is one: 404 not found, 406 precondition failed.
pub(super) fn code(error: &Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}
