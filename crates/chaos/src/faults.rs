//! Faults, one function each; each ends with its cause removed.

mod database;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rustix::process::Signal;

use crate::crowd;
use crate::engines::Engine::{self, PostgreSql, RabbitMq};
use crate::engines::{Broker, Node};
use crate::lives;
use crate::revoke::revoke_while_streaming;
use crate::rollout;
use crate::system::{Link, Part, System};

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $fault:ident = $name:literal,)*) => {
        /// A way to break the system.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[doc = $doc])* $fault,)*
        }

        impl Fault {
            /// Every fault, in order.
            pub(crate) const ALL: &[Self] = &[$(Self::$fault,)*];

            /// The name in `--faults` and in reports.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }

            /// A description for people.
            pub(crate) fn description(self) -> &'static str {
                match self {
                    $(Self::$fault => concat!($($doc),*),)*
                }
            }
        }
    };
}

faults! {
    /// kill -9 of ingest
    KillIngest = "kill-ingest",
    /// kill -9 of one dispatcher
    KillDispatcher = "kill-dispatcher",
    /// kill -9 of both dispatchers
    KillDispatchers = "kill-dispatchers",
    /// kill -9 of one dispatcher, again and again as soon as it has taken something
    CrashLoop = "crash-loop",
    /// kill -9 of one log
    KillLog = "kill-log",
    /// kill -9 of both logs
    KillLogs = "kill-logs",
    /// kill -9 of control
    KillControl = "kill-control",
    /// kill -9 of the broker
    KillBroker = "kill-broker",
    /// kill -9 of the broker while delay queues hand over hundreds of due messages
    KillBrokerMidTransfer = "kill-broker-mid-transfer",
    /// kill -9 of PostgreSQL
    KillDatabase = "kill-database",
    /// kill -9 of both engines, one within a second of the other
    KillEngines = "kill-engines",
    /// kill -9 of every process and both engines at once
    PowerCut = "power-cut",
    /// connections to the broker cut for some roles
    CutBroker = "cut-broker",
    /// connections to PostgreSQL cut for some roles
    CutDatabase = "cut-database",
    /// connections to the first log cut for some roles
    CutLog = "cut-log",
    /// the broker's memory alarm: it takes no more messages
    MemoryAlarm = "memory-alarm",
    /// the broker's disk alarm: it takes no more messages
    DiskAlarm = "disk-alarm",
    /// the broker's application stopped under a running node
    StopApp = "stop-app",
    /// every delay queue purged
    PurgeDelayQueues = "purge-delay-queues",
    /// every lane purged while the dispatchers are dead and the lanes full
    PurgeLanes = "purge-lanes",
    /// the lanes unbound from what delay queues end in, until a role starts again
    UnbindDue = "unbind-due",
    /// the live lanes unbound from what publishers use, until a role starts again
    UnbindWork = "unbind-work",
    /// a work queue deleted, until a role starts again
    DeleteLane = "delete-lane",
    /// an operator's policy that turns the delay queues' at-least-once transfers into at-most-once
    DropHeadPolicy = "drop-head-policy",
    /// the broker's dead-letter workers stopped, until the node is restarted
    StopTransfers = "stop-transfers",
    /// every role stopped by SIGTERM and started again, one after another
    RollingRestart = "rolling-restart",
    /// a dispatcher that stands still (SIGSTOP), longer than the grace at times
    FreezeDispatcher = "freeze-dispatcher",
    /// a log that stands still
    FreezeLog = "freeze-log",
    /// a broker that stands still: connections stay open and nothing answers
    FreezeBroker = "freeze-broker",
    /// a PostgreSQL that stands still
    FreezeDatabase = "freeze-database",
    /// a receiver that answers 503 to everything
    ReceiverDown = "receiver-down",
    /// kill -9 of both logs while held deliveries are cancelled, which then are sent again
    CancelHeldThenReplay = "cancel-held-then-replay",
    /// everything of a tenant erased while its retries wait and it publishes on
    EraseTenantUnderRetries = "erase-tenant-under-retries",
    /// kill -9 of the broker between the sweeper's publishes and their confirms, with long lanes of retries
    UnconfirmedSweep = "unconfirmed-sweep",
    /// the key that seals secrets changed, role by role while endpoints change: in two phases as documented, or in one
    RotateKeys = "rotate-keys",
    /// an endpoint in a dialect that control has and dispatchers do not, until they get it, one after the other
    DialectSkew = "dialect-skew",
    /// kill -9 of the node of a cluster that the most connections lead to
    KillNode = "kill-node",
    /// that node stands still for up to a minute
    FrozenNode = "frozen-node",
    /// kill -9 of two of a cluster's three nodes: no queue has a majority
    LostQuorum = "lost-quorum",
    /// a crowd of another tenant's endpoints that answer well, each after twenty seconds
    SlowCrowd = "slow-crowd",
    /// a key deleted while a stream of publishes and a live tail are open with it
    RevokeWhileStreaming = "revoke-while-streaming",
    /// another password for the processes' role in PostgreSQL, and all its connections ended
    RotatePassword = "rotate-password",
    /// a long read of the ledger while partitions are to be made and dropped
    PartitionUnderLongRead = "partition-under-long-read",
}

