//! Examines a broker before it is trusted, for `tidings doctor`. It declares, changes and publishes nothing.

use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::Config;
use super::connection::{ANSWER, Failure, answer};
use super::declare::depth;
use super::line::Line;
use super::management::{ANSWER_WITHIN, ENOUGH_MEMBERS, HARMFUL, Nodes};
use crate::topology::Topology;

#[derive(Debug, Clone)]
pub struct Examined {
    /// Queues that do not exist; all of them before the first role started.
    pub missing: Vec<String>,
    /// Number of queues in the topology, existing or not.
    pub queues: usize,
    /// A queue of a shard that this configuration does not have.
    pub other_shards: Option<String>,
    /// Messages that are parked or unrouted.
    pub aside: u64,
    /// Findings of the management API; `None` if `management_url` is not configured.
    pub managed: Option<Result<Managed, String>>,
}

/// Facts that only the management API reports.
#[derive(Debug, Clone, Default)]
pub struct Managed {
    pub version: String,
    pub nodes: usize,
    /// Nodes that are down.
    pub stopped: Vec<String>,
    /// Active alarms, each as `node: memory`.
    pub alarms: Vec<String>,
    /// The free disk of the node that has least, and its limit, bytes.
    pub disk: Option<(u64, u64)>,
    /// Queues of ours that a policy changes so that messages can be lost, each with the keys.
    pub overridden: Vec<String>,
    /// Queues of ours that are no quorum queues.
    pub other_types: Vec<String>,
    /// Queues of ours with fewer members than survive the loss of a node, on a cluster that has enough nodes.
    pub thin: Vec<String>,
    /// Queues of ours without a leader, or with members that are not online.
    pub broken: Vec<String>,
}

#[derive(Deserialize)]
struct Overview {
    #[serde(default)]
    rabbitmq_version: String,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(default)]
    running: bool,
    #[serde(default)]
    mem_alarm: bool,
    #[serde(default)]
    disk_free_alarm: bool,
    disk_free: Option<u64>,
    disk_free_limit: Option<u64>,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    leader: String,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    online: Vec<String>,
    /// An object, or an empty array if there is none.
    #[serde(default)]
    effective_policy_definition: Value,
}

/// Looks at the broker.
///
/// # Errors
/// Explanation of why it can't be reached or examined.
pub async fn examine(config: &Config, topology: &Topology) -> Result<Examined, String> {
    let broker = config.broker()?;
    let line = broker.dial("tidings doctor").await.map_err(|failure| failure.reason)?;
    let looked = look(&line, topology).await;
    line.close().await;
    let mut found = looked.map_err(|failure| failure.reason)?;
    let url = config.management_url.reveal();
    if !url.is_empty() {
        found.managed = Some(ask(url, broker.addresses.vhost(), topology).await);
    }
    Ok(found)
}

async fn look(line: &Line, topology: &Topology) -> Result<Examined, Failure> {
    let mut channel = answer("open a channel", line.create_channel()).await?;
    let queues = topology.queues();
    let (mut missing, mut aside) = (Vec::new(), 0);
    for queue in &queues {
        match depth(&channel, &queue.name).await? {
            Some((messages, _)) if is_aside(&queue.name) => aside += messages,
            Some(_) => {}
            None => {
                missing.push(queue.name.clone());
                channel = answer("open a channel", line.create_channel()).await?;
            }
        }
    }
    let mut other_shards = None;
    // The exchange that records the number can't be read over AMQP, so a queue that only more shards have is looked
    // for.
    if let Ok(more) = Topology::new(topology.shards() + 1) {
        let ours = |name: &String| queues.iter().any(|queue| queue.name == *name);
        let next = more
            .queues()
            .into_iter()
            .map(|queue| queue.name)
            .find(|name| !ours(name));
        if let Some(name) = next
            && depth(&channel, &name).await?.is_some()
        {
            other_shards = Some(name);
        }
    }
    let _ = timeout(ANSWER, channel.close(200, "looked".into())).await;
    Ok(Examined {
        missing,
        queues: queues.len(),
        other_shards,
        aside,
        managed: None,
    })
}

fn is_aside(queue: &str) -> bool {
    queue.contains("parked") || queue.contains("unrouted")
}

async fn ask(url: &str, vhost: &str, topology: &Topology) -> Result<Managed, String> {
    let mut nodes = Nodes::parse(url)?;
    // A proxy of the environment is meant for the outside, not for the broker.
    let client = Client::builder().timeout(ANSWER_WITHIN).no_proxy().build();
    let client = client.map_err(|error| error.to_string())?;
    let overview: Overview = nodes.ask(&client, &["api", "overview"], "rabbitmq_version").await?;
    const OF_NODES: &str = "name,running,mem_alarm,disk_free_alarm,disk_free,disk_free_limit";
    let cluster: Vec<Node> = nodes.ask(&client, &["api", "nodes"], OF_NODES).await?;
    const OF_QUEUES: &str = "name,type,leader,members,online,effective_policy_definition";
    let queues: Vec<Queue> = nodes.ask(&client, &["api", "queues", vhost], OF_QUEUES).await?;
    let mut found = Managed {
        version: overview.rabbitmq_version,
        nodes: cluster.len(),
        ..Managed::default()
    };
    for node in &cluster {
        if !node.running {
            found.stopped.push(node.name.clone());
        }
        for (is, what) in [(node.mem_alarm, "memory"), (node.disk_free_alarm, "disk")] {
            if is {
                found.alarms.push(format!("{}: {what}", node.name));
            }
        }
        if let (Some(free), Some(limit)) = (node.disk_free, node.disk_free_limit)
            && found.disk.is_none_or(|(least, _)| free < least)
        {
            found.disk = Some((free, limit));
        }
    }
    let ours: Vec<String> = topology.queues().into_iter().map(|queue| queue.name).collect();
    for queue in queues.iter().filter(|queue| ours.contains(&queue.name)) {
        found.judge(queue);
    }
    Ok(found)
}

impl Managed {
    fn judge(&mut self, queue: &Queue) {
        let name = &queue.name;
        let keys: Vec<&str> = HARMFUL
            .into_iter()
            .filter(|key| queue.effective_policy_definition.get(key).is_some())
            .collect();
        if !keys.is_empty() {
            self.overridden.push(format!("{name} ({})", keys.join(", ")));
        }
        if !queue.kind.is_empty() && queue.kind != "quorum" {
            self.other_types.push(format!("{name} ({})", queue.kind));
            // Members and leaders exist for quorum queues only.
            return;
        }
        if self.nodes >= ENOUGH_MEMBERS && queue.members.len() < ENOUGH_MEMBERS {
            self.thin.push(name.clone());
        }
        let away = queue.members.iter().any(|member| !queue.online.contains(member));
        if queue.leader.is_empty() || away {
            self.broken.push(name.clone());
        }
    }
}
