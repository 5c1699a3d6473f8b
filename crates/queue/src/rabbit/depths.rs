//! Queue depths, read by passive declarations over the publishing connection.

use super::Shared;
use super::connection::{Failure, answer};
use super::declare::depth;
use super::publish::publishers;
use crate::{Depth, PublishError, Source};

/// Depths of all queues. Messages moving from a delay queue to a lane are counted nowhere.
pub(super) async fn all(shared: &Shared) -> Result<Vec<Depth>, PublishError> {
    let queues = shared.topology.queues().into_iter().filter(|queue| !queue.is_probe());
    look_at(shared, queues.map(|queue| queue.name).collect()).await
}

/// Depths of the queues of one source.
pub(super) async fn of_source(shared: &Shared, source: Source) -> Result<Vec<Depth>, PublishError> {
    look_at(shared, shared.topology.queues_of(source)).await
}

/// Declares queues passively, on a channel that is kept until an error occurs on it.
async fn look_at(shared: &Shared, queues: Vec<String>) -> Result<Vec<Depth>, PublishError> {
    let unavailable = |failure: Failure| PublishError::Unavailable(failure.reason);
    let publishers = publishers(shared).await?;
    // Taken out, so that an error or a cancelled caller leaves no broken channel behind.
    let mut kept = publishers.looking.lock().await;
    let channel = match kept.take() {
        Some(channel) => channel,
        None => answer("open a channel", publishers.line.create_channel())
            .await
            .map_err(unavailable)?,
    };
    let mut depths = Vec::new();
    for queue in queues {
        match depth(&channel, &queue).await.map_err(unavailable)? {
            Some((ready, consumers)) => depths.push(Depth {
                lane: shared.topology.lane_of(&queue),
                name: queue,
                ready,
                consumers,
            }),
            // The broker closed the channel with its answer, so it is not put back.
            None => return Err(PublishError::Unavailable(format!("queue {queue} does not exist"))),
        }
    }
    *kept = Some(channel);
    Ok(depths)
}
