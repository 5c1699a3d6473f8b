//! Checks at intervals that the topology exists, and repairs bindings, whose loss the broker does not report.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::connection::{ANSWER, Cure, Failure, answer};
use super::declare::{bind, declare_exchanges, depth};
use super::line::Line;

/// Minimum time between two checks, even if many messages are returned as unroutable.
const PAUSE: Duration = Duration::from_secs(5);

/// Checks at the start of a connection, regularly, and when a message was returned as unroutable. Ends when something is missing
/// that has to be declared; other trouble is for who publishes to notice.
pub(super) async fn watch(shared: &Shared, line: &Line, returned: &Notify) -> Failure {
    let every = shared.config.check_every;
    if every.is_zero() {
        return std::future::pending().await;
    }
    loop {
        match check(shared, line).await {
            Err(failure) if failure.cure != Cure::Retry => return failure,
            Err(failure) => tracing::debug!(reason = failure.reason, "could not check the topology"),
            Ok(()) => {}
        }
        // Each unroutable message ends the wait below; a missing binding must not cost a check per message.
        sleep(PAUSE.min(every)).await;
        let _ = timeout(every.saturating_sub(PAUSE), returned.notified()).await;
    }
}

async fn check(shared: &Shared, line: &Line) -> Result<(), Failure> {
    let channel = answer("open a channel", line.create_channel()).await?;
    // Declared without looking first: both are idempotent, and AMQP has no way to ask for a binding.
    declare_exchanges(&channel, &shared.topology).await?;
    for queue in shared.topology.queues() {
        if depth(&channel, &queue.name).await?.is_none() {
            return Err(Failure {
                reason: format!("queue {} is missing; declaring it again", queue.name),
                cure: Cure::Declare,
            });
        }
        bind(&channel, &queue).await?;
    }
    let _ = timeout(ANSWER, channel.close(200, "checked".into())).await;
    Ok(())
}
