//! Findings: deviations from a healthy system, each with a code, arguments and a sentence.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use tidings_domain::Timestamp;
use tidings_store::StoreError;
use tidings_store::registry::{EndpointQuery, EndpointState};

use super::System;
use crate::call::Call;
use crate::logs::Queues;
use crate::now;

/// Limit up to which endpoints are counted.
const COUNTED: u32 = 100;
/// A sweeper takes what is overdue within a second.
const OVERDUE_AFTER: Duration = Duration::from_secs(60);
/// Time without progress after which a replay counts as stuck; the slowest makes one delivery per second.
const STANDS_AFTER: Duration = Duration::from_secs(300);
/// The most replays that are named.
const REPLAYS: u32 = 10;

/// One deviation from a healthy system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable name for programs, as in `messages_parked`.
    pub code: &'static str,
    /// Values in the sentence, by name.
    pub arguments: BTreeMap<&'static str, String>,
    /// The same for people, in English.
    pub sentence: String,
}

impl Finding {
    fn new(code: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            code,
            arguments: BTreeMap::new(),
            sentence: sentence.into(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.arguments.insert(name, value.to_string());
        self
    }
}

pub(super) async fn gather(system: &System, call: &Call) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(components(system));
    findings.extend(peers(system).await);
    match system.logs.queues(call).await {
        Ok(found) => findings.extend(queues(&found)),
        Err(error) => findings.push(
            Finding::new(
                "queue_unknown",
                format!("The queue can't be examined: {}.", error.detail()),
            )
            .with("reason", error.detail()),
        ),
    }
    match stored(system).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(
            Finding::new("database_unknown", format!("The database can't be queried: {error}.")).with("reason", error),
        ),
    }
    findings
}

fn components(system: &System) -> impl Iterator<Item = Finding> {
    system.about.health.missing().into_iter().map(|missing| {
        let sentence = format!(
            "`{}` is missing in this process: {}.",
            missing.component, missing.reason
        );
        Finding::new("component_missing", sentence)
            .with("component", missing.component)
            .with("reason", missing.reason)
            .with("since", missing.since)
    })
}

async fn peers(system: &System) -> impl Iterator<Item = Finding> {
    let states = system.peers().await.into_iter();
    states.filter_map(|peer| {
        let reason = peer.problem?;
        let sentence = format!("The {} at {} is not ready: {reason}.", peer.role, peer.server);
        let finding = Finding::new("peer_not_ready", sentence).with("role", peer.role);
        Some(finding.with("server", peer.server).with("reason", reason))
    })
}

fn queues(found: &Queues) -> Vec<Finding> {
    let mut findings = Vec::new();
    if found.canary_missing {
        let sentence = "Messages do not come back from the shortest delay queue: the broker hands over nothing that has \
                        waited long enough. Restart its nodes one after the other.";
        findings.push(Finding::new("canary_missing", sentence));
    }
    for queue in &found.queues {
        let about = |code, sentence: String, count| {
            let finding = Finding::new(code, sentence).with("queue", &queue.name);
            finding.with("kind", &queue.kind).with("count", count)
        };
        if queue.stuck > 0 {
            let sentence = format!("{} messages are stuck in the delay queue {}.", queue.stuck, queue.name);
            findings.push(about("queue_stuck", sentence, queue.stuck));
        }
        match queue.kind.as_str() {
            "parked" | "unrouted" if queue.ready > 0 => {
                let sentence = format!("{} messages are parked in {}.", queue.ready, queue.name);
                findings.push(about("messages_parked", sentence, queue.ready));
            }
            "live" | "bulk" | "retry" if queue.ready > 0 && queue.consumers == 0 => {
                let sentence = format!(
                    "{} messages wait in {}, and no consumer takes them.",
                    queue.ready, queue.name
                );
                findings.push(about("lane_unattended", sentence, queue.ready));
            }
            _ => {}
        }
    }
    findings
}

async fn stored(system: &System) -> Result<Vec<Finding>, StoreError> {
    let (store, now) = (&system.store, now());
    let mut findings = Vec::new();
    if let Some((delivery, since)) = store.oldest_overdue(before(now, OVERDUE_AFTER)).await? {
        let sentence = format!("{delivery} should have been published again at {since}, and was not.");
        let finding = Finding::new("delivery_overdue", sentence).with("delivery_id", delivery);
        findings.push(finding.with("since", since));
    }
    for replay in store.replays_standing(before(now, STANDS_AFTER), REPLAYS).await? {
        let sentence = format!(
            "The replay {} has made no progress since {}.",
            replay.id, replay.updated_at
        );
        let finding = Finding::new("replay_stands", sentence).with("replay_id", replay.id);
        findings.push(
            finding
                .with("tenant_id", replay.tenant)
                .with("since", replay.updated_at),
        );
    }
    for (state, code, how) in [
        (EndpointState::Failing, "endpoints_failing", "fail"),
        (
            EndpointState::TurnedOff,
            "endpoints_turned_off",
            "were turned off by Tidings",
        ),
    ] {
        let query = EndpointQuery {
            state: Some(state),
            limit: COUNTED,
            ..EndpointQuery::default()
        };
        let found = store.search_endpoints(&query).await?.len();
        if found > 0 {
            let least = if found >= COUNTED as usize { "at least " } else { "" };
            let finding = Finding::new(code, format!("Of all endpoints, {least}{found} {how}."));
            let finding = finding.with("count", found).with("state", state.as_str());
            findings.push(finding.with("at_least", !least.is_empty()));
        }
    }
    Ok(findings)
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_sub(by).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::QueueState;

    fn queue(name: &str, kind: &str, ready: u64, consumers: u32, stuck: u64) -> QueueState {
        QueueState {
            name: name.into(),
            kind: kind.into(),
            ready,
            consumers,
            stuck,
        }
    }

    #[test]
    fn queues_in_health_are_no_finding() {
        let found = Queues {
            queues: vec![
                queue("tidings.work.live.00", "live", 900, 2, 0),
                queue("tidings.work.retry.00", "retry", 0, 0, 0),
                queue("tidings.delay.v1.60000", "delay", 40, 0, 0),
                queue("tidings.parked.v2", "parked", 0, 0, 0),
            ],
            canary_missing: false,
        };
        assert_eq!(queues(&found), []);
    }

    #[test]
    fn what_waits_for_nobody_is_found_with_its_count() {
        let found = Queues {
            queues: vec![
                queue("tidings.work.live.00", "live", 900, 0, 0),
                queue("tidings.delay.v1.60000", "delay", 40, 0, 7),
                queue("tidings.parked.v2", "parked", 3, 0, 0),
            ],
            canary_missing: true,
        };
        let found = queues(&found);
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(
            codes,
            ["canary_missing", "lane_unattended", "queue_stuck", "messages_parked"]
        );
        assert_eq!(found[2].arguments["count"], "7");
        assert_eq!(found[3].arguments["kind"], "parked");
        assert_eq!(
            found[1].sentence,
            "900 messages wait in tidings.work.live.00, and no consumer takes them."
        );
    }
}
