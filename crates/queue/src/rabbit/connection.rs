//! Connections to the broker: opened, observed, and their errors explained, each within a time limit.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use lapin::{Connection, Error, ErrorKind, Event};
use tidings_service::tls::ClientTls;
use tokio::time::timeout;

use super::addresses::{Address, Addresses};
use super::line::Line;

/// Time limit for one answer of the broker, or for the network to take one frame.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// Failure that makes a connection or channel useless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Explanation for the operator.
    pub(super) reason: String,
    pub(super) cure: Cure,
}

/// Remedy for a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cure {
    /// Reconnecting.
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

/// Addresses and credentials of the broker.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) addresses: Addresses,
    tls: ClientTls,
    /// Time limit for connecting to one address.
    limit: Duration,
}

impl Broker {
    /// Parses and checks the configuration; the error says what to correct.
    pub(super) fn new(url: &str, tls: ClientTls, limit: Duration) -> Result<Self, String> {
        let addresses = Addresses::parse(url)?;
        if tls.is_set() && !addresses.is_tls() {
            return Err("amqp.tls is set, but amqp.url begins with amqp://: TLS needs amqps://".into());
        }
        tls.rustls().map_err(|error| format!("amqp.tls: {error}"))?;
        Ok(Self { addresses, tls, limit })
    }

    /// Opens a connection that the broker lists under this name, at the first address that answers.
    pub(super) async fn dial(&self, name: &str) -> Result<Line, Failure> {
        let (addresses, mut failures) = self.addresses.resolve(self.limit).await;
        for address in addresses {
            let socket = address.socket;
            let at = format!("{}:{}", address.uri.authority.host, socket.port());
            // Each address has a limit of its own: one that drops packets must not use up the others' time.
            let why = match timeout(self.limit, self.open(address, name)).await {
                Ok(Ok(line)) => return Ok(line),
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {:?}", self.limit),
            };
            self.addresses.failed(socket);
            failures.push(format!("can't connect to {at}: {why}"));
        }
        Err(Failure::passing(failures.join("; ")))
    }

    async fn open(&self, address: Address, name: &str) -> Result<Line, String> {
        let tls = if self.addresses.is_tls() {
            let host = self.tls.server_name.clone();
            let host = host.unwrap_or_else(|| address.uri.authority.host.clone());
            // Read anew each time: files may have been renewed.
            let config = self.tls.rustls().map_err(|error| error.to_string())?;
            Some((Arc::new(config), host))
        } else {
            None
        };
        Line::open(address, tls, name).await.map_err(|error| explain(&error))
    }
}

/// Time limit where the broker waits for an unresponsive node, until it counts that node as down.
// Longer than the broker's `net_ticktime` (60 s by default), after which an unresponsive node counts as down.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for one answer of the broker, but not for ever.
pub(super) async fn answer<T>(what: &str, future: impl Future<Output = lapin::Result<T>>) -> Result<T, Failure> {
    within(ANSWER, what, future).await
}

/// The same where other nodes may have to answer first.
pub(super) async fn patient_answer<T>(
    what: &str,
    future: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Failure> {
    within(PATIENCE, what, future).await
}

/// The same with a limit of the caller's.
pub(super) async fn within<T>(
    limit: Duration,
    what: &str,
    future: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Failure> {
    match timeout(limit, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            // 404 means that a queue or exchange is gone: reconnecting alone would fail for ever.
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
        Err(_) => Err(Failure::passing(format!("{what}: no answer within {limit:?}"))),
    }
}

/// Events of a connection from now on: alarms and its end. Errors that end only one channel are reported to the owner
/// of that channel.
pub(super) fn events(connection: &Connection) -> BoxStream<'static, Event> {
    // Ending the connection for these would turn one refused declaration into an outage.
    let of_a_channel = |event: &Event| matches!(event, Event::Error(error) if error.is_amqp_soft_error());
    connection
        .events_listener()
        .filter(move |event| std::future::ready(!of_a_channel(event)))
        .boxed()
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
