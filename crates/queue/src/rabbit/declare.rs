//! Declaring the topology: once per publishing connection, never on the data path, and idempotent.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ExchangeKind};
use tokio::time::timeout;

use super::connection::{ANSWER, Cure, Failure, answer, code, explain};
use crate::topology::{self, Argument, QueueSpec, Topology};

/// Declares everything and says whether any queue is new. A new queue must rest for some seconds: a quorum
/// queue that was killed right after its declaration came back empty.
pub(super) async fn declare(connection: &Connection, topology: &Topology) -> Result<bool, Failure> {
    let queues = topology.queues();
    let any_new = any_missing(connection, &queues).await?;
    let channel = answer("open a channel", connection.create_channel()).await?;
    for exchange in topology.exchanges() {
        let kind = match exchange.kind {
            topology::ExchangeKind::Direct => ExchangeKind::Direct,
            topology::ExchangeKind::Fanout => ExchangeKind::Fanout,
        };
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let declared =
            channel.exchange_declare(exchange.name.as_str().into(), kind, options, table(&exchange.arguments));
        explained("exchange", &exchange.name, declared).await?;
    }
    for queue in &queues {
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let declared = channel.queue_declare(queue.name.as_str().into(), options, table(&queue.arguments));
        explained("queue", &queue.name, declared).await?;
        for (exchange, key) in &queue.bindings {
            let (name, exchange, key) = (queue.name.as_str(), exchange.as_str(), key.as_str());
            let options = QueueBindOptions::default();
            let bound = channel.queue_bind(name.into(), exchange.into(), key.into(), options, FieldTable::default());
            answer(&format!("bind queue {name}"), bound).await?;
        }
    }
    let _ = timeout(ANSWER, channel.close(200, "declared".into())).await;
    retire(connection).await?;
    Ok(any_new)
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

/// Asks for each queue. The broker answers for one that is missing by closing the channel.
async fn any_missing(connection: &Connection, queues: &[QueueSpec]) -> Result<bool, Failure> {
    let channel = answer("open a channel", connection.create_channel()).await?;
    for queue in queues {
        if depth(&channel, &queue.name).await?.is_none() {
            return Ok(true);
        }
    }
    let _ = timeout(ANSWER, channel.close(200, "looked".into())).await;
    Ok(false)
}

/// How many messages of a queue are ready, and how many consumers it has; `None` if it does not exist, after which the
/// channel is closed.
pub(super) async fn depth(channel: &Channel, queue: &str) -> Result<Option<(u64, u32)>, Failure> {
    let options = QueueDeclareOptions {
        passive: true,
        durable: true,
        ..Default::default()
    };
    match timeout(
        ANSWER,
        channel.queue_declare(queue.into(), options, FieldTable::default()),
    )
    .await
    {
        Ok(Ok(state)) => Ok(Some((state.message_count().into(), state.consumer_count()))),
        Ok(Err(error)) if code(&error) == Some(404) => Ok(None),
        Ok(Err(error)) => Err(Failure::passing(format!("look at queue {queue}: {}", explain(&error)))),
        Err(_) => Err(Failure::passing(format!(
            "look at queue {queue}: no answer within {ANSWER:?}"
        ))),
    }
}

async fn explained<T>(what: &str, name: &str, declared: impl Future<Output = lapin::Result<T>>) -> Result<T, Failure> {
    match timeout(ANSWER, declared).await {
        Ok(Ok(value)) => Ok(value),
        // The broker's message names the argument and both values.
        Ok(Err(error)) if code(&error) == Some(406) => Err(Failure {
            reason: format!(
                "{what} {name} exists with other arguments ({}): when it is empty, delete it by hand and it will be \
                 declared again; else let a release raise the version in its name",
                explain(&error)
            ),
            cure: Cure::Operator,
        }),
        Ok(Err(error)) => Err(Failure::passing(format!("declare {what} {name}: {}", explain(&error)))),
        Err(_) => Err(Failure::passing(format!(
            "declare {what} {name}: no answer within {ANSWER:?}"
        ))),
    }
}

fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString((*text).into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}