/// Faults of a run on a cluster by default, once each.
pub(crate) const ON_CLUSTER: [Fault; 3] = [Fault::KillNode, Fault::LostQuorum, Fault::FrozenNode];

/// Faults of a short run, once each.
pub(crate) const SHORT: [Fault; 8] = [
    Fault::KillIngest,
    Fault::KillDispatchers,
    Fault::KillBrokerMidTransfer,
    Fault::KillDatabase,
    Fault::KillLogs,
    Fault::PurgeDelayQueues,
    Fault::PurgeLanes,
    Fault::MemoryAlarm,
];

/// Time for a process to end after SIGTERM: a dispatcher may use its whole grace.
const STOPPED_WITHIN: Duration = Duration::from_secs(45);

const LANES: &str = "tidings.work.";
const DELAY_QUEUES: &str = "tidings.delay.";

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().copied().find(|fault| fault.name() == name);
        found.ok_or_else(|| format!("`{name}` is no fault; `--list` lists them"))
    }
}

impl Fault {
    /// `true` if the fault can be inflicted on a system with this broker.
    pub(crate) fn fits(self, broker: Broker) -> bool {
        match self {
            Self::KillNode | Self::FrozenNode | Self::LostQuorum => broker == Broker::Cluster,
            // The way to a cluster is several, and none of them goes through a link that can be cut.
            Self::CutBroker => broker == Broker::Node,
            _ => true,
        }
    }

    /// The longest that no receiver may get any request while it lasts and until it is recovered from, if something is
    /// promised: a confirmation is waited for, and then there are 10 s to go on elsewhere.
    pub(crate) fn longest_silence(self, lasted: Duration) -> Option<Duration> {
        const CONFIRM_AND_GO_ON: Duration = Duration::from_secs(20);
        match self {
            Self::KillNode | Self::FrozenNode => Some(CONFIRM_AND_GO_ON),
            Self::LostQuorum => Some(lasted + CONFIRM_AND_GO_ON),
            _ => None,
        }
    }

