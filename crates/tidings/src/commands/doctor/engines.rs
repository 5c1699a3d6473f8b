//! Checks of the database, the keys and the broker.

use tidings_queue::rabbit::examine::{self as broker, Managed};
use tidings_store::postgres::{Postgres, examine};

use super::finding::Findings;
use crate::config::Config;
use crate::health::missing_keys;
use crate::start::topology;

/// Older servers lack what statements use.
const OLDEST_POSTGRES: u32 = 15;
/// Clocks that differ by more make waits wrong.
const MAX_SKEW_MS: i128 = 2_000;

pub(super) async fn database(config: &Config, found: &mut Findings) -> anyhow::Result<()> {
    let seen = match examine::examine(&config.database).await {
        Ok(seen) => seen,
        Err(error) => {
            return found.fail(
                "database",
                error.to_string(),
                "check database.url, the server, and the network between",
            );
        }
    };
    let major: u32 = seen
        .server
        .split(['.', ' '])
        .next()
        .unwrap_or_default()
        .parse()
        .unwrap_or(0);
    if major < OLDEST_POSTGRES {
        let says = format!("it is PostgreSQL {}", seen.server);
        found.fail("database", says, "upgrade it to 15 or newer")?;
    } else {
        let size = seen.size / (1 << 20);
        found.ok("database", format!("PostgreSQL {} answers, {size} MiB", seen.server))?;
    }
    match &seen.schema {
        Ok(version) => found.ok("schema", format!("version {version}"))?,
        Err(reason) => found.fail(
            "schema",
            reason,
            "run `tidings migrate` of the newest version that runs here",
        )?,
    }
    if seen.read_only {
        let cure = "name all hosts in database.url with target_session_attrs=read-write";
        found.fail(
            "database",
            "it accepts no writes: it is a replica, or set to read-only",
            cure,
        )?;
    }
    for setting in &seen.unsafe_settings {
        found.fail(
            "database",
            format!("{setting} loses what was committed"),
            "set it to on and restart the server",
        )?;
    }
    for right in &seen.missing_rights {
        found.fail(
            "rights",
            format!("of the role: {right}"),
            "let the role that migrated be the one that roles use",
        )?;
    }
    if seen.missing_rights.is_empty() {
        found.ok("rights", "it reads, writes and makes partitions")?;
    }
    let waiting = seen.replicas.iter().filter(|(_, waits)| *waits).count();
    match (seen.replicas.len(), waiting) {
        (0, _) => found.warn(
            "replication",
            "no replica is connected, or the role can't see any: what is accepted is on one machine",
            "have a synchronous replica, or know what its loss costs (docs/operations/backup.md)",
        )?,
        (count, 0) => found.warn(
            "replication",
            format!("{count} replicas, none of them synchronous: a failover loses the last commits"),
            "set synchronous_standby_names",
        )?,
        (count, 1) => found.warn(
            "replication",
            format!("{count} replicas, one synchronous: its loss holds up every commit"),
            "have two that commits can wait for (ANY 1)",
        )?,
        (count, waiting) => found.ok("replication", format!("{count} replicas, {waiting} synchronous"))?,
    }
    let (most, open) = seen.connections;
    let per_process = config.database.max_connections as i64 + 4;
    let left = (most - open).max(0);
    let says = format!("{open} of {most} are open; a process takes up to {per_process}");
    if left < per_process {
        found.fail(
            "connections",
            says,
            "raise the server's max_connections, or lower database.max_connections",
        )?;
    } else if most < 12 * per_process {
        let says = format!("{says}: enough for {} processes", most / per_process);
        found.warn(
            "connections",
            says,
            "raise max_connections before you run more (docs/operations/capacity.md)",
        )?;
    } else {
        found.ok("connections", says)?;
    }
    let skew = seen.ahead.as_millis();
    if skew.abs() > MAX_SKEW_MS {
        let says = format!("the database's is {skew} ms ahead of this machine's");
        found.fail("clock", says, "run NTP on both")?;
    } else {
        found.ok("clock", format!("within {} ms of the database's", skew.abs()))?;
    }
    match seen.partitions_ahead {
        None => Ok(()),
        Some(days) if days < 1 => found.fail(
            "partitions",
            "there is none for tomorrow",
            "start a log process and find out why its maintenance fails",
        ),
        Some(days) => found.ok("partitions", format!("{days} days ahead")),
    }
}

