//! Checks over the management API: messages stuck in delay queues, queues with too few members, and policies that
//! override arguments.
//!
//! A message on its way from a delay queue to its lane counts as neither ready nor unacknowledged; if it stays so, it
//! is stuck. Some policies silently override queue arguments: `overflow: drop-head` alone makes a delay queue lose
//! what it forwards. The API's numbers lag by some seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

use super::Shared;
use super::addresses::each_host;
use crate::metrics;

const EVERY: Duration = Duration::from_secs(15);
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The members of a queue that survive the loss of one node.
pub(super) const ENOUGH_MEMBERS: usize = 3;

/// Settings that a policy must not apply to our queues: each makes the broker drop, expire or refuse messages on its
/// own.
pub(super) const HARMFUL: [&str; 6] = [
    "delivery-limit",
    "expires",
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "overflow",
];

/// The nodes with the API; the one that answered last comes first.
pub(super) struct Nodes(Vec<Url>);

#[derive(Deserialize)]
struct Queue {
    name: String,
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    messages_ready: u64,
    #[serde(default)]
    messages_unacknowledged: u64,
    #[serde(default)]
    members: Vec<String>,
    /// An object, or an empty array if there is none.
    #[serde(default)]
    effective_policy_definition: Value,
}

#[derive(Deserialize)]
struct Node {}

impl Nodes {
    /// Reads `http://user:password@a:15672,b:15672`; nothing means no node.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        const FORM: &str = "write it like http://user:password@a:15672,b:15672";
        if url.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let read = |url: &str, _: &str| match Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            Ok(_) => Err(format!("not a URL of HTTP: {FORM}")),
            Err(error) => Err(format!("not a URL ({error}): {FORM}")),
        };
        each_host(url, read).ok_or(FORM)?.map(Self)
    }

    /// Response of the first node that answers.
    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        client: &Client,
        path: &[&str],
        columns: &str,
    ) -> Result<T, String> {
        let mut failures = Vec::new();
        for at in 0..self.0.len() {
            let mut url = self.0[at].clone();
            // Segments are escaped one by one, which a vhost such as `/` needs.
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop_if_empty().extend(path);
            }
            url.query_pairs_mut().append_pair("columns", columns);
            match get(client, url).await {
                Ok(answer) => {
                    // So that a node that is down costs its timeout once and not in every round.
                    self.0.swap(0, at);
                    return Ok(answer);
                }
                // The URL holds a password.
                Err(error) => failures.push(error.without_url().to_string()),
            }
        }
        Err(failures.join("; "))
    }
}

async fn get<T: DeserializeOwned>(client: &Client, url: Url) -> Result<T, reqwest::Error> {
    client.get(url).send().await?.error_for_status()?.json().await
}

/// Polls the API forever, if its address is configured.
pub(super) async fn watch(shared: &Shared) {
    metrics::WATCHED.set(0);
    let mut nodes = match Nodes::parse(shared.config.management_url.reveal()) {
        Ok(nodes) if nodes.0.is_empty() => return,
        Ok(nodes) => nodes,
        Err(reason) => return tracing::error!(reason, "amqp.management_url is not usable: correct it"),
    };
    let Ok(broker) = &shared.broker else { return };
    // Another part of the process may have chosen the provider already; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = match Client::builder().timeout(ANSWER_WITHIN).no_proxy().build() {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "cannot use the management API"),
    };
    let path = ["api", "queues", broker.addresses.vhost()];
    const COLUMNS: &str = "name,messages,messages_ready,messages_unacknowledged,members,effective_policy_definition";
    let mut known = Known::default();
    let mut timer = interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        match nodes.ask::<Vec<Queue>>(&client, &path, COLUMNS).await {
            Ok(queues) => {
                known.failing = false;
                let size = nodes.ask::<Vec<Node>>(&client, &["api", "nodes"], "name").await;
                report(shared, &queues, size.map_or(0, |nodes| nodes.len()), &mut known);
                metrics::WATCHED.set(1);
            }
            Err(error) => {
                if !known.failing {
                    tracing::warn!(
                        error,
                        "the management API does not respond: stuck messages and harmful policies go unnoticed"
                    );
                }
                known.failing = true;
                // Without a watch nothing is known: values from before would look healthy.
                metrics::WATCHED.set(0);
                metrics::STUCK.reset();
                metrics::POLICY_CONFLICTS.set(0);
                metrics::TOO_FEW_MEMBERS.set(0);
            }
        }
    }
}

/// Findings already logged.
#[derive(Default)]
struct Known {
    failing: bool,
    overridden: BTreeSet<String>,
    thin: usize,
    /// In how many rounds one after the other messages were stuck in a delay queue.
    stuck: BTreeMap<String, u32>,
}

impl Known {
    /// Counts a queue as stuck only in the second round in a row: at one moment, messages may just be moving.
    fn note_stuck(&mut self, queue: &str, stuck: u64) {
        const PROBABLY: u32 = 2;
        if stuck == 0 {
            self.stuck.remove(queue);
            return;
        }
        let rounds = self.stuck.entry(queue.to_owned()).or_default();
        *rounds += 1;
        if *rounds == PROBABLY {
            tracing::warn!(
                queue,
                stuck,
                "the broker does not forward messages whose delay has passed: it tries again after its \
                 dead_letter_worker_publisher_confirm_timeout (180 s unless set in advanced.config), and the sweeper delivers \
                 what is overdue by log.grace"
            );
        }
    }
}

fn report(shared: &Shared, queues: &[Queue], nodes: usize, known: &mut Known) {
    let ours: BTreeSet<String> = shared.topology.queues().into_iter().map(|queue| queue.name).collect();
    let mut overridden = BTreeSet::new();
    let mut thin = Vec::new();
    for queue in queues.iter().filter(|queue| ours.contains(&queue.name)) {
        if shared.topology.is_delay_queue(&queue.name) {
            let seen = queue.messages_ready + queue.messages_unacknowledged;
            let stuck = queue.messages.saturating_sub(seen);
            metrics::STUCK
                .with_label_values(&[&queue.name])
                .set(i64::try_from(stuck).unwrap_or(i64::MAX));
            known.note_stuck(&queue.name, stuck);
        }
        if nodes >= ENOUGH_MEMBERS && queue.members.len() < ENOUGH_MEMBERS {
            thin.push(queue.name.as_str());
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
    if let (Some(first), true) = (thin.first(), known.thin != thin.len()) {
        tracing::warn!(
            queues = thin.len(),
            first,
            nodes,
            "queues have fewer than {ENOUGH_MEMBERS} members and do not survive the loss of a node: `rabbitmq-queues grow \
             NODE all` adds them"
        );
    }
    metrics::TOO_FEW_MEMBERS.set(i64::try_from(thin.len()).unwrap_or(i64::MAX));
    known.thin = thin.len();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_management_url_names_one_node_or_several() {
        let hosts = |url: &str| -> Vec<String> {
            let nodes = Nodes::parse(url).unwrap().0;
            nodes
                .iter()
                .map(|url| format!("{}|{}", url.authority(), url.path()))
                .collect()
        };
        assert_eq!(hosts("http://u:p@a:1"), ["u:p@a:1|/"]);
        assert_eq!(hosts("https://u:p@a:1,[::1]:2/mq"), ["u:p@a:1|/mq", "u:p@[::1]:2|/mq"]);
        assert!(hosts("").is_empty());
        for wrong in ["a:15672", "amqp://a", "http://", "http://a,,b", "http://a:x"] {
            assert!(Nodes::parse(wrong).is_err(), "{wrong}");
        }
    }
}
