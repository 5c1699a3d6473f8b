//! Declares the topology when a publishing connection starts; idempotent, and never on the data path.
//!
//! Existing queues are checked passively, and only missing ones are declared and bound: a cluster with an
//! unresponsive node answers a check but delays a change. Once per process, existing queues are compared with what
//! this version would declare.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};
use tokio::time::timeout;

use super::connection::{ANSWER, Cure, Failure, answer, code, explain};
use crate::topology::{self, Argument, QueueSpec, Topology};

/// Results of earlier declarations in this process.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Every existing queue was compared.
    compared: AtomicBool,
    /// Queues that were made before leaders were placed, and can't be changed.
    unplaced: Mutex<HashSet<String>>,
}

/// Declares missing parts and returns `true` if any queue is new. A new queue needs some seconds of rest before use:
/// a quorum queue that was killed right after its declaration came back empty.
pub(super) async fn declare(
    connection: &Connection,
    topology: &Topology,
    declared: &Declared,
) -> Result<bool, Failure> {
    let queues = topology.queues();
    let missing = missing(connection, &queues).await?;
    // Reconnecting during an outage must not wait for all nodes, as every change of the topology does.
    if missing.is_empty() && declared.compared.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let channel = answer("open a channel", connection.create_channel()).await?;
    declare_exchanges(&channel, topology).await?;
    for queue in missing.iter().copied() {
        declare_queue(&channel, queue, Leader::Placed).await?;
        bind(&channel, queue).await?;
    }
    let _ = timeout(ANSWER, channel.close(200, "declared".into())).await;
    if !declared.compared.load(Ordering::Relaxed) {
        let existing = queues.iter().filter(|queue| !missing.contains(queue));
        compare(connection, existing, declared).await?;
        // After the new queue is bound: parked messages would otherwise have nowhere to go for a moment.
        retire(connection).await?;
        // Last, so that a failure half-way compares everything again.
        declared.compared.store(true, Ordering::Relaxed);
    }
    Ok(!missing.is_empty())
}

/// Declares every exchange; those that exist stay as they are.
pub(super) async fn declare_exchanges(channel: &Channel, topology: &Topology) -> Result<(), Failure> {
    for exchange in topology.exchanges() {
        let kind = match exchange.kind {
            topology::ExchangeKind::Direct => ExchangeKind::Direct,
            topology::ExchangeKind::Fanout => ExchangeKind::Fanout,
        };
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let declaring =
            channel.exchange_declare(exchange.name.as_str().into(), kind, options, table(&exchange.arguments));
        match declared("exchange", &exchange.name, declaring).await? {
            Ok(()) => {}
            Err(mismatch) if exchange.name == topology::SHARDS => {
                return Err(Failure {
                    reason: format!(
                        "amqp.shards is {} here and another number where the queues were declared ({mismatch}): set the \
                         same for all roles. To change it for all, stop them, and delete the exchange {}",
                        topology.shards(),
                        topology::SHARDS,
                    ),
                    cure: Cure::Operator,
                });
            }
            Err(mismatch) => return Err(other_arguments("exchange", &exchange.name, &mismatch)),
        }
    }
    Ok(())
}

/// Binds a queue as it has to be; bindings that exist stay.
pub(super) async fn bind(channel: &Channel, queue: &QueueSpec) -> Result<(), Failure> {
    for (exchange, key) in &queue.bindings {
        let (name, exchange, key) = (queue.name.as_str(), exchange.as_str(), key.as_str());
        let options = QueueBindOptions::default();
        let bound = channel.queue_bind(name.into(), exchange.into(), key.into(), options, FieldTable::default());
        answer(&format!("bind queue {name}"), bound).await?;
    }
    Ok(())
}

/// Unbinds queues of earlier versions, so that nothing more goes into them.
async fn retire(connection: &Connection) -> Result<(), Failure> {
    for (queue, exchange) in topology::RETIRED {
        let channel = answer("open a channel", connection.create_channel()).await?;
        // The broker answers for one that is missing by closing the channel.
        if let Some((messages, _)) = depth(&channel, queue).await? {
            let unbound = channel.queue_unbind(queue.into(), exchange.into(), exchange.into(), FieldTable::default());
            answer(&format!("unbind queue {queue}"), unbound).await?;
            let _ = timeout(ANSWER, channel.close(200, "unbound".into())).await;
            if messages > 0 {
                tracing::info!(
                    queue,
                    messages,
                    "a queue of an earlier version is not empty; what is in it is still shown"
                );
            }
        }
    }
    Ok(())
}