    /// Inflicts the fault, waits, and removes its cause. Returns its random parameters in words.
    pub(crate) async fn inflict(self, system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
        use Part::{Control, Dispatcher1, Dispatcher2, Ingest, Log1, Log2};
        match self {
            Self::KillIngest => kill(system, &[Ingest], short(random)).await,
            Self::KillDispatcher => kill(system, &[one_of(random, &[Dispatcher1, Dispatcher2])], short(random)).await,
            Self::KillDispatchers => kill(system, &[Dispatcher1, Dispatcher2], short(random)).await,
            Self::CrashLoop => crash_loop(system, random).await,
            Self::KillLog => kill(system, &[one_of(random, &[Log1, Log2])], short(random)).await,
            Self::KillLogs => kill(system, &[Log1, Log2], long(random)).await,
            Self::KillControl => kill(system, &[Control], short(random)).await,
            Self::KillBroker => kill_engines(system, &[RabbitMq], long(random)).await,
            Self::KillBrokerMidTransfer => kill_broker_mid_transfer(system, short(random)).await,
            Self::KillDatabase => kill_engines(system, &[PostgreSql], long(random)).await,
            Self::KillEngines => kill_both_engines(system, random).await,
            Self::PowerCut => power_cut(system, short(random)).await,
            Self::CutBroker => cut(system, some_of(random, &Link::TO_BROKER), long(random)).await,
            Self::CutDatabase => cut(system, some_of(random, &Link::TO_DATABASE), long(random)).await,
            Self::CutLog => cut(system, some_of(random, &Link::TO_LOG), long(random)).await,
            Self::MemoryAlarm => {
                let (on, off) = ("0.0000001", "0.4");
                alarm(system, "set_vm_memory_high_watermark", on, off, long(random)).await
            }
            Self::DiskAlarm => alarm(system, "set_disk_free_limit", "1000000GB", "100MB", long(random)).await,
            Self::StopApp => stop_app(system, long(random)).await,
            Self::PurgeDelayQueues => purge_delay_queues(system).await,
            Self::PurgeLanes => purge_lanes(system).await,
            Self::UnbindDue => unbind(system, "tidings.due", "", long(random)).await,
            Self::UnbindWork => unbind(system, "tidings.work", "live.", long(random)).await,
            Self::DeleteLane => delete_lane(system, random).await,
            Self::DropHeadPolicy => drop_head_policy(system, long(random)).await,
            Self::StopTransfers => stop_transfers(system, long(random)).await,
            Self::RollingRestart => rolling_restart(system).await,
            Self::FreezeDispatcher => {
                freeze(system, one_of(random, &[Dispatcher1, Dispatcher2]), long(random) * 2).await
            }
            Self::FreezeLog => freeze(system, one_of(random, &[Log1, Log2]), long(random)).await,
            Self::FreezeBroker => freeze_engine(system, RabbitMq, long(random)).await,
            Self::FreezeDatabase => freeze_engine(system, PostgreSql, long(random)).await,
            Self::ReceiverDown => receiver_down(system, long(random)).await,
            Self::CancelHeldThenReplay => lives::cancel_held_then_replay(system, random).await,
            Self::EraseTenantUnderRetries => lives::erase_tenant_under_retries(system, random).await,
            Self::UnconfirmedSweep => lives::unconfirmed_sweep(system, random).await,
            Self::RotateKeys => rollout::rotate_keys(system, random).await,
            Self::DialectSkew => rollout::dialect_skew(system, random).await,
            Self::KillNode => kill_node(system, long(random)).await,
            Self::FrozenNode => frozen_node(system, Duration::from_secs(random.random_range(30..60))).await,
            Self::LostQuorum => lost_quorum(system, Duration::from_secs(20)).await,
            Self::SlowCrowd => crowd::gather(system).await,
            Self::RevokeWhileStreaming => revoke_while_streaming(system, random).await,
            Self::RotatePassword => database::rotate_password(system, long(random)).await,
            Self::PartitionUnderLongRead => database::partition_under_long_read(system, long(random) * 2).await,
        }
    }
}

async fn kill(system: &mut System, parts: &[Part], away: Duration) -> anyhow::Result<String> {
    for part in parts {
        system.role(*part).kill9().await?;
    }
    tokio::time::sleep(away).await;
    for part in parts {
        system.role(*part).spawn()?;
    }
    Ok(format!("{}, away for {away:.1?}", names(parts)))
}

async fn crash_loop(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    const TIMES: usize = 12;
    for _ in 0..TIMES {
        let role = system.role(Part::Dispatcher1);
        role.kill9().await?;
        role.spawn()?;
        let alive = Duration::from_millis(random.random_range(200..900));
        tokio::time::sleep(alive).await;
    }
    Ok(format!("{TIMES} times"))
}

async fn kill_engines(system: &mut System, engines: &[Engine], away: Duration) -> anyhow::Result<String> {
    for engine in engines {
        system.engines.signal(*engine, "KILL").await?;
    }
    tokio::time::sleep(away).await;
    for engine in engines {
        system.engines.start_one(*engine).await?;
    }
    Ok(format!("away for {away:.1?} and a start"))
}

/// Events accepted between the two deaths have a single copy; those half done at the second have none or half of one.
async fn kill_both_engines(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    let (first, second) = one_of(random, &[(RabbitMq, PostgreSql), (PostgreSql, RabbitMq)]);
    let gap = Duration::from_millis(random.random_range(0..1_000));
    system.engines.signal(first, "KILL").await?;
    tokio::time::sleep(gap).await;
    let killed = kill_engines(system, &[second], short(random)).await?;
    system.engines.start_one(first).await?;
    Ok(format!("{first:?} {gap:.1?} before {second:?}, {killed}"))
}

async fn kill_broker_mid_transfer(system: &mut System, away: Duration) -> anyhow::Result<String> {
    let waiting = fill_delay_queues(system).await?;
    let killed = kill_engines(system, &[RabbitMq], away).await?;
    Ok(format!("{waiting} in delay queues, {killed}"))
}

