//! Checks of the other roles and their health.

use std::time::Duration;

use serde::Deserialize;
use tidings_service::client::internal_channel;
use tidings_service::tls::ClientTls;
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use url::Url;

use super::finding::Findings;
use super::outside::get;
use crate::config::Config;

/// The parts of a process's `/status` that are read.
#[derive(Deserialize)]
struct Status {
    ready: bool,
    stopping: bool,
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    component: String,
    up: bool,
    #[serde(default)]
    reason: String,
}

/// Checks each configured address of other roles.
pub(super) async fn reach(config: &Config, within: Duration, found: &mut Findings) -> anyhow::Result<()> {
    let (log, dispatcher) = (&config.log_client, &config.dispatcher_client);
    let known: [(&str, &'static str, &[String], &ClientTls); 2] = [
        ("log", "log_client.servers", &log.servers, &log.tls),
        (
            "dispatcher",
            "dispatcher_client.servers",
            &dispatcher.servers,
            &dispatcher.tls,
        ),
    ];
    for (role, key, servers, tls) in known {
        for server in servers {
            let check = format!("{role} at {server}");
            let only = std::slice::from_ref(server);
            let channel = match internal_channel(key, only, tls, within, &config.internal.token) {
                Ok(channel) => channel,
                Err(error) => {
                    found.fail(&check, error.to_string(), "correct it")?;
                    continue;
                }
            };
            let mut health = HealthClient::new(channel);
            let asked = timeout(within, health.check(HealthCheckRequest::default())).await;
            match asked {
                Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => {
                    found.ok(&check, "it serves")?;
                }
                Ok(Ok(_)) => found.warn(&check, "it runs, but is not ready", "its /status says why")?,
                Ok(Err(status)) => found.fail(&check, status.message(), "start it, or correct the address")?,
                Err(_) => found.fail(&check, "it does not answer", "check whether it hangs, and the network")?,
            }
        }
    }
    Ok(())
}

/// Checks a process by its monitor's `/status`.
pub(super) async fn ask(url: &Url, within: Duration, found: &mut Findings) -> anyhow::Result<()> {
    let check = format!("process at {url}");
    let answer = match get(&format!("{}/status", url.as_str().trim_end_matches('/')), within).await {
        Ok((200, body)) => serde_json::from_slice::<Status>(&body).map_err(|error| error.to_string()),
        Ok((status, _)) => Err(format!("it answers {status}")),
        Err(reason) => Err(reason),
    };
    let status = match answer {
        Ok(status) => status,
        Err(reason) => return found.fail(&check, reason, "name the address of its monitor, as in http://log:9464"),
    };
    for component in status.components.iter().filter(|component| !component.up) {
        let says = format!("{} is missing: {}", component.component, component.reason);
        let cure = "what it says";
        if status.ready {
            found.warn(&check, says, cure)?;
        } else {
            found.fail(&check, says, cure)?;
        }
    }
    match (status.ready, status.stopping) {
        (true, _) => found.ok(&check, "it is ready"),
        (false, true) => found.warn(&check, "it is stopping", ""),
        (false, false) => found.fail(&check, "it is not ready", "what is missing is named above"),
    }
}