/// Checks that the configured keys open what is sealed.
pub(super) async fn keys(config: &Config, found: &mut Findings) -> anyhow::Result<()> {
    let sealer = match config.secrets.sealer() {
        Ok(sealer) => sealer,
        Err(error) => return found.fail("keys", format!("{error:#}"), "set secrets.keys, the same for all roles"),
    };
    if config.internal.token.is_empty() {
        found.fail(
            "token",
            "internal.token is empty",
            "set the same random text for all roles",
        )?;
    }
    let Ok(store) = Postgres::connect(&config.database, sealer.clone()).await else {
        // Why not is told of the database.
        return found.warn(
            "keys",
            "they can't be checked against what is sealed",
            "repair the database first",
        );
    };
    match missing_keys(&store, &sealer).await {
        Ok(None) => found.ok(
            "keys",
            "they open everything that is sealed; a backup is worthless without them",
        ),
        Ok(Some(missing)) => found.fail("keys", missing, "put the missing keys behind the first in secrets.keys"),
        Err(error) => found.warn("keys", error.to_string(), "look again in a moment"),
    }
}

pub(super) async fn broker(config: &Config, found: &mut Findings) -> anyhow::Result<()> {
    let topology = match config.load_dialects().and_then(|dialects| topology(config, &dialects)) {
        Ok(topology) => topology,
        Err(error) => return found.fail("queues", format!("{error:#}"), "correct [amqp] or the dialect"),
    };
    let seen = match broker::examine(&config.amqp, &topology).await {
        Ok(seen) => seen,
        Err(reason) => {
            return found.fail(
                "broker",
                reason,
                "check amqp.url, the virtual host, its user, and the network between",
            );
        }
    };
    found.ok("broker", "it takes connections")?;
    match seen.missing.len() {
        0 => found.ok("queues", format!("all {} are there", seen.queues))?,
        count if count == seen.queues => found.ok("queues", "there are none yet: the first role creates them")?,
        count => found.warn(
            "queues",
            format!("{count} are missing, among them {}", seen.missing[0]),
            "a role that publishes creates them again; if none runs, start one",
        )?,
    }
    if let Some(queue) = &seen.other_shards {
        let says = format!("amqp.shards is {} here, and there is {queue}", topology.shards());
        found.fail("shards", says, "set the same number for all roles")?;
    } else if seen.missing.is_empty() {
        found.ok("shards", format!("{}, as the queues were declared", topology.shards()))?;
    }
    if seen.aside > 0 {
        let says = format!("{} messages are parked or found no queue", seen.aside);
        found.warn("aside", says, "tidings queue parked list")?;
    }
    match &seen.managed {
        None => found.warn(
            "management",
            "amqp.management_url is not set: stuck queues, policies and members can't be checked",
            "set it, with a user that has the tag `monitoring`",
        ),
        Some(Err(reason)) => found.fail(
            "management",
            reason,
            "check amqp.management_url and its user's tag `monitoring`",
        ),
        Some(Ok(managed)) => managed_broker(managed, found),
    }
}

fn managed_broker(seen: &Managed, found: &mut Findings) -> anyhow::Result<()> {
    let mut parts = seen.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let says = format!("RabbitMQ {}, {} nodes", seen.version, seen.nodes);
    if version < (3, 10) {
        found.fail(
            "broker",
            says,
            "upgrade it to 3.10 or newer: dead-lettering loses messages before",
        )?;
    } else if seen.nodes < 3 {
        found.warn("broker", says, "have three nodes: queues survive the loss of one then")?;
    } else {
        found.ok("broker", says)?;
    }
    let some = |names: &[String]| match names {
        [] => None,
        [one] => Some(one.clone()),
        [first, rest @ ..] => Some(format!("{first} and {} more", rest.len())),
    };
    if let Some(nodes) = some(&seen.stopped) {
        found.fail("nodes", format!("{nodes} does not run"), "start it")?;
    }
    if let Some(alarms) = some(&seen.alarms) {
        found.fail(
            "alarms",
            format!("{alarms}: the broker accepts no messages"),
            "give it memory or disk",
        )?;
    }
    if let Some((free, limit)) = seen.disk
        && free < 3 * limit
    {
        let (free, limit) = (free >> 20, limit >> 20);
        let says = format!("{free} MiB are free, and at {limit} the broker stops");
        found.warn(
            "disk",
            says,
            "give it more: during an outage of the database it keeps the records",
        )?;
    }
    if let Some(queues) = some(&seen.overridden) {
        let says = format!("a policy changes {queues}, so that messages can be lost");
        found.fail(
            "policies",
            says,
            "exclude tidings.* from it, or use a virtual host of its own",
        )?;
    } else {
        found.ok("policies", "none changes our queues")?;
    }
    if let Some(queues) = some(&seen.other_types) {
        found.fail(
            "queue types",
            format!("{queues} is no quorum queue"),
            "delete it when it is empty; it is made again",
        )?;
    }
    if let Some(queues) = some(&seen.thin) {
        let says = format!("{queues} has fewer than three members");
        found.warn("members", says, "rabbitmq-queues grow NODE all")?;
    }
    if let Some(queues) = some(&seen.broken) {
        let says = format!("{queues} has no leader, or members that are away");
        found.fail(
            "members",
            says,
            "bring the nodes back (rabbitmq-queues quorum_status QUEUE)",
        )?;
    }
    Ok(())
}
