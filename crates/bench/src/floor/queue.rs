//! A message through a quorum queue.

use futures::{StreamExt as _, TryStreamExt as _};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use rustix::time::{ClockId, clock_gettime};

use crate::proc::{Group, Meter};

const QUEUE: &str = "floor";
/// Messages that are published and not confirmed, or delivered and not acknowledged.
const IN_FLIGHT: usize = 256;
/// Persistent, AMQP 0-9-1 section 1.8.
const PERSISTENT: u8 = 2;

/// µs of CPU per message, of the broker and of this process.
pub(super) async fn measure(url: &str, broker: u32, payload: &[u8], times: u32) -> anyhow::Result<f64> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let publisher = connection.create_channel().await?;
    publisher.confirm_select(ConfirmSelectOptions::default()).await?;
    let consumer = connection.create_channel().await?;
    consumer.basic_qos(IN_FLIGHT as u16, BasicQosOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    consumer.queue_declare(QUEUE.into(), durable, arguments).await?;

    let meter = Meter::new(vec![Group {
        name: "rabbitmq",
        roots: vec![broker],
    }]);
    let (before, own) = (meter.read()?, process_micros());
    tokio::try_join!(publish(&publisher, payload, times), consume(&consumer, times))?;
    let (after, own_after) = (meter.read()?, process_micros());

    // A consumer that is cancelled while its queue is deleted crashes its channel in RabbitMQ 3.10: this one goes first.
    consumer.close(200, "done".into()).await?;
    publisher
        .queue_delete(QUEUE.into(), QueueDeleteOptions::default())
        .await?;
    connection.close(200, "done".into()).await?;
    let broker = after[0].1.saturating_sub(before[0].1).as_secs_f64() * 1e6;
    Ok((broker + own_after - own) / f64::from(times))
}

async fn publish(channel: &Channel, payload: &[u8], times: u32) -> anyhow::Result<()> {
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let publish_one = async |_| {
        let confirm = channel
            .basic_publish(
                "".into(),
                QUEUE.into(),
                BasicPublishOptions::default(),
                payload,
                properties.clone(),
            )
            .await?;
        anyhow::ensure!(confirm.await?.is_ack(), "the broker refused a message");
        Ok(())
    };
    futures::stream::iter(0..times)
        .map(publish_one)
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

async fn consume(channel: &Channel, times: u32) -> anyhow::Result<()> {
    let consumer = channel
        .basic_consume(
            QUEUE.into(),
            "floor".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let mut deliveries = consumer.take(times as usize);
    while let Some(delivery) = deliveries.next().await {
        delivery?.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

fn process_micros() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
