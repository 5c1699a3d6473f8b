//! What only the management API tells: messages that are stuck in a rung, and policies that override arguments.
//!
//! A message on its way from a rung to its lane counts as neither ready nor unacknowledged; one that stays so is
//! stuck. A policy beats some arguments, silently: `overflow: drop-head` alone makes a rung lose what it forwards. The
//! API's numbers lag by some seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

use super::Shared;
use crate::metrics;

const EVERY: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a policy must not set for our queues: each makes the broker drop, expire or refuse messages of its own accord.
const HARMFUL: [&str; 6] = [
    "delivery-limit",
    "expires",
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "overflow",
];

#[derive(Deserialize)]
struct Queue {
    name: String,
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    messages_ready: u64,
    #[serde(default)]
    messages_unacknowledged: u64,
    /// An object, or an empty array if there is none.
    #[serde(default)]
    effective_policy_definition: Value,
}

/// Asks for ever, if the API's address is configured.
pub(super) async fn watch(shared: &Shared) {
    let base = shared.config.management_url.reveal();
    if base.is_empty() {
        return;
    }
    let url = match queues_url(base, shared) {
        Ok(url) => url,
        Err(reason) => return tracing::error!(reason, "amqp.management_url is of no use: correct it"),
    };
    // Another part of the process may have chosen the provider already; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = match Client::builder().timeout(ANSWER_WITHIN).no_proxy().build() {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "the management API can't be asked"),
    };
    let mut known = Known::default();
    let mut timer = interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        match queues(&client, &url).await {
            Ok(queues) => {
                known.failing = false;
                report(shared, &queues, &mut known);
            }
            Err(error) => {
                // The URL holds a password.
                let error = error.without_url();
                if !known.failing {
                    tracing::warn!(%error, "the management API does not answer: stuck messages and policies are not watched");
                }
                known.failing = true;
            }
        }
    }
}

/// What was already said in the log.
#[derive(Default)]
struct Known {
    failing: bool,
    overridden: BTreeSet<String>,
}

fn report(shared: &Shared, queues: &[Queue], known: &mut Known) {
    let ours: BTreeSet<String> = shared.topology.queues().into_iter().map(|queue| queue.name).collect();
    let mut overridden = BTreeSet::new();
    for queue in queues.iter().filter(|queue| ours.contains(&queue.name)) {
        if shared.topology.is_rung(&queue.name) {
            let seen = queue.messages_ready + queue.messages_unacknowledged;
            let stuck = queue.messages.saturating_sub(seen);
            metrics::STUCK
                .with_label_values(&[&queue.name])
                .set(i64::try_from(stuck).unwrap_or(i64::MAX));
        }
        let keys: Vec<&str> = HARMFUL
            .into_iter()
            .filter(|key| queue.effective_policy_definition.get(key).is_some())
            .collect();
        if !keys.is_empty() {
            overridden.insert(queue.name.clone());
            if !known.overridden.contains(&queue.name) {
                tracing::error!(
                    queue = queue.name,
                    keys = keys.join(", "),
                    "a policy of the broker changes queue {}, so that messages can be lost: exclude tidings.* from it",
                    queue.name
                );
            }
        }
    }
    metrics::POLICY_CONFLICTS.set(i64::try_from(overridden.len()).unwrap_or(i64::MAX));
    known.overridden = overridden;
}

async fn queues(client: &Client, url: &Url) -> Result<Vec<Queue>, reqwest::Error> {
    let answer = client.get(url.clone()).send().await?;
    answer.error_for_status()?.json().await
}

fn queues_url(base: &str, shared: &Shared) -> Result<Url, String> {
    const COLUMNS: &str = "name,messages,messages_ready,messages_unacknowledged,effective_policy_definition";
    let vhost = &shared.uri.as_ref().map_err(String::clone)?.vhost;
    let mut url: Url = base.parse().map_err(|error| format!("not a URL: {error}"))?;
    url.path_segments_mut()
        .map_err(|()| "not a URL of HTTP".to_owned())?
        .pop_if_empty()
        .extend(["api", "queues", vhost]);
    url.query_pairs_mut().append_pair("columns", COLUMNS);
    Ok(url)
}