async fn power_cut(system: &mut System, away: Duration) -> anyhow::Result<String> {
    for part in Part::ALL {
        system.role(part).kill9().await?;
    }
    system.engines.signal(RabbitMq, "KILL").await?;
    system.engines.signal(PostgreSql, "KILL").await?;
    tokio::time::sleep(away).await;
    // Processes come back before their engines do.
    for part in Part::ALL {
        system.role(part).spawn()?;
    }
    system.engines.start_one(PostgreSql).await?;
    system.engines.start_one(RabbitMq).await?;
    Ok(format!("away for {away:.1?} and a start"))
}

async fn cut(system: &mut System, links: Vec<Link>, away: Duration) -> anyhow::Result<String> {
    for link in &links {
        system.link(*link).cut().await;
    }
    tokio::time::sleep(away).await;
    for link in &links {
        system.link(*link).restore();
    }
    Ok(format!("{links:?} for {away:.1?}"))
}

async fn alarm(system: &mut System, limit: &str, on: &str, off: &str, away: Duration) -> anyhow::Result<String> {
    system.engines.rabbitmqctl(&[limit, on]).await?;
    tokio::time::sleep(away).await;
    system.engines.rabbitmqctl(&[limit, off]).await?;
    Ok(format!("for {away:.1?}"))
}

async fn stop_app(system: &mut System, away: Duration) -> anyhow::Result<String> {
    system.engines.rabbitmqctl(&["stop_app"]).await?;
    tokio::time::sleep(away).await;
    system.engines.rabbitmqctl(&["start_app"]).await?;
    Ok(format!("for {away:.1?}"))
}

async fn purge_delay_queues(system: &mut System) -> anyhow::Result<String> {
    let waiting = fill_delay_queues(system).await?;
    purge(system, DELAY_QUEUES).await?;
    Ok(format!("{waiting} messages"))
}

async fn purge_lanes(system: &mut System) -> anyhow::Result<String> {
    for part in [Part::Dispatcher1, Part::Dispatcher2] {
        system.role(part).kill9().await?;
    }
    let waiting = wait_for_messages(system, LANES).await?;
    purge(system, LANES).await?;
    for part in [Part::Dispatcher1, Part::Dispatcher2] {
        system.role(part).spawn()?;
    }
    Ok(format!("{waiting} messages"))
}

/// A failing receiver fills the shortest delay queue, which at the same time hands over what has waited long enough.
async fn fill_delay_queues(system: &mut System) -> anyhow::Result<u64> {
    system.receivers.set_down(true);
    let waiting = wait_for_messages(system, DELAY_QUEUES).await;
    system.receivers.set_down(false);
    waiting
}

