//! Conversion of replays and erasures to messages.

use prost::Message as _;
use tidings_proto::{pb, timestamp};
use tidings_store::erasures::Erasure;
use tidings_store::replays::Replay;

pub(crate) fn replay(replay: &Replay) -> pb::Replay {
    pb::Replay {
        id: replay.id.to_string(),
        tenant_id: replay.tenant.to_string(),
        rows: pb::LogRows::decode(replay.rows.clone()).ok(),
        endpoint_id: replay.to.map(|to| to.to_string()).unwrap_or_default(),
        only_undelivered: replay.only_undelivered,
        per_second: replay.per_second,
        state: replay.state.as_str().to_owned(),
        matched: replay.matched,
        matched_at_least: replay.matched_at_least,
        walked: replay.progress.walked,
        deliveries: replay.progress.deliveries,
        skipped: replay.progress.skipped,
        error: replay.error.clone(),
        created_at: Some(timestamp(replay.created_at)),
        updated_at: Some(timestamp(replay.updated_at)),
        ended_at: replay.ended_at.map(timestamp),
    }
}

pub(crate) fn erasure(erasure: &Erasure) -> pb::Erasure {
    pb::Erasure {
        id: erasure.id.to_string(),
        tenant_id: erasure.tenant.to_string(),
        event_id: erasure.event.map(|event| event.to_string()).unwrap_or_default(),
        state: if erasure.ended_at.is_some() {
            "succeeded"
        } else {
            "running"
        }
        .to_owned(),
        events: erasure.removed.events,
        deliveries: erasure.removed.deliveries,
        attempts: erasure.removed.attempts,
        created_at: Some(timestamp(erasure.created_at)),
        updated_at: Some(timestamp(erasure.updated_at)),
        ended_at: erasure.ended_at.map(timestamp),
    }
}