/// Ready messages and consumers of a queue. `None` if it does not exist; the broker then closes the channel.
pub(super) async fn depth(channel: &Channel, queue: &str) -> Result<Option<(u64, u32)>, Failure> {
    let options = QueueDeclareOptions {
        passive: true,
        durable: true,
        ..Default::default()
    };
    let looking = channel.queue_declare(queue.into(), options, FieldTable::default());
    match timeout(ANSWER, looking).await {
        Ok(Ok(state)) => Ok(Some((state.message_count().into(), state.consumer_count()))),
        Ok(Err(error)) if code(&error) == Some(404) => Ok(None),
        Ok(Err(error)) => Err(Failure::passing(format!("look at queue {queue}: {}", explain(&error)))),
        Err(_) => Err(Failure::passing(format!(
            "look at queue {queue}: no answer within {ANSWER:?}"
        ))),
    }
}

/// The queues that do not exist. The broker answers for one that is missing by closing the channel.
async fn missing<'a>(connection: &Connection, queues: &'a [QueueSpec]) -> Result<Vec<&'a QueueSpec>, Failure> {
    let mut missing = Vec::new();
    let mut channel = answer("open a channel", connection.create_channel()).await?;
    for queue in queues {
        if depth(&channel, &queue.name).await?.is_none() {
            missing.push(queue);
            channel = answer("open a channel", connection.create_channel()).await?;
        }
    }
    let _ = timeout(ANSWER, channel.close(200, "looked".into())).await;
    Ok(missing)
}

/// Placement of a new queue's leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    /// On the node that leads the fewest.
    Placed,
    /// On the node that declares it, as it was before leaders were placed.
    Anywhere,
}

/// Declares queues that exist, which the broker refuses when an argument differs, and binds them. The place of the leader
/// is an argument too, and only a queue that was made since has it; neighbours are mostly of one age.
async fn compare(
    connection: &Connection,
    queues: impl Iterator<Item = &QueueSpec>,
    known: &Declared,
) -> Result<(), Failure> {
    let mut leader = Leader::Placed;
    let mut binds = true;
    let mut channel = answer("open a channel", connection.create_channel()).await?;
    for queue in queues {
        if known.unplaced().contains(&queue.name) {
            leader = Leader::Anywhere;
        }
        if let Err(mismatch) = try_declare(&channel, queue, leader).await? {
            if !mismatch.contains(LEADER_LOCATOR) {
                return Err(other_arguments("queue", &queue.name, &mismatch));
            }
            leader = match leader {
                Leader::Placed => Leader::Anywhere,
                Leader::Anywhere => Leader::Placed,
            };
            channel = answer("open a channel", connection.create_channel()).await?;
            declare_queue(&channel, queue, leader).await?;
        }
        if leader == Leader::Anywhere {
            known.unplaced().insert(queue.name.clone());
        }
        if binds && let Err(failure) = bind(&channel, queue).await {
            // They are most probably there, and looked after later; a node that stands still is not waited for.
            tracing::warn!(reason = failure.reason, "could not renew bindings; retrying later");
            binds = false;
            channel = answer("open a channel", connection.create_channel()).await?;
        }
    }
    let _ = timeout(ANSWER, channel.close(200, "compared".into())).await;
    Ok(())
}

impl Declared {
    fn unplaced(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.unplaced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn declare_queue(channel: &Channel, queue: &QueueSpec, leader: Leader) -> Result<(), Failure> {
    try_declare(channel, queue, leader)
        .await?
        .map_err(|mismatch| other_arguments("queue", &queue.name, &mismatch))
}

async fn try_declare(channel: &Channel, queue: &QueueSpec, leader: Leader) -> Result<Result<(), String>, Failure> {
    let options = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let mut arguments = table(&queue.arguments);
    if leader == Leader::Placed {
        arguments.insert(LEADER_LOCATOR.into(), AMQPValue::LongString("balanced".into()));
    }
    let declaring = channel.queue_declare(queue.name.as_str().into(), options, arguments);
    declared("queue", &queue.name, declaring).await
}

/// The inner error is what the broker says of another argument: it names the argument and both values.
async fn declared<T>(
    what: &str,
    name: &str,
    declaring: impl Future<Output = lapin::Result<T>>,
) -> Result<Result<(), String>, Failure> {
    match timeout(ANSWER, declaring).await {
        Ok(Ok(_)) => Ok(Ok(())),
        // 406, precondition failed: other arguments. The broker closes the channel with it.
        Ok(Err(error)) if code(&error) == Some(406) => Ok(Err(explain(&error))),
        Ok(Err(error)) => Err(Failure::passing(format!("declare {what} {name}: {}", explain(&error)))),
        Err(_) => Err(Failure::passing(format!(
            "declare {what} {name}: no answer within {ANSWER:?}"
        ))),
    }
}

fn other_arguments(what: &str, name: &str, mismatch: &str) -> Failure {
    Failure {
        reason: format!(
            "{what} {name} exists with other arguments ({mismatch}): when it is empty, delete it by hand and it will be \
             declared again; else let a release raise the version in its name"
        ),
        cure: Cure::Operator,
    }
}

/// Spreads leaders over the nodes; without it all are on the node that the first process connected to.
const LEADER_LOCATOR: &str = "x-queue-leader-locator";

fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
            Argument::Digits(number) => AMQPValue::LongString(number.to_string().into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}
