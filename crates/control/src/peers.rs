//! Other processes, as they report themselves.

use std::time::Duration;

use tidings_service::client::{ClientError, channel};
use tidings_service::replicas::Replicas;
use tidings_service::tls::ClientTls;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// Time for another process to report its health.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Another process, or those behind one name.
#[derive(Clone)]
pub struct Peer {
    role: &'static str,
    server: String,
    channel: Replicas,
}

impl Peer {
    /// One peer for each of these servers. Nothing is connected yet. `key` is the key of the configuration that names them.
    pub fn all(
        role: &'static str,
        key: &'static str,
        servers: &[String],
        tls: &ClientTls,
    ) -> Result<Vec<Self>, ClientError> {
        let peer = |server: &String| {
            Ok(Self {
                role,
                server: server.clone(),
                // A channel for each server, because one for all would answer for those that are away.
                channel: channel(key, std::slice::from_ref(server), tls, ANSWERS_WITHIN)?,
            })
        };
        servers.iter().map(peer).collect()
    }

    pub(crate) async fn look(&self) -> PeerState {
        let mut client = HealthClient::new(self.channel.clone());
        let asked = tokio::time::timeout(ANSWERS_WITHIN, client.check(HealthCheckRequest::default()));
        let problem = match asked.await {
            Ok(Ok(answer)) if answer.get_ref().status == ServingStatus::Serving as i32 => None,
            Ok(Ok(_)) => Some("it reports that it is not ready".to_owned()),
            Ok(Err(status)) => Some(status.message().to_owned()),
            Err(_) => Some(format!("it did not answer within {ANSWERS_WITHIN:?}")),
        };
        PeerState {
            role: self.role,
            server: self.server.clone(),
            problem,
        }
    }
}

/// Health of another process, as reported by itself.
pub struct PeerState {
    pub role: &'static str,
    pub server: String,
    /// The reason why it can't be relied upon; `None` if it is serving.
    pub problem: Option<String>,
}