/// Waits until queues hold a number of messages that is worth an attack, and says how many they hold. The broker's
/// statistics lag by a second.
async fn wait_for_messages(system: &System, prefix: &str) -> anyhow::Result<u64> {
    const ENOUGH: u64 = 300;
    let start = Instant::now();
    loop {
        let queues = system.engines.queues().await?;
        let named = queues.iter().filter(|queue| queue.name.starts_with(prefix));
        let messages = named.map(|queue| queue.messages).sum();
        if messages >= ENOUGH || start.elapsed() > Duration::from_secs(6) {
            return Ok(messages);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn purge(system: &System, prefix: &str) -> anyhow::Result<()> {
    for queue in system.engines.queues().await? {
        if queue.name.starts_with(prefix) {
            system.engines.purge(&queue.name).await?;
        }
    }
    Ok(())
}

async fn unbind(system: &mut System, exchange: &str, keys: &str, away: Duration) -> anyhow::Result<String> {
    let mut gone = 0;
    for binding in system.engines.bindings_of(exchange).await? {
        if binding.routing_key.starts_with(keys) {
            system.engines.unbind(&binding).await?;
            gone += 1;
        }
    }
    tokio::time::sleep(away).await;
    restart(system, Part::Dispatcher2).await?;
    Ok(format!("{gone} bindings for {away:.1?}"))
}

async fn delete_lane(system: &mut System, random: &mut StdRng) -> anyhow::Result<String> {
    let away = long(random);
    let lane = one_of(random, &["live", "retry"]);
    let queue = format!("tidings.work.v1.{lane}.{:02}", random.random_range(0..4));
    system.engines.delete_queue(&queue).await?;
    tokio::time::sleep(away).await;
    restart(system, Part::Dispatcher2).await?;
    Ok(format!("{queue} for {away:.1?}"))
}

async fn drop_head_policy(system: &mut System, away: Duration) -> anyhow::Result<String> {
    let definition = r#"{"max-length":100000,"overflow":"drop-head"}"#;
    let set = [
        "set_policy",
        "--apply-to",
        "queues",
        "chaos",
        "^tidings\\.delay",
        definition,
    ];
    system.engines.rabbitmqctl(&set).await?;
    tokio::time::sleep(away).await;
    system.engines.rabbitmqctl(&["clear_policy", "chaos"]).await?;
    Ok(format!("for {away:.1?}"))
}

async fn stop_transfers(system: &mut System, away: Duration) -> anyhow::Result<String> {
    let stop = "supervisor:terminate_child(rabbit_sup, rabbit_fifo_dlx_sup).";
    system.engines.rabbitmqctl(&["eval", stop]).await?;
    tokio::time::sleep(away).await;
    system.engines.stop_one(RabbitMq).await?;
    system.engines.start_one(RabbitMq).await?;
    Ok(format!("for {away:.1?} and a restart of the node"))
}

async fn rolling_restart(system: &mut System) -> anyhow::Result<String> {
    for part in Part::ALL {
        restart(system, part).await?;
    }
    Ok("all".to_owned())
}

async fn freeze(system: &mut System, part: Part, away: Duration) -> anyhow::Result<String> {
    system.role(part).signal(Signal::STOP)?;
    tokio::time::sleep(away).await;
    system.role(part).signal(Signal::CONT)?;
    Ok(format!("{} for {away:.1?}", part.name()))
}

async fn freeze_engine(system: &mut System, engine: Engine, away: Duration) -> anyhow::Result<String> {
    system.engines.signal(engine, "STOP").await?;
    tokio::time::sleep(away).await;
    system.engines.signal(engine, "CONT").await?;
    Ok(format!("for {away:.1?}"))
}

async fn receiver_down(system: &mut System, away: Duration) -> anyhow::Result<String> {
    system.receivers.set_down(true);
    tokio::time::sleep(away).await;
    system.receivers.set_down(false);
    Ok(format!("for {away:.1?}"))
}

async fn kill_node(system: &mut System, away: Duration) -> anyhow::Result<String> {
    let node = system.engines.connected_node().await?;
    system.engines.signal_node(node, "KILL").await?;
    tokio::time::sleep(away).await;
    system.engines.start_node(node).await?;
    Ok(format!("{node}, away for {away:.1?} and a start"))
}

async fn frozen_node(system: &mut System, away: Duration) -> anyhow::Result<String> {
    let node = system.engines.connected_node().await?;
    system.engines.signal_node(node, "STOP").await?;
    tokio::time::sleep(away).await;
    system.engines.signal_node(node, "CONT").await?;
    Ok(format!("{node} for {away:.1?}"))
}

async fn lost_quorum(system: &mut System, away: Duration) -> anyhow::Result<String> {
    let stays = system.engines.connected_node().await?;
    let go = Node::ALL.into_iter().filter(|node| *node != stays);
    for node in go.clone() {
        system.engines.signal_node(node, "KILL").await?;
    }
    tokio::time::sleep(away).await;
    for node in go {
        system.engines.start_node(node).await?;
    }
    Ok(format!("all but {stays}, away for {away:.1?} and a start"))
}

pub(crate) async fn restart(system: &mut System, part: Part) -> anyhow::Result<()> {
    let role = system.role(part);
    role.terminate(STOPPED_WITHIN).await?;
    role.spawn()?;
    role.ready(STOPPED_WITHIN).await?;
    Ok(())
}

/// A freeze shorter than the grace.
pub(crate) fn short(random: &mut impl Rng) -> Duration {
    Duration::from_millis(random.random_range(200..3_000))
}

/// About as long as the grace and the schedule's waits, some shorter and some longer.
fn long(random: &mut impl Rng) -> Duration {
    Duration::from_millis(random.random_range(1_000..10_000))
}

fn one_of<T: Copy>(random: &mut impl Rng, choices: &[T]) -> T {
    choices[random.random_range(0..choices.len())]
}

fn some_of(random: &mut impl Rng, links: &[Link]) -> Vec<Link> {
    let number = random.random_range(1..=links.len());
    links.sample(random, number).copied().collect()
}

fn names(parts: &[Part]) -> String {
    parts.iter().map(|part| part.name()).collect::<Vec<_>>().join(" and ")
}
